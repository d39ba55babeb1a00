"""What is drawn on the pad is read in a real browser as in Python, and what is no digit is refused."""

import numpy as np
import pytest
import torch

from mnist_cnn.handwriting import read_strokes
from mnist_cnn.model import in_words, typicality
from mnist_cnn.training import make_outliers
from tests.drawings import drawn_number
from tests.pad import CLASSIFY, DIGITS, PAD, answer, base64, beside_each_other, draw

LETTERS = {  # strokes of x,y in tenths of the pad
    "A": "2,9 5,1 8,9 | 3,6 7,6",
    "E": "7,1 3,1 3,9 7,9 | 3,5 6,5",
    "F": "7,1 3,1 3,9 | 3,5 6,5",
    "H": "3,1 3,9 | 7,1 7,9 | 3,5 7,5",
    "K": "3,1 3,9 | 7,1 3,5 7,9",
    "M": "2,9 2.5,1 5,6 7.5,1 8,9",
    "X": "2,1 8,9 | 8,1 2,9",
    "heart": "5,9 1.5,4.5 1.5,2 3.5,1 5,3 6.5,1 8.5,2 8.5,4.5 5,9",
}


def test_logits_and_typicality_are_pythons(model, test_split, address, open_page):
    images = torch.cat([test_split[0][:1000], make_outliers(test_split[0], 200, seed=2)])
    found = torch.tensor(open_page(address).evaluate(CLASSIFY, [base64(image) for image in images.numpy()]))
    with torch.inference_mode():
        assert (found[:, :-1] - model(images)).abs().max() < 1e-4
    typical = typicality(model, images)
    assert (found[:, -1] - typical).abs().max() < 0.01
    assert (typical < 0.01).sum() > 100 and (typical > 0.5).sum() > 50


@pytest.mark.parametrize("gap, least", [((0.15, 0.5), 95), ((0.02, 0.15), 95), ((-0.12, 0.02), 93)])
def test_drawn_numbers_are_read_as_in_python(gap, least, model, address, open_page):
    drawn = [drawn_number(seed, gap) for seed in range(100)]
    read = f"""(drawn) => drawn.map((strokes) => {PAD}.read(strokes)).map((digits) => [{PAD}.words(digits),
        digits.map(({{ image, probabilities, typical }}) => [[...image], probabilities, typical])])"""
    found = open_page(address).evaluate(read, [strokes for strokes, _ in drawn])
    right = 0
    for (strokes, text), (words, parts) in zip(drawn, found, strict=True):
        reading = read_strokes(model, strokes)
        assert reading.in_words() == words
        right += reading.text.replace(" ", "") == text
        if not reading.left_out:
            for digit, (image, probabilities, typical) in zip(reading.digits, parts, strict=True):
                assert (digit.image.flatten().int() - torch.tensor(image)).abs().max() <= 1
                assert probabilities == pytest.approx(digit.probabilities.tolist(), abs=0.02)
                assert typical == pytest.approx(digit.typicality, abs=0.01)
    assert right >= least


def test_a_sign_beside_digits_is_marked(address, open_page):
    page = open_page(address)
    heart = [np.array([place.split(",") for place in LETTERS["heart"].split()], float) / 25 + [1.0, 0.3]]
    draw(page, [stroke - [0.3, 0] for stroke in DIGITS[3]])
    draw(page, heart)
    assert answer(page) in ("3, 100%", "33?", "38?", "30?")
    assert page.locator(".pad-digits button").nth(1).inner_text().endswith("?")


def test_a_line_much_longer_than_the_digits_is_no_one(model, address, open_page):
    digits = [500 * (stroke / 2 + [0.1, 0.25]) for stroke in beside_each_other(3, 7)]
    strokes = [stroke.tolist() for stroke in [*digits, np.array([[900, 100], [900, 400]])]]
    assert open_page(address).evaluate(f"(strokes) => {PAD}.words({PAD}.read(strokes))", strokes) == "37"
    assert read_strokes(model, strokes).text == "37"


def test_a_broad_digit_may_be_low(model, address, open_page):
    three, seven = (500 * (stroke / 2 + [0.1, 0.5]) for stroke in beside_each_other(3, 7))
    (two,) = (stroke * [350, 110] + [310, 370] for stroke in DIGITS[2])
    strokes = [stroke.tolist() for stroke in (three, seven, two)]
    reading = read_strokes(model, strokes)
    found = open_page(address).evaluate(f"(strokes) => {PAD}.read(strokes).map(({{ typical }}) => typical)", strokes)
    assert reading.text.replace(" ", "") == "372"
    assert found == pytest.approx([digit.typicality for digit in reading.digits], abs=0.01)


def test_dots_are_not_read(model, address, open_page):
    page = open_page(address)
    draw(page, [[(0.5, 0.5)]])
    assert answer(page) == "" and page.get_by_text("Draw a digit").count() == 0
    draw(page, beside_each_other(3, 7))
    assert answer(page) == "37"
    with pytest.raises(ValueError, match="expected strokes, found none that is more than a dot"):
        read_strokes(model, [[(5, 5)], [(7, 7), (7, 7)]])


@pytest.mark.parametrize("stroke", [[], [1, 2, 3], [(1, 2, 3)], [(1, float("nan"))], [(1, 1e300)]])
def test_other_strokes_are_refused(stroke, model):
    with pytest.raises(ValueError, match=r"expected a stroke as a list of points \(x, y\)"):
        read_strokes(model, [stroke])


def test_the_answer_is_in_pythons_words(address, open_page):
    page = open_page(address)
    answers = []
    for stroke, *_ in DIGITS.values():
        draw(page, [stroke[:3]])  # too short to be sure of some
        answers.append(answer(page))
        widths = page.locator(".pad-fill").evaluate_all("(fills) => fills.map((fill) => parseFloat(fill.style.width))")
        assert answers[-1] in [in_words(torch.tensor(widths) / 100, range(10), typical) for typical in (1, 0)]
        page.get_by_role("button", name="Clear").click()
    assert 0 < sum(said.startswith(("not sure: ", "no digit? ")) for said in answers) < 10


def test_letters_and_a_heart_are_no_digits(address, open_page):
    page = open_page(address)
    answers = {}
    for name, strokes in LETTERS.items():
        draw(page, [np.array([place.split(",") for place in s.split()], float) / 10 for s in strokes.split("|")])
        answers[name] = answer(page)
        page.get_by_role("button", name="Clear").click()
    assert sum("?" in said for said in answers.values()) >= len(LETTERS) - 1, answers  # K begins with a 1

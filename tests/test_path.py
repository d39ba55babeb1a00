"""The best path through a line of text: likely cuts, which digits are doubtful, and what is a word."""

import pytest
import torch

from mnist_cnn.handwriting.path import DIGIT, MARGIN, PROBABILITY, classify, read_path, spans
from mnist_cnn.handwriting.reading import POOR, SLACK, Digit, Reading, sort_out
from mnist_cnn.model import MNIST_CNN


def test_parts_are_joined_if_they_are_not_broad_for_the_line_or_for_their_own_height():
    body, bar, next_one = (0, 10, 26, 26), (10, 0, 30, 10), (28, 10, 54, 26)
    assert (0, 2) in spans([body, bar], 16)  # a broken 5: 30 wide and 26 high
    assert (0, 2) in spans([body, next_one], 40)
    assert (0, 2) not in spans([body, next_one], 16)


def test_without_a_trained_judge_no_image_is_doubted():
    image = torch.full((1, 28, 28), 255, dtype=torch.uint8)
    answer = classify(MNIST_CNN(), {(0, 1): ((0, 0, 10, 20), image, False)}, 20)[0, 1]
    expected = DIGIT + PROBABILITY * answer.probabilities.max().log().item()
    assert answer.score == pytest.approx(expected) and answer.typicality == 1


@pytest.mark.parametrize(
    "width, height, fits",
    [(9, 12, False), (9, 14, True), (9, 20, True), (9, 22, True), (9, 25, False), (21, 9, True), (18, 9, False)],
)
def test_what_is_smaller_or_higher_than_the_line_is_less_typical(width, height, fits, model, test_split):
    image, boxes = test_split[0][0], ((0, 0, width, 20), (0, 0, width, height))
    usual, other = (classify(model, {0: (box, image, False)}, 20)[0] for box in boxes)
    same = other.typicality == usual.typicality and other.score == usual.score
    assert same if fits else other.typicality < 0.8 * usual.typicality and other.score < usual.score


def sure(label, score, box=(0, 0, 9, 20)):
    """A digit that is not doubtful, with this score."""
    return Digit(label, box, None, torch.tensor([0.0, 1.0]), 1.0, False, score)


def test_a_digit_is_doubtful_if_a_path_without_it_is_nearly_as_good():
    def rivalled(**scores):  # of two parts: digits that are read in the first, in the second, in both
        spans = {"first": (0, 1), "second": (1, 2), "both": (0, 2)}
        answers = {spans[name]: sure(label, score) for name, (label, score) in scores.items()}
        score, digits, _ = read_path([(0, 0, 10, 20), (10, 0, 20, 20)], [None, None], answers, 20)
        return score, [(digit.label, digit.doubtful) for digit in digits]

    near, far = 2 - 0.5 * MARGIN, 2 - 1.5 * MARGIN
    assert rivalled(first=(1, 1), second=(3, 1), both=(8, near)) == (2, [(1, True), (3, True)])
    assert rivalled(first=(1, 1), second=(3, 1), both=(8, far)) == (2, [(1, False), (3, False)])
    assert rivalled(first=(1, 1), second=(3, 1), both=(3, near)) == (2, [(1, True), (3, False)])  # a 3 in either
    assert rivalled(both=(8, 1)) == (1, [(8, False)])


@pytest.mark.parametrize("cut, height, doubtful", [(0.0, 20, True), (None, 20, False), (0.0, 8, False)])
def test_a_digit_that_is_cut_from_ink_that_is_left_out_is_doubtful(cut, height, doubtful):
    parts = [(0, 0, 9, 20), (11, 20 - height, 20, 20)]
    for boxes, cuts, span in ((parts, [None, cut], (0, 1)), (parts[::-1], [None, cut], (1, 2))):
        _, (digit,), _ = read_path(boxes, cuts, {span: sure(1, 100)}, 20)
        assert digit.doubtful == doubtful
        refused = sure(4, 50)._replace(typicality=0.0)  # it is on the path, and left out of the text
        _, digits, _ = read_path(boxes, cuts, {span: sure(1, 100), (1 - span[0], 2 - span[0]): refused}, 20)
        assert [digit.doubtful for digit in digits if digit.label == 1] == [doubtful]


def test_cuts_that_are_likely_make_a_path_better():
    answers = dict.fromkeys([(0, 1), (1, 2)], sure(1, 0.0)) | {(0, 2): sure(1, 0.1)}
    number = lambda cut: len(read_path([(0, 0, 9, 20), (9, 0, 20, 20)], [None, cut], answers, 20)[1])
    assert [number(cut) for cut in (-5.0, -1.0, 1.0, 5.0, None)] == [1, 1, 2, 2, 1]


def test_a_sign_that_can_be_cut_in_several_places_is_left_out_as_a_whole():
    spans = [(start, stop) for start in range(3) for stop in range(start + 1, 4)]
    answers = {span: sure(k, -20.0) for k, span in enumerate(spans)}
    _, digits, left_out = read_path([(0, 0, 8, 20), (8, 0, 16, 20), (16, 0, 24, 20)], [None, -3, -3], answers, 20)
    assert not digits and [digit.label for digit in left_out] == [spans.index((0, 3))]


@pytest.mark.parametrize("gap, read", [(0, [0]), (10, [5, 1])])
def test_a_digit_apart_from_a_sign_is_not_joined_to_it(gap, read):
    answers = {(0, 1): sure(5, -10), (1, 2): sure(1, -1), (0, 2): sure(0, -9.5)}
    _, digits, _ = read_path([(0, 0, 16, 20), (16 + gap, 0, 20 + gap, 20)], [None, None], answers, 20)
    assert [digit.label for digit in digits] == read


def test_of_one_digit_the_words_say_that_it_may_be_several():
    digit = Digit(2, (0, 0, 9, 20), None, torch.eye(10)[2], 1.0, False, rivalled=True)
    assert Reading([[digit]], [], list("0123456789")).in_words() == "2, 100% (or several digits)"


def number(text, left=0, top=0, score=0.5, height=20):
    """Digits close to each other, with the same score."""
    return [
        sure(int(name), score, (left + 12 * k, top, left + 12 * k + 9, top + height)) for k, name in enumerate(text)
    ]


def read(*lines):
    return sort_out(lines, "0123456789").text


def test_a_word_is_left_out_beside_a_number_but_not_alone():
    word, best = number("1077", 100, score=-3), number("42")
    assert read(best + word) == read(best, word) == "42"
    assert read(word) == "1077"
    assert sort_out([best, word], "0123456789").left_out == word
    assert read(best, number("7", 100, score=POOR - 0.9 * SLACK)) == "42\n7"  # one poor digit is no word
    assert read(best, number("7777777", 100, score=POOR - 0.2 * SLACK)) == "42"


def test_a_line_of_words_is_left_out_with_what_looks_like_a_number_in_it():
    words = number("10771", score=-3) + number("55", 100)
    assert read(number("42", top=50), words) == "42"
    assert read(words + number("421", 300)) == "421"
    assert read(number("42", top=50), number("8", score=-3) + number("5555", 100)) == "42\n8 5555"


def test_what_is_refused_counts_for_a_word_but_a_sign_makes_none():
    signs = [digit._replace(typicality=0.0) for digit in number("4444", 150, score=-10)]
    poor = number("71", 100, score=POOR)
    assert read(number("42"), poor) == "42\n71"
    assert read(number("42"), [*poor, *signs]) == "42"
    assert read(number("42"), [*number("3", 130), *signs[:2]]) == "42\n3"  # in parentheses


def test_print_is_left_out_if_it_is_much_lower_than_the_number():
    assert read(number("421", score=0.8), number("17", 100, score=-0.5, height=7)) == "421"
    assert read(number("421", score=0.8), number("17", 100, score=-0.5, height=12)) == "421\n17"


def test_a_space_is_as_wide_as_the_digits_beside_it_are_high():
    low, high = number("11", height=8, score=0), number("22", 34, height=40)
    assert read(low + high) == "1122"
    assert read(number("11", height=30) + number("22", 42, height=30)) == "11 22"

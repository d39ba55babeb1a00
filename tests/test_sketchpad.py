"""The drawing pad in a real browser: it computes what Python computes, and no request leaves the machine."""

from base64 import b64encode
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image
from playwright.sync_api import expect

from mnist_cnn import figures, sketchpad
from mnist_cnn.handwriting import center
from mnist_cnn.model import MNIST_CNN, in_words, predict
from tests.helpers import ROOT
from tests.pad import DIGITS, FOR_PHOTOGRAPH, PHOTOGRAPH, answer, draw, drawings, photograph

PAD = "document.querySelector('.pad-body').sketchpad"


@pytest.fixture(scope="module")
def address(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("pad") / "sketchpad.html"
    path.write_text(sketchpad.page(model), encoding="utf-8")
    return path.as_uri()


def base64(array):
    return b64encode(array.tobytes()).decode()


def test_forward_is_pytorchs(model, test_split, address, open_page):
    images = test_split[0][:1000]
    run = """(images) => images.map((image) =>
        Array.from(PAD.forward(Uint8Array.from(atob(image), (character) => character.charCodeAt(0)))))"""
    found = open_page(address).evaluate(run.replace("PAD", PAD), [base64(image) for image in images.numpy()])
    with torch.inference_mode():
        expected = model(images)
    assert (torch.tensor(found) - expected).abs().max() < 1e-4


def test_center_is_pythons(model, address, open_page):
    inks = list(drawings(300))
    run = """(inks) => inks.map(([ink, height, width]) =>
        Array.from(PAD.center(Uint8Array.from(atob(ink), (character) => character.charCodeAt(0)), height, width)))"""
    found = open_page(address).evaluate(run.replace("PAD", PAD), [[base64(ink), *ink.shape] for ink in inks])
    found = torch.tensor(found, dtype=torch.uint8).view(-1, 1, 28, 28)
    expected = torch.stack([center(torch.from_numpy(ink)) for ink in inks])
    assert (found.int() - expected.int()).abs().max() <= 1
    (said, _), (meant, probabilities) = predict(model, found), predict(model, expected)
    first, second = probabilities.topk(2).values.T
    assert ((said == meant) | (first - second <= 0.02)).all()


def test_center_of_nothing(address, open_page):
    assert open_page(address).evaluate(f"{PAD}.center(new Uint8Array(600), 20, 30)") is None


def test_every_digit_drawn_with_the_mouse_is_recognized(address, open_page):
    page = open_page(address)
    for digit, strokes in DIGITS.items():
        draw(page, strokes)
        assert answer(page).startswith(f"{digit}, ")
        page.get_by_role("button", name="Clear").click()
        assert answer(page) == ""


def test_undo_and_clear(address, open_page):
    page = open_page(address)
    draw(page, DIGITS[1])
    one = answer(page)
    draw(page, [[(0.2, 0.12), (0.8, 0.12)], [(0.2, 0.88), (0.8, 0.88)]])
    assert answer(page) != one
    page.get_by_role("button", name="Undo").click()
    page.locator("canvas").first.press("Control+z")
    assert answer(page) == one
    page.keyboard.press("Escape")
    assert answer(page) == "" and page.get_by_text("Draw here").is_visible()
    page.get_by_role("button", name="Undo").click()  # clearing can be undone too
    assert answer(page) == one


def test_the_answer_is_in_pythons_words(address, open_page):
    page = open_page(address)
    answers = []
    for stroke, *_ in DIGITS.values():
        draw(page, [stroke[:3]])  # too short to be sure of some
        answers.append(answer(page))
        widths = page.locator(".pad-fill").evaluate_all("(fills) => fills.map((fill) => parseFloat(fill.style.width))")
        assert answers[-1] == in_words(torch.tensor(widths) / 100, range(10))
        page.get_by_role("button", name="Clear").click()
    assert 0 < sum(said.startswith("not sure: ") for said in answers) < 10


def test_every_stroke_moves_the_bars_the_image_and_both_layers(address, open_page):
    page = open_page(address)
    look = """() => [...document.querySelectorAll(".pad-picture")].map((canvas) => canvas.toDataURL())
        .concat([...document.querySelectorAll(".pad-fill")].map((fill) => fill.style.width))"""
    looks = [page.evaluate(look)]
    for stroke in DIGITS[4]:
        draw(page, [stroke])
        answer(page)
        looks.append(page.evaluate(look))
    for before, after in pairwise(looks):
        changed = np.array(before) != np.array(after)
        image, first, second, bars = (part.sum() for part in np.split(changed, [1, 11, 31]))
        assert image == 1 and first >= 8 and second >= 10 and bars >= 8
    assert sum(float(width.rstrip("%")) for width in looks[-1][31:]) == pytest.approx(100, abs=0.01)


def test_a_long_scribble(address, open_page):
    """As many points as a stylus that reports a thousand per second produces in minutes."""
    page = open_page(address)
    page.evaluate("""() => {
        const canvas = document.querySelector("canvas");
        const box = canvas.getBoundingClientRect();
        canvas.setPointerCapture = () => {}; // there is no such pointer
        for (let i = 0; i <= 150000; i++) {
            const [x, y] = [160 + 90 * Math.sin(i / 400), 160 + 110 * Math.cos(i / 400)];
            const place = { pointerId: 9, clientX: box.x + x, clientY: box.y + y };
            canvas.dispatchEvent(new PointerEvent(i ? "pointermove" : "pointerdown", place));
        }
    }""")
    assert answer(page).startswith("0, ")


def test_keyboard_alone(address, open_page):
    page = open_page(address)
    page.keyboard.press("Tab")
    for key, times in (("ArrowUp", 10), (" ", 1), ("ArrowDown", 20), (" ", 1), ("ArrowRight", 5)):
        for _ in range(times):
            page.keyboard.press(key)
    assert answer(page).startswith("1, ")
    page.keyboard.press("Delete")
    assert answer(page) == ""


def test_finger_on_a_phone(address, open_page):
    page = open_page(address, viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    box = page.locator("canvas").first.bounding_box()
    touch = page.context.new_cdp_session(page)
    for kind, places in (("touchStart", [(0.5, 0.1)]), ("touchMove", [(0.5, 0.5)]), ("touchMove", [(0.5, 0.9)])):
        points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in places]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert answer(page).startswith("1, ")
    assert page.evaluate("scrollY") == 0  # the finger draws, the page does not scroll


def test_the_page_follows_the_systems_colour_scheme(address, open_page):
    page = open_page(address, color_scheme="dark")
    colours = """[".mnist-sketchpad", "body"].map((name) =>
        getComputedStyle(document.querySelector(name)).backgroundColor)"""
    assert page.evaluate(colours) == ["rgb(29, 32, 37)"] * 2
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("theme", "light")  # runs no script, which the page's policy forbids
    assert page.evaluate(colours)[0] == "rgb(255, 255, 255)"


def test_several_pads_on_one_page(model, tmp_path, open_page):
    words = MNIST_CNN(classes=3)
    path = tmp_path / "several.html"
    pads = [sketchpad.html(model), sketchpad.html(words, ["</script>", "<b>", "c"]), sketchpad.html(model)]
    path.write_text("<!doctype html><meta charset=utf-8>" + "".join(pads), encoding="utf-8")
    page = open_page(path.as_uri())
    assert [pad.locator(".pad-row").count() for pad in page.locator(".mnist-sketchpad").all()] == [10, 3, 10]
    assert page.locator(".pad-name").nth(10).inner_text() == "</script>"
    draw(page, DIGITS[7])
    assert answer(page).startswith("7, ")
    assert page.get_by_text("Draw here").count() == 2


def test_class_names_are_counted(model):
    with pytest.raises(ValueError, match=r"expected 10 class names.*found 2"):
        sketchpad.html(model, ["a", "b"])


def test_size_and_bytes(model):
    assert len(sketchpad.page(model).encode()) < 150_000
    assert sketchpad.html(model) == sketchpad.html(model)


def test_feature_maps_have_the_colours_of_the_figures(model):
    style = sketchpad.html(model)
    assert f"--faint: {to_hex(figures.ACTIVATIONS(0.0))};" in style
    assert f"--blue: {to_hex(figures.ACTIVATIONS(1.0))};" in style


def test_the_committed_picture_shows_the_pad_as_it_is(address, open_page):
    """If this fails, run python -m tests.photograph_pad. The fonts may differ."""
    page = open_page(address, **FOR_PHOTOGRAPH)
    now, committed = Image.open(BytesIO(photograph(page))), Image.open(ROOT / PHOTOGRAPH)
    assert now.size == committed.size
    assert (ROOT / PHOTOGRAPH).stat().st_size <= 100_000
    difference = np.abs(np.subtract(now.convert("RGB"), committed.convert("RGB"), dtype=int))  # (height, width, 3)
    assert difference.mean() < 3
    boxes = """(parts) => parts.map((part) => part.getBoundingClientRect()).map((box) =>
        [box.left, box.right, box.top, box.bottom].map(Math.round))"""
    for left, right, top, bottom in page.locator("canvas, .pad-track").evaluate_all(boxes):  # no text in these
        assert difference[top:bottom, left:right].mean() < 3

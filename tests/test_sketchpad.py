"""The drawing pad in a real browser: it computes what Python computes, and no request leaves the machine."""

import json
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from playwright.sync_api import expect

from mnist_cnn import figures, sketchpad
from mnist_cnn.model import MNIST_CNN
from tests.helpers import ROOT
from tests.pad import DIGITS, FOR_PHOTOGRAPH, PHOTOGRAPH, answer, beside_each_other, draw, photograph


def test_a_number_and_each_of_its_digits(address, open_page):
    page = open_page(address)
    draw(page, beside_each_other(3, 7, 2, 5))
    assert answer(page) == "3725"
    best = lambda: page.locator(".pad-best .pad-name").inner_text()
    seen = page.locator(".pad-digits button")
    assert seen.all_inner_texts() == ["3", "7", "2", "5"] and best() == "5"  # the last one drawn
    seen.nth(1).click()
    assert answer(page) == "3725" and best() == "7"
    assert [button.get_attribute("aria-pressed") for button in seen.all()] == ["false", "true", "false", "false"]
    page.get_by_role("button", name="Undo").click()
    assert answer(page) == "372" and best() == "2"


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
    assert answer(page) == "" and page.get_by_text("Draw a digit").is_visible()
    page.get_by_role("button", name="Undo").click()  # clearing can be undone too
    assert answer(page) == one


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


def test_the_stylus_draws_although_the_palm_came_first(address, open_page):
    page = open_page(address)
    page.evaluate("""() => {
        const canvas = document.querySelector("canvas");
        const box = canvas.getBoundingClientRect();
        let captured = 0; // there are no such pointers
        canvas.setPointerCapture = (id) => (captured = id);
        canvas.hasPointerCapture = (id) => id === captured;
        const send = (type, pointerId, pointerType, x, y) => {
            const place = { clientX: box.x + x, clientY: box.y + y };
            canvas.dispatchEvent(new PointerEvent(type, { pointerId, pointerType, ...place }));
        };
        send("pointerdown", 1, "touch", 200, 240);
        send("pointerdown", 2, "pen", 160, 60);
        send("pointermove", 1, "touch", 240, 200);
        send("pointermove", 2, "pen", 160, 200);
        send("pointerdown", 3, "touch", 220, 220);
        send("pointermove", 2, "pen", 160, 220);
    }""")
    assert answer(page).startswith("1, ")


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
    assert page.get_by_text("Draw a digit").count() == 2


def test_class_names_are_counted(model):
    with pytest.raises(ValueError, match=r"expected 10 class names.*found 2"):
        sketchpad.html(model, ["a", "b"])


def test_size_and_bytes(model):
    assert len(sketchpad.page(model).encode()) < 280_000
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


def test_drawings_are_kept_with_what_they_say(address, open_page):
    page = open_page(address)
    draw(page, DIGITS[7])
    label, keep = page.get_by_label("What you drew"), page.get_by_role("button", name="Keep")
    keep.click()  # without a label
    assert answer(page).startswith("7, ") and page.evaluate("document.activeElement.tagName") == "INPUT"
    label.press_sequentially("77")
    label.press("Backspace")  # of the label: it does not clear the drawing
    keep.click()
    assert answer(page) == "" and label.input_value() == "7"
    draw(page, [[(0.5, 0.5)]])  # a dot is not kept
    keep.click()
    draw(page, beside_each_other(3, 2))
    label.fill(' "32" ')
    label.press("Enter")
    with page.expect_download() as download:
        page.get_by_text("Save the drawings (2)").click()
    assert download.value.suggested_filename == "drawings.json"
    kept = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert [drawing["label"] for drawing in kept] == ["7", '"32"']
    assert [len(drawing["strokes"]) for drawing in kept] == [1, 3]
    assert all(0 <= x <= 1120 and 0 <= y <= 560 for drawing in kept for stroke in drawing["strokes"] for x, y in stroke)

"""The drawing pad in a real browser, alone and in JupyterLab: one truth with Python, and nothing leaves the machine."""

from base64 import b64encode
from itertools import pairwise

import nbformat
import numpy as np
import pytest
import torch
from conftest import texts_apart, wait_until_idle

from mnist_cnn import sketchpad
from mnist_cnn.handwriting import center
from mnist_cnn.model import MNIST_CNN, predict

DIGITS = {  # strokes of x,y in hundredths of the pad
    0: "50,15 33,25 28,50 35,77 50,85 66,75 72,50 66,24 50,15",
    1: "52,12 50,50 48,88",
    2: "30,30 40,17 58,15 69,28 60,50 42,70 27,84 50,82 74,83",
    3: "30,20 50,14 67,25 60,42 45,48 64,55 70,70 55,86 30,80",
    4: "38,14 32,35 28,54 50,54 72,52 | 66,20 63,50 60,88",
    5: "70,15 36,16 34,44 55,42 70,58 66,78 48,87 28,82",
    6: "62,12 44,30 34,55 37,78 52,87 66,75 60,58 45,56 36,68",
    7: "28,20 50,19 72,18 60,45 48,88",
    8: "66,24 50,14 35,26 48,45 66,65 55,86 36,75 50,50 66,24",
    9: "66,28 50,15 35,28 42,46 60,42 66,28 64,55 58,88",
}
DIGITS = {
    digit: [np.array([place.split(",") for place in stroke.split()], float) / 100 for stroke in text.split("|")]
    for digit, text in DIGITS.items()
}
CLOTHES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
PAD = "document.querySelector('.pad-body').sketchpad"


@pytest.fixture(scope="module")
def address(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("pad") / "sketchpad.html"
    path.write_text(sketchpad.page(model), encoding="utf-8")
    return path.as_uri()


def base64(array):
    return b64encode(array.tobytes()).decode()


def answer(page):
    """What the pad says, once it has caught up with the events before."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.locator(".mnist-sketchpad [role=status]").first.inner_text()


def draw(page, strokes):
    """Draw with the mouse."""
    canvas = page.locator(".mnist-sketchpad canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for stroke in strokes:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=3)
        page.mouse.up()


def drawings(count):
    """As many pictures of ink, uint8 (H, W), the longer side 60 to 400: digits by program, the same each time."""
    random = np.random.default_rng(0)
    for i in range(count):
        strokes = DIGITS[i % 10]
        if i % 3 == 0:  # not a digit at all
            strokes = [random.normal(size=(random.integers(2, 9), 2)).cumsum(0)]
        turned = np.eye(2) + random.normal(scale=0.15, size=(2, 2))
        strokes = [(stroke + random.normal(scale=0.015, size=stroke.shape)) @ turned for stroke in strokes]
        low, high = np.min([s.min(0) for s in strokes], axis=0), np.max([s.max(0) for s in strokes], axis=0)
        length = random.integers(60, 401)
        pen = random.uniform(0.02, 0.15) * length
        scale = (length - pen - 3) / (high - low).max()
        width, height = np.ceil((high - low) * scale + pen + 3).astype(int)
        ink = np.zeros((height, width), np.float32)
        y, x = np.ogrid[:height, :width]
        for stroke in strokes:
            places = (stroke - low) * scale + pen / 2 + 1
            for (x0, y0), (x1, y1) in pairwise(places):
                dx, dy = x1 - x0, y1 - y0
                along = (((x + 0.5 - x0) * dx + (y + 0.5 - y0) * dy) / (dx**2 + dy**2)).clip(0, 1)
                distance = np.hypot(x + 0.5 - x0 - along * dx, y + 0.5 - y0 - along * dy)
                ink = np.maximum(ink, (pen / 2 + 0.5 - distance).clip(0, 1))
        yield (ink * 255).astype(np.uint8)


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


def test_every_digit_drawn_with_the_mouse_is_read(address, open_page):
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
    """As a pen that tells of its place a thousand times a second draws it in minutes."""
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
    assert page.evaluate("scrollY") == 0  # the finger drew, the page stayed


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


def test_still(model):
    assert "2, " in texts_apart(sketchpad.still(model))


def test_still_of_many_classes():
    texts_apart(sketchpad.still(MNIST_CNN(classes=47)))
    texts_apart(sketchpad.still(MNIST_CNN(), CLOTHES))


PAD_CELL = """
from IPython.display import HTML
from mnist_cnn import sketchpad
from mnist_cnn.model import load_weights
HTML(sketchpad.html(load_weights("MNIST-MODEL.pth")))"""


@pytest.fixture
def lab(copy_of_repository, jupyterlab):
    """JupyterLab with a notebook of one cell, the pad: its folder and its address."""
    folder = copy_of_repository()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PAD_CELL.strip())])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "pad.ipynb")
    return folder, jupyterlab(folder)


def test_in_jupyterlab(lab, open_page):
    folder, url = lab
    page = open_page(f"{url}/lab/tree/pad.ipynb", url, viewport={"width": 1280, "height": 900})
    wait_until_idle(page)
    page.locator(".jp-Notebook .jp-CodeCell").first.click(timeout=60_000)  # waits until nothing covers it
    for run in (1, 2):  # a second run replaces the first one's pad
        page.locator(".jp-Notebook .jp-CodeCell [role=textbox]").first.press("Control+Enter", timeout=60_000)
        page.locator(".jp-OutputPrompt", has_text=f"[{run}]").wait_for(timeout=60_000)
        draw(page, DIGITS[7])
        assert answer(page).startswith("7, ")
    page.keyboard.press("Escape")
    draw(page, DIGITS[3])
    assert answer(page).startswith("3, ")

    for key in ("d", "d", "Escape", " ", "ArrowDown", "Control+z"):  # the pad's, or nobody's, but not the notebook's
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == 1
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    with page.expect_response(lambda response: response.request.method == "PUT" and "pad.ipynb" in response.url):
        page.keyboard.press("Control+s")  # the notebook's
    assert "data-sketchpad" in (folder / "pad.ipynb").read_text()

    page.get_by_text("Settings", exact=True).click()
    page.get_by_text("Theme", exact=True).hover()
    page.get_by_text("JupyterLab Dark", exact=True).click()
    page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    assert page.evaluate("getComputedStyle(document.querySelector('.mnist-sketchpad')).color") == "rgb(241, 243, 245)"

"""Drawing on the pad in a browser: for its tests and for photograph_pad.py."""

import shutil
from base64 import b64encode

import numpy as np
from scipy.interpolate import CubicSpline

DIGITS = {  # strokes of x,y in hundredths of the pad's height
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
PHOTOGRAPH = "mnist_cnn/sketchpad/sketchpad.png"
FOR_PHOTOGRAPH = {"viewport": {"width": 752, "height": 1000}, "color_scheme": "light"}  # options of the page
PAD = "document.querySelector('.pad-body').sketchpad"
CLASSIFY = f"""(images) => images.map((image) => {{
    const answer = {PAD}.classify(Uint8Array.from(atob(image), (character) => character.charCodeAt(0)));
    return [...answer.logits, answer.typicality(answer.judged)];
}})"""  # logits and typicality


def find_chromium():
    """The path of the installed Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def answer(page):
    """The pad's answer, after it has processed all events so far."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.locator(".mnist-sketchpad [role=status]").first.inner_text()


def draw(page, strokes):
    """Draw with the mouse on the page's first pad. strokes: arrays (N, 2) of x and y, 0 to 1 in the middle square."""
    canvas = page.locator(".mnist-sketchpad canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for stroke in strokes:
        left = box["x"] + (box["width"] - box["height"]) / 2
        places = [(left + x * box["height"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=3 if len(places) < 30 else 1)
        page.mouse.up()


def beside_each_other(*digits):
    """The strokes of digits, side by side in the whole width of the pad."""
    wide = 2 / len(digits)  # of the height
    size = min(0.9, 1.9 * wide)
    places = [np.array([-0.5 + wide * (k + 0.5) - size / 2, (1 - size) / 2]) for k in range(len(digits))]
    return [size * stroke + place for digit, place in zip(digits, places, strict=True) for stroke in DIGITS[digit]]


def photograph(page):
    """Draw 372 on the empty pad of a page opened with FOR_PHOTOGRAPH. Returns a picture of the pad, PNG as bytes."""
    for corners in beside_each_other(3, 7, 2):
        curve = CubicSpline(range(len(corners)), corners)(np.linspace(0, len(corners) - 1, 80))
        draw(page, [curve])
    page.evaluate("document.activeElement.blur()")  # without the frame around the paper that shows the focus
    answer(page)
    return page.locator(".mnist-sketchpad").screenshot()


def base64(array):
    """The bytes of an array, as CLASSIFY takes them."""
    return b64encode(array.tobytes()).decode()

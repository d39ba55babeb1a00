"""Drawings of digits for the tests: pen strokes, photographs of them, MNIST's digits as crisp ink, lines."""

import random

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from mnist_cnn.training.drawn_digits import FORMS, _spline

STROKES = {  # digit: its strokes, each a list of points (x, y) from 0 to 1
    0: [[(0.5, 0), (0.2, 0.15), (0.1, 0.5), (0.2, 0.85), (0.5, 1), (0.8, 0.85), (0.9, 0.5), (0.8, 0.15), (0.5, 0)]],
    1: [[(0.5, 0), (0.5, 1)]],
    2: [[(0.1, 0.25), (0.3, 0.03), (0.65, 0.03), (0.85, 0.25), (0.7, 0.5), (0.08, 1), (0.95, 1)]],
    3: [[(0.1, 0.08), (0.5, 0), (0.85, 0.2), (0.75, 0.4), (0.4, 0.48), (0.8, 0.6), (0.9, 0.8), (0.5, 1), (0.1, 0.92)]],
    4: [[(0.2, 0), (0.1, 0.55), (0.95, 0.5)], [(0.75, 0.1), (0.7, 1)]],
    5: [[(0.85, 0), (0.2, 0), (0.18, 0.45), (0.6, 0.4), (0.88, 0.65), (0.6, 0.97), (0.1, 0.95)]],
    6: [[(0.7, 0), (0.3, 0.3), (0.12, 0.7), (0.4, 1), (0.75, 0.9), (0.75, 0.62), (0.4, 0.53), (0.15, 0.75)]],
    7: [[(0.1, 0), (0.9, 0), (0.4, 1)]],
    8: [[(0.8, 0.15), (0.5, 0), (0.2, 0.2), (0.82, 0.72), (0.5, 1), (0.15, 0.75), (0.5, 0.47), (0.8, 0.18)]],
    9: [[(0.85, 0.2), (0.5, 0), (0.15, 0.22), (0.3, 0.48), (0.6, 0.46), (0.85, 0.18), (0.82, 0.6), (0.65, 1)]],
}


def draw(digit, height, width, size, pen, seed=0):
    """A digit drawn with a round pen. Returns float32 (height, width), from 0 (paper) to 1 (ink).

    size: the height of the digit, pen: the width of the pen; in pixels.
    """
    rng = np.random.default_rng(seed)
    image = Image.new("L", (4 * width, 4 * height))
    pencil = ImageDraw.Draw(image)
    slant = rng.normal(0.1, 0.05)
    middle = np.array([width, height]) / 2 + rng.uniform(-0.1, 0.1, 2) * (min(height, width) - size)
    for stroke in STROKES[digit]:
        points = np.array(stroke) - 0.5 + rng.normal(0, 0.012, (len(stroke), 2))
        points[:, 0] = 0.7 * points[:, 0] - slant * points[:, 1]
        points = [tuple(point) for point in 4 * (points * size + middle)]
        pencil.line(points, fill=255, width=max(1, round(4 * pen)), joint="curve")
        for x, y in points:
            pencil.ellipse([x - 2 * pen, y - 2 * pen, x + 2 * pen, y + 2 * pen], fill=255)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float32) / 255


def photograph(ink, seed=0, shadow=True, lines=True):
    """Ink (H, W) as a photograph, uint8 (H, W, 3): ruled paper in uneven light, with a shadow, specks and noise."""
    rng = np.random.default_rng(seed)
    height, width = ink.shape
    y, x = np.mgrid[:height, :width] / max(height, width)
    ruled = np.abs((y + 0.02 * x) * 8 % 1 - 0.5) < 4 / max(height, width) if lines else np.zeros(ink.shape)
    paper = np.array([240, 235, 220]) - 70 * ruled[..., None] * np.array([1, 0.8, 0.4])
    page = paper * (1 - ink[..., None]) + np.array([40, 45, 110]) * ink[..., None]
    for row, column in rng.integers(3, min(height, width) - 3, (4, 2)):
        page[row : row + 2, column : column + 2] = 60
    light = 1 - 0.3 * x * y - 0.35 * shadow * (x + 0.3 * y > 0.75)
    page = ndimage.gaussian_filter(page * light[..., None], (0.7, 0.7, 0)) + rng.normal(0, 4, page.shape)
    return page.clip(0, 255).astype(np.uint8)


def on_a_table(picture, seed=0):
    """A photograph (H, W, 3) of a sheet, turned a little, on a table of dark wood: uint8 (H + 200, W + 200, 3)."""
    rng = np.random.default_rng(seed)
    height, width = np.add(picture.shape[:2], 200)
    grain = ndimage.gaussian_filter1d(rng.normal(0, 1, 2 * height), 2.5)
    y, x = np.mgrid[:height, :width]
    wood = 70 + 90 * grain[np.int64(y + 40 + 10 * np.sin(x / 150))] + rng.normal(0, 3, y.shape)
    sheet = Image.fromarray(picture).convert("RGBA").rotate(3, Image.Resampling.BICUBIC, expand=True)
    table = Image.fromarray(np.uint8(wood.clip(0, 255))).convert("RGBA")
    table.alpha_composite(sheet, tuple((a - b) // 2 for a, b in zip(table.size, sheet.size, strict=True)))
    return np.asarray(table.convert("RGB"))


def in_ink(image, height, width=None):
    """Enlarge a digit of MNIST, uint8 (28, 28), to crisp ink, float32 (height, width). Default: its own proportions."""
    rows, columns = np.where(image > 60)
    box = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float32) / 255
    width = width or max(3, round(height * box.shape[1] / box.shape[0]))
    ink = Image.fromarray(box).resize((width, height), Image.Resampling.BICUBIC)
    return np.clip((np.asarray(ink) - 0.5) * max(1, height / 20) + 0.5, 0, 1)


def stroke(page, points, pen):
    """Draw a line through the points (x, y) on a page of ink, float32 (H, W), in place."""
    height, width = page.shape
    image = Image.new("L", (2 * width, 2 * height))
    points = [(2 * x, 2 * y) for x, y in points]
    ImageDraw.Draw(image).line(points, fill=255, width=max(1, round(2 * pen)), joint="curve")
    np.maximum(page, np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float32) / 255, out=page)


MARKS = "circle", "box", "touching box", "underline", "strike", "neighbour", "bars"


def marked(kind, k, images, labels):
    """A digit with a mark: a picture, uint8 (H, W) or (H, W, 3), and the text. kind: one of MARKS; k: which digit."""
    rng, size, text = np.random.default_rng(k), (60, 110)[k % 2], str(labels[3000 + k].item())
    ink = in_ink(images[3000 + k, 0].numpy(), size)
    page = np.zeros((int(2.4 * size), int(2.6 * size)), np.float32)
    y, x = 1.2 * size, 1.3 * size
    top, left = int(y - ink.shape[0] / 2), int(x - ink.shape[1] / 2)
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    pen, half = 0.05 * size, 0.78 * size
    if kind == "circle":
        angle = np.linspace(0, 6.4, 60)
        stroke(page, np.stack([x + 0.9 * size * np.cos(angle), y + 0.9 * size * np.sin(angle)], 1), pen)
    elif kind in ("box", "touching box"):
        half = 0.49 * size if kind == "touching box" else half
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]
        stroke(page, [(x + half * a, y + half * b) for a, b in corners], pen)
    elif kind == "underline":
        stroke(page, [(x - half, y + 0.62 * size), (x + half, y + 0.6 * size)], pen)
    elif kind == "strike":
        stroke(page, [(x - half, y + 0.1 * size), (x + half, y - 0.15 * size)], 0.7 * pen)
    elif kind == "neighbour":
        other = in_ink(images[5000 + k, 0].numpy(), size)
        other = other[:, other.shape[1] // 2 :]
        page[top : top + size, : other.shape[1]] = other
    if kind == "bars":
        return np.pad(255 - 255 * page, ((0, 0), (size // 2, size // 2))).astype(np.uint8), text
    return photograph(page, int(rng.integers(1000)), shadow=False, lines=False), text


def digit_string(images, labels, kind, rng):
    """Two to six neighbouring digits of a split, which are by one writer: uint8 (36, W) on black, and the text.

    kind: "wide gaps", "near" (1 or 2 pixels), "touching", or "overlapping" by 1 or 2 pixels.
    """
    n = int(rng.integers(2, 7))
    first = int(rng.integers(len(images) - n))
    page = np.zeros((36, 0), np.uint8)
    for image in images[first : first + n, 0].numpy():
        image = image[:, np.flatnonzero(image.any(axis=0))]
        digit = np.pad(image, ((4, 4), (0, 0)))
        digit = np.roll(digit, int(rng.integers(-2, 3)), axis=0)
        if kind == "wide gaps" or page.shape[1] == 0:
            place = page.shape[1] + int(rng.integers(4, 12))
        elif kind == "near":
            place = page.shape[1] + int(rng.integers(1, 3))
        else:  # push it to the left until the ink of two neighbouring rows meets
            ends = [max(np.flatnonzero(row > 50), default=-99) for row in page]
            starts = [min(np.flatnonzero(row > 50), default=99) for row in digit]
            place = max(ndimage.maximum_filter1d(ends, 3) - starts) + 1
            place -= int(rng.integers(1, 3)) if kind == "overlapping" else 0
        joined = np.zeros((36, max(page.shape[1], place + digit.shape[1])), np.uint8)
        joined[:, : page.shape[1]] = page
        part = joined[:, place : place + digit.shape[1]]
        np.maximum(part, digit, out=part)
        page = joined
    return np.pad(page, ((4, 4), (8, 8))), "".join(map(str, labels[first : first + n].tolist()))


def uneven_page(images, labels, rng):
    """Three lines of two to six digits each, in uneven light and noise: uint8 (H, W), and the text."""
    rows, texts = zip(*(digit_string(images, labels, "wide gaps", rng) for _ in range(3)), strict=True)
    width = max(row.shape[1] for row in rows)
    ink = Image.fromarray(np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows]))
    scale = rng.uniform(1.5, 3)
    ink = ink.resize([int(scale * side) for side in ink.size], Image.Resampling.BICUBIC)
    ink = np.asarray(ink, np.float32) / 255
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]] / max(ink.shape)
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 - rng.uniform(0.2, 0.5) * (0.5 + 0.5 * (np.cos(angle) * x + np.sin(angle) * y))
    paper, pen = rng.uniform(200, 250), rng.uniform(20, 90)
    page = light * (paper + (pen - paper) * ink) + rng.normal(0, rng.uniform(3, 12), ink.shape)
    return page.clip(0, 255).astype(np.uint8), "\n".join(texts)


def page_of(test_split, rows, height, start=0):
    """Lines of test digits, as crisp ink: float32 (H, W), and the text."""
    lines, text = [], []
    for row in range(rows):
        labels = test_split[1][start + 8 * row : start + 8 * row + 8].tolist()
        inks = [in_ink(image, height) for image in test_split[0][start + 8 * row : start + 8 * row + 8, 0].numpy()]
        line = np.concatenate([np.pad(ink, ((0, 0), (height // 5, height // 5))) for ink in inks], axis=1)
        lines.append(np.pad(line, height // 4))
        text.append("".join(map(str, labels)))
    width = max(line.shape[1] for line in lines)
    return np.concatenate([np.pad(line, ((0, 0), (0, width - line.shape[1]))) for line in lines]), "\n".join(text)


def drawn_number(seed, gap):
    """One to six digits as strokes on a pad of 1120x560, lists of points, and their text.

    gap: least and greatest distance of two digits, in heights; below 0 they overlap.
    """
    chance, rng = random.Random(seed), np.random.default_rng(seed)
    labels = rng.integers(10, size=rng.integers(1, 7)).tolist()
    height, right, strokes = min(450, 1000 / len(labels)) * rng.uniform(0.6, 1), 60, []
    for label in labels:
        if rng.random() < 0.5:  # as in the training digits that are drawn by program
            curves = [_spline(len(curve)).numpy()[::3] @ np.array(curve) for curve in FORMS[label](chance.uniform)]
            for k in range(len(curves) - 1, 0, -1):  # the pen is not lifted where a curve begins at the end of another
                if np.hypot(*(curves[k - 1][-1] - curves[k][0])) < 0.06:
                    curves[k - 1 : k + 1] = [np.concatenate(curves[k - 1 : k + 1])]
        else:
            curves = [np.array(points) + rng.normal(0, 0.012, (len(points), 2)) for points in STROKES[label]]
        x, y = np.concatenate(curves).T
        size = height * rng.uniform(0.85, 1.1) / np.ptp(y)
        turn = size * np.array([[rng.uniform(0.7, 1.1), 0], [-rng.uniform(-0.1, 0.35), 1]])
        curves = [(curve - [x.min(), y.min()]) @ turn for curve in curves]
        left = min(curve[:, 0].min() for curve in curves)
        corner = [right - left, 60 + height * rng.uniform(0, 0.1)]
        strokes += [(curve + corner).round(1).tolist() for curve in curves]
        right = max(curve[:, 0].max() for curve in curves) + corner[0] + height * rng.uniform(*gap)
    return strokes, "".join(map(str, labels))

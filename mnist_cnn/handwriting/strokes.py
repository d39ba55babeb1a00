"""Read digits that were drawn with a pen on a screen. Those that touch are separated by their strokes.

sketchpad/recognize.js does the same in the browser.
"""

import math
from itertools import pairwise

import numpy as np

from mnist_cnn.handwriting.centering import FIT, center
from mnist_cnn.handwriting.convert import PEN
from mnist_cnn.handwriting.path import WIDE, best_path, classify, left_out, span_scores, spans
from mnist_cnn.handwriting.reading import LOW, sort_out

ABOVE = 0.75  # a stroke lower than a digit belongs to one that shares so much of the narrower one's width
INSIDE = 0.15  # and one to another if their middles are so near, in widths of the wider one: the slash of a zero
FAR = 1e9  # no point is farther away
MOST = 8  # of such groups belong to a digit, at most
NIB = 30  # the width of the pad's pen, in the unit of its drawings


def read_strokes(model, strokes, class_names="0123456789"):
    """Read the digits of a line that was drawn with a pen.

    model: MNIST_CNN with a trained judge; class_names: a string for each class.
    strokes: lists of points (x, y), x to the right and y down, in any unit.
    Returns a Reading, whose boxes are in the same unit.
    Raises ValueError for other strokes, and if all of them are dots.
    """
    strokes = [_checked(stroke) for stroke in strokes]
    boxes = [_box([stroke]) for stroke in strokes]
    sizes = sorted(max(bottom - top, (right - left) / WIDE) for left, top, right, bottom in boxes)
    if not any(sizes):
        raise ValueError("expected strokes, found none that is more than a dot")
    long = sizes[np.searchsorted(np.cumsum(sizes), sum(sizes) / 2)]  # half of the strokes are shorter
    pen = PEN / (FIT - PEN) * long
    parts = _one_above_the_other(strokes, long, pen)
    boxes, height = [_box(part, pen) for part in parts], long + pen
    candidates = {}
    for start, stop in spans(boxes, height):
        joined = [stroke for part in parts[start:stop] for stroke in part]
        left, top, right, bottom = box = _box(joined, pen)
        if stop - start <= MOST and max(right - left, bottom - top) > 2 * pen:  # more than a dot
            candidates[start, stop] = box, draw_strokes(joined), False
    answers = classify(model, candidates, height)
    _, path = best_path(span_scores(boxes, [None] * len(boxes), answers, height))
    if not any(is_read for _, _, is_read in path):  # all of it is one sign
        answers = classify(model, {(0, len(parts)): (_box(strokes, pen), draw_strokes(strokes), False)}, height)
        path = [(0, len(parts), True)]
    digits = [answers[start, stop] for start, stop, is_read in path if is_read]
    return sort_out([digits], class_names, left_out(path, answers))


def draw_strokes(strokes):
    """Draw strokes as a digit of MNIST: uint8 (1, 28, 28). strokes: as for `read_strokes`."""
    left, top, right, bottom = _box(strokes)
    scale = (FIT - PEN) / max(right - left, bottom - top)
    width, height = (math.ceil(side * scale + PEN - 1e-6) for side in (right - left, bottom - top))
    corner = np.array([width - (right - left) * scale, height - (bottom - top) * scale]) / 2
    y, x = np.mgrid[:height, :width] + 0.5
    ink = np.zeros((height, width))
    for stroke in strokes:
        points = (np.array(stroke) - (left, top)) * scale + corner
        for (x0, y0), (x1, y1) in pairwise([points[0], *points]):
            dx, dy = x1 - x0, y1 - y0
            along = (((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy or 1)).clip(0, 1)
            distance = np.sqrt((x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2)
            np.maximum(ink, PEN / 2 + 0.5 - distance, out=ink)
    return center(ink.clip(0, 1))


def _checked(stroke):
    points = np.asarray(stroke, float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0 or not (np.abs(points) < FAR).all():
        raise ValueError(f"expected a stroke as a list of points (x, y), found {stroke}")
    return points.tolist()


def _box(strokes, pen=0):
    """left, top, right, bottom"""
    x, y = zip(*(point for stroke in strokes for point in stroke), strict=True)
    return min(x) - pen / 2, min(y) - pen / 2, max(x) + pen / 2, max(y) + pen / 2


def _one_above_the_other(strokes, long, pen):
    """Join strokes to those around, above or below them: a list of lists of strokes, from left to right."""
    parts = []
    for stroke in sorted(strokes, key=lambda stroke: sum(_box([stroke])[::2])):
        left, top, right, bottom = _box([stroke], pen)
        if parts:
            last_left, last_top, last_right, last_bottom = _box(parts[-1], pen)
            shared, widths = min(right, last_right) - max(left, last_left), (right - left, last_right - last_left)
            inside = abs(left + right - last_left - last_right) / 2 < INSIDE * max(widths)
            low = min(bottom - top, last_bottom - last_top) < LOW * (long + pen)
            above = shared > ABOVE * min(widths) and low
            if inside or above:
                parts[-1].append(stroke)
                continue
        parts.append([stroke])
    return parts

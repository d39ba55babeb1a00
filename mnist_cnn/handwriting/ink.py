"""Isolate the digit in the ink density: remove lines, specks and borders.

density: float32 (H, W), how much ink each pixel has, about 0 on paper.
"""

import numpy as np
from scipy import ndimage

from mnist_cnn.handwriting.paper import EIGHT_CONNECTED, SMALL, border
from mnist_cnn.handwriting.pieces import without_frames


def find_ink(density, noise):
    """Tell ink from paper. noise: standard deviation of the density on paper.

    Returns (ink, mask): float32 (H, W), 1 where there is as much ink as in most strokes, and bool (H, W), the strokes.
    Raises ValueError if nothing stands out from the paper.
    """
    threshold = _otsu(density)
    some = density[density > max(3 * noise, 0.3 * threshold)]
    nothing = ValueError("expected ink, found none that stands out from the paper: raise the contrast, or move closer")
    if some.size == 0:
        raise nothing
    peak = np.median(density[density >= max(threshold, _otsu(some))])
    likely = density > max(3 * noise, 0.3 * peak)
    reach = max(3, max(density.shape) // 150)  # fainter ink is part of a stroke only near darker ink: not a grid
    mask = ndimage.binary_dilation(likely & (density > 0.6 * peak), EIGHT_CONNECTED, reach, likely)
    faint = peak < 0.02
    if noise:
        faint = peak < max(0.07, 4.5 * noise) or (peak < 0.2 and border(mask).any())
    if faint or not mask.any():
        raise nothing
    full = density.max() if peak > 0.9 * density.max() and not noise else peak
    return np.where(density > 2 * noise, density / full, 0).clip(0, 1).astype(np.float32), mask


def digit_alone(ink, mask):
    """Return only the digit, 0 to 1, cropped to its bounding box.

    Raises ValueError if there are only specks, or several digits side by side.
    """
    mask = _largest(without_frames(mask), ink)
    length = max(np.ptp(place) for place in np.where(mask)) / max(mask.shape)
    if length < 0.03:
        raise ValueError("expected a digit, found none, only specks: move closer, or crop the picture")
    around = ndimage.binary_dilation(mask, EIGHT_CONNECTED, iterations=2 if max(mask.shape) <= SMALL else 1)
    ink = np.where(around, ink, 0)
    rows, columns = np.where(ink > 0)
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _otsu(values):
    """The threshold that splits the values into two groups with the largest variance between them (Otsu 1979)."""
    if np.ptp(values) < 1e-5:
        return values.min()
    counts, edges = np.histogram(values, 256)
    below = np.cumsum(counts)[:-1].astype(float)
    total = np.cumsum(counts * (edges[1:] + edges[:-1]) / 2)
    between = (total[-1] * below / len(values.ravel()) - total[:-1]) ** 2
    return edges[1:-1][np.argmax(between / np.maximum(below * (below[-1] + counts[-1] - below), 1))]


def _largest(mask, ink):
    """The connected part with the most ink, and parts near it that are not much smaller; no specks."""
    labels, n = ndimage.label(mask, EIGHT_CONNECTED)
    if n <= 1:
        return mask
    side = max(mask.shape)
    if side > 60:
        around = ndimage.binary_dilation(mask, EIGHT_CONNECTED, iterations=side // 60)
        labels, n = ndimage.label(around, EIGHT_CONNECTED)
        labels = labels * mask
    amount = ndimage.sum_labels(ink, labels, range(1, n + 1))
    boxes = ndimage.find_objects(labels, n)
    main = np.argmax(amount)
    high, wide = (span.stop - span.start for span in boxes[main])
    gap = ndimage.minimum(ndimage.distance_transform_edt(labels != main + 1), labels, range(1, n + 1))
    share = 0.04 if n < 4 else 0.1 if n < 6 else 0.2  # if there are many parts, most are specks
    kept = (amount >= share * amount[main]) & (gap < 0.5 * max(high, wide))
    if any(_is_beside(boxes[main], boxes[k], mask.shape) for k in np.flatnonzero(amount >= 0.25 * amount[main])):
        raise ValueError("expected one digit, found several side by side: call read_numbers, or crop the picture")
    return np.append(False, kept)[labels]


def _is_beside(main, other, shape):
    """Return whether another piece is a digit beside the main one: about as high, and not cut by the frame."""
    (rows, columns), (other_rows, other_columns) = main, other
    apart = other_columns.start >= columns.stop or other_columns.stop <= columns.start
    level = min(rows.stop, other_rows.stop) - max(rows.start, other_rows.start)
    cut_off = min(other_columns.start, shape[1] - other_columns.stop) <= shape[1] // 100
    return apart and not cut_off and level > 0.6 * (rows.stop - rows.start)


def stroke_width(mask):
    """Return the mean stroke width. The mean distance to the edge of a stroke of width w is w / 4 + 1 / 2."""
    return 4 * ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1][mask].mean() - 2

"""Isolate the digit in the ink density: remove lines, specks and borders.

density: float32 (H, W), how much ink each pixel has, about 0 on paper.
"""

import numpy as np
from scipy import ndimage

from mnist_cnn.handwriting.paper import EIGHT_CONNECTED, SMALL, border


def digit_alone(density, noise):
    """Return only the digit, 0 to 1, cropped to its bounding box. noise: standard deviation of the density on paper."""
    threshold = _otsu(density)
    some = density[density > max(3 * noise, 0.3 * threshold)]
    nothing = ValueError("expected ink, found none that stands out from the paper: raise the contrast, or move closer")
    if some.size == 0:
        raise nothing
    peak = np.median(density[density >= max(threshold, _otsu(some))])
    likely = density > max(3 * noise, 0.3 * peak)
    mask = ndimage.binary_propagation(likely & (density > 0.6 * peak), EIGHT_CONNECTED, likely)
    uncrossed = _uncrossed(np.clip(density / peak, 0, 1))
    mask &= uncrossed > 0.3
    if not mask.any():
        raise nothing
    density = np.minimum(density, uncrossed * density.max())
    mask = _largest(mask, density)
    length = max(np.ptp(place) for place in np.where(mask)) / max(mask.shape)
    faint = peak < 0.02
    if noise and max(mask.shape) > SMALL:
        faint = peak < max(0.07, 4.5 * noise) or (peak < 0.2 and border(mask).any())
    if faint or length < 0.03:
        raise nothing
    filled = _filled(mask)
    if filled is not None:
        ink = filled
    else:
        around = ndimage.binary_dilation(mask, EIGHT_CONNECTED, iterations=1 if noise else 2)
        ink = np.where(around & (density > 2 * noise), density, 0)
        ink = np.clip(ink / (ink.max() if peak > 0.9 * ink.max() and not noise else peak), 0, 1)
    rows, columns = np.where(ink > 0)
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float32)


def _otsu(values):
    """The threshold that splits the values into two groups with the largest variance between them (Otsu 1979)."""
    if np.ptp(values) < 1e-5:
        return values.min()
    counts, edges = np.histogram(values, 256)
    below = np.cumsum(counts)[:-1].astype(float)
    total = np.cumsum(counts * (edges[1:] + edges[:-1]) / 2)
    between = (total[-1] * below / len(values.ravel()) - total[:-1]) ** 2
    return edges[1:-1][np.argmax(between / np.maximum(below * (below[-1] + counts[-1] - below), 1))]


def _uncrossed(ink):
    """Remove a thin line, straight or zigzag, that crosses a small picture from side to side. ink: 0 to 1."""
    if not 24 <= min(ink.shape) <= max(ink.shape) <= SMALL:
        return ink
    for across in (ink, ink.T):
        rest = _without_path(across)
        if rest is not None:
            return rest if across is ink else rest.T
    return ink


def _without_path(ink):
    """Remove the thinnest path of ink from left to right, but keep the strokes that cross it.

    Returns None if there is no such path, or if it may be a stroke of the digit: the path must be thinner than the
    remaining ink, and extend beyond it at both ends.
    """
    off, left, right = 4, 2, ink.shape[1] - 4
    ink = np.pad(ink, ((off, off), (0, 0)))  # parts of the line may lie outside the picture
    cost = 1 - ink + 0.5 * ndimage.uniform_filter1d(ink, 5, axis=0)
    cost[:off], cost[-off:] = 0.5, 0.5
    total, steps = cost[:, left], []
    for x in range(left + 1, right + 1):
        before = np.pad(total, 2, constant_values=np.inf)
        before = np.stack([before[2 + k : 2 + k + len(total)] + 0.02 * abs(k) for k in range(-2, 3)])
        steps.append(before.argmin(axis=0) - 2)
        total = before.min(axis=0) + cost[:, x]
    path = [total.argmin()]
    for step in reversed(steps):
        path.append(path[-1] + step[path[-1]])
    path = np.array(path[::-1])
    inside = (path >= off) & (path < len(ink) - off)
    along = ink[path, np.arange(left, right + 1)][inside]
    if inside.mean() < 0.6 or np.mean(along > 0.4) < 0.92 or min(along[0], along[-1]) < 0.4:
        return None
    path = np.pad(path, (left, ink.shape[1] - 1 - right), mode="edge")
    band = np.abs(np.arange(len(ink))[:, None] - path) <= 1
    rest = np.where(band, 0, ink)
    y, x = np.mgrid[-3:4, -3:4]
    strokes = [ndimage.grey_closing(rest, footprint=abs(x - slope * y) < 0.6) for slope in (-1, -0.5, 0, 0.5, 1)]
    rest = np.where(band, np.minimum(ink, np.max(strokes, axis=0)), ink)[off:-off]
    digit = _largest(rest > 0.5, rest)
    if not digit.any() or border(digit).any():
        return None
    rows, columns = np.where(digit)
    ends = columns.min() - left, right - columns.max()
    line = (band & (ink > 0.5))[off:-off] & ~digit
    longer = line.any() and min(ends) >= 1 and sum(ends) >= 4 and max(np.ptp(rows), np.ptp(columns)) > 0.5 * len(rest)
    return rest if longer and stroke_width(line) < min(2.2, stroke_width(digit) / 1.05) else None


def _pieces(labels, n, density):
    """For each piece: its ink, its length, and whether it lies along the frame, as shadows and tables do."""
    amount = ndimage.sum_labels(density, labels, range(1, n + 1))
    boxes = ndimage.find_objects(labels, n)
    length = np.array([max(span.stop - span.start for span in box) if box else 0 for box in boxes])
    return amount, length, np.bincount(border(labels), minlength=n + 1)[1:] > 0.5 * length


def _largest(mask, density):
    """The connected part with the most ink, and parts near it that are not much smaller; no specks, no borders."""
    labels, n = ndimage.label(mask, EIGHT_CONNECTED)
    if n <= 1:
        return mask
    side, (amount, _, along) = max(mask.shape), _pieces(labels, n, density)
    if side > SMALL and amount[~along].sum() > 0.1 * amount[along].sum():
        mask = mask & ~np.append(False, along)[labels]
    if side > 60:
        labels, n = ndimage.label(
            ndimage.binary_dilation(mask, EIGHT_CONNECTED, iterations=side // 60), EIGHT_CONNECTED
        )
    labels = labels * mask
    amount, length, along = _pieces(labels, n, density)
    amount[along] *= 0.2
    main = np.argmax(amount)
    gap = ndimage.minimum(ndimage.distance_transform_edt(labels != main + 1), labels, range(1, n + 1))
    share = 0.04 if n < 4 else 0.1 if n < 6 else 0.2  # if there are many parts, most are specks
    return np.append(False, (amount >= share * amount[main]) & (gap < 0.5 * length[main]))[labels]


def _filled(mask):
    """Fill the mask if it only outlines strokes, as thin lines along long narrow areas; otherwise return None."""
    labels, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    outside = labels[1:-1, 1:-1] == 1
    shell = mask & ndimage.binary_dilation(outside, EIGHT_CONNECTED)
    inside = np.unique(labels[1:-1, 1:-1][ndimage.binary_dilation(shell, EIGHT_CONNECTED) & ~mask & ~outside])
    strokes = np.isin(labels[1:-1, 1:-1], inside[inside > 1])
    if not strokes.any():
        return None
    unit = max(np.ptp(place) for place in np.where(mask)) / 20
    lined = (mask & ndimage.binary_dilation(strokes, EIGHT_CONNECTED)).sum() / mask.sum()
    width = stroke_width(strokes)
    longest = np.bincount(labels[1:-1, 1:-1][strokes]).max()  # the loops of an 8 are not long and narrow
    narrow = stroke_width(mask) < 2.2 * unit and width < 5 * unit and longest > 4 * width**2
    return mask | strokes if lined > 0.85 and narrow else None


def stroke_width(mask):
    """Return the mean stroke width. The mean distance to the edge of a stroke of width w is w / 4 + 1 / 2."""
    return 4 * ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1][mask].mean() - 2

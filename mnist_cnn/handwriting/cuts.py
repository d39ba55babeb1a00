"""Cut a piece of ink where digits may touch.

A cut runs from the top to the bottom of the piece and crosses as little ink as it can: over-segmentation, as in LeCun
et al. 1998 (Gradient-based learning applied to document recognition, section VII). Whether a cut separates two digits
is decided later, by the network.
"""

import numpy as np
from scipy import ndimage

ROWS = 28  # taller pieces are searched at this height
LEAN = 0.08  # how far a cut may turn aside from the vertical, in heights of a digit
APART = 0.06  # least distance between cuts, in the same unit
DENSE = 14  # at most so many cuts per height of a digit
THICK = 1.2  # a cut may cross so much ink, in the same unit
SIDEWAYS = 0.02  # what a step to the side costs, in pixels of ink: a straight cut is preferred


def cuts(piece, height):
    """Return the places where a piece of ink may be cut, from left to right.

    piece: float32 (H, W), ink from 0 to 1; height: that of a digit, in pixels.
    Returns a list of (columns, cost): columns (H,), where the cut passes each row, and the ink that it crosses, in
    heights of a digit.
    """
    scale = min(1, ROWS / len(piece))
    small = ndimage.zoom(piece, scale, order=1) if scale < 1 else piece
    unit, (rows, width) = height * scale, small.shape
    lean, margin = max(1, round(LEAN * unit)), max(1, round(0.1 * unit))
    starts = np.arange(margin, width - margin)
    if len(starts) == 0:
        return []
    columns = starts[:, None] + np.arange(-lean, lean + 1)
    ink = np.pad(small, ((0, 0), (lean, lean)))[:, columns + lean]  # (rows, starts, 2 * lean + 1)
    cost, steps = ink[0], []
    for row in ink[1:]:
        before = np.pad(cost, ((0, 0), (1, 1)), constant_values=np.inf)
        before = np.stack([before[:, :-2] + SIDEWAYS, before[:, 1:-1], before[:, 2:] + SIDEWAYS])
        steps.append(before.argmin(axis=0) - 1)
        cost = before.min(axis=0) + row
    each = np.arange(len(starts))
    place = cost.argmin(axis=1)
    cost, path = cost[each, place] / unit, [place]
    for step in reversed(steps):
        path.append(path[-1] + step[each, path[-1]])
    paths = starts[:, None] + np.stack(path[::-1], axis=1) - lean
    kept = []
    for k in np.argsort(cost, kind="stable"):
        if cost[k] < THICK and all(np.abs(paths[k] - paths[other]).mean() > APART * unit for other in kept):
            kept.append(k)
    kept = sorted(kept[: round(max(3, DENSE * width / unit))], key=lambda k: paths[k].mean())
    heights = (np.arange(len(piece)) + 0.5) * scale - 0.5
    return [(np.interp(heights, np.arange(rows), paths[k]) / scale, cost[k]) for k in kept]

"""Cut a piece of ink where digits touch.

A cut runs from the top to the bottom of a piece, upright or slanted as people write, and crosses as little ink as it
can: over-segmentation, as in LeCun et al. 1998 (Gradient-based learning applied to document recognition, section VII).
`model.splitter` has learned which cuts separate digits, see training/splitter.py; the path through the line decides.
"""

import numpy as np
import torch
from torch.nn import functional as F

from mnist_cnn.handwriting.path import AT_ONCE
from mnist_cnn.model import split_odds

UNIT = 36  # pixels: pieces are searched at the scale at which a digit is so high
FINEST, ROWS = 5, 72  # but they are not enlarged more than this, and not higher than this
SLANTS = -0.5, -0.25, 0.0  # columns per row
LEAN = 2  # pixels that a cut may turn aside from a straight line
MARGIN = 2  # pixels: least distance from the left and the right end
THICK = 44  # pixels of ink that a cut may cross
SIDEWAYS = 0.02  # what a step to the side costs, in pixels of ink: a straight cut is preferred
SIDE = 28  # pixels of the window around a cut
LIKELY = -4.0  # least odds of a cut, as a logarithm
APART = 2.2  # pixels: least mean distance between cuts


def cuts(model, ink, height):
    """Return the places where a piece of ink may be cut, from left to right.

    ink: float32 (H, W), from 0 to 1; height: that of a digit, in pixels.
    Returns a list of (columns, odds): columns (H,), where the cut passes each row, and the logarithm of the odds that
    it separates two digits, by `model.splitter`.
    """
    scale = min(UNIT / height, FINEST, ROWS / len(ink))
    rows, width = (max(1, round(side * scale)) for side in ink.shape)
    small = F.interpolate(torch.from_numpy(ink)[None, None], (rows, width), mode="area")[0, 0].numpy()
    paths = possible_cuts(small)
    odds = split_odds(model, windows(small, paths), AT_ONCE).numpy()
    kept = []
    for k in sorted(np.flatnonzero(odds >= LIKELY), key=odds.__getitem__, reverse=True):
        distances = paths[kept] - paths[k]  # those of cuts that cross have both signs
        crossing = (distances.min(axis=1) < 0) & (distances.max(axis=1) > 0)
        if not (crossing | (abs(distances.mean(axis=1)) <= APART)).any():
            kept.append(k)
    kept.sort(key=lambda k: paths[k].mean())
    middles = (np.arange(len(ink)) + 0.5) * rows / len(ink) - 0.5
    place = lambda path: (np.interp(middles, np.arange(rows), path) + 0.5) * ink.shape[1] / width - 0.5
    return [(place(paths[k]), odds[k].item()) for k in kept]


def possible_cuts(ink):
    """Cuts from all columns at all slants: int (N, H), the columns that they cross, the cheapest cuts first."""
    rows, width = ink.shape
    starts, lean = np.arange(MARGIN, width - MARGIN), np.arange(-LEAN, LEAN + 1)
    slanted = np.round(np.multiply.outer(np.arange(rows) - (rows - 1) / 2, SLANTS)).astype(int)
    straight = (slanted[..., None] + starts).reshape(rows, -1)
    page = np.pad(ink, ((0, 0), (rows, rows)))
    band = page[np.arange(rows)[:, None, None], straight[..., None] + lean + rows]  # (H, N, 2 * LEAN + 1)
    cost, steps = band[0], []
    for row in band[1:]:
        before = np.pad(cost, ((0, 0), (1, 1)), constant_values=np.inf)
        before = np.stack([before[:, :-2] + SIDEWAYS, before[:, 1:-1], before[:, 2:] + SIDEWAYS])
        steps.append(before.argmin(axis=0) - 1)
        cost = before.min(axis=0) + row
    each, places = np.arange(straight.shape[1]), [cost.argmin(axis=1)]
    cost = cost[each, places[0]]
    for step in reversed(steps):
        places.append(places[-1] + step[each, places[-1]])
    paths = (straight + places[::-1] - LEAN).T
    order = np.argsort(cost, kind="stable")
    return paths[order[cost[order] < THICK]]


def windows(ink, paths):
    """The ink around cuts, uint8 (N, 1, 28, 28). Rows are shifted so that the cut is upright, in the middle."""
    rows = np.arange(SIDE) + (len(ink) - SIDE) // 2
    columns = paths[:, rows.clip(0, len(ink) - 1), None] + np.arange(SIDE) - SIDE // 2
    edge = SIDE + len(ink)
    page = np.pad(np.uint8(255 * ink + 0.5), ((SIDE, SIDE), (edge, edge)))
    return torch.from_numpy(page[rows[:, None] + SIDE, columns + edge][:, None])

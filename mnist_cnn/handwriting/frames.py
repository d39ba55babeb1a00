"""Remove what surrounds digits: circles, the boxes of forms, tables, and what lies along the sides of the picture."""

import numpy as np
from scipy import ndimage

from mnist_cnn.handwriting.paper import EIGHT_CONNECTED, SMALL, border, reaches_all_sides
from mnist_cnn.handwriting.pieces import components

INSIDE = 0.3  # a piece is a frame if one inside it has so much of its height
CELLS, CELL = 3, 0.03  # or a table if there are so many inside it, each with so much of its height
BAND, CLOSED = 0.15, 0.85  # a box has ink so near to its sides, along so much of each; in its own height and width
HOLLOW = 0.65  # and less ink than this in all
LONG = 0.4  # runs longer than this are the lines of a box; in its own width
FULL = 0.25  # parts of a table that fill less of their box are lines, too
ALONE = 0.1  # at least so much of a line is covered by no stroke: that is as thick as the line
STEEP = 1.6  # a line is crossed where the ink is so many times as thick


def without_frames(mask):
    """Remove what surrounds digits or the picture: circles, the boxes of forms, shadows and tables along its sides."""
    labels, boxes, _ = components(mask)
    cropped = max(mask.shape) <= SMALL or reaches_all_sides(mask)  # to the ink, or framed
    outer = np.bincount(border(labels), minlength=len(boxes) + 1) * (not cropped)
    top, left, bottom, right = boxes.T
    rest = mask.copy()
    for number, (y0, x0, y1, x1) in enumerate(boxes, 1):
        inside = (top > y0) & (left > x0) & (bottom < y1) & (right < x1) & (bottom - top > CELL * (y1 - y0))
        own = labels[y0:y1, x0:x1] == number
        shares = [
            (bottom[other] - top[other]) / (y1 - y0)
            for other in np.flatnonzero(inside)
            if _encloses(own, *(boxes[other] - [y0, x0, y0, x0]))
        ]
        table = len(shares) >= CELLS and _is_box(own)
        frame = (len(shares) >= CELLS or max(shares, default=0) > INSIDE) and not table
        gone = frame or outer[number] > 0.5 * max(y1 - y0, x1 - x0)
        rest[y0:y1, x0:x1] &= ~own | (not gone and _unboxed(own, table))
    return rest if rest.any() else mask


def _encloses(own, top, left, bottom, right):
    """Whether a piece has ink above, below and on both sides of a place inside of it."""
    rows, columns = own[top:bottom], own[:, left:right]
    return rows[:, :left].any() and rows[:, right:].any() and columns[:top].any() and columns[bottom:].any()


def _is_box(own):
    """Whether a piece has ink along all four sides, and little inside."""
    rims = [rim for part, band in zip((own, own.T), _bands(own)) for rim in (part[:band], part[-band:])]
    return own.mean() <= HOLLOW and min(rim.any(axis=0).mean() for rim in rims) >= CLOSED


def _bands(own):
    """How many rows and columns are near the sides."""
    return [max(2, round(BAND * side)) for side in own.shape]


def _unboxed(own, table):
    """A piece without the box that its digits touch: straight lines along all four sides, which strokes may cross.

    Of a table, all long lines are removed.
    """
    if not _is_box(own):
        return own
    bands = own.shape if table else _bands(own)
    lines = np.zeros(own.shape, bool)
    for part, line, band in zip((own, own.T), (lines, lines.T), bands):
        level = _level_lines(part)
        line[:band] |= level[:band]
        line[-band:] |= level[-band:]
    rest = own & ~lines
    if table:  # what is left of lines that slope is long or hollow
        labels, boxes, area = components(rest)
        sizes = boxes[:, 2:] - boxes[:, :2]
        kept = (sizes.max(axis=1) < LONG * max(own.shape)) & (area > FULL * sizes.prod(axis=1))
        return rest & np.append(False, kept)[labels]
    inside = rest.any(axis=1).sum() > INSIDE * len(own)
    return rest if inside else own


def _level_lines(own):
    """The pixels of long, nearly level lines."""
    thick = _runs(own)
    joined = ndimage.binary_dilation(own, np.ones((3, 1)))  # the steps of a line that slopes
    long = own & (LONG * own.shape[1] <= _runs(joined.T).T)
    thin = own & (thick < STEEP * np.quantile(thick[long], ALONE)) if long.any() else long
    return ndimage.binary_dilation(long & thin, EIGHT_CONNECTED, iterations=2, mask=thin)


def _runs(mask):
    """For each pixel, how many pixels of ink stand one above the other there: (H, W)."""
    padded = np.pad(mask, ((1, 1), (0, 0))).T.astype(np.int8)  # (W, H + 2): runs lie one after the other
    edges = np.diff(padded.ravel(), prepend=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    lengths = np.zeros(padded.size, int)
    lengths[starts], lengths[ends] = ends - starts, starts - ends
    return np.cumsum(lengths).reshape(padded.shape).T[1:-1]

"""Connected pieces of ink, and the lines of text that they stand in."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mnist_cnn.handwriting.ink import distance_to_edge
from mnist_cnn.handwriting.paper import EIGHT_CONNECTED

SPECK = 0.12  # pieces shorter than this are specks; in heights of a digit, as all lengths here
SLIGHT = 0.4  # lower pieces do not begin a line of text, but may belong to a digit: the bar of a 5
NARROW = 0.5  # their height is measured within so little of their width: an underline that slopes is low, too
HUGE = 3.0  # higher pieces are no strokes of digits
NEAR = 0.6  # a small piece belongs to a line of text at most so far away
SIZE, SEVERAL = 1.25, 3  # a line of text has its own height if that differs so much, and it has so many pieces
OVERLAP = 0.4  # neighbours in a line of text share at least so much of the lower one's height
STACKED, HIGH = 0.3, 1.3  # parts of a digit share so much of the narrower one's width, and are together so high
CRACK, CRACKED = 0.15, 2.0  # or so high, if they are so near: of one digit, the height is that of its larger part
ENOUGH = 0.2  # the height of a digit is that of pieces that the frame does not cut, if they have so much of the ink
HAIR = 0.35  # thinner pieces are lines of the paper, unless they are short; in widths of the pen
SOLID, BLOT = 0.4, 0.7  # thicker pieces do not count for the height, or are no strokes at all; in their length

# The parts of a digit that is alone, compared with the ink and the length of its largest piece
PART, CLOSE = 0.1, 0.3  # pieces with so much ink, at most so far away
ANOTHER, LEVEL = 0.25, 0.6  # not another digit: one beside it with so much ink, in so much of its height
LEAST = 0.03  # a digit is at least so long; in the longer side of the picture


class Piece(NamedTuple):
    """Connected ink, or a part of it: float32 (H, W), and the place of its upper left corner in the picture's ink."""

    top: int
    left: int
    ink: np.ndarray
    cut: float | None = None  # the odds of the cut on its left, as a logarithm; None if there is none
    framed: tuple = (False,) * 4  # whether its sides reach the frame of the picture: left, top, right, bottom

    @property
    def box(self):
        """left, top, right, bottom; the last two lie outside."""
        return self.left, self.top, self.left + self.ink.shape[1], self.top + self.ink.shape[0]


def find_pieces(ink, mask):
    """Return the connected pieces of the mask with the faint ink around them, and the height of a digit, in pixels."""
    labels, boxes, area = components(mask)
    sizes = boxes[:, 2:] - boxes[:, :2]
    heights, lengths = sizes[:, 0], sizes.max(axis=1)
    pens = 2 * ndimage.maximum(distance_to_edge(mask)[mask], labels[mask], np.arange(1, len(area) + 1))
    framed = np.hstack([boxes[:, 1::-1] == 0, boxes[:, :1:-1] == mask.shape[::-1]])
    drawn = area * (pens < SOLID * lengths)
    whole = drawn * ~framed.any(axis=1)
    drawn = whole if whole.sum() > ENOUGH * drawn.sum() else drawn
    drawn, blots = (drawn, pens > BLOT * lengths) if drawn.any() else (area, False)
    height = _middle(heights, drawn)
    no_strokes = (lengths > SLIGHT * height) & (blots | (pens < HAIR * _middle(pens, drawn)))
    no_strokes |= heights > HUGE * height  # the outline of a sheet
    pieces = []
    for number, (top, left, bottom, right) in enumerate(boxes.tolist(), 1):
        if lengths[number - 1] < SPECK * height or no_strokes[number - 1]:
            continue
        top, left = max(0, top - 1), max(0, left - 1)
        span = slice(top, bottom + 1), slice(left, right + 1)
        own = labels[span] == number
        near = own | (ndimage.binary_dilation(own, EIGHT_CONNECTED) & (labels[span] == 0))
        pieces.append(Piece(top, left, np.where(near, ink[span], 0), framed=tuple(framed[number - 1])))
    return pieces, int(height)


def _middle(values, area):
    """The value of which half of the ink has less."""
    order = np.argsort(values)
    return values[order][np.searchsorted(np.cumsum(area[order]), 0.5 * area.sum())]


def digit_alone(ink, mask):
    """Return the piece with the most ink and what belongs to it, 0 to 1, cropped to its bounding box.

    Raises ValueError if there are only specks, or several digits side by side.
    """
    pieces, _ = find_pieces(ink, mask)
    main = max(pieces, key=lambda piece: piece.ink.sum())
    length, width = max(main.ink.shape), ink.shape[1]
    if length < LEAST * max(ink.shape):
        raise ValueError("expected a digit, found none, only specks: move closer, or crop the picture")
    page = np.zeros_like(ink)
    for piece in pieces:
        share = piece.ink.sum() / main.ink.sum()
        apart = piece.box[0] >= main.box[2] or piece.box[2] <= main.box[0]
        beside = apart and share > ANOTHER and _shared(piece, main) > LEVEL * len(main.ink)
        if beside and min(piece.box[0], width - piece.box[2]) > width // 100:  # not cut by the frame
            raise ValueError("expected one digit, found several side by side: call read_numbers, or crop the picture")
        if not beside and share >= PART and _gap(piece, main) < CLOSE * length:
            left, top, right, bottom = piece.box
            page[top:bottom, left:right] += piece.ink
    rows, columns = np.where(page > 0)
    return page[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].clip(0, 1)


def text_lines(pieces, height):
    """Group the pieces into lines of text, which may slope: a list of lists, from left to right."""
    lines, small = [], []
    for piece in sorted(pieces, key=lambda piece: piece.left):
        if is_slight(piece, height):
            small.append(piece)
            continue
        beside = [line for line in lines if _beside(line[-1], piece) or _stacked(line[-1], piece, height)]
        if beside:
            max(beside, key=lambda line: line[-1].box[2]).append(piece)
        else:
            lines.append([piece])
    whole = [list(line) for line in lines]
    for piece in small:
        near = [
            [_gap(piece, other) for other in line if _height_together(piece, other) < HIGH * height] for line in whole
        ]
        gaps = [min(gaps, default=height) for gaps in near]
        if gaps and min(gaps) < NEAR * height:
            lines[int(np.argmin(gaps))].append(piece)
    return lines


def line_height(line, height):
    """The height of a digit in a line of text: the picture's, or the line's own if it is written in another size."""
    heights = [len(piece.ink) for piece in line if not is_slight(piece, height)]
    own = int(np.median(heights or [height]))
    return own if len(heights) >= SEVERAL and max(own / height, height / own) > SIZE else height


def is_slight(piece, height):
    """Whether a piece is too low for a digit: a dot, a dash, an underline."""
    inked, width = piece.ink > 0, max(1, int(NARROW * height))
    inked = inked[:, inked.any(axis=0)]
    tops, bottoms = inked.argmax(axis=0), len(inked) - inked[::-1].argmax(axis=0)
    rise = ndimage.maximum_filter1d(bottoms, width) - ndimage.minimum_filter1d(tops, width)
    return rise.max(initial=0) < SLIGHT * height


def _beside(left, right):
    return _shared(left, right) > OVERLAP * min(len(left.ink), len(right.ink))


def _stacked(piece, other, height):
    """Whether two pieces stand one above the other, together no higher than a digit: it is broken."""
    a, b = piece.box, other.box
    narrow = min(a[2] - a[0], b[2] - b[0])
    high = CRACKED if _gap(piece, other) < CRACK * height else HIGH
    return min(a[2], b[2]) - max(a[0], b[0]) > STACKED * narrow and _height_together(piece, other) < high * height


def _height_together(piece, other):
    """How high two pieces are together."""
    return max(piece.box[3], other.box[3]) - min(piece.top, other.top)


def _shared(piece, other):
    """The height in which both have ink."""
    return min(piece.box[3], other.box[3]) - max(piece.top, other.top)


def _gap(piece, other):
    """The distance of two boxes."""
    a, b = piece.box, other.box
    return max(a[0] - b[2], b[0] - a[2], 0) + max(a[1] - b[3], b[1] - a[3], 0)


def components(mask):
    """The connected pieces: their labels (H, W), boxes (N, 4), as top, left, bottom, right, and areas (N,)."""
    labels, n = ndimage.label(mask, EIGHT_CONNECTED)
    boxes = [(rows.start, columns.start, rows.stop, columns.stop) for rows, columns in ndimage.find_objects(labels)]
    return labels, np.array(boxes, int).reshape(-1, 4), np.bincount(labels.ravel(), minlength=n + 1)[1:]

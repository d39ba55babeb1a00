"""Read the numbers in a picture: find the ink, cut it into pieces, and let the network choose which are digits."""

import contextlib
import math
from itertools import pairwise

import numpy as np
from torch.nn import functional as F

from mnist_cnn.handwriting.centering import center
from mnist_cnn.handwriting.convert import ROOM, pixels_of, sharpened, to_mnist, tone_of, with_pen
from mnist_cnn.handwriting.cuts import cuts
from mnist_cnn.handwriting.frames import without_frames
from mnist_cnn.handwriting.ink import ink_of
from mnist_cnn.handwriting.paper import SMALL, between_bars, reaches_all_sides
from mnist_cnn.handwriting.path import around, classify, read_path, spans
from mnist_cnn.handwriting.pieces import Piece, find_pieces, is_slight, line_height, text_lines
from mnist_cnn.handwriting.reading import sort_out

SIDE = 1400  # pixels; larger pictures are averaged down to this: digits on a page of a hundred are then 30 pixels high
BAD = -4.0  # mean score per digit below which the page may lie on its side
SHARED = 0.03  # ink so near to a cut belongs to the digits on both sides, in heights of a digit
SHOWN = 0.5  # what is left out is shown if it is so high, in heights of a digit
END = 0.1  # parts so near to the end of a piece that the frame cuts are cut off; in heights of a digit
PAGE = 3  # digits, at least, of a page that lies on its side


def read_numbers(model, picture, class_names="0123456789"):
    """Read all digits in a picture: one, a number, lines of numbers, or a page of them.

    model: MNIST_CNN with a trained judge; class_names: a string for each class.
    picture: as for `to_mnist`. A page may lie on its side.
        A picture of up to 40 pixels a side is of one digit, unless several stand side by side.
    Returns a Reading.
    Raises ValueError as `to_mnist` does, for a picture that is not valid or has no ink.
    """
    pixels = pixels_of(picture)
    height, width, _ = pixels.shape
    if max(height, width) <= SMALL:
        with contextlib.suppress(ValueError):  # several digits, or no ink
            digit = {0: ((0, 0, width, height), to_mnist(pixels), False)}
            return sort_out([[classify(model, digit, height)[0]]], class_names)
    tone = tone_of(pixels, SIDE)
    rows, columns = between_bars(tone)
    ink, mask = ink_of(tone[rows, columns])
    cropped = reaches_all_sides(mask)
    mask = without_frames(mask)

    def turned(quarters):
        """The mean score of a digit, and the Reading of the picture turned by so many quarters."""
        pixels = (np.ascontiguousarray(np.rot90(part, quarters)) for part in (ink, mask))
        return _read(model, *pixels, cropped, class_names)

    (score, reading), turns = turned(0), 0
    if score < BAD:
        for quarters in (1, 3):
            _, other = turned(quarters)
            if other.certainty > max(0, reading.certainty) and len(other.digits) >= PAGE:
                reading, turns = other, quarters
    scale = math.ceil(max(pixels.shape[:2]) / SIDE)
    corner, ends = np.tile([columns.start, rows.start], 2), np.tile([width, height], 2)

    def placed(digit):
        """The digit with its box in the picture."""
        box = scale * (_turned_back(digit.box, turns, ink.shape) + corner)
        box = box.clip(0, ends)  # a thin stroke may have grown beyond them
        return digit._replace(box=tuple(box.tolist()))

    lines = [list(map(placed, line)) for line in reading.lines]
    return reading._replace(lines=lines, left_out=list(map(placed, reading.left_out)))


def _read(model, ink, mask, cropped, class_names):
    """The mean score of a digit, and the Reading, of a mask whose frame cuts digits off unless they are `cropped`."""
    pieces, height = find_pieces(ink, mask)
    lines = text_lines(pieces, height)
    found = [_read_line(model, line, line_height(line, height), cropped) for line in lines]
    found.sort(key=lambda line: np.mean([digit.box[1] + digit.box[3] for digit in line[1] or line[2]] or [0]))
    scores, lines, others = zip(*found) if found else ((), (), ())
    others = [other for part in others for other in part if other.box[3] - other.box[1] > SHOWN * height]
    return sum(scores) / max(1, sum(map(len, lines))), sort_out(lines, class_names, others)


def _read_line(model, pieces, height, cropped):
    """The best reading of a line of text, as `read_path` returns it."""
    parts = []
    for piece in pieces:
        whole = _inked(piece, height)
        for part in _parts(model, whole, height):
            at_end = np.abs(np.subtract(part.box, whole.box)) < END * height
            parts.append(part._replace(framed=np.logical_and(piece.framed, at_end) & (not cropped)))
    parts.sort(key=lambda part: part.box[0] + part.box[2])
    boxes = [part.box for part in parts]
    answers = classify(model, _candidates(parts, spans(boxes, height), height), height)
    return read_path(boxes, [part.cut for part in parts], answers, height)


def _inked(piece, height):
    """The piece with strokes as broad as MNIST's, unless it is low: an underline would be joined to its digit."""
    if is_slight(piece, height):
        return piece
    room = math.ceil(ROOM * height)
    padded = np.pad(piece.ink, room)
    ink = with_pen(padded, height)
    ink = F.interpolate(ink[None, None], padded.shape, mode="area")[0, 0].numpy()
    return _trimmed(piece.top - room, piece.left - room, ink, 0.0)


def _trimmed(top, left, ink, trace=0.3):
    """A piece without the rows and columns around it that have only traces of ink; None if all have."""
    rows, columns = (np.flatnonzero((ink > trace).any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return None
    return Piece(top + rows[0], left + columns[0], ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _parts(model, piece, height):
    """Cut a piece wherever digits may touch."""
    places = [] if is_slight(piece, height) else cuts(model, piece.ink, height)
    if not places:
        return [piece]
    shared = SHARED * height
    column = np.arange(piece.ink.shape[1])
    edges = [-math.inf, *(where[:, None] for where, _ in places), math.inf]
    between = [(column > left - shared) & (column <= right + shared) for left, right in pairwise(edges)]
    parts = [_trimmed(piece.top, piece.left, np.where(inside, piece.ink, 0)) for inside in between]
    odds = [None, *(odds for _, odds in places)]
    parts = [part._replace(cut=odd) for part, odd in zip(parts, odds, strict=True) if part]
    return [parts[0]._replace(cut=None), *parts[1:]] if parts else []  # on its left, there were only traces of ink


def _candidates(parts, spans, height):
    """Parts joined, centred as in MNIST: {(start, stop): (box, image, whether the frame cuts it off)}."""
    candidates = {}
    for span in spans:
        box, page = _joined(parts[slice(*span)])
        try:
            image = center(sharpened(page, height))
        except ValueError:  # only traces of ink
            continue
        candidates[span] = box, image, bool(np.any([part.framed for part in parts[slice(*span)]]))
    return candidates


def _joined(pieces):
    """The box around pieces, and their ink in it."""
    box = around(piece.box for piece in pieces)
    page = np.zeros((box[3] - box[1], box[2] - box[0]), np.float32)
    for piece in pieces:
        x, y = piece.left - box[0], piece.top - box[1]
        place = page[y : y + piece.ink.shape[0], x : x + piece.ink.shape[1]]
        np.maximum(place, piece.ink, out=place)
    return box, page


def _turned_back(box, turns, shape):
    """The box in ink (H, W) = shape that was turned by so many quarters, counterclockwise."""
    left, top, right, bottom = box
    if turns == 1:
        left, top, right, bottom = shape[1] - bottom, left, shape[1] - top, right
    elif turns == 3:
        left, top, right, bottom = top, shape[0] - right, bottom, shape[0] - left
    return np.array([left, top, right, bottom])

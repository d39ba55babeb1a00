"""Read whole numbers: find the ink, cut it into pieces, and let the network choose which pieces are digits.

The pieces of a line of text, cut wherever digits may touch, are joined to candidates. Each path through the candidates
is a reading. The best one has the largest sum of scores (Matan et al. 1992, Multi-digit recognition using a space
displacement neural network; LeCun et al. 1998, section VII).
"""

import math
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mnist_cnn.handwriting.centering import center
from mnist_cnn.handwriting.convert import pixels_of, tone_of, with_pen
from mnist_cnn.handwriting.cuts import cuts
from mnist_cnn.handwriting.ink import find_ink
from mnist_cnn.handwriting.paper import between_bars, ink_density, sides
from mnist_cnn.handwriting.pieces import SLIGHT, Piece, find_pieces, text_lines, without_frames
from mnist_cnn.model import SURE, TYPICAL, in_words, judge_scores, predict, typicality

SIDE = 1400  # pixels; larger pictures are averaged down to this: digits on a page of a hundred are then 30 pixels high
WIDE = 1.3  # a digit is at most so wide; in heights of a digit, as are all lengths here
CLEAR = 0.95, 0.02  # probability and typicality from which a piece is a digit, and not cut

# The score of a candidate, fitted to strings of training digits
DIGIT = 0.8  # for being a digit at all
PROBABILITY = 4.2  # per unit of the logarithm of the probability
DOUBT, TRUSTED = 0.7, 4.7  # per unit by which the judge's score falls short of TRUSTED
LOWER, LOW = 12.0, 0.75  # per height of a digit by which it is lower than LOW
BROADER, BROAD = 7.5, 0.6  # or broader than BROAD
CUT, CROSSED = 0.25, 2.5  # for each cut, and per height of a digit of ink that it crosses
SKIP = 8.0  # for ink as high as a digit that is left out
BAD = -4.0  # mean score per digit below which the page may lie on its side
PAGE = 3  # digits, at least, of a page that lies on its side

REFUSED = 0.002  # typicality below which a candidate is left out of the text
SPACE, SPACES = 0.6, 2.2  # between two numbers, at least; and in gaps between the digits of a line


class Digit(NamedTuple):
    """A digit in a picture."""

    label: int
    box: tuple  # left, top, right, bottom, in the picture's pixels; the last two lie outside
    image: Tensor  # uint8 (1, 28, 28)
    probabilities: Tensor  # float32 (classes,)
    typicality: float
    cut_off: bool  # by the frame of the picture

    @property
    def doubtful(self):
        return self.cut_off or self.typicality < TYPICAL or self.probabilities.max().item() < SURE


class Reading(NamedTuple):
    """The digits of a picture, as text and one by one."""

    lines: list  # of text, from top to bottom: a list of Digit each, from left to right
    left_out: list  # Digit: what the network takes for no digit, and what the frame cuts off beside whole ones
    class_names: list

    @property
    def digits(self):
        """All digits, in reading order."""
        return [digit for line in self.lines for digit in line]

    @property
    def text(self):
        """The digits, with a space where two numbers are apart, and a line break between lines."""
        return "\n".join(self._text(line) for line in self.lines)

    def in_words(self):
        """The text with a question mark after each digit that is doubtful; of a single digit, the answer in words."""
        if len(self.digits) == 1 or (self.left_out and not self.digits):
            digit = (self.digits or self.left_out)[0]
            words = in_words(digit.probabilities, self.class_names, digit.typicality)
            return words + " (cut off)" * digit.cut_off
        return "\n".join(self._text(line, "?") for line in self.lines)

    def _text(self, line, mark=""):
        height = np.median([digit.box[3] - digit.box[1] for digit in line])
        gaps = [max(0, right.box[0] - left.box[2]) for left, right in pairwise(line)]
        apart = max(SPACE * height, SPACES * np.median(gaps)) if gaps else 0
        spaces = [" " if gap > apart else "" for gap in [0, *gaps]]
        names = [self.class_names[digit.label] + mark * digit.doubtful for digit in line]
        return "".join(space + name for space, name in zip(spaces, names, strict=True))


def read_numbers(model, picture, class_names="0123456789"):
    """Read all digits in a picture: one, a number, lines of numbers, or a page of them.

    model: MNIST_CNN with a trained judge; class_names: a string for each class.
    picture: as for `to_mnist`. A page may lie on its side.
    Returns a Reading.
    Raises ValueError as `to_mnist` does, for a picture that is not valid or has no ink.
    """
    pixels = pixels_of(picture)
    tone = tone_of(pixels, SIDE)
    rows, columns = between_bars(tone)
    ink, mask = find_ink(*ink_density(tone[rows, columns]))
    cropped = all(side.any() for side in sides(mask))
    mask = without_frames(mask)
    (score, lines), turns = _read(model, ink, mask), 0
    if score < BAD:
        for quarters in (1, 3):
            turned = _read(model, *(np.ascontiguousarray(np.rot90(part, quarters)) for part in (ink, mask)))
            if turned[0] > max(BAD, score) and sum(map(len, turned[1])) >= PAGE:
                (score, lines), turns = turned, quarters
    if cropped:  # to the ink, which the frame does not cut then
        lines = [[digit._replace(cut_off=False) for digit in line] for line in lines]
    scale = math.ceil(max(pixels.shape[:2]) / SIDE)
    corner = np.tile([columns.start, rows.start], 2)
    place = lambda digit: tuple((scale * (_turned_back(digit.box, turns, ink.shape) + corner)).tolist())
    lines = [[digit._replace(box=place(digit)) for digit in line] for line in lines]
    found = [digit for line in lines for digit in line]
    typical = any(digit.typicality >= REFUSED for digit in found)  # or else what is there is shown as doubtful
    whole = any(digit.typicality >= REFUSED and not digit.cut_off for digit in found)
    is_read = lambda digit: (digit.typicality >= REFUSED or not typical) and not (whole and digit.cut_off)
    kept = [[digit for digit in line if is_read(digit)] for line in lines]
    left_out = [digit for digit in found if not is_read(digit)]
    return Reading([line for line in kept if line], left_out, list(class_names))


def _read(model, ink, mask):
    """The best reading of a mask: its mean score per digit, and the digits of each line of text."""
    pieces, height = find_pieces(ink, mask)
    found = [_read_line(model, line, height, ink.shape) for line in text_lines(pieces, height)]
    lines = [digits for _, digits in found]
    return sum(score for score, _ in found) / max(1, sum(map(len, lines))), lines


class _Atom(NamedTuple):
    """A piece of ink, or a part of one between two cuts."""

    piece: Piece
    cut: float | None  # the ink that the cut on its left crosses, in heights of a digit; None if there is none


def _read_line(model, pieces, height, shape):
    """The path through the candidates of a line of text with the largest sum of scores: the sum, and its digits."""
    whole = [_Atom(_inked(piece, height), None) for piece in pieces]
    answers = _answers(model, whole, [(k, k + 1) for k in range(len(whole))], shape)
    atoms = [part for k, atom in enumerate(whole) for part in _parts(atom, answers.get((k, k + 1)), height)]
    atoms.sort(key=lambda atom: atom.piece.box[0] + atom.piece.box[2])
    answers = _answers(model, atoms, _spans(atoms, height), shape)
    best = [(0.0, [])]  # of the atoms before each place
    for stop in range(1, len(atoms) + 1):
        score, digits = best[-1]
        found = [(score - SKIP * min(1, len(atoms[stop - 1].piece.ink) / height), digits)]  # leave the last atom out
        for start in range(stop):
            if (start, stop) in answers:
                digit, doubt = answers[start, stop]
                crossed = [atom.cut for atom in (atoms[start], *atoms[stop : stop + 1]) if atom.cut is not None]
                score, digits = best[start]
                score += _worth(digit, doubt, height) - CUT * len(crossed) - CROSSED * sum(crossed)
                found.append((score, [*digits, digit]))
        best.append(max(found, key=itemgetter(0)))
    return best[-1]


def _worth(digit, doubt, height):
    """The score of a candidate."""
    left, top, right, bottom = digit.box
    lower, broader = max(0, LOW - (bottom - top) / height), max(0, (right - left) / height - BROAD)
    certain = math.log(max(digit.probabilities.max().item(), 1e-4))
    return DIGIT + PROBABILITY * certain - DOUBT * doubt - LOWER * lower - BROADER * broader


def _inked(piece, height):
    """The piece with strokes as broad as MNIST's."""
    wide = math.ceil(height / 20)  # a thin stroke may grow by so much
    padded = np.pad(piece.ink, wide)
    ink = with_pen(padded, height)
    ink = F.interpolate(ink[None, None], padded.shape, mode="area")[0, 0].numpy()
    return _trimmed(piece.top - wide, piece.left - wide, ink, 0.0) or piece


def _trimmed(top, left, ink, trace=0.3):
    """A piece without the rows and columns around it that have only traces of ink; None if all have."""
    rows, columns = (np.flatnonzero((ink > trace).any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return None
    return Piece(top + rows[0], left + columns[0], ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _parts(atom, answer, height):
    """Cut a piece wherever digits may touch, unless it is clearly one digit."""
    piece = atom.piece
    if len(piece.ink) < SLIGHT * height:
        return [atom]
    if answer:
        probability, typical = answer[0].probabilities.max().item(), answer[0].typicality
        if probability > CLEAR[0] and typical > CLEAR[1]:
            return [atom]
    places = cuts(piece.ink, height)
    column = np.arange(piece.ink.shape[1])
    side = sum((column > where[:, None] for where, _ in places), np.zeros(piece.ink.shape, int))
    costs = [None, *(cost for _, cost in places)]
    parts = [_trimmed(piece.top, piece.left, np.where(side == k, piece.ink, 0)) for k in range(len(costs))]
    return [_Atom(part, cost) for part, cost in zip(parts, costs, strict=True) if part]


def _spans(atoms, height):
    """Neighbouring atoms that together are no broader than a digit: (start, stop)."""
    for start in range(len(atoms)):
        left, right = atoms[start].piece.left, 0
        for stop in range(start + 1, len(atoms) + 1):
            left, right = min(left, atoms[stop - 1].piece.left), max(right, atoms[stop - 1].piece.box[2])
            if right - left > WIDE * height and stop > start + 1:
                break
            yield start, stop


def _answers(model, atoms, spans, shape):
    """The network's answers to candidates: {(start, stop): (digit, how far the judge's score falls short)}."""
    found = []
    for span in spans:
        box, page = _joined([atom.piece for atom in atoms[slice(*span)]])
        try:
            found.append((span, box, center(page)))
        except ValueError:  # only traces of ink
            continue
    if not found:
        return {}
    images = torch.stack([image for _, _, image in found])
    labels, probabilities = predict(model, images)
    scores, typical = judge_scores(model, images), typicality(model, images)
    doubts = F.softplus(TRUSTED - scores)
    answers = {}
    for k, (span, box, image) in enumerate(found):
        cut_off = bool(min(box[0], box[1], shape[1] - box[2], shape[0] - box[3]) <= 0)
        digit = Digit(labels[k].item(), box, image, probabilities[k], typical[k].item(), cut_off)
        answers[span] = digit, doubts[k].item()
    return answers


def _joined(pieces):
    """The box around pieces, and their ink in it."""
    left, top, right, bottom = zip(*(piece.box for piece in pieces), strict=True)
    box = min(left), min(top), max(right), max(bottom)
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

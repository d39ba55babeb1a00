"""The digits that were read, one by one and as text."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mnist_cnn.model import SURE, TYPICAL, in_words

REFUSED = 0.002  # typicality below which a candidate is left out of the text
SPACE, SPACES = 0.6, 2.2  # between two numbers, at least: in heights of a digit, and in small gaps of the line's digits
LOWER, LOW = 12.0, 0.65  # what a digit's score loses per height by which it is lower than LOW, in heights of a digit
POOR, SLACK = -1.3, 4.5  # if the mean score of digits is lower than POOR, by more than SLACK in all, they are a word
LEAST = -3.0  # but no digit, nor a sign beside digits, counts for less than this


class Digit(NamedTuple):
    """A digit in a picture."""

    label: int
    box: tuple  # left, top, right, bottom, in the picture's pixels; the last two lie outside
    image: Tensor  # uint8 (1, 28, 28)
    probabilities: Tensor  # float32 (classes,)
    typicality: float
    cut_off: bool  # by the frame of the picture
    score: float = 0.0  # how well it fits in its line of text, see path.py
    rivalled: bool = False  # another way to cut the line into digits is nearly as good
    after_space: bool = False  # a new number begins here

    @property
    def doubtful(self):
        return self.cut_off or self.rivalled or self.typicality < TYPICAL or self.probabilities.max().item() < SURE


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
    def certainty(self):
        """How much better the score of its best number is than that of a word; 0 if there is none."""
        return _certainty(_best_number([numbers_of(line) for line in self.lines]))

    @property
    def text(self):
        """The digits, with a space where two numbers are apart, and a line break between lines."""
        return "\n".join(self._text(line) for line in self.lines)

    def in_words(self):
        """The text with a question mark after each digit that is doubtful; of a single digit, the answer in words."""
        if len(self.digits) == 1 or (self.left_out and not self.digits):
            digit = (self.digits or self.left_out)[0]
            words = in_words(digit.probabilities, self.class_names, digit.typicality)
            return words + " (cut off)" * digit.cut_off + " (or several digits)" * digit.rivalled
        return "\n".join(self._text(line, "?") for line in self.lines)

    def _text(self, line, mark=""):
        doubt = lambda digit: mark * digit.doubtful
        return "".join(" " * digit.after_space + self.class_names[digit.label] + doubt(digit) for digit in line)


def numbers_of(line):
    """Divide a line of Digit where there is a space."""
    gaps = [max(0, right.box[0] - left.box[2]) for left, right in pairwise(line)]
    high = [SPACE * (_height(left) + _height(right)) / 2 for left, right in pairwise(line)]
    least = SPACES * np.quantile(gaps, 0.25) if gaps else 0
    starts = [k for k, (gap, apart) in enumerate(zip(gaps, high, strict=True), 1) if gap > max(apart, least)]
    return [line[start:stop] for start, stop in pairwise([0, *starts, len(line)])]


def _height(digit):
    return digit.box[3] - digit.box[1]


def sort_out(lines, class_names, others=()):
    """Return the Reading of lines of Digit: leave out what is no digit, what the frame cuts off, and words.

    others: what the best path has left out already.
    Nothing is left out if nothing else would stay: what is there is then shown as doubtful.
    """
    found = [digit for line in lines for digit in line]
    lines = _without_words([numbers_of(line) for line in lines if line])
    rank = lambda digit: 0 if digit.typicality < REFUSED else 1 if digit.cut_off else 2
    best = max((rank(digit) for line in lines for digit in line), default=0)
    lines = [[digit for digit in line if rank(digit) == best] for line in lines]
    read = {id(digit) for line in lines for digit in line}
    left_out = [digit for digit in found if id(digit) not in read]
    begin = lambda k, number: [number[0]._replace(after_space=k > 0), *number[1:]]
    lines = [numbers_of(line) for line in lines if line]
    lines = [[digit for k, number in enumerate(line) for digit in begin(k, number)] for line in lines]
    return Reading(lines, [*left_out, *others], list(class_names))


def _without_words(lines):
    """Lines of Digit, from lines of numbers, without words, and without lines of words. Print is often lower, too."""
    best = _best_number(lines)
    height = np.median([_height(digit) for digit in best]) if best else 1
    lower = lambda number: sum(max(0, LOW - _height(digit) / height) for digit in number)
    worth = lambda number: _certainty(number) - LOWER * lower(number)

    def read(line):
        words = sum(worth(number) for number in line if number is not best) < -SLACK
        kept = [number for number in line if number is best or (worth(number) > -SLACK and not words)]
        return [digit for number in kept for digit in number]

    return list(map(read, lines))


def _best_number(lines):
    """Of lines of numbers, the number that is most certainly one."""
    return max((number for line in lines for number in line), key=_certainty, default=[])


def _certainty(number):
    """How much better the score of a number is, a list of Digit, than that of a word."""
    return sum(max(digit.score - POOR, LEAST) for digit in number)

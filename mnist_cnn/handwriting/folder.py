"""Many pictures: read the numbers in them, and write the answers as a table."""

import csv
import io
import os
import sys
from glob import escape, glob
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from mnist_cnn import files
from mnist_cnn.handwriting.numbers import read_numbers
from mnist_cnn.handwriting.pictures import read_picture
from mnist_cnn.handwriting.reading import Reading

MANY = 25  # from this many files on, progress is shown
PROBLEMS = 10  # at most so many are printed
COLUMNS = [
    *("file", "text", "in words", "digits", "doubtful", "left out", "least probability", "least typicality", "problem")
]


class Picture(NamedTuple):
    """A picture, as large as shown, and what was read in it."""

    path: str
    thumbnail: np.ndarray  # uint8 (h, w, 3 or 4)
    size: tuple  # width and height of the picture, in the pixels of the digits' boxes
    reading: Reading

    @property
    def certainty(self):
        """The probability of the least sure digit; 0 if there is none, or a doubtful one."""
        sure = [0 if digit.doubtful else digit.probabilities.max().item() for digit in self.reading.digits]
        return min(sure, default=0)


def read_pictures(model, *places, class_names="0123456789", messages=None):
    """Read the numbers in pictures. Prints what is wrong with the files that cannot be read.

    model, class_names: as for `read_numbers`.
    places: files, folders, or patterns such as "~/scans/*.jpg"; messages: where to print, by default sys.stdout.
    Returns (pictures, problems): a list of Picture, the least sure first, and {path: message}, sorted by path.
    Raises FileNotFoundError if there is no picture of a digit.
    """
    pictures, problems, messages = [], {}, messages or sys.stdout
    found = {place: _find(place) for place in places}
    problems |= {place: f"{place}: no picture is there" for place, paths in found.items() if not paths}
    paths = [path for paths in found.values() for path in paths]
    for path in tqdm(paths, unit=" pictures", file=messages, disable=len(paths) < MANY):
        try:
            pixels = read_picture(path)
            reading = read_numbers(model, pixels, class_names)
            pictures.append(Picture(path, thumbnail(pixels), pixels.shape[1::-1], reading))
        except (OSError, ValueError) as error:
            message = str(error) if path in str(error) else f"{path}: {error}"
            problems[path] = message.encode(errors="backslashreplace").decode()  # a file name may be no valid text
    for message in list(problems.values())[:PROBLEMS]:
        print(message, file=messages)
    if len(problems) > PROBLEMS:
        print(f"... and {len(problems) - PROBLEMS:,} more of {len(paths):,} files could not be read", file=messages)
    if not pictures:
        raise FileNotFoundError(
            f"no picture of a digit at {', '.join(places)}: set PICTURES to the folder or files of yours"
        )
    return sorted(pictures, key=lambda picture: picture.certainty), problems


def _find(place):
    """The sorted paths of a file, of all that is in a folder, or of what fits a pattern."""
    place = os.path.expanduser(place)
    if os.path.isfile(place):
        return [place]
    return sorted(glob(os.path.join(escape(place), "*") if os.path.isdir(place) else place))


def thumbnail(picture, side=200):
    """Average a picture down to less than 2 * `side` pixels a side, and to 17 tones: noise makes PNG files large.

    picture: array (H, W), or (H, W, C) with C = 2 (grey, opacity), 3 or 4; uint8 or uint16.
    Returns uint8 (h, w, 3 or 4).
    """
    picture = np.atleast_3d(picture)
    height, width, channels = picture.shape
    step = max(1, max(height, width) // side)
    down, across = min(step, height), min(step, width)
    whole = picture[: height // down * down, : width // across * across]
    blocks = whole.reshape(height // down, down, width // across, across, channels)
    tones = (blocks.mean((1, 3)) * (16 / np.iinfo(picture.dtype).max)).round()
    small = (16 * tones).clip(0, 255).astype(np.uint8)
    return small[..., [0, 0, 0, 1][: channels + 2]] if channels < 3 else small


def write_answers(path, pictures, problems):
    """Write the answers to all pictures as a table (CSV, for a spreadsheet), with a row for each problem at the end.

    pictures, problems: as `read_pictures` returns them. Raises OSError as `files.write` does.
    """
    table = io.StringIO(newline="")
    rows = csv.writer(table)
    rows.writerow(COLUMNS)
    rows.writerows(row(picture).values() for picture in pictures)
    rows.writerows([name, *[""] * (len(COLUMNS) - 2), message] for name, message in problems.items())
    data = table.getvalue().encode("utf-8-sig", "backslashreplace")  # the mark tells spreadsheets that this is UTF-8
    files.write(path, data)


def row(picture):
    """The answer to a picture as {column: value}."""
    digits = picture.reading.digits
    values = (
        picture.path,
        picture.reading.text,
        picture.reading.in_words(),
        len(digits),
        sum(digit.doubtful for digit in digits),
        len(picture.reading.left_out),
        round(min((digit.probabilities.max().item() for digit in digits), default=0), 4),
        round(min((digit.typicality for digit in digits), default=0), 3),
        "",
    )
    return dict(zip(COLUMNS, values, strict=True))

"""Many pictures of one digit each: read them, and write the answers as a table."""

import csv
import io
import os
import sys
from glob import escape, glob
from typing import NamedTuple

import numpy as np
from torch import Tensor
from tqdm import tqdm

from mnist_cnn import files
from mnist_cnn.handwriting.convert import to_mnist
from mnist_cnn.handwriting.pictures import read_picture

MANY = 25  # from this many files on, progress is shown
PROBLEMS = 10  # at most so many are printed


class Picture(NamedTuple):
    """A picture of a digit, and the digit: uint8 (1, 28, 28)."""

    path: str
    digit: Tensor


def read_pictures(place):
    """Read pictures and convert each to a digit in MNIST's style.

    Prints what is wrong with the files that cannot be read.

    place: a file, a folder, or a pattern such as "~/scans/*.jpg".
    Returns (pictures, problems): a list of Picture, and {path: message}, both sorted by path.
    Raises FileNotFoundError if there is no picture of a digit.
    """
    pictures, problems = [], {}
    paths = _find(place)
    for path in tqdm(paths, unit=" pictures", file=sys.stdout, disable=len(paths) < MANY):
        try:
            pictures.append(Picture(path, to_mnist(read_picture(path))))
        except (OSError, ValueError) as error:
            message = str(error) if path in str(error) else f"{path}: {error}"
            problems[path] = message.encode(errors="backslashreplace").decode()  # a file name may be no valid text
    for message in list(problems.values())[:PROBLEMS]:
        print(message)
    if len(problems) > PROBLEMS:
        print(f"... and {len(problems) - PROBLEMS:,} more of {len(paths):,} files could not be read")
    if not pictures:
        raise FileNotFoundError(f"no picture of a digit at {place}: set PICTURES to the folder or files of yours")
    return pictures, problems


def _find(place):
    """The sorted paths of a file, of all that is in a folder, or of what fits a pattern."""
    place = os.path.expanduser(place)
    if os.path.isfile(place):
        return [place]
    return sorted(glob(os.path.join(escape(place), "*") if os.path.isdir(place) else place))


def thumbnail(picture, side=200):
    """Average a picture down to less than 2 * `side` pixels a side.

    picture: array (H, W), or (H, W, C) with C = 2 (grey, opacity), 3 or 4; uint8 or uint16.
    Returns uint8 (h, w, 3 or 4).
    """
    picture = np.atleast_3d(picture)
    height, width, channels = picture.shape
    step = max(1, max(height, width) // side)
    down, across = min(step, height), min(step, width)
    whole = picture[: height // down * down, : width // across * across]
    blocks = whole.reshape(height // down, down, width // across, across, channels)
    small = (blocks.mean((1, 3)) * (255 / np.iinfo(picture.dtype).max)).round().astype(np.uint8)
    return small[..., [0, 0, 0, 1][: channels + 2]] if channels < 3 else small


def write_answers(path, pictures, probabilities, typical, class_names, problems):
    """Write the answers to all pictures as a table (CSV, for a spreadsheet), with a row for each problem at the end.

    pictures, problems: as `read_pictures` returns them; probabilities: (N, classes); typical: (N,), their typicality.
    Raises OSError as `files.write` does.
    """
    table = io.StringIO(newline="")
    rows = csv.writer(table)
    rows.writerow(["file", "answer", "probability", "second answer", "second probability", "typicality", "problem"])
    best = probabilities.topk(2)
    for picture, values, classes, share in zip(pictures, best.values, best.indices, typical):
        (first, second), (answer, other) = values.tolist(), (class_names[i] for i in classes)
        rows.writerow([picture.path, answer, f"{first:.4f}", other, f"{second:.4f}", f"{share:.3f}", ""])
    for name, message in problems.items():
        rows.writerow([name, *[""] * 5, message])
    data = table.getvalue().encode("utf-8-sig", "backslashreplace")  # the mark tells spreadsheets that this is UTF-8
    files.write(path, data)

"""Many pictures: read the numbers in them, compare them with their labels, and write the answers as a table."""

import csv
import io
import json
import math
import os
import re
import sys
from glob import escape, glob
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from tqdm import tqdm

from mnist_cnn import files
from mnist_cnn.handwriting.convert import pixels_of, to_mnist
from mnist_cnn.handwriting.labels import TABLE, find_labels
from mnist_cnn.handwriting.numbers import read_numbers
from mnist_cnn.handwriting.paper import block_means
from mnist_cnn.handwriting.path import classify
from mnist_cnn.handwriting.pictures import read_picture
from mnist_cnn.handwriting.reading import Reading, sort_out
from mnist_cnn.handwriting.strokes import NIB, read_strokes
from mnist_cnn.idx import read_idx

MANY = 25  # from this many files on, progress is shown
SIDE = 130  # pixels: a thumbnail has less than twice as many a side
PROBLEMS = 10  # at most so many are printed
IDX, LABELS = r"images([-.])idx3", r"labels[-.]idx1"  # in the names of a file of images and that of their labels


class Picture(NamedTuple):
    """A picture, as large as shown, and what was read in it."""

    path: str
    thumbnail: np.ndarray  # uint8 (h, w, 3 or 4)
    size: tuple  # width and height of the picture, in the pixels of the digits' boxes
    reading: Reading
    label: str | None = None  # what it shows, if that is known

    @property
    def wrong(self):
        """Whether the text is not that of the label, apart from spaces and line breaks."""
        return self.label is not None and "".join(self.reading.text.split()) != "".join(self.label.split())

    @property
    def certainty(self):
        """The probability of the least sure digit; 0 if there is none, or a doubtful one."""
        sure = [0 if digit.doubtful else digit.probabilities.max().item() for digit in self.reading.digits]
        return min(sure, default=0)


def read_pictures(model, *places, class_names="0123456789", messages=None):
    """Read the numbers in pictures. Prints which files cannot be read, and how many answers differ from the labels.

    model, class_names: as for `read_numbers`.
    places: files, folders, or patterns such as "~/scans/*.jpg". A folder may have one folder for each class. A file may
        also hold many images: the drawings that the pad keeps (JSON), or images in the IDX format beside their labels.
        `find_labels` says where the labels of pictures are.
    messages: where to print, by default sys.stdout.
    Returns (pictures, problems): a list of Picture, and {path: message}, sorted by path. First come wrong answers, the
    surest first, then the others, the least sure first.
    Raises FileNotFoundError if there is no picture of a digit, ValueError for a table of labels that is damaged.
    """
    pictures, problems, messages = [], {}, messages or sys.stdout
    class_names = list(class_names)  # "12" is in the string of all digits, but no class
    found = {place: _find(place, class_names) for place in places}
    problems |= {place: f"{place}: no picture is there" for place, paths in found.items() if not paths}
    paths = [path for paths in found.values() for path in paths]
    for path in tqdm(paths, unit=" pictures", file=messages, disable=len(paths) < MANY):
        try:
            pictures += _read(model, path, class_names)
        except (OSError, ValueError) as error:
            problems[path] = problem(path, error)
    for message in list(problems.values())[:PROBLEMS]:
        print(message, file=messages)
    if len(problems) > PROBLEMS:
        print(f"... and {len(problems) - PROBLEMS:,} more of {len(paths):,} files could not be read", file=messages)
    if not pictures:
        raise FileNotFoundError(
            f"no picture of a digit at {', '.join(map(str, places))}: set PICTURES to the folder or files of yours"
        )
    labels, source = find_labels([picture.path for picture in pictures if picture.label is None], class_names)
    pictures = [picture._replace(label=labels.get(picture.path, picture.label)) for picture in pictures]
    if known := [picture for picture in pictures if picture.label is not None]:
        wrong, source = sum(picture.wrong for picture in known), source or "the files"
        print(f"{wrong:,} wrong of {len(known):,} with a label, which is in {source}", file=messages)
    order = lambda picture: (not picture.wrong, -picture.certainty if picture.wrong else picture.certainty)
    return sorted(pictures, key=order), problems


def problem(path, error):
    """The message of an error, with the path in it."""
    message = str(error) if path in str(error) else f"{path}: {error}"
    return message.encode(errors="backslashreplace").decode()  # a file name may be no valid text


def _read(model, path, class_names):
    """The pictures in a file: a list of Picture."""
    if path.endswith(".json"):
        return list(_drawings(model, path, class_names))
    if re.search(IDX, os.path.basename(path)):
        return list(_idx_images(model, path, class_names))
    pixels = read_picture(path)
    reading = read_numbers(model, pixels, class_names)
    return [Picture(path, thumbnail(pixels), pixels.shape[1::-1], reading)]


def _drawings(model, path, class_names):
    """Each drawing that the pad has kept."""
    try:
        with open(path, encoding="utf-8") as file:
            drawings = [(str(drawing["label"]), drawing["strokes"]) for drawing in json.load(file)]
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path}: expected drawings that the pad has kept, found another file ({error!r})") from None
    for number, (label, strokes) in enumerate(drawings):
        reading = read_strokes(model, strokes, class_names)
        strokes = [np.asarray(stroke, float) for stroke in strokes]
        width, height = np.concatenate(strokes).max(axis=0) + NIB
        scale = 2 * SIDE / max(width, height)
        page = Image.new("RGB", (math.ceil(scale * width), math.ceil(scale * height)), "white")
        for stroke in strokes:
            points = [tuple(point) for point in scale * stroke]
            ImageDraw.Draw(page).line(points, fill="black", width=math.ceil(scale * NIB), joint="curve")
        yield Picture(f"{path} {number}", thumbnail(np.asarray(page)), (width, height), reading, label)


def _idx_images(model, path, class_names):
    """Each image of an IDX file, with its label from the file beside it. Of 28x28 pixels, it is in MNIST's format."""
    beside = os.path.join(os.path.dirname(path), re.sub(IDX, r"labels\1idx1", os.path.basename(path)))
    images, labels = read_idx(path), read_idx(beside)
    if images.ndim != 3 or labels.shape != images.shape[:1] or not labels.max(initial=0) < len(class_names):
        raise ValueError(
            f"{path}: expected images (N, H, W) and N labels below {len(class_names)}, found {images.shape} and "
            f"{labels.shape} up to {labels.max(initial=0)}"
        )
    _, height, width = images.shape
    candidates = {k: ((0, 0, width, height), _as_in_mnist(image), False) for k, image in enumerate(images)}
    for k, digit in classify(model, candidates, height).items():
        reading = sort_out([[digit]], class_names) if digit.image.any() else Reading([], [], class_names)
        yield Picture(f"{path} {k}", thumbnail(images[k]), (width, height), reading, class_names[labels[k]])


def _as_in_mnist(image):
    """An image uint8 (H, W) as uint8 (1, 28, 28), blank if no digit is found in it."""
    if image.shape == (28, 28):
        return torch.from_numpy(image[None])
    pixels_of(image)  # raises ValueError for images that are too small
    try:
        return to_mnist(image)
    except ValueError:
        return torch.zeros(1, 28, 28, dtype=torch.uint8)


def labelled_digits(pictures, class_names="0123456789"):
    """The digits of pictures that have as many digits as their label: uint8 (N, 1, 28, 28) and int64 (N,)."""
    images, labels, class_names = [torch.zeros(0, 1, 28, 28, dtype=torch.uint8)], [], list(class_names)
    for picture in pictures:
        label = picture.label or ""
        names = [label] if label in class_names else list("".join(label.split()))
        if len(names) == len(picture.reading.digits) and set(names) <= set(class_names):
            images += [digit.image[None] for digit in picture.reading.digits]
            labels += [class_names.index(name) for name in names]
    return torch.cat(images), torch.tensor(labels, dtype=torch.int64)


def _find(place, class_names):
    """The sorted paths of a file, of all that is in a folder and its folders of classes, or of what fits a pattern."""
    place = os.path.expanduser(place)
    if os.path.isfile(place):
        return [place]
    found = sorted(glob(os.path.join(escape(place), "*") if os.path.isdir(place) else place))
    inside = lambda path: sorted(glob(os.path.join(escape(path), "*")))
    is_class = lambda path: os.path.basename(path) in class_names and os.path.isdir(path)
    found = [file for path in found for file in (inside(path) if is_class(path) else [path])]
    skipped = lambda name: name == TABLE or re.search(LABELS, name)
    return [path for path in found if not skipped(os.path.basename(path))]


def thumbnail(picture, side=SIDE):
    """Average a picture down to less than 2 * `side` pixels a side, and to 17 tones: noise makes PNG files large.

    picture: array (H, W), or (H, W, C) with C = 2 (grey, opacity), 3 or 4; uint8 or uint16.
    Returns uint8 (h, w, 3 or 4).
    """
    picture = np.atleast_3d(picture)
    means = block_means(picture, max(1, max(picture.shape[:2]) // side))
    full = 255 if picture.max() <= 255 else np.iinfo(picture.dtype).max  # 8-bit values may be stored in 16 bits
    tones = (means * (16 / full)).round()
    small = (16 * tones).clip(0, 255).astype(np.uint8)
    return small[..., [0, 0, 0, 1][: small.shape[2] + 2]] if small.shape[2] < 3 else small


def write_answers(path, pictures, problems):
    """Write the answers to all pictures as a table (CSV, for a spreadsheet), with a row for each problem at the end.

    pictures, problems: as `read_pictures` returns them. Raises OSError as `files.write` does.
    """
    rows = [_row(picture) for picture in pictures]
    rows += [{"file": name, "problem": message} for name, message in problems.items()]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    data = table.getvalue().encode("utf-8-sig", "backslashreplace")  # the mark tells spreadsheets that this is UTF-8
    files.write(path, data)


def _row(picture):
    """The answer to a picture as {column: value}."""
    digits = picture.reading.digits
    return {
        "file": picture.path,
        "text": picture.reading.text,
        "in words": picture.reading.in_words(),
        "label": picture.label,
        "digits": len(digits),
        "doubtful": sum(digit.doubtful for digit in digits),
        "left out": len(picture.reading.left_out),
        "least probability": round(min((digit.probabilities.max().item() for digit in digits), default=0), 4),
        "least typicality": round(min((digit.typicality for digit in digits), default=0), 3),
        "problem": "",
    }

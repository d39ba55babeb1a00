"""The committed weights on images that are not MNIST's: scikit-learn's digits, letters of matplotlib. Writes beyond.md.

.venv/bin/python -m benchmarks.beyond
"""

from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from torch.nn import functional as F

from mnist_cnn import files
from mnist_cnn.dataset import load_split
from mnist_cnn.handwriting import read_numbers, read_picture, to_mnist
from mnist_cnn.model import TYPICAL, predict, typicality
from mnist_cnn.weights import load_weights
from tests.drawings import digit_string

ROOT = Path(__file__).parent.parent
FONT = Path(matplotlib.get_data_path(), "fonts/ttf/STIXGeneral.ttf")  # the training sees letters of DejaVu Sans only
LETTERS = "ABCDEFGHJKMNPQRTUVWXYabdefghkmnpqrtwxyÄÖß&?#@%+=ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπρστφχψω"  # few look like a digit
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def letter(character):
    picture = Image.new("L", (120, 120), 255)
    ImageDraw.Draw(picture).text((60, 60), character, font=ImageFont.truetype(FONT, 60), fill=0, anchor="mm")
    return np.asarray(picture)


def noise():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1000, 1, 28, 28), np.uint8))


def two_in_one(images):
    """1,000 pairs of digits, side by side, squeezed into one image each."""
    pairs = torch.cat(images[:2000].float().chunk(2), dim=3)
    return F.interpolate(pairs, (28, 28), mode="area").round().byte()


def sets():
    """Yield (name, images uint8 (N, 1, 28, 28), labels (N,) or None for images of no digit)."""
    images, labels = load_split(ROOT / "dataset", "test")
    yield "MNIST's test digits", images, labels
    convert = lambda pictures: torch.stack([to_mnist(picture) for picture in pictures])
    digits = load_digits()
    yield "scikit-learn's `load_digits`, 8x8", convert(np.uint8(digits.images / 16 * 255)), torch.tensor(digits.target)
    paths = [path for path in sorted((ROOT / "pictures").glob("*-*.*")) if path.name.split("-")[0] in WORDS]
    named = torch.tensor([WORDS.index(path.name.split("-")[0]) for path in paths])
    yield "the pictures of single digits in this repository", convert(map(read_picture, paths)), named
    yield "letters of a serif font", convert(map(letter, LETTERS)), None
    yield "white noise", noise(), None
    yield "two test digits squeezed into one image", two_in_one(images), None


def strings(model, kind, n=400):
    """The share of strings of two to six test digits, each by one writer, that are read without a mistake."""
    rng, right = np.random.default_rng(1), 0
    images, labels = load_split(ROOT / "dataset", "test")
    for _ in range(n):
        picture, text = digit_string(images, labels, kind, rng)
        right += read_numbers(model, picture).text.replace(" ", "") == text
    return f"| numbers of 2 to 6 test digits, {kind} | {n} | {100 * right / n:.1f} | |"


def main():
    model = load_weights(ROOT / "MNIST-MODEL.pth")
    lines = [
        "# Beyond MNIST",
        "",
        "The committed weights, on images that they were not trained on. Written by `python -m benchmarks.beyond`.",
        "",
        "| images | n | right, % | called no digit, % |",
        "|---|---|---|---|",
    ]
    for name, images, labels in sets():
        right = "" if labels is None else f"{100 * (predict(model, images)[0] == labels).double().mean():.1f}"
        refused = 100 * (typicality(model, images) < TYPICAL).double().mean()
        lines.append(f"| {name} | {len(images):,} | {right} | {refused:.1f} |")
    lines += [strings(model, kind) for kind in ("wide gaps", "near", "touching", "overlapping")]
    files.write(Path(__file__).parent / "beyond.md", ("\n".join(lines) + "\n").encode())
    print("\n".join(lines))


if __name__ == "__main__":
    main()

"""The committed weights on images that are not MNIST's, from packages that everybody has. Writes beyond.md.

.venv/bin/python -m benchmarks.beyond
"""

from datetime import date
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from torch.nn import functional as F

from mnist_cnn import files
from mnist_cnn.dataset import load_split
from mnist_cnn.handwriting import read_picture, to_mnist
from mnist_cnn.model import TYPICAL, predict, typicality
from mnist_cnn.weights import load_weights

ROOT = Path(__file__).parent.parent
FONT = Path(matplotlib.get_data_path(), "fonts/ttf/STIXGeneral.ttf")  # the training sees letters of DejaVu Sans only
LETTERS = "ABCDEFGHJKMNPQRTUVWXYabdefghkmnpqrtwxyÄÖß&?#@%+=ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπρστφχψω"  # few look like a digit
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def bitmaps():
    """scikit-learn's digits (Turkish writers, 8x8 greys) as bilevel bitmaps: 32x32, and 16x16 stretched to a square."""
    fine = F.interpolate(torch.tensor(load_digits().images / 16)[:, None], scale_factor=4, mode="bilinear") > 0.5
    for image in fine[:, 0]:
        rows, columns = (image.any(dim).nonzero() for dim in (1, 0))
        box = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        small = F.interpolate(box[None, None].float(), (16, 16), mode="area")[0, 0] > 0.5
        yield image.numpy().astype(np.uint8) * 255, small.numpy().astype(np.uint8) * 255


def letter(character):
    picture = Image.new("L", (120, 120), 255)
    ImageDraw.Draw(picture).text((60, 60), character, font=ImageFont.truetype(FONT, 60), fill=0, anchor="mm")
    return np.asarray(picture)


def sets():
    """Yield (name, images uint8 (N, 1, 28, 28), labels (N,) or None for images of no digit)."""
    images, labels = load_split(ROOT / "dataset", "test")
    yield "MNIST's test digits", images, labels
    convert = lambda pictures: torch.stack([to_mnist(picture) for picture in pictures])
    digits = load_digits()
    labels = torch.tensor(digits.target)
    yield "scikit-learn's `load_digits`, 8x8", convert(np.uint8(digits.images / 16 * 255)), labels
    large, stretched = zip(*bitmaps())
    yield "the same as bitmaps, 32x32", convert(large), labels
    yield "the same stretched to a square, 16x16", convert(stretched), labels
    paths = sorted((ROOT / "pictures").glob("*-*.*"))
    named = torch.tensor([WORDS.index(path.name.split("-")[0]) for path in paths])
    yield "the pictures of this repository", convert(map(read_picture, paths)), named
    yield "letters of a serif font", convert(map(letter, LETTERS)), None
    yield (
        "white noise",
        torch.randint(0, 256, (1000, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte(),
        None,
    )
    pairs = torch.cat(images[:2000].float().chunk(2), dim=3)
    yield "two test digits squeezed into one image", F.interpolate(pairs, (28, 28), mode="area").byte(), None


def main():
    model = load_weights(ROOT / "MNIST-MODEL.pth")
    lines = [
        "# Beyond MNIST",
        "",
        f"The committed weights. {date.today()}, written by `python -m benchmarks.beyond`.",
        "",
        "| images | n | right, % | called no digit, % |",
        "|---|---|---|---|",
    ]
    for name, images, labels in sets():
        right = "" if labels is None else f"{100 * (predict(model, images)[0] == labels).double().mean():.1f}"
        refused = 100 * (typicality(model, images) < TYPICAL).double().mean()
        lines.append(f"| {name} | {len(images):,} | {right} | {refused:.1f} |")
    files.write(Path(__file__).parent / "beyond.md", ("\n".join(lines) + "\n").encode())
    print("\n".join(lines))


if __name__ == "__main__":
    main()

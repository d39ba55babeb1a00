"""The committed weights on images other than MNIST's: scikit-learn's digits, damaged digits, letters. Writes beyond.md.

    python -m benchmarks.beyond          # ten minutes
    python -m benchmarks.beyond FOLDER   # with Fashion-MNIST's four files in it: also trains on them, three seeds

Debian's package `dataset-fashion-mnist` has them in /usr/share/datasets/fashion-mnist.
"""

import contextlib
import datetime
import sys
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from torch.nn import functional as F

from benchmarks.benchmark import ALONE, run_notebook
from benchmarks.damages import damages
from benchmarks.report import mean_sd
from mnist_cnn import files
from mnist_cnn.dataset import load_split
from mnist_cnn.handwriting import read_numbers, read_picture, to_mnist
from mnist_cnn.model import TYPICAL, predict, typicality
from mnist_cnn.weights import load_weights
from tests.drawings import MARKS, digit_string, marked, uneven_page

ROOT = Path(__file__).parent.parent
BEYOND = Path(__file__).with_name("beyond.md")
FONT = Path(matplotlib.get_data_path(), "fonts/ttf/STIXGeneral.ttf")  # the training sees letters of DejaVu Sans only
LETTERS = "ABCDEFGHJKMNPQRTUVWXYabdefghkmnpqrtwxyÄÖß&?#@%+=ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπρστφχψω"  # few look like a digit
DAMAGED = NUMBERS = 1000  # pictures of each kind
CLOTHES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
FASHION_ROW = "| Fashion-MNIST, trained on it"  # it takes long: without a folder, the last one stays
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
    """Yield (name, how it is read, images uint8 (N, 1, 28, 28), labels (N,) or None for images of no digit)."""
    images, labels = load_split(ROOT / "dataset", "test")
    yield "MNIST's test digits", "`predict`", images, labels
    convert = lambda pictures: torch.stack([to_mnist(picture) for picture in pictures])
    digits = convert(np.uint8(load_digits().images / 16 * 255))
    yield "scikit-learn's `load_digits`, 8x8", "`to_mnist`", digits, torch.tensor(load_digits().target)
    paths = [path for path in sorted((ROOT / "pictures").glob("*-*.*")) if path.name.split("-")[0] in WORDS]
    named = torch.tensor([WORDS.index(path.name.split("-")[0]) for path in paths])
    yield "the pictures of single digits in this repository", "`to_mnist`", convert(map(read_picture, paths)), named
    yield "letters of a serif font", "`to_mnist`", convert(map(letter, LETTERS)), None
    yield "white noise", "`predict`", noise(), None
    yield "two test digits squeezed into one image", "`predict`", two_in_one(images), None


def shares_of_damaged(model):
    """The percentage of damaged test digits that are right: {kind: percentage}. What `to_mnist` refuses is wrong."""
    images, labels = (part[:DAMAGED] for part in load_split(ROOT / "dataset", "test"))
    shares = {}
    for kind, damaged in damages(images[:, 0].numpy() / 255, np.random.default_rng(0)):
        right = 0
        for image, label in zip(damaged, labels.tolist()):
            with contextlib.suppress(ValueError):
                right += predict(model, to_mnist(image.astype(np.float32))[None])[0].item() == label
        shares[kind] = 100 * right / len(labels)
    return shares


def clothes(folder, seeds=3):
    """The accuracy of workspace.ipynb on Fashion-MNIST, with the settings that the readme names for it."""
    settings = {"DATA": str(Path(folder).resolve()), "CLASS_NAMES": CLOTHES, "AFFINE": 0.3, "ELASTIC": 0}
    shares = [100 * run_notebook({**settings, **ALONE, "SEED": seed})["accuracy"] for seed in range(seeds)]
    today = datetime.date.today()
    return f"{FASHION_ROW}, {seeds} seeds, {today} | `predict` | 10,000 | {mean_sd(shares)} | |"


def numbers():
    """Yield (what is shown, a list of pairs: a picture of test digits, and its text)."""
    images, labels = load_split(ROOT / "dataset", "test")
    for kind in ("wide gaps", "near", "touching", "overlapping"):
        rng = np.random.default_rng(1)
        pairs = [digit_string(images, labels, kind, rng) for _ in range(NUMBERS)]
        yield f"numbers of 2 to 6 test digits, {kind}", pairs
    rng = np.random.default_rng(1)
    yield "pages of three numbers, uneven light, noise", [uneven_page(images, labels, rng) for _ in range(NUMBERS)]
    pairs = [marked(MARKS[k % len(MARKS)], k, images, labels) for k in range(NUMBERS)]
    yield "one test digit with a circle, a box, a line, bars or part of another", pairs


def main(*folders):
    model = load_weights(ROOT / "MNIST-MODEL.pth")
    lines = [
        "# Beyond MNIST",
        "",
        "The committed weights, on images that they were not trained on. Written by `python -m benchmarks.beyond` on "
        f"{datetime.date.today()}.",
        "",
        "| images | read with | n | right, % | called no digit, % |",
        "|---|---|---|---|---|",
    ]
    for name, how, images, labels in sets():
        right = "" if labels is None else f"{100 * (predict(model, images)[0] == labels).double().mean():.1f}"
        refused = 100 * (typicality(model, images) < TYPICAL).double().mean()
        lines.append(f"| {name} | {how} | {len(images):,} | {right} | {refused:.1f} |")
    for name, pairs in numbers():
        right = sum(read_numbers(model, picture).text.replace(" ", "") == text for picture, text in pairs)
        lines.append(f"| {name} | `read_numbers` | {len(pairs):,} | {100 * right / len(pairs):.1f} | |")
    shares = shares_of_damaged(model)
    mean, n = np.mean(list(shares.values())), DAMAGED * len(shares)
    lines.append(f"| test digits damaged in {len(shares)} ways, as in MNIST-C | `to_mnist` | {n:,} | {mean:.1f} | |")
    last = [line for line in BEYOND.read_text("utf-8").splitlines() if line.startswith(FASHION_ROW)]
    lines += [clothes(folder) for folder in folders] or last
    kinds = ", ".join(f"{kind} {share:.1f}" for kind, share in sorted(shares.items(), key=lambda item: item[1]))
    lines += ["", f"Of each kind of damage ({DAMAGED:,} digits), right, %: {kinds}."]
    files.write(BEYOND, ("\n".join(lines) + "\n").encode())
    print("\n".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Accuracy of to_mnist and the committed network on drawings, photographs, damaged digits and the shipped pictures."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from mnist_cnn.handwriting import read_picture, to_mnist
from mnist_cnn.model import predict
from tests.drawings import draw, in_ink, photograph
from tests.helpers import ROOT

# Required accuracies. The samples are small, 40 to 1,000 pictures, so that the tests take seconds.
MNIST_DIGITS = 0.994  # converted; unconverted, networks reach more than 0.995 on average (readme.md)
PHOTOGRAPHS = 0.97  # the requirement for real photographs is 0.967. Those drawn here are no harder.
DAMAGED = 0.94  # for these kinds; benchmarks/beyond.md has the mean over the kinds of MNIST-C (Mu and Gilmer, 2019)

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture(scope="module")
def classify(model):
    """A function: pictures -> the digits that the committed network finds in them, a list of int."""
    return lambda pictures: predict(model, torch.stack([to_mnist(picture) for picture in pictures]))[0].tolist()


def accuracy(found, labels):
    return np.mean(np.equal(found, labels))


def sample(split, start, n):
    """Test digits from index `start`: images (n, 28, 28) from 0 to 1, and labels, a list of int."""
    return split[0][start : start + n, 0].numpy() / 255, split[1][start : start + n].tolist()


def to_uint8(images):
    return np.uint8(255 * images)


# --- Clean digits ---


def test_mnist_digits_are_classified(test_split, classify):
    images, labels = test_split[0][:1000], test_split[1][:1000].tolist()
    found = classify(images)
    assert accuracy(found, labels) >= MNIST_DIGITS
    assert classify(255 - images[:200]) == found[:200]


def test_drawings_are_classified(classify):
    pictures = []
    for k in range(100):
        side = (28, 64, 140, 300, 420)[k // 10 % 5]
        ink = draw(k % 10, side, side, 0.72 * side, 0.72 * side * (0.06, 0.12)[k // 50], k)
        pictures.append(to_uint8(ink if k % 2 else 1 - ink))
    # The requirement for drawings is 0.999. A sample of 100 may contain one mistake.
    assert accuracy(classify(pictures), [k % 10 for k in range(100)]) >= 0.99


def test_drawings_with_thin_lines_are_classified(classify):
    pictures = [to_uint8(draw(k % 10, 28, 28, 21, 1, k) > 0.4) for k in range(50)]
    # The requirement for drawings is 0.999. A sample of 50 may contain one mistake.
    assert accuracy(classify(pictures), [k % 10 for k in range(50)]) >= 0.98


def test_digits_that_touch_the_frame_or_fill_it_are_classified(classify):
    eight = to_uint8(draw(8, 60, 60, 54, 9))
    rows, columns = np.where(eight > 128)
    cropped = eight[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    one = to_uint8(draw(1, 90, 90, 84, 9, 2))
    one = one[:, np.flatnonzero(one.max(axis=0))]
    assert classify([cropped, 255 - cropped, one, 255 - one]) == [8, 8, 1, 1]


@pytest.mark.parametrize("side", [16, 32])
def test_digits_of_other_scanners_that_fill_the_frame_are_classified(test_split, classify, side):
    rng, pictures = np.random.default_rng(2), []
    for image in test_split[0][3000:3200, 0].numpy():
        rows, columns = np.where(image > 60)
        width = round(side * rng.uniform(0.9, 1.2) * (np.ptp(columns) + 1) / (np.ptp(rows) + 1))
        ink = in_ink(image, side, np.clip(width, side // 6, side))
        ink = ndimage.gaussian_filter(ink, 0.4) if side == 16 else ink > 0.5  # grey as in USPS, binary as in optdigits
        page = np.zeros((side, side), np.uint8)
        left = (side - ink.shape[1]) // 2
        page[:, left : left + ink.shape[1]] = 255 * ink
        pictures.append(page)
    # The ink is MNIST's, only coarser and stretched. That may cost one point.
    assert accuracy(classify(pictures), test_split[1][3000:3200].tolist()) >= MNIST_DIGITS - 0.01


# --- Photographs ---


def test_photographs_of_drawings_are_classified(classify):
    pictures = []
    for k in range(40):
        height, width = ((120, 90), (240, 320), (640, 480), (400, 400))[k // 10]
        ink = draw(k % 10, height, width, 0.6 * min(height, width), 0.04 * min(height, width), k)
        pictures.append(photograph(ink, k))
    assert accuracy(classify(pictures), [k % 10 for k in range(40)]) >= PHOTOGRAPHS


def test_photographs_of_real_handwriting_are_classified(test_split, classify):
    rng, pictures = np.random.default_rng(1), []
    labels = test_split[1][2000:2060].tolist()
    for k, image in enumerate(test_split[0][2000:2060, 0].numpy()):
        height, width = ((110, 90), (240, 320), (480, 360))[k % 3]
        ink = in_ink(image, int(rng.uniform(0.35, 0.8) * min(height, width)))
        page = np.zeros((height, max(width, ink.shape[1])), np.float32)
        top, left = (int(rng.uniform(0.1, 0.9) * (a - b)) for a, b in zip(page.shape, ink.shape, strict=True))
        page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
        buffer = io.BytesIO()
        Image.fromarray(photograph(page, k, lines=k % 2)).save(buffer, "JPEG", quality=70)
        pictures.append(np.asarray(Image.open(buffer)))
    assert accuracy(classify(pictures), labels) >= PHOTOGRAPHS


def test_the_shipped_pictures_are_classified(classify):
    paths = sorted(path for path in (ROOT / "pictures").iterdir() if not path.name.startswith("."))
    assert len(paths) >= 10
    assert all(path.stat().st_size < 30_000 for path in paths)
    digits = [path for path in paths if path.name.split("-")[0] in NAMES]  # test_numbers.py reads the others
    assert classify([read_picture(path) for path in digits]) == [
        NAMES.index(path.name.split("-")[0]) for path in digits
    ]


# --- Damaged digits ---


def test_damaged_digits_are_classified(test_split, classify):
    images, labels = sample(test_split, 1000, 100)
    rng = np.random.default_rng(0)
    fog = ndimage.zoom(rng.random((4, 4)), 7, order=1)
    stripes = np.arange(28) // 7 % 3 == 0
    spikes = rng.random((28, 28))
    damaged = {
        "low contrast": images * 0.2 + 0.3,
        "too bright": np.minimum(images + 0.6, 1),
        "fog": images * 0.45 + 0.5 * fog,
        "blurred": np.stack([ndimage.gaussian_filter(image, 1.3) for image in images]),
        "noise": (images * 0.8 + 0.1 + rng.normal(0, 0.08, images.shape)).clip(0, 1),
        "salt and pepper": np.where(spikes < 0.05, 0, np.where(spikes > 0.95, 1, images)),
        "stripes": np.where(stripes, 1 - images, images),
        "moved": np.roll(images, (3, -3), (1, 2)),
    }
    for name, pictures in damaged.items():  # milder than in MNIST-C, so one point better
        assert accuracy(classify(to_uint8(pictures)), labels) >= DAMAGED + 0.01, name


def test_digits_with_shot_noise_are_classified(test_split, classify):
    images, labels = sample(test_split, 4000, 1000)
    pictures = np.minimum(np.random.default_rng(3).poisson(images * 3) / 3, 1)
    assert accuracy(classify(to_uint8(pictures)), labels) >= DAMAGED

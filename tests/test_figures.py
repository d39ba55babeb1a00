"""Figures with names as long as those of clothes: nothing overlaps or is cut off; pictures are shown as they are."""

import numpy as np
import pytest
from conftest import texts_apart

from mnist_cnn import figures

NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
PAIRS = [(NAMES[i % 10], NAMES[i * 3 % 10]) for i in range(30)]


@pytest.mark.parametrize("caption", ["{}, not {}", "{} as {}\n98%", "number 9999\nlabel {}\nread as {}"])
def test_digits(caption):
    captions = [caption.format(*pair) for pair in PAIRS]
    texts_apart(figures.digits(IMAGES, captions, np.arange(30) % 2 == 0, title="30 of 30 mistakes"))


def test_probabilities():
    texts_apart(figures.probabilities(IMAGES[0], np.eye(10)[9], NAMES, label=0))


@pytest.mark.parametrize("count", [1, 8, 20])
def test_pictures(count):
    captions = [f"not sure: {one} or {other}" for one, other in PAIRS[:count]]
    texts_apart(figures.pictures([np.ones((9, 9, 3))] * count, IMAGES[:count], captions))


def test_no_mistakes():
    assert texts_apart(figures.digits(IMAGES[:0], [], title="0 of 0 mistakes")) == "0 of 0 mistakes"


@pytest.mark.parametrize(
    "shape, dtype, shown",
    [
        ((20, 30), np.uint8, (20, 30, 3)),
        ((20, 30, 2), np.uint8, (20, 30, 4)),
        ((20, 30, 4), np.uint8, (20, 30, 4)),
        ((2000, 1500), np.uint16, (400, 300, 3)),
        ((1, 4001, 3), np.uint8, (1, 400, 3)),
    ],
)
def test_thumbnail(shape, dtype, shown):
    half = np.full(shape, np.iinfo(dtype).max // 2, dtype)
    thumbnail = figures.thumbnail(half)
    assert thumbnail.shape == shown
    np.testing.assert_allclose(thumbnail, 0.5, atol=0.01)

"""Fuzzing of read_numbers, and of read_pictures with files of drawings, as the pad saves them."""

import functools
import io
import json

import numpy as np
import pytest
import torch

from mnist_cnn.handwriting import read_numbers, read_pictures
from mnist_cnn.weights import load_weights
from tests.fuzzing.common import attempt, check_memory, damaged
from tests.fuzzing.digits import drawing
from tests.helpers import ROOT


@functools.cache
def model():
    return load_weights(ROOT / "MNIST-MODEL.pth")


def check_read_numbers(picture, folder=None):
    """picture: uint8 (H, W). Returns whether there was ink in it."""
    reading, refusal, memory = attempt(read_numbers, model(), picture, documented=(ValueError,))
    check_memory(memory, picture.nbytes)
    if refusal is not None:
        return False
    height, width = picture.shape
    check_reading(reading, width, height)
    assert read_numbers(model(), torch.from_numpy(picture.copy())).text == reading.text, "a copy gives another text"
    return True


def check_drawings(data, folder):
    """data: the bytes of a file. Returns whether there were drawings in it."""
    path = folder / "drawings.json"
    path.write_bytes(data)

    def read(path):
        return read_pictures(model(), path, messages=io.StringIO())

    found, refusal, memory = attempt(read, str(path), documented=(FileNotFoundError,))
    check_memory(memory, len(data))
    if refusal is not None:
        assert str(path) in str(refusal)
        return False
    for picture in found[0]:
        assert max(picture.thumbnail.shape) < 300
        check_reading(picture.reading)
    return True


def check_reading(reading, width=np.inf, height=np.inf):
    """The digits are consistent with each other, with the text and with the picture."""
    assert "".join(reading.text.split()) == "".join(str(digit.label) for digit in reading.digits)
    for digit in [*reading.digits, *reading.left_out]:
        left, top, right, bottom = digit.box
        assert left < right <= width and top < bottom <= height
        assert min(left, top) >= 0 or width == np.inf
        assert digit.image.dtype == torch.uint8 and digit.image.shape == (1, 28, 28) and digit.image.any()
        assert digit.probabilities.sum().item() == pytest.approx(1, abs=1e-4)
        assert digit.label == digit.probabilities.argmax() and 0 <= digit.typicality <= 1


def picture_of_numbers(choose):
    """Up to five drawings beside each other, the whole perhaps on its side, or one above the other."""
    side = choose.pick([8, 20, 28, 45, 64])
    parts = [drawing(choose, side, choose.number(4, 45)) for _ in range(choose.number(1, 5))]
    page = np.rot90(np.concatenate(parts, axis=1), choose.pick([0, 0, 0, 1, 2, 3]))
    return (255 * page.clip(0, 1)).astype(np.uint8)


def file_of_drawings(choose):
    """Up to three drawings of up to six strokes, whole or damaged."""

    def number():
        if choose.rarely(200):
            return choose.pick([float("nan"), float("inf"), -1e300, 1e300, 2**70, 1e6, -50, None, "1"])
        return choose.number(0, 1120)

    def stroke():
        return [[number(), number()] for _ in range(choose.number(0 if choose.rarely(20) else 1, 6))]

    drawings = [
        {"label": choose.pick(["7", "42", "", "\ud800", 7]), "strokes": [stroke() for _ in range(choose.number(1, 6))]}
        for _ in range(choose.number(1, 3))
    ]
    data = json.dumps(drawings).encode()
    return damaged(choose, data) if choose.rarely(3) else data

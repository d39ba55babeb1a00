"""Telling digits from what is no digit: real digits are accepted, anything else is not."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from sklearn.metrics import roc_auc_score

from benchmarks.beyond import LETTERS, letter, noise, two_in_one
from mnist_cnn.handwriting import to_mnist
from mnist_cnn.model import MNIST_CNN, TYPICAL, predict, typicality
from mnist_cnn.training import draw_digits, make_outliers, train_judge
from tests.drawings import draw


@pytest.fixture(scope="module")
def typical_digits(model, test_split):
    return typicality(model, test_split[0])


def faces():
    """Smileys, hearts, houses, stars: drawings of strokes."""
    made = []
    for size in range(60, 140, 4):
        for shape in ("smiley", "house", "star", "cross"):
            picture = Image.new("L", (200, 200), 255)
            draw, low, high, pen = ImageDraw.Draw(picture), 100 - size // 2, 100 + size // 2, 6 + size % 7
            if shape == "smiley":
                draw.ellipse((low, low, high, high), outline=0, width=pen)
                draw.arc((low + size / 4, low + size / 4, high - size / 4, high - size / 4), 20, 160, fill=0, width=pen)
                for x in (-1, 1):
                    centre = 100 + x * size / 6
                    draw.ellipse((centre - pen, 95 - size / 6, centre + pen, 95 - size / 6 + 2 * pen), fill=0)
            elif shape == "house":
                draw.line([(low, high), (low, 100), (100, low), (high, 100), (high, high), (low, high)], 0, pen)
                draw.line([(low, 100), (high, 100)], 0, pen)
            elif shape == "star":
                corners = [(100 + size / 2 * np.sin(a), 100 - size / 2 * np.cos(a)) for a in np.arange(6) * 0.8 * np.pi]
                draw.line(corners, 0, pen)
            else:
                draw.line([(low, low), (high, high)], 0, pen)
                draw.line([(low, high), (high, low)], 0, pen)
                draw.line([(low, 100), (high, 100)], 0, pen)
            made.append(to_mnist(np.asarray(picture)))
    return torch.stack(made)


def plain():
    """Empty, filled and mostly filled images of all greys."""
    grey = torch.arange(0, 256, 5, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 28, 28).clone()
    framed = grey.clone()
    framed[..., :2, :], framed[..., -2:] = 0, 0
    return torch.cat([grey, framed])


def test_about_one_percent_of_real_digits_is_refused(typical_digits):
    assert typical_digits.dtype == torch.float64 and typical_digits.shape == (10000,)
    assert typical_digits.min() >= 0 and typical_digits.max() <= 1
    for share in (0.01, 0.1, 0.5):
        assert 0.5 * share <= (typical_digits < share).double().mean() <= 1.5 * share


@pytest.mark.parametrize(
    "kind, least, refused",
    [("noise", 99.5, 0.95), ("two in one", 99.5, 0.9), ("plain", 99.5, 0.9), ("letters", 97, 0.6), ("faces", 97, 0.6)],
)
def test_anything_else_is_told_from_digits(kind, least, refused, model, test_split, typical_digits):
    letters = lambda: torch.stack([to_mnist(letter(character)) for character in LETTERS])
    made = {"two in one": lambda: two_in_one(test_split[0]), "noise": noise, "plain": plain, "letters": letters}
    others = typicality(model, {**made, "faces": faces}[kind]())
    scores = torch.cat([typical_digits, others])
    area = 100 * roc_auc_score([True] * len(typical_digits) + [False] * len(others), scores)
    assert area >= least
    assert (others < TYPICAL).double().mean() >= refused


def test_drawn_digits_are_digits(model):
    inks = [draw(i % 10, 160, 140, size=80 + i % 50, pen=5 + i % 9, seed=i) for i in range(200)]
    digits = torch.stack([to_mnist((255 * (1 - ink)).astype(np.uint8)) for ink in inks])
    assert (typicality(model, digits) < TYPICAL).double().mean() <= 0.02


def test_training_the_judge_leaves_the_network_alone_and_repeats_bit_for_bit(train_split):
    images, labels = (part[:2000] for part in train_split)
    outliers = make_outliers(images, 1000, seed=3)
    assert torch.equal(outliers, make_outliers(images, 1000, seed=3))
    assert not torch.equal(outliers, make_outliers(images, 1000, seed=4))
    judged = []
    for _ in range(2):
        torch.manual_seed(0)
        model = MNIST_CNN(0.13, 0.31, classes=2)
        before = predict(model, images[:50])[1]
        train_judge(model, images, labels % 2, outliers, seed=1)
        assert torch.equal(predict(model, images[:50])[1], before)
        assert sum(parameter.numel() for parameter in model.parameters()) == 21_840 - 8 * 51
        judged.append(torch.cat([typicality(model, images), typicality(model, outliers)]))
    assert torch.equal(*judged)
    assert roc_auc_score([1] * 2000 + [0] * 1000, judged[0]) > 0.8


def test_without_outliers_the_judge_refuses_nothing_again(train_split):
    images, labels = (part[:300] for part in train_split)
    model = MNIST_CNN(0.13, 0.31)
    untrained = copy.deepcopy(model.state_dict())
    outliers = make_outliers(images, 100)
    train_judge(model, images, labels, outliers)
    assert not torch.equal(model.scores, untrained["scores"])
    train_judge(model, images, labels, outliers[:0])
    assert all(torch.equal(value, untrained[name]) for name, value in model.state_dict().items())
    assert typicality(model, outliers).min() == 1


@pytest.mark.parametrize("images_of, outliers_of, drawn_of", [(2, 1, 0), (255, 30, 0), (600, 300, 100)])
def test_few_images_are_enough_to_run(images_of, outliers_of, drawn_of, train_split):
    images, labels = (part[:images_of] for part in train_split)
    model, outliers = MNIST_CNN(0.13, 0.31), make_outliers(images, outliers_of)
    assert outliers.shape == (outliers_of, 1, 28, 28)
    train_judge(model, images, labels, outliers, draw_digits(drawn_of))
    assert model.scores.isfinite().all() and model.judge[0].weight.any()
    assert 0 <= typicality(model, images).min() <= typicality(model, images).max() <= 1

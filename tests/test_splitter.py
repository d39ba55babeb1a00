"""Cuts between digits that touch: they pass where the digits meet, and the splitter tells them from all others."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from mnist_cnn.handwriting.cuts import LIKELY, cuts, possible_cuts, windows
from mnist_cnn.model import MNIST_CNN, predict, split_odds
from mnist_cnn.training import make_cuts, train_splitter
from tests.drawings import draw, in_ink


def ring(size):
    """A zero, float32 (size, size)."""
    return in_ink(np.uint8(255 * draw(0, 28, 28, 20, 3)), size, size)


@pytest.mark.parametrize("size", [20, 60, 200])
@pytest.mark.parametrize("slant", [0, 0.35])
def test_the_best_cut_is_where_two_digits_meet(size, slant, model):
    pair = np.pad(np.concatenate([ring(size), ring(size)], axis=1), ((0, 0), (size // 2, size // 2)))
    middle = [0, -slant * (size - 1) / 2]
    leaning = ndimage.affine_transform(pair, [[1, 0], [slant, 1]], middle, order=1)
    found = cuts(model, leaning, size)
    columns, odds = max(found, key=lambda cut: cut[1])
    expected = 1.5 * size - 0.5 - slant * (np.arange(size) - (size - 1) / 2)
    assert odds > 0 and columns.shape == (size,)
    assert np.abs(columns - expected).mean() < 0.1 * size
    assert [columns.mean() for columns, _ in found] == sorted(columns.mean() for columns, _ in found)


@pytest.mark.parametrize("size", [20, 60, 200])
def test_a_single_digit_has_no_likely_cut(size, model):
    assert all(odds < 0 for _, odds in cuts(model, ring(size), size))


def test_cuts_that_are_kept_do_not_cross(model):
    page = np.concatenate([ring(60), ring(60)[:, :40], ring(60)[:, 20:]], axis=1)
    found = [columns for columns, _ in cuts(model, page, 60)]
    assert len(found) > 1
    assert all((left <= right).all() for left, right in pairwise(found))


def test_windows_show_the_ink_around_a_cut_upright():
    ink = np.random.default_rng(0).random((28, 60)).astype(np.float32)
    paths = possible_cuts(ink / 2)
    assert len({tuple(path - path[0]) for path in paths}) > 3  # of several slants
    shown = windows(ink, paths)
    assert shown.shape == (len(paths), 1, 28, 28) and shown.dtype == torch.uint8
    for path, window in zip(paths[::20], shown[::20, 0].numpy()):
        for row in range(28):
            line = np.pad(np.uint8(255 * ink[row] + 0.5), 28)[28 + path[row] - 14 :][:28]
            assert np.array_equal(window[row], line)


def test_right_cuts_are_told_from_wrong_ones(model, test_split):
    images, answers = make_cuts(test_split[0], 60, seed=5)
    odds, right = split_odds(model, images), answers[:, 1]
    clear = (right == 0) | (right == 1)
    assert 0.03 < (right[clear] == 1).double().mean() < 0.2
    assert roc_auc_score(right[clear], odds[clear]) > 0.995
    assert (odds[right == 1] >= LIKELY).double().mean() > 0.99


def test_training_the_splitter_changes_nothing_else_and_repeats_bit_for_bit(train_split):
    images = train_split[0][:500]
    found, answers = make_cuts(images, 40, seed=3)
    assert torch.equal(found, make_cuts(images, 40, seed=3)[0])
    assert not torch.equal(found[:100], make_cuts(images, 40, seed=4)[0][:100])
    trained = []
    for _ in range(2):
        torch.manual_seed(0)
        model = MNIST_CNN(0.13, 0.31)
        before, expected = copy.deepcopy(model.state_dict()), predict(model, images[:50])[1]
        train_splitter(model, found, answers, seed=1)
        assert torch.equal(predict(model, images[:50])[1], expected)
        changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
        assert changed == {name for name in before if name.startswith("splitter")}
        trained.append(split_odds(model, found))
    train_splitter(model, found[:0], answers[:0])
    assert split_odds(model, found).unique().tolist() == [-30]
    assert torch.equal(*trained)
    assert roc_auc_score(answers[:, 1] > 0.5, trained[0]) > 0.9


@pytest.mark.parametrize("images", [torch.zeros(1, 1, 28, 28, dtype=torch.uint8), torch.full((7, 1, 28, 28), 255)])
def test_images_of_any_kind_can_be_cut(images):
    found, answers = make_cuts(images.to(torch.uint8), 3)
    assert len(found) == len(answers) and answers.isfinite().all()
    assert len(make_cuts(images, 0)[0]) == 0


def test_without_a_trained_splitter_nothing_is_cut():
    assert cuts(MNIST_CNN(), np.concatenate([ring(40), ring(40)], axis=1), 40) == []

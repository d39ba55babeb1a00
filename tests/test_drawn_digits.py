"""Digits drawn by program: like MNIST's in size, place and pen, and of the forms that MNIST lacks."""

import pytest
import torch

from mnist_cnn.model import evaluate
from mnist_cnn.training import draw_digits
from mnist_cnn.training.pen import draw


def test_they_are_digits_drawn_and_placed_as_in_mnist(train_split):
    images, labels = draw_digits(1100)
    assert images.shape == (1100, 1, 28, 28) and images.dtype == torch.uint8
    assert labels.bincount().tolist() == [100, 200, *[100] * 8]
    ink = images[:, 0].float()
    axis = torch.arange(28) + 0.5
    x, y = ((ink.sum(dim) @ axis) / ink.sum((1, 2)) for dim in (1, 2))
    assert (x - 14.5).abs().max() < 1.2 and (y - 14.5).abs().max() < 1.2
    assert (images.amax((1, 2, 3)) == 255).all()
    assert images[:, :, [0, -1]].float().mean() < 1  # a heavy loop shifts the digit to the border
    mean, theirs = ink.mean(), train_split[0].float().mean()
    assert 0.7 * theirs < mean < 1.6 * theirs


def test_the_network_reads_them(model):
    _, accuracy = evaluate(model, *draw_digits(2000, seed=77))  # another seed than it was trained with
    assert accuracy > 0.96  # without drawn digits in the training: 0.89


def test_the_same_seed_draws_the_same_and_none_is_allowed():
    images, labels = draw_digits(30, seed=4)
    again, _ = draw_digits(30, seed=4)
    other, _ = draw_digits(30, seed=5)
    assert torch.equal(images, again) and not torch.equal(images, other)
    assert len(images.flatten(1).unique(dim=0)) == 30
    images, labels = draw_digits(0)
    assert images.shape == (0, 1, 28, 28) and labels.shape == (0,) and labels.dtype == torch.int64


@pytest.mark.parametrize("width", [2.0, 4.0])
def test_the_pen_is_as_wide_as_asked(width):
    line = torch.stack([torch.linspace(0, 1, 60), torch.zeros(60)], 1)[None, None]
    upright = line.flip(3)
    for points, across in (line, 2), (upright, 3):
        image = draw(points, torch.tensor([[True]]), torch.tensor([width]), torch.tensor([1.0]))[0].float() / 255
        thickness = image.sum(across - 1)[0, 10:18]
        torch.testing.assert_close(thickness, torch.full_like(thickness, width), atol=0.35, rtol=0)

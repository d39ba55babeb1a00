"""Weights that a new training replaces: better ones are kept."""

import os

import pytest
import torch

from mnist_cnn.model import MNIST_CNN, predict
from mnist_cnn.weights import load_weights, replace_weights

LABELS = torch.tensor([0] * 10 + [1] * 20 + [2] * 70)  # so whoever always answers 1 has 80 wrong
IMAGES = torch.zeros(100, 1, 28, 28, dtype=torch.uint8)


def replace(path, answer, classes=3, mean=0.13):
    """Save a network that answers the same for every image."""
    model = MNIST_CNN(mean, classes=classes)
    for parameter in model.parameters():
        parameter.data.zero_()
    model.layers[-1].bias.data[answer] = 1
    return replace_weights(model, path, IMAGES, LABELS)


def predicted(path):
    return int(predict(load_weights(path), IMAGES[:1])[0])


def test_the_first_file_replaces_none(tmp_path):
    assert replace(tmp_path / "a.pth", 1) == f"{tmp_path / 'a.pth'}: saved, 80 wrong of 100"
    assert os.listdir(tmp_path) == ["a.pth"]


@pytest.mark.parametrize("answer, mistakes", [(1, 80), (2, 30)])
def test_a_file_that_is_not_better_is_only_compared(tmp_path, answer, mistakes):
    path = tmp_path / "a.pth"
    replace(path, 1)
    sentence = replace(str(path), answer)
    assert sentence == f"{path}: saved, {mistakes} wrong of 100; the replaced weights had 80"
    assert predicted(path) == answer
    assert os.listdir(tmp_path) == ["a.pth"]


def test_a_better_file_is_kept_and_so_is_the_best_of_several(tmp_path):
    path, kept = tmp_path / "a.pth", tmp_path / "a-replaced.pth"
    replace(path, 1)
    sentence = replace(path, 0)
    assert sentence.endswith(
        f"saved, 90 wrong of 100; the replaced weights had 80; the replaced file is kept as {kept}"
    )
    assert (predicted(path), predicted(kept)) == (0, 1)
    replace(path, 2)
    sentence = replace(path, 1)
    assert sentence.endswith(
        f"saved, 80 wrong of 100; the replaced weights had 30; the replaced file is kept as {kept}"
    )
    sentence = replace(path, 0)
    assert sentence.endswith(f"the replaced weights had 80; {kept}, from before, has 30")
    assert (predicted(path), predicted(kept)) == (0, 2)
    assert sorted(os.listdir(tmp_path)) == ["a-replaced.pth", "a.pth"]


@pytest.mark.parametrize("other", ["another number of classes", "no weights"])
def test_a_file_that_cannot_be_compared_is_kept(tmp_path, other):
    path, kept = tmp_path / "a.pth", tmp_path / "a-replaced.pth"
    replace(path, 2, classes=26) if other != "no weights" else path.write_bytes(b"something else")
    before = path.read_bytes()
    assert replace(path, 2) == f"{path}: saved, 30 wrong of 100; the replaced file is kept as {kept}"
    assert kept.read_bytes() == before


def test_weights_for_other_data_are_not_compared_and_none_is_lost(tmp_path):
    path = tmp_path / "a.pth"
    written = []
    for classes, mean in [(3, 0.13), (26, 0.13), (3, 0.13), (3, 0.19), (3, 0.135)]:
        replace(path, 2, classes, mean)
        written.append(path.read_bytes())
    kept = [tmp_path / f"a-replaced{number}.pth" for number in ("", "-2", "-3", "-4")]
    assert [each.read_bytes() for each in kept] == written[:-1]
    replace(path, 0, 3, 0.13)  # the one before is better, but as good as the first
    assert len(os.listdir(tmp_path)) == 5


def test_weights_that_cannot_be_saved_replace_nothing(tmp_path):
    path = tmp_path / "a.pth"
    replace(path, 0)
    before, broken = path.read_bytes(), MNIST_CNN()
    broken.layers[0].bias.data[:] = torch.nan
    with pytest.raises(ValueError, match="was not written"):
        replace_weights(broken, path, IMAGES, LABELS)
    assert path.read_bytes() == before

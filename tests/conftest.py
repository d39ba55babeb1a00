"""What several tests share: where things are, MNIST itself, and the weights as committed."""

import shutil
from pathlib import Path

import pytest

from mnist_cnn.dataset import load_split
from mnist_cnn.model import load_weights

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def train_split():
    return load_split(ROOT / "dataset", "train")


@pytest.fixture(scope="session")
def test_split():
    return load_split(ROOT / "dataset", "test")


@pytest.fixture(scope="session")
def model():
    """The committed network."""
    return load_weights(ROOT / "MNIST-MODEL.pth")


@pytest.fixture(scope="session")
def copy_of_repository(tmp_path_factory):
    """A function that makes a fresh copy of what the notebooks need, but for the data, in a temporary folder."""

    def copy():
        folder = tmp_path_factory.mktemp("copy")
        for name in ("workspace.ipynb", "playground.ipynb", "MNIST-MODEL.pth"):
            shutil.copy(ROOT / name, folder)
        for name in ("mnist_cnn", "pictures"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        return folder

    return copy

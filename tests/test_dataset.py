import gzip
import re
import tracemalloc

import numpy as np
import pytest
import torch

from mnist_cnn.dataset import are_digits, check_split, load_split, mean_std
from mnist_cnn.idx import FILES, IDXError
from tests.helpers import ROOT, idx_bytes

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 9, 4], np.uint8)


@pytest.fixture
def folder(tmp_path):
    """A function that writes a split, flat, and returns its folder."""

    def write(images=IMAGES, labels=LABELS, codes=(0x08, 0x08), split="train", compress=bytes, ending=""):
        for name, array, code in zip(FILES[split], (images, labels), codes):
            (tmp_path / (name + ending)).write_bytes(compress(idx_bytes(np.asarray(array), code)))
        return tmp_path

    return write


@pytest.mark.parametrize("split, n, seven", [("train", 60000, 6265), ("test", 10000, 1028)])
def test_mnist(split, n, seven):
    images, labels = load_split(ROOT / "dataset", split)
    assert images.shape == (n, 1, 28, 28)
    assert images.dtype == torch.uint8
    assert labels.shape == (n,)
    assert labels.dtype == torch.int64
    assert (labels == 7).sum() == seven


def test_flat_and_compressed(folder):
    images, labels = load_split(folder(compress=gzip.compress, ending=".gz"), "train")
    np.testing.assert_array_equal(images[:, 0], IMAGES)
    assert labels.tolist() == LABELS.tolist()


def test_nested_comes_first(folder):
    root = folder()
    (root / "train").mkdir()
    for name, array in zip(FILES["train"], (IMAGES[:1], LABELS[:1])):
        (root / "train" / name).write_bytes(idx_bytes(array, 0x08))
    assert len(load_split(root, "train")[1]) == 1
    (root / "train" / FILES["train"][1]).unlink()  # images and labels come from one folder
    with pytest.raises(FileNotFoundError, match=f"{root}/train/train-labels-idx1-ubyte is not there"):
        load_split(root, "train")


@pytest.mark.parametrize("place", ["MNIST/raw", "raw"])
def test_torchvisions_folders_are_found(folder, tmp_path, place):
    files = list(folder().iterdir())
    (tmp_path / place).mkdir(parents=True)
    for file in files:
        file.rename(tmp_path / place / file.name)
    assert load_split(tmp_path, "train")[1].tolist() == LABELS.tolist()


def test_number_of_classes(folder):
    root = folder(labels=np.array([0, 46, 4], np.uint8))
    assert load_split(root, "train", classes=47)[1].max() == 46
    with pytest.raises(IDXError, match="labels 0 to 9, found 0 to 46"):
        load_split(root, "train")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": LABELS[:2]}, "3 images.*2 labels"),
        ({"labels": LABELS[:0]}, "3 images.*0 labels"),
        ({"images": LABELS, "labels": IMAGES}, "swapped"),
        ({"images": IMAGES[:, :27]}, r"\(N, 28, 28\), found \(3, 27, 28\): reshape or resize"),
        ({"images": IMAGES[..., :27]}, r"\(N, 28, 28\), found \(3, 28, 27\)"),
        ({"images": IMAGES.reshape(3, -1)}, r"\(N, 28, 28\)"),
        ({"images": IMAGES[:, None]}, r"\(N, 28, 28\), found \(3, 1, 28, 28\)"),
        (
            {"images": (IMAGES // 100 * 7).astype(np.int16), "codes": (0x0B, 0x08)},
            "uint8 pixels, found int16 from 0 to 14; divide them by their maximum, multiply by 255, and convert",
        ),
        (
            {"images": (IMAGES * np.uint16(257)).view(np.int16), "codes": (0x0B, 0x08)},
            "found int16 from -.*, probably uint16: view them as that first; divide",
        ),
        ({"images": IMAGES.astype(np.float32), "codes": (0x0D, 0x08)}, "uint8 pixels, found float32 from 0 to 255; d"),
        ({"images": np.zeros((0, 28, 28), "f4"), "codes": (0x0D, 0x08)}, "uint8 pixels, found float32 from 0 to 0; d"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "at least one image, found none"),
        (
            {"labels": np.array([0, 1, 10], np.uint8)},
            r"labels 0 to 9, found 0 to 10: does CLASS_NAMES in the settings fit this data set\?$",
        ),
        ({"labels": np.array([0, 1, -1], np.int8), "codes": (0x08, 0x09)}, "labels 0 to 9, found -1 to 1: does CLASS"),
        (
            {"labels": np.array([1, 2, 26], np.uint8)},
            "found 1 to 26: EMNIST's letters start at 1.*subtract 1 from the labels and transpose each image$",
        ),
        (
            {"labels": np.zeros((3, 8), np.int32), "codes": (0x08, 0x0C)},
            r"one label for .* found \(3, 8\): if this is QMNIST's file of many columns, keep the first one, .* uint8$",
        ),
        ({"labels": np.zeros(3, np.float32), "codes": (0x08, 0x0D)}, r"integer labels of .*, found float32 \(3,\)"),
        ({"labels": np.zeros((3, 1, 1), np.uint8)}, r"integer labels of shape \(N,\), found uint8 \(3, 1, 1\)"),
    ],
)
def test_refusals(folder, change, message):
    root = folder(**change)
    with pytest.raises(IDXError) as caught:
        load_split(root, "train")
    told = str(caught.value)
    assert told.startswith(str(root / "train-"))
    assert re.search(message, told.replace(str(root), ""))  # pytest names the folder after the message


def test_missing_files_and_unknown_splits(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/train/train-images-idx3-ubyte is not there"):
        load_split(tmp_path, "train")
    (folder() / FILES["train"][1]).unlink()
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/train-labels-idx1-ubyte is not there"):
        load_split(tmp_path, "train")
    with pytest.raises(ValueError, match='expected split "train" or "test", found \'validation\''):
        load_split(tmp_path, "validation")


@pytest.mark.parametrize(
    "name, conversion",
    [
        ("emnist-letters-train-images-idx3-ubyte", "transpose each image.*subtract 1"),
        ("qmnist-train-labels-idx2-int.gz", r"keep the first, labels\[:, 0\]"),
    ],
)
def test_files_of_a_near_relation_tell_their_conversion(folder, name, conversion):
    root = folder()
    (root / FILES["train"]["labels" in name]).rename(root / name)
    with pytest.raises(FileNotFoundError, match=f"{name} is. To use it, .*{conversion}"):
        load_split(root, "train")


def test_mean_and_standard_deviation(train_split):
    images, _ = train_split
    tracemalloc.start()
    mean, std = mean_std(images)
    assert tracemalloc.get_traced_memory()[1] < 1e6  # torch's own memory is not traced: numpy's copies would be
    tracemalloc.stop()
    assert mean == pytest.approx(0.130660, abs=1e-6)
    assert std == pytest.approx(0.308108, abs=1e-6)
    exact = images[:1000].double() / 255
    assert mean_std(images[:1000]) == pytest.approx((exact.mean().item(), exact.std(correction=0).item()), abs=1e-12)


def test_mean_and_standard_deviation_of_two_pixels():
    assert mean_std(torch.tensor([0, 51], dtype=torch.uint8)) == pytest.approx((0.1, 0.1), abs=1e-15)


def test_mean_and_standard_deviation_refuse():
    with pytest.raises(TypeError, match="uint8"):
        mean_std(torch.rand(1, 1, 28, 28))
    with pytest.raises(ValueError, match=r"^expected at least one image, found none$"):
        mean_std(torch.empty(0, 1, 28, 28, dtype=torch.uint8))


def test_digits_that_teach_nothing_are_refused(train_split):
    images, labels = train_split
    check_split("train", images[:100], labels[:100])
    with pytest.raises(ValueError, match="train: expected images that differ, found 100 with pixels all 0"):
        check_split("train", torch.zeros_like(images[:100]), labels[:100])
    with pytest.raises(ValueError, match="found 100 with pixels all 7: check"):
        check_split("train", torch.full_like(images[:100], 7), labels[:100])
    with pytest.raises(ValueError, match="found 100 with pixels the same in each: check"):
        check_split("train", images[:1].expand(100, -1, -1, -1), labels[:100])
    with pytest.raises(ValueError, match="test: expected digits of two classes or more, found 100 of class 3"):
        check_split("test", images[:100], torch.full((100,), 3))


TURNS = {
    "transposed": lambda images: images.transpose(2, 3),
    "mirrored": lambda images: images.flip(3),
    "turned by 90 degrees": lambda images: images.rot90(1, (2, 3)),
}


@pytest.mark.parametrize("n", [500, 10000])
@pytest.mark.parametrize("turned", TURNS)
def test_digits_that_are_not_upright_are_refused(turned, n, train_split):
    images, labels = (part[:n] for part in train_split)
    check_split("train", images, labels)
    assert are_digits(images, labels) and not are_digits(TURNS[turned](images), labels)
    with pytest.raises(ValueError, match=rf"train: .*seem to be {turned}: .*images.transpose\(0, 2, 1\)"):
        check_split("train", TURNS[turned](images), labels)


def test_digits_are_upright_wherever_they_stand(train_split):
    images, labels = (part[:3000] for part in train_split)
    assert are_digits(images.roll(5, 3), labels) and are_digits(images.roll(5, 2), labels)


def test_images_of_anything_else_are_not_called_turned(train_split):
    images, labels = (part[:2000] for part in train_split)
    for seed in range(16):  # MNIST's digits in another order, every second time transposed: other symbols
        order = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
        if (order == torch.arange(10)).sum() <= 4:
            check_split("train", images.transpose(2, 3) if seed % 2 else images, order[labels])
    check_split("train", images.transpose(2, 3)[labels < 9], labels[labels < 9])
    constant = images[labels == 3][:100].repeat(10, 1, 1, 1)
    constant[0, 0, 0, 0] = 9
    check_split("train", constant, torch.arange(1000) % 10)
    assert not are_digits(images, 9 - labels) and not are_digits(images[labels < 9], labels[labels < 9])
    cyclic = torch.cat([(labels == digit).nonzero().flatten()[:120] for digit in range(10)]).view(10, -1).T.flatten()
    assert are_digits(images[cyclic].repeat(9, 1, 1, 1), labels[cyclic].repeat(9))  # sorted or not
    even = (images / 2 + images.flip(3) / 2).byte()  # as tall as digits, but they do not slant
    assert not are_digits(even, labels)
    check_split("train", even, labels)
    check_split("train", torch.rand(1000, 1, 28, 28).mul(255).byte(), torch.arange(1000) % 10)

"""Saving and loading weights, and the files that are refused."""

import io
import os
import pickle
import zipfile

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from mnist_cnn.model import MNIST_CNN, predict, typicality
from mnist_cnn.weights import load_weights, save_weights
from tests.fuzzing.weights import rezipped, saved, saved_pickle


def test_weights_round_trip(tmp_path, test_split):
    model = MNIST_CNN(0.2, 0.4, classes=47).to(memory_format=torch.channels_last).train()
    save_weights(model, tmp_path / "weights.pth")
    loaded = load_weights(tmp_path / "weights.pth")
    assert not loaded.training
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in loaded.state_dict().items())
    assert predict(loaded, test_split[0][:5])[1].shape == (5, 47)
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_a_file_without_a_judge_is_loaded_and_finds_everything_typical(model, tmp_path, test_split):
    state = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(("layers", "mean", "std"))}
    torch.save(state, tmp_path / "old.pth")
    loaded = load_weights(tmp_path / "old.pth")
    assert torch.equal(predict(loaded, test_split[0][:9])[1], predict(model, test_split[0][:9])[1])
    assert (typicality(loaded, test_split[0][:9]) == 1).all()
    torch.save({**state, "scores": model.scores}, tmp_path / "half.pth")
    with pytest.raises(ValueError, match=r"judge\.0\.weight"):
        load_weights(tmp_path / "half.pth")


def test_the_weights_file_is_a_plain_state_dict(weights):
    plain = MNIST_CNN()
    plain.load_state_dict(torch.load(weights, weights_only=True), strict=True)
    assert plain.mean == pytest.approx(0.130660, abs=1e-6)


class Malicious:
    def __reduce__(self):
        return os.system, ("touch pwned",)


STATE = MNIST_CNN().state_dict()
NUMBERS = 21_842 + 21_891 + 1000 + 21_432  # the weights, mean and std, the judge's weights, the scores, the splitter's
MOST = 2**18 + 6 * 4 * NUMBERS  # bytes: three double-precision numbers for each, and names
WHOLE = saved(STATE)
FLIPPED = bytearray(WHOLE)
FLIPPED[WHOLE.index(STATE["layers.7.weight"].numpy().tobytes()) + 1000] ^= 1  # one bit of a weight


def zipped(data):
    """A compressed archive with one entry of this content."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("weights/data.pkl", data)
    return archive.getvalue()


REFUSED = {  # what is in the file, and what the message says
    "empty": (b"", "truncated"),
    "half": (WHOLE[: len(WHOLE) // 2], "truncated"),
    "text": (b"hello\n" * 100, "another kind"),
    "a zip of something else": (zipped(b"hello"), "another kind"),
    "as much as allowed": (bytes(MOST), "not a zip file"),
    "as much as allowed when unpacked": (zipped(bytes(MOST)), r"run\): (?!an archive whose)"),
    "too much": (bytes(MOST + 1), f"at most {MOST:,} bytes for this network, found {MOST + 1:,}"),
    "too much when unpacked": (zipped(bytes(MOST + 1)), r"run\): an archive whose contents are too large$"),
    "one bit is wrong": (bytes(FLIPPED), r"a wrong checksum for \S*data/\d"),
    "malicious": (saved({**STATE, "layers.0.bias": Malicious()}), "code in it"),
    "a malicious pickle": (pickle.dumps(Malicious()), "code in it"),
    "a whole model": (saved(MNIST_CNN()), "code in it"),
    "a list": (saved([1, 2]), "something other than a state_dict"),
    "a tensor": (saved(torch.zeros(3)), "something other"),
    "other names": (saved({1: torch.zeros(3)}), "something other"),
    "other values": (saved({**STATE, "mean": 0.13}), "something other"),
    "whole numbers": (saved({name: tensor.long() for name, tensor in STATE.items()}), "something other"),
    "complex numbers": (saved({**STATE, "mean": torch.zeros((), dtype=torch.complex64)}), "something other"),
    "a large view": (saved({**STATE, "layers.9.bias": torch.zeros(1).expand(2**17)}), "found others: .*layers.9"),
    "a huge view": (saved({**STATE, "mean": torch.zeros(1).expand(MOST // 4 + 1)}), "something other"),
    "no mean and std": (saved(MNIST_CNN().layers.state_dict()), "found no mean and no std: train"),
    "no std": (saved({name: tensor for name, tensor in STATE.items() if name != "std"}), "found no std: train"),
    "another network": (saved({**STATE, "layers.9.weight": torch.zeros(3)}), "found others: .*layers.9.weight"),
    "another shape": (saved({**STATE, "layers.0.weight": torch.zeros(10, 3, 5, 5)}), "layers.0.weight"),
    "a missing layer": (saved({n: t for n, t in STATE.items() if n != "layers.3.bias"}), "layers.3.bias"),
    "no bias": (
        saved({n: t for n, t in STATE.items() if n != "layers.8.bias"}),
        r'Missing key.* in state_dict: "layers.8.bias"\W*$',
    ),
    "no last layer": (
        saved({n: t for n, t in STATE.items() if n != "layers.8.weight"}),
        "found others: .*layers.8.weight",
    ),
    "a number as the last layer": (
        saved({**STATE, "layers.8.weight": torch.zeros(())}),
        "found others: .*layers.8.weight",
    ),
    "no classes": (saved({**STATE, "layers.8.bias": torch.zeros(())}), "layers.8.bias"),
    "one class": (saved({**STATE, "layers.8.weight": torch.zeros(1, 50)}), "two classes, found 1"),
    "far more biases than classes": (  # no network with so many classes is made
        saved({**STATE, "layers.8.bias": torch.zeros(1).expand(100_000)}),
        r"layers.8.bias: copying a param with shape torch.Size\(\[100000\]\)",
    ),
    "std of 0": (saved({**STATE, "std": torch.tensor(0.0)}), "positive standard deviation"),
    "not a number": (saved({**STATE, "layers.0.bias": torch.full((10,), torch.nan)}), "found NaN or infinity: train"),
    "infinite answers to paper": (
        saved(
            {**STATE, "mean": torch.ones(()), "std": torch.tensor(1e-38), "layers.0.weight": -torch.ones(10, 1, 5, 5)}
        ),
        "finite weights and logits",
    ),
    "infinite answers to ink": (
        saved({**STATE, "std": torch.tensor(1e-38), "layers.0.weight": torch.ones(10, 1, 5, 5)}),
        "finite weights and logits",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_foreign_and_malicious_files_are_refused_and_run_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # asks torch.load to run code
    data, message = REFUSED[name]
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"(?s)expected .*{message}") as caught:
        load_weights(path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "data",
    [
        rezipped(WHOLE, zipfile.ZIP_DEFLATED),
        rezipped(WHOLE, replaced={"data.pkl": saved_pickle(WHOLE).replace(b"\3\0\0\0cpu", b"\6\0\0\0cuda:0")}),
        saved({name: tensor.double() for name, tensor in STATE.items()}),
        saved({f"_orig_mod.{name}": tensor for name, tensor in STATE.items()}),
        saved({f"module._orig_mod.{name}": tensor for name, tensor in STATE.items()}),
        saved({f"_orig_mod.module.{name}": tensor for name, tensor in STATE.items()} | {"n_averaged": torch.ones(())}),
        *(saved({"epoch": 3, key: STATE}) for key in ("model_state_dict", "state_dict", "model")),
    ],
    ids=["compressed", "on a GPU", "float64", "compiled", "parallel", "averaged", "checkpoint", "Lightning's", "model"],
)
def test_other_forms_of_the_same_weights_are_accepted(data, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    loaded = load_weights(str(path)).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in STATE.items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_accepted(dtype, tmp_path):
    half = {name: tensor.to(dtype) for name, tensor in STATE.items()}
    (tmp_path / "weights.pth").write_bytes(saved(half))
    loaded = load_weights(tmp_path / "weights.pth").state_dict()
    assert all(torch.equal(loaded[name], tensor.float()) for name, tensor in half.items())


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel, AveragedModel])
def test_wrapped_networks_are_saved_as_the_networks_in_them(wrap, tmp_path):
    save_weights(wrap(MNIST_CNN(0.2, 0.4)), tmp_path / "wrapped.pth")
    assert torch.load(tmp_path / "wrapped.pth", weights_only=True).keys() == STATE.keys()
    assert load_weights(tmp_path / "wrapped.pth").std == 0.4


class Changed(MNIST_CNN):
    """As a reader may change the network: other channels and kernels, normalization, dropout, two ReLUs more."""

    def __init__(self, mean=0.0, std=1.0, classes=10):
        super().__init__(mean, std, classes)
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(64, 128, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(3200, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, classes)),
        )


def test_a_changed_network_is_saved_and_loaded(tmp_path, monkeypatch, test_split):
    monkeypatch.setattr("mnist_cnn.weights.MNIST_CNN", Changed)
    model = Changed(0.1, 0.3, classes=26)
    model(test_split[0][:100])  # moves the running statistics
    save_weights(model, tmp_path / "weights.pth")
    loaded = load_weights(tmp_path / "weights.pth")
    model.to(memory_format=torch.channels_last)  # as networks are loaded; the layout changes the rounding
    assert torch.equal(predict(loaded, test_split[0][:50])[1], predict(model, test_split[0][:50])[1])


def test_a_network_that_cannot_be_loaded_again_does_not_replace_the_old_file(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"old")
    broken = MNIST_CNN()
    broken.layers[0].bias.data[:] = torch.nan
    for model in (Changed(), broken):
        with pytest.raises(ValueError, match=r"weights.pth was not written, because it could not be loaded again: exp"):
            save_weights(model, path)
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["weights.pth"]


def test_two_classes_are_enough(tmp_path):
    save_weights(MNIST_CNN(classes=2), tmp_path / "weights.pth")
    assert load_weights(tmp_path / "weights.pth").layers[-1].out_features == 2


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.pth is not there: run workspace.ipynb"):
        load_weights(tmp_path / "none.pth")
    with pytest.raises(ValueError, match=r"expected a file of weights, found a folder or a device$"):
        load_weights(tmp_path)


def test_an_error_without_a_message_is_named(weights, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(ValueError, match=r"run\): MemoryError$"):
        load_weights(weights)


def test_the_network_is_loaded_to_the_device(weights):
    assert load_weights(weights, "meta").mean.device.type == "meta"
    assert load_weights(weights).mean.device.type == "cpu"

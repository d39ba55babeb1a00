import errno
import io
import os
import pickle
import zipfile

import pytest
import torch
import torchinfo
from fuzz import rezipped, saved

from mnist_cnn import files
from mnist_cnn.model import MNIST_CNN, evaluate, load_weights, predict, save_weights

LAYERS = [
    ("Conv2d", "[64, 10, 24, 24]", "260"),
    ("ReLU", "[64, 10, 24, 24]", "--"),
    ("MaxPool2d", "[64, 10, 12, 12]", "--"),
    ("Conv2d", "[64, 20, 8, 8]", "5,020"),
    ("ReLU", "[64, 20, 8, 8]", "--"),
    ("MaxPool2d", "[64, 20, 4, 4]", "--"),
    ("Flatten", "[64, 320]", "--"),
    ("Linear", "[64, 50]", "16,050"),
    ("Linear", "[64, 10]", "510"),
]


def test_the_table_of_the_network_line_by_line():
    table = str(torchinfo.summary(MNIST_CNN(), (64, 1, 28, 28), verbose=0))
    lines = [line.split() for line in table.splitlines()]
    assert lines[3] == ["MNIST_CNN", "[64,", "10]", "--"]
    assert lines[4][:2] == ["├─Sequential:", "1-1"]
    for number, (line, (name, shape, parameters)) in enumerate(zip(lines[5:14], LAYERS), start=1):
        assert line == ["│", f"└─{name}:", f"2-{number}", *shape.split(), parameters]
    assert "Total params: 21,840" in table
    assert "): 31.21" in table


def test_the_network_scales_its_own_input(test_split):
    images = test_split[0][:50]
    scaled, raw = MNIST_CNN(0.13, 0.31).eval(), MNIST_CNN().eval()
    raw.layers.load_state_dict(scaled.layers.state_dict())
    with torch.no_grad():
        expected = raw.layers((images.double() / 255 - 0.13).float() / 0.31)
        torch.testing.assert_close(scaled(images), expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(scaled(images / 255), expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(scaled((images / 255).double()), expected, atol=1e-5, rtol=1e-4)
    assert {"mean", "std"} < scaled.state_dict().keys()


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan")])
def test_a_standard_deviation_that_is_not_positive_is_refused(std):
    with pytest.raises(ValueError, match="positive standard deviation"):
        MNIST_CNN(0.5, std)


def test_weights_round_trip(tmp_path, test_split):
    model = MNIST_CNN(0.2, 0.4, classes=47).to(memory_format=torch.channels_last).train()
    save_weights(model, tmp_path / "weights.pth")
    loaded = load_weights(tmp_path / "weights.pth")
    assert not loaded.training
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in loaded.state_dict().items())
    assert predict(loaded, test_split[0][:5])[1].shape == (5, 47)
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_the_weights_file_is_a_plain_state_dict(weights):
    plain = MNIST_CNN()
    plain.load_state_dict(torch.load(weights, weights_only=True), strict=True)
    assert plain.mean == pytest.approx(0.130660, abs=1e-6)


class Malicious:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def damaged():
    state = MNIST_CNN().state_dict()
    whole = saved(state)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("weights/data.pkl", bytes(2**28))
    numbers = b"\x80\x02K\x01\x85q\x00"  # (1,), and 60 times: a tuple of the one before and the one before
    numbers += b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60))
    many = b"\x80\x02ccollections\nOrderedDict\nq\0](" + b"K\x01K\x01\x86" * 500 + b"eq\x01]("
    many += b"h\0h\x01\x85R" * 1500 + b"e."
    return {
        "empty": (b"", "truncated"),
        "half": (whole[: len(whole) // 2], "truncated"),
        "text": (b"hello\n" * 100, "another kind"),
        "a zip of something else": (archive.getvalue(), "another kind"),
        "malicious": (saved({**state, "layers.0.bias": Malicious()}), "code in it"),
        "a malicious pickle": (pickle.dumps(Malicious()), "code in it"),
        "a whole model": (saved(MNIST_CNN()), "code in it"),
        "a list": (saved([1, 2]), "something else"),
        "whole numbers": (saved({name: tensor.long() for name, tensor in state.items()}), "something else"),
        "no mean and std": (saved(MNIST_CNN().layers.state_dict()), "mean.*std"),
        "another network": (saved({**state, "layers.9.weight": torch.zeros(3)}), "layers.9.weight"),
        "another shape": (saved({**state, "layers.0.weight": torch.zeros(10, 3, 5, 5)}), "layers.0.weight"),
        "a missing layer": (saved({n: t for n, t in state.items() if n != "layers.3.bias"}), "layers.3.bias"),
        "no classes": (saved({**state, "layers.8.bias": torch.zeros(())}), "layers.8.bias"),
        "not finite": (saved({**state, "layers.0.bias": torch.full((10,), torch.nan)}), "finite"),
        "a short record": (rezipped(whole, zipfile.ZIP_STORED, {"data/3": bytes(4)}), "4 bytes for 10 numbers"),
        "a tuple without end": (
            rezipped(whole, zipfile.ZIP_STORED, {"data.pkl": numbers + b"}h\x3cNs."}),
            "BINGET None",
        ),
        "a dictionary 1,500 times": (rezipped(whole, zipfile.ZIP_STORED, {"data.pkl": many}), "BINGET None"),
        "one class": (saved({**state, "layers.8.bias": torch.zeros(1)}), "two classes, found 1"),
        "answers that are not finite": (
            saved({**state, "layers.7.bias": torch.full((50,), 3e38), "layers.8.weight": torch.ones(10, 50)}),
            "finite",
        ),
        "std of 0": (saved({**state, "std": torch.tensor(0.0)}), "positive standard deviation"),
    }


@pytest.mark.parametrize("name", damaged())
def test_foreign_and_malicious_files_are_refused_and_run_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, message = damaged()[name]
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "pwned").exists()


def test_missing_weights_say_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"workspace.ipynb"):
        load_weights(tmp_path / "none.pth")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_save_leaves_the_old_file_whole(step, tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    save_weights(MNIST_CNN(), path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, step, fail)
    with pytest.raises(OSError, match=r"No space left on device.*untouched") as caught:
        save_weights(MNIST_CNN(), path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_what_a_killed_process_left_is_replaced(tmp_path):
    (tmp_path / ".weights.pth.tmp").write_bytes(b"half")
    save_weights(MNIST_CNN(), tmp_path / "weights.pth")
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_predictions(model, test_split):
    images, labels = test_split
    answers, probabilities = predict(model, images)
    assert answers.shape == (10000,)
    assert answers.dtype == torch.int64
    assert probabilities.shape == (10000, 10)
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.sum(1), torch.ones(10000))
    assert torch.equal(answers, probabilities.argmax(1))
    loss, accuracy = evaluate(model, images, labels)
    assert accuracy == pytest.approx((answers == labels).double().mean().item())
    expected = -probabilities[torch.arange(10000), labels].double().log().mean().item()
    assert loss == pytest.approx(expected, abs=1e-4)


def test_predictions_of_any_number_and_kind_of_image(model, test_split):
    images = test_split[0][:25]
    expected = predict(model, images)[1]
    for batch_size in (1, 7, 25, 1000):
        torch.testing.assert_close(predict(model, images, batch_size)[1], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(predict(model, images / 255)[1], expected, atol=1e-5, rtol=1e-4)
    answers, probabilities = predict(model, images[:0])
    assert answers.shape == (0,)
    assert answers.dtype == torch.int64
    assert probabilities.shape == (0, 10)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_restored(training, test_split):
    model = MNIST_CNN().train(training)
    predict(model, test_split[0][:2])
    assert model.training == training
    with pytest.raises(ValueError, match="N, 1, 28, 28"):
        predict(model, test_split[0][0])
    assert model.training == training


@pytest.mark.parametrize(
    "images, message",
    [
        (torch.rand(2, 1, 28, 28) * 255, "divide by 255"),
        (torch.rand(2, 1, 28, 28) - 0.5, "divide by 255"),
        (torch.full((2, 1, 28, 28), torch.nan), "in \\[0, 1\\]"),
        (torch.rand(2, 28, 28), "N, 1, 28, 28"),
        (torch.rand(2, 1, 32, 32), "N, 1, 28, 28"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.int64), "uint8 or floating"),
    ],
)
def test_predictions_refuse(images, message):
    with pytest.raises(ValueError, match=message):
        predict(MNIST_CNN(), images)


def test_evaluation_refuses_what_does_not_fit(test_split):
    with pytest.raises(ValueError, match="3 and 2"):
        evaluate(MNIST_CNN(), test_split[0][:3], test_split[1][:2])
    with pytest.raises(ValueError, match="0 and 0"):
        evaluate(MNIST_CNN(), test_split[0][:0], test_split[1][:0])

"""The exported network gives the same answers as in PyTorch: compiled C, and ONNX Runtime."""

import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from mnist_cnn.export import main, to_c, to_onnx
from mnist_cnn.model import MNIST_CNN
from tests.helpers import ROOT
from tests.networks import END, NETWORKS, changed

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
COMPILERS = {
    "c": ("cc", "gcc", "clang"),
    "c++": ("c++", "g++", "clang++"),
}
FLAGS = {
    "c": ["-x", "c", "-std=c99"],
    "c++": ["-x", "c++", "-std=c++11"],
}
PROGRAM = """
#include "mnist_cnn.h"
#include "mnist_cnn.h"
#include <stdio.h>
int main(int count, char **names) { /* of the images, and of the logits */
    FILE *images = fopen(names[1], "rb"), *answers = fopen(names[2], "wb");
    uint8_t pixels[784];
    float logits[MNIST_CNN_CLASSES];
    while (count == 3 && fread(pixels, sizeof pixels, 1, images)) {
        puts(mnist_cnn_names[mnist_cnn(pixels, logits)]);
        fwrite(logits, sizeof logits, 1, answers);
    }
    return fclose(images) | fclose(answers);
}
"""


@pytest.fixture
def compute_in_c(tmp_path):
    """A function that compiles a header and returns its logits of images, an array, and the names of its answers."""

    def compute(header, images, *options, language="c"):
        compiler = next(filter(None, map(shutil.which, COMPILERS[language])), None)
        if compiler is None:
            reason = "needs one of " + ", ".join(COMPILERS[language])
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
        (tmp_path / "mnist_cnn.h").write_bytes(header)
        (tmp_path / "program").write_text(PROGRAM)
        (tmp_path / "images").write_bytes(images.numpy().tobytes())
        strict = ["-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"]
        program = [compiler, *FLAGS[language], "program", *strict, *options, "-o", "program.exe"]
        subprocess.run(program, cwd=tmp_path, check=True)
        run = [tmp_path / "program.exe", "images", "logits"]
        answers = subprocess.run(run, cwd=tmp_path, check=True, capture_output=True).stdout.decode()
        return np.fromfile(tmp_path / "logits", np.float32).reshape(len(images), -1), answers.splitlines()

    return compute


@pytest.fixture(scope="module")
def expected(model, test_split):
    """The logits of all test digits."""
    return logits(model, test_split[0])


@pytest.fixture(scope="module")
def exported(weights, tmp_path_factory):
    """The output of the command, and the bytes of the files that it writes, by their names."""
    folder = tmp_path_factory.mktemp("exported")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "always"}
    command = [sys.executable, "-m", "mnist_cnn.export", weights, "--class-names", *NAMES]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done, {path.name: path.read_bytes() for path in folder.iterdir()}


def logits(network, images):
    with torch.inference_mode():
        return network(images).numpy()


needs_exporter = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 9), reason="older exporters fail for some networks"
)


def run_onnx(file, images):
    return onnxruntime.InferenceSession(file).run(["logits"], {"images": images.numpy()})[0]


@needs_exporter
def test_the_command_prints_a_line_for_each_file(exported):
    done, written = exported
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == ["mnist_cnn.h", "mnist_cnn.onnx"]
    assert sorted(written) == ["mnist_cnn.h", "mnist_cnn.onnx"]


def test_c_computes_what_pytorch_computes(exported, test_split, expected, compute_in_c):
    found, answers = compute_in_c(exported[1]["mnist_cnn.h"], test_split[0])
    assert np.abs(found - expected).max() < 1e-4
    assert answers == [NAMES[digit] for digit in expected.argmax(axis=1)]


def test_c_with_int8_weights_is_as_accurate(exported, test_split, expected, compute_in_c):
    images, labels = test_split
    found, _ = compute_in_c(exported[1]["mnist_cnn.h"], images, "-DMNIST_CNN_INT8")
    mistakes = lambda logits: (logits.argmax(axis=1) != labels.numpy()).sum()
    assert mistakes(found) <= mistakes(expected) + 5
    assert 1e-3 < np.abs(found - expected).max() < 1


@pytest.mark.parametrize("options", [[], ["-DMNIST_CNN_INT8"]])
def test_the_header_is_cplusplus_too(options, model, test_split, compute_in_c):
    images = test_split[0][:100]
    found, _ = compute_in_c(to_c(model), images, *options, language="c++")
    assert np.array_equal(found, compute_in_c(to_c(model), images, *options)[0])


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "300 channels"])  # slow to compile
def test_a_changed_network_in_c(name, test_split, compute_in_c):
    network = changed(NETWORKS[name][0](), test_split[0][:200])
    images = torch.cat([test_split[0][:16], torch.randint(0, 256, (4, 1, 28, 28), dtype=torch.uint8)])
    expected = logits(network, images)
    found, _ = compute_in_c(to_c(network), images)
    assert np.abs(found - expected).max() < 1e-4
    found, _ = compute_in_c(to_c(network), images, "-DMNIST_CNN_INT8")
    assert np.abs(found - expected).max() < 0.1 * expected.std()


@pytest.mark.filterwarnings("error")
def test_layers_in_another_order_and_a_map_without_weights_in_c(test_split, compute_in_c):
    first = [nn.Conv2d(1, 2, 5), nn.Conv2d(2, 20, 5), nn.ReLU()]
    network = changed([*first, nn.Conv2d(20, 10, 5), nn.MaxPool2d(2), *END(640)], test_split[0][:9])
    nn.init.zeros_(network.layers[0].weight[0])
    expected = logits(network, test_split[0][:50])
    for options, tolerance in ([], 1e-4), (["-DMNIST_CNN_INT8"], 0.1 * expected.std()):
        found, _ = compute_in_c(to_c(network), test_split[0][:50], *options)
        assert np.abs(found - expected).max() < tolerance


def test_any_class_name_is_a_string_in_c(model, test_split, compute_in_c):
    names = ['say "0"', "\\1\\n", "2??/", "trois", "vier\t", "πέντε", "six\n", "7️⃣", "%d", "9"]
    _, answers = compute_in_c(to_c(model, names), test_split[0][:100])
    assert set("\n".join(answers).split("\n")) == set("\n".join(names).split("\n"))


@needs_exporter
def test_onnx_computes_what_pytorch_computes(exported, test_split, expected):
    file = exported[1]["mnist_cnn.onnx"]
    for n in (0, 1, 3, 10_000):
        found = run_onnx(file, test_split[0][:n])
        np.testing.assert_allclose(found, expected[:n], rtol=1e-5, atol=1e-5)
    loaded = onnx.load_from_string(file)
    onnx.checker.check_model(loaded, full_check=True)
    assert {entry.key: json.loads(entry.value) for entry in loaded.metadata_props} == {"class_names": NAMES}
    assert b"mnist_cnn" not in file  # nor other names and paths of the source code


@needs_exporter
def test_a_changed_network_in_onnx(test_split):
    layers = [nn.BatchNorm2d(1), nn.Conv2d(1, 4, 5), nn.LeakyReLU(), *END(2304)]  # C does not know LeakyReLU
    network = changed(layers, test_split[0][:200])
    expected = logits(network, test_split[0][:50])
    assert np.abs(run_onnx(to_onnx(network), test_split[0][:50]) - expected).max() < 1e-5
    with pytest.raises(ValueError, match=r"the C header do not know the layer LeakyReLU.*: they know Conv2d"):
        to_c(network)


@needs_exporter
def test_the_export_changes_nothing(test_split):
    network = changed(NETWORKS["batch normalization"][0](), test_split[0][:50]).train()
    before, random = io.BytesIO(), torch.get_rng_state()
    torch.save(network.state_dict(), before)
    header, _ = to_c(network), to_onnx(network)
    assert torch.equal(torch.get_rng_state(), random)
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())
    after = io.BytesIO()
    torch.save(network.state_dict(), after)
    assert after.getvalue() == before.getvalue()
    compiled = torch.compile(network.double())
    assert to_c(compiled) == header


@pytest.mark.parametrize("convert", [to_c, to_onnx])
def test_class_names_are_counted(convert):
    with pytest.raises(ValueError, match=r"expected 10 class names.*found 3"):
        convert(MNIST_CNN(), "abc")


@pytest.mark.parametrize("missing", [["onnx"], ["onnxscript"], ["onnx", "onnxscript"]])
def test_without_the_packages_for_onnx_the_header_is_written(missing, model, weights, tmp_path, monkeypatch, capsys):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.chdir(tmp_path)
    assert main([str(weights)]) == 1
    printed, error = capsys.readouterr()
    assert printed.startswith("mnist_cnn.h: ") and printed.count("\n") == 1
    assert error == f"mnist_cnn.onnx: to write ONNX, first run `pip install {' '.join(missing)}`\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mnist_cnn.h"]


def test_missing_weights_are_told_in_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["other.pth"]) == 1
    printed, error = capsys.readouterr()
    assert not printed and error.startswith("other.pth is not there: run workspace.ipynb") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())

"""Reading pictures from the command line."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mnist_cnn import read
from mnist_cnn.model import MNIST_CNN
from mnist_cnn.weights import save_weights
from tests.drawings import draw
from tests.helpers import PICTURES, ROOT


def test_the_command_line(tmp_path, weights, capsys):
    names, committed = sorted(PICTURES), ["--weights", str(weights)]
    assert read.main([*(str(ROOT / "pictures" / name) for name in names), *committed]) == 0
    out, err = capsys.readouterr()
    shown = [PICTURES[name].replace("\n", " / ") for name in names]
    assert [line.rpartition("pictures")[2][1:] for line in out.splitlines()] == [
        f"{name}: {text}" for name, text in zip(names, shown, strict=True)
    ]
    assert err == "0 wrong of 4 with a label, which is in labels.csv\n"
    (tmp_path / "none.png").write_bytes(b"no picture")
    arguments = [str(tmp_path), str(ROOT / "pictures" / names[0]), "--json", "--csv", str(tmp_path / "a.csv")]
    assert read.main(arguments + committed) == 1
    out, err = capsys.readouterr()
    assert "none.png: expected a picture" in err
    answer = json.loads(out)
    assert answer["text"] == PICTURES[names[0]] and len(answer["digits"]) == 8
    with open(tmp_path / "a.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [PICTURES[names[0]], ""] and "expected" in rows[1]["problem"]
    assert read.main([*arguments[1:3], "--csv", str(tmp_path / "no folder" / "a.csv"), *committed]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["text"] == PICTURES[names[0]] and "no folder" in err  # the answers are not lost
    assert read.main([str(tmp_path / "nowhere")]) == 1
    assert "no picture" in capsys.readouterr().err


def test_other_signs_have_names(tmp_path, capsys):
    Image.fromarray(np.uint8(255 - 255 * draw(5, 80, 80, 56, 6))).save(tmp_path / "five.png")
    save_weights(MNIST_CNN(0.13, 0.31, classes=3), tmp_path / "abc.pth")
    arguments = [str(tmp_path / "five.png"), "--weights", str(tmp_path / "abc.pth")]
    assert read.main(arguments) == 1
    assert "abc.pth has 3 classes: --names expects as many" in capsys.readouterr().err
    assert read.main([*arguments, "--names", "alpha,beta,gamma"]) == 0
    assert capsys.readouterr().out.split(": ")[1][:4] in ("alph", "beta", "gamm")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such file names")
def test_a_file_name_that_is_no_text(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.png"
    with open(path, "wb") as file:
        Image.fromarray(np.uint8(255 - 255 * draw(5, 80, 80, 56, 6))).save(file, "PNG")
    command = [sys.executable, "-m", "mnist_cnn.read", str(tmp_path)]
    for more, text in (([], str), (["--json"], lambda line: ": " + json.loads(line)["text"] + "\n")):
        done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, text(done.stdout)[-4:], done.stderr) == (0, ": 5\n", "")


def test_the_command_runs_as_a_module(tmp_path):
    Image.fromarray(np.uint8(255 - 255 * draw(5, 80, 80, 56, 6))).save(tmp_path / "five.png")
    command = [sys.executable, "-m", "mnist_cnn.read", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'five.png'}: 5\n", "")

"""Reading pictures from the command line."""

import csv
import json
import subprocess
import sys

import numpy as np
from PIL import Image

from mnist_cnn import read
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
    assert read.main([str(tmp_path / "nowhere")]) == 1
    assert "no picture" in capsys.readouterr().err


def test_the_command_runs_as_a_module(tmp_path):
    Image.fromarray(np.uint8(255 - 255 * draw(5, 80, 80, 56, 6))).save(tmp_path / "five.png")
    command = [sys.executable, "-m", "mnist_cnn.read", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'five.png'}: 5\n", "")

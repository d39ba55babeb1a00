"""Many pictures: all of a folder are read, the least sure first, and their answers written as a table."""

import csv
import os
import sys

import numpy as np
import pytest
from PIL import Image

from mnist_cnn.handwriting import read_pictures, thumbnail, write_answers

TEN = list("0123456789")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, test_split):
    """30 test digits as pictures, and 13 files that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, image in enumerate(test_split[0][:30, 0]):
        Image.fromarray(255 - image.numpy()).save(folder / f"digit {i:02}.png")
    for i in range(12):
        (folder / f"note {i:02}.txt").write_text("no picture")
    Image.new("L", (40, 40), 255).save(folder / "blank.png")
    return folder


def test_all_pictures_of_a_folder_are_read_and_a_few_problems_are_told(folder, capsys, model):
    pictures, problems = read_pictures(model, str(folder))
    names = [os.path.basename(picture.path) for picture in pictures]
    assert sorted(names) == [f"digit {i:02}.png" for i in range(30)]
    certainty = [picture.certainty for picture in pictures]
    assert certainty == sorted(certainty)
    assert all(picture.size == (28, 28) and picture.thumbnail.shape == (28, 28, 3) for picture in pictures)
    assert len(problems) == 13 and all(message.startswith(path) for path, message in problems.items())
    out, err = capsys.readouterr()
    assert "43/43" in out and err == ""  # progress
    told = [line for line in out.splitlines() if "expected" in line or "no digit" in line]
    assert told[0].startswith(f"{folder}{os.sep}blank.png: ")
    assert len(told) == 10
    assert out.splitlines()[-1] == "... and 3 more of 43 files could not be read"


@pytest.mark.parametrize("place, count", [("digit 0*.png", 10), ("digit 07.png", 1)])
def test_a_pattern_or_one_file(folder, place, count, capsys, monkeypatch, model):
    monkeypatch.setenv("HOME" if os.name != "nt" else "USERPROFILE", str(folder))
    pictures, problems = read_pictures(model, f"~/{place}")
    assert len(pictures) == count and not problems
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("place", ["nowhere", "nowhere/*.png", "note 0*.txt"])
def test_no_picture_at_all_is_an_error(folder, place, model):
    with pytest.raises(FileNotFoundError, match=r"no picture of a digit at .*: set PICTURES"):
        read_pictures(model, str(folder / place))


def test_a_place_without_a_picture_is_a_problem(folder, model):
    pictures, problems = read_pictures(model, str(folder / "digit 07.png"), str(folder / "nowhere"))
    assert len(pictures) == 1
    assert problems == {str(folder / "nowhere"): f"{folder / 'nowhere'}: no picture is there"}


def test_the_answers_are_a_table(folder, model, tmp_path, test_split):
    names = ["zero, or none", *TEN[1:]]
    pictures, problems = read_pictures(model, str(folder), class_names=names)
    write_answers(tmp_path / "answers.csv", pictures, problems)
    with open(tmp_path / "answers.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 43
    for row, picture in zip(rows, pictures):
        label = names[test_split[1][int(picture.path[-6:-4])]]
        assert row["file"] == picture.path and row["problem"] == ""
        assert row["text"] == label
        assert row["digits"] == "1" and int(row["doubtful"]) == picture.reading.digits[0].doubtful
        assert float(row["least probability"]) == pytest.approx(
            picture.reading.digits[0].probabilities.max().item(), abs=1e-4
        )
        assert float(row["least typicality"]) == pytest.approx(picture.reading.digits[0].typicality, abs=1e-3)
    assert [row["problem"] for row in rows[30:]] == list(problems.values())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such file names")
def test_a_file_name_that_is_no_text(folder, tmp_path, model):
    name = os.fsencode(tmp_path) + b"/\xff.png"
    with open(folder / "digit 01.png", "rb") as file:
        data = file.read()
    with open(name, "wb") as file:
        file.write(data)
    with open(name + b".txt", "wb") as file:
        file.write(b"no picture")
    pictures, problems = read_pictures(model, str(tmp_path))
    write_answers(tmp_path / "answers.csv", pictures, problems)
    assert r"\udcff.png,2," in (tmp_path / "answers.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "shape, dtype, shown",
    [
        ((20, 30), np.uint8, (20, 30, 3)),
        ((20, 30, 2), np.uint8, (20, 30, 4)),
        ((20, 30, 4), np.uint8, (20, 30, 4)),
        ((2000, 1500), np.uint16, (133, 100, 3)),
        ((1, 4001, 3), np.uint8, (1, 133, 3)),
    ],
)
def test_thumbnail(shape, dtype, shown):
    half = np.full(shape, np.iinfo(dtype).max // 2, dtype)
    small = thumbnail(half)
    assert small.shape == shown
    assert small.dtype == np.uint8
    np.testing.assert_allclose(small, 127, atol=1)

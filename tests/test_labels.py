"""Labelled sets of one's own: where the labels are, and what is wrong."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from mnist_cnn import read
from mnist_cnn.handwriting import labelled_digits, read_pictures
from mnist_cnn.handwriting.labels import find_labels
from mnist_cnn.model import predict
from tests.drawings import drawn_number
from tests.helpers import ROOT, idx_bytes

TEN = list("0123456789")


def save(image, path):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(255 - image.numpy()).save(path)


@pytest.mark.parametrize(
    "paths, labels, place",
    [
        (["a/7/x.png", "b/3/x.png"], ["7", "3"], "the names of the folders"),
        (["a/7-a.jpg", "a/a_3.png", "a/5.png"], ["7", "3", "5"], "the names of the files"),
        (["a/7 3.jpg", "a/3_1.png"], ["7", "3"], "the names of the files"),  # the beginning counts
        (["7/scan 1.png", "x/5-3.png"], ["1", "5"], "the names of the files"),  # x is no class
        (["IMG_2034.jpg", "20261127_101112.jpg", "seven.jpg"], [], ""),
        (["7-a.jpg", "scan.jpg"], [], ""),
        ([], [], ""),
    ],
)
def test_where_labels_are_found(paths, labels, place):
    assert find_labels(paths, TEN) == (dict(zip(paths, labels)), place)


def test_names_of_other_classes():
    paths = ["letters/alpha/1.png", "letters/beta/2.png"]
    assert find_labels(paths, ["alpha", "beta"])[0] == dict(zip(paths, ["alpha", "beta"]))
    assert find_labels(paths, TEN) == (dict(zip(paths, "12")), "the names of the files")


def test_a_table_goes_before_names(tmp_path):
    (tmp_path / "labels.csv").write_text("\ufefffile,label\n 7.png , 3\n\nb/7.png,12 34,a note\n", encoding="utf-8")
    paths = [str(tmp_path / name) for name in ("7.png", "8.png")] + [str(tmp_path / "b" / "7.png")]
    assert find_labels(paths, TEN) == ({paths[0]: "3", paths[2]: "12 34"}, "labels.csv")


def test_only_whole_names_are_classes(tmp_path, test_split, model):
    """In the string of all class names, "" and "12" are contained, too."""
    one, two = test_split[0][2, 0], test_split[0][1, 0]
    save(torch.cat([one, two], dim=1), tmp_path / "12" / "_DSC0001.png")
    (picture,), _ = read_pictures(model, str(tmp_path / "12"))
    assert (picture.reading.text, picture.label) == ("12", None)
    (picture,), _ = read_pictures(model, str(tmp_path / "12" / "_DSC0001.png"))
    images, labels = labelled_digits([picture._replace(label="12")])
    assert labels.tolist() == [1, 2] and images.shape == (2, 1, 28, 28)
    picture = picture._replace(reading=picture.reading._replace(lines=[picture.reading.digits[:1]]))
    _, labels = labelled_digits([picture._replace(label="Ankle boot")], ["Bag", "Ankle boot"])
    assert labels.tolist() == [1]


@pytest.mark.parametrize("table", ["7.png;3\n8.png;1,2\n", "7.png\t3\n8.png\t1,2\n"])
def test_the_tables_of_spreadsheets_in_other_countries(table, tmp_path):
    (tmp_path / "labels.csv").write_text(table)
    paths = [str(tmp_path / name) for name in ("7.png", "8.png")]
    assert find_labels(paths, TEN)[0] == dict(zip(paths, ["3", "1,2"]))


@pytest.mark.parametrize("content", [b"7.png\n", b"7.png,\n", b"\xff\xfe7\x00", b"7.png,\xe9\n"])
def test_a_damaged_table_is_named(content, tmp_path):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"labels.csv: expected .*, found "):
        find_labels([str(tmp_path / "7.png")], TEN)


def test_a_folder_for_each_class(tmp_path, test_split, model, capsys):
    images, labels = (part[:30] for part in test_split)
    for i, (image, label) in enumerate(zip(images[:, 0], labels.tolist())):
        save(image, tmp_path / str((label + (i == 0)) % 10) / f"scan {i}.png")  # the first is in the wrong folder
    (tmp_path / "notes").mkdir()  # no class, and no picture
    pictures, problems = read_pictures(model, str(tmp_path))
    assert len(pictures) == 30 and list(problems) == [str(tmp_path / "notes")]
    assert [picture.wrong for picture in pictures] == [True] + 29 * [False]
    assert capsys.readouterr().out.endswith("1 wrong of 30 with a label, which is in the names of the folders\n")


def test_the_surest_mistake_comes_first(tmp_path, test_split, model):
    for i, image in enumerate(test_split[0][:12, 0]):
        save(image, tmp_path / f"{i % 10} {i}.png")
    pictures, _ = read_pictures(model, str(tmp_path))
    wrong = [picture for picture in pictures if picture.wrong]
    assert 3 < len(wrong) < 12 and pictures[: len(wrong)] == wrong
    assert [picture.certainty for picture in wrong] == sorted((p.certainty for p in wrong), reverse=True)


def test_idx_files_score_as_the_test_set(model, test_split, capsys):
    pictures, _ = read_pictures(model, str(ROOT / "dataset" / "test"))
    assert len(pictures) == 10_000
    wrong = int((predict(model, test_split[0])[0] != test_split[1]).sum())
    assert f"{wrong} wrong of 10,000 with a label, which is in the files" in capsys.readouterr().out


def test_idx_files_of_other_sizes(tmp_path, test_split, model):
    images, labels = (part[:20] for part in test_split)
    small = torch.nn.functional.interpolate(images.float(), (20, 20), mode="area").byte()
    small[4] = 0  # without ink
    for name, values in (("own-images.idx3-ubyte", small[:, 0]), ("own-labels.idx1-ubyte", labels.byte())):
        (tmp_path / name).write_bytes(idx_bytes(values.numpy(), 0x08))
    save(images[0, 0], tmp_path / "idx10.png")  # no file of labels
    pictures, _ = read_pictures(model, str(tmp_path))
    assert len(pictures) == 21 and sum(picture.wrong for picture in pictures) <= 2
    (empty,) = (picture for picture in pictures if picture.path.endswith("ubyte 4"))
    assert empty.wrong and not empty.reading.digits
    assert len(labelled_digits(pictures)[1]) == 19
    with pytest.raises(FileNotFoundError):  # labels 0 to 9 are more than two classes
        read_pictures(model, str(tmp_path / "own-images.idx3-ubyte"), class_names=["a", "b"])


def test_drawings_that_the_pad_kept(tmp_path, model, capsys):
    drawn = [drawn_number(seed, (0.15, 0.5)) for seed in range(10)]
    kept = [{"label": text, "strokes": strokes} for strokes, text in drawn]
    (tmp_path / "one.json").write_text(json.dumps(kept[:4]))
    (tmp_path / "two.json").write_text(json.dumps([*kept[4:], {"label": "7", "strokes": kept[0]["strokes"]}]))
    (tmp_path / "other.json").write_text('{"a": 1}')
    pictures, problems = read_pictures(model, str(tmp_path))
    mislabelled = next(picture for picture in pictures if picture.path.endswith("two.json 6"))
    assert len(pictures) == 11 and mislabelled.wrong and sum(picture.wrong for picture in pictures) in (1, 2)
    assert all(min(picture.thumbnail.shape[:2]) > 20 and np.ptp(picture.thumbnail) > 0 for picture in pictures)
    assert list(problems) == [str(tmp_path / "other.json")]
    assert "expected drawings that the pad has kept, found another file" in capsys.readouterr().out


def test_from_the_command_line(tmp_path, weights, capsys):
    for name in ("two-in-shadow.jpg", "touching-digits.png"):
        shutil.copy(ROOT / "pictures" / name, tmp_path)
    (tmp_path / "labels.csv").write_text("two-in-shadow.jpg,3\ntouching-digits.png,80 335")
    arguments = [str(tmp_path), "--weights", str(weights)]
    assert read.main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].endswith("touching-digits.png: 80335")
    assert out.splitlines()[1].endswith("two-in-shadow.jpg: 2   wrong: 3")
    assert "1 wrong of 2 with a label, which is in labels.csv" in err
    assert read.main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[1])["label"] == "3"


def test_the_shipped_pictures_are_read_as_labelled(model, capsys):
    pictures, problems = read_pictures(model, str(ROOT / "pictures"))
    assert len(pictures) == 12 and not problems
    assert capsys.readouterr().out == "0 wrong of 12 with a label, which is in labels.csv\n"

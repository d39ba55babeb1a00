"""Settings are checked where they are set, and changes are noticed by the cells that used the old values."""

import os
import re

import nbformat
import pytest

from mnist_cnn.settings import SETTINGS, check_settings, check_unchanged, snapshot
from tests.helpers import ROOT, tagged


@pytest.mark.parametrize("name", ["workspace.ipynb", "playground.ipynb"])
def test_the_notebooks_settings_are_known_and_allowed(name):
    cells = nbformat.read(ROOT / name, as_version=4).cells
    settings = {}
    exec(cells[tagged(cells, "parameters")].source, {}, settings)
    assert settings.keys() <= SETTINGS.keys()
    check_settings(settings)


WRONG = {
    "EPOCHS": [1.5, "1", 0, -1, True, None, [1]],
    "BATCH_SIZE": ["256", 0, 64.0],
    "LEARNING_RATE": ["1e-2", 0, -1e-2, float("nan"), float("inf"), None],
    "WEIGHT_DECAY": ["0.15", -0.1],
    "AFFINE": ["strong", -1, float("nan")],
    "ELASTIC": [-0.5, None, "1"],
    "LABEL_SMOOTHING": [1, -0.1, "0.1"],
    "VALIDATION": [-5, -9000, -0.1, 1.5, "5000", None, True],
    "SEED": [None, 1.5, -1, "0", 2**63],
    "THREADS": [0, -1, 1.5, "2", "many", None],
    "DEVICE": ["gpu", 0, None, "CUDA", "cuda:x"],
    "DATA": [2024, None, "", " "],
    "CLASS_NAMES": [list(range(10)), "0123456789", ["0"], [], None],
    "PICTURES": [None, ""],
    **{key: [None, -1, 0.5, "many"] for key in ["DRAWN", "NON_DIGITS", "STRINGS"]},
    **{key: [None, 3, " "] for key in ["ANSWERS", "MY_WEIGHTS"]},
    "WEIGHTS": [None, 1, ""],
    **{key: [None, 1, "", "a.pdf"] for key in ["LOSS_PLOT", "CONFUSION_PLOT", "PREDICTIONS_PLOT", "GRAPH_PLOT"]},
}


def test_every_setting_has_wrong_values_here():
    assert WRONG.keys() == SETTINGS.keys()


@pytest.mark.parametrize("name, values", WRONG.items())
def test_wrong_types_and_values_are_refused_with_the_setting_and_what_it_may_be(name, values):
    for value in values:
        with pytest.raises(ValueError) as caught:
            check_settings({name: value})
        assert str(caught.value).startswith(f"{name}: expected ")
        assert str(caught.value).endswith(f", found {value!r}")


@pytest.mark.parametrize(
    "name, values",
    [
        ("EPOCHS", [1, 1000]),
        ("VALIDATION", [0, 0.1, 5000, 5000.0]),
        ("LABEL_SMOOTHING", [0, 0.05]),
        ("THREADS", ["all", "auto", 1, 64]),
        ("DEVICE", ["auto", "cpu", "cpu:0"]),
        ("CLASS_NAMES", [["a", "b"], ("a", "b", "c")]),
        ("SEED", [0, 2**63 - 1]),
    ],
)
def test_values_at_the_limits_are_allowed(name, values):
    for value in values:
        check_settings({name: value})


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_missing_device_is_named_with_the_alternative(device, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(ValueError, match=rf"DEVICE: torch finds no {device[:4].strip(':')}.* set \"auto\" or \"cpu\""):
        check_settings({"DEVICE": device})


def test_folders_of_files_to_write_are_created_and_others_are_not(tmp_path):
    settings = {"WEIGHTS": str(tmp_path / "in" / "model.pth"), "LOSS_PLOT": str(tmp_path / "out" / "a" / "loss.png")}
    check_settings(settings, "LOSS_PLOT")
    assert (tmp_path / "out" / "a").is_dir()
    assert os.listdir(tmp_path) == ["out"]


def test_files_that_cannot_be_written_are_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"WEIGHTS: the folder of .*file.model.pth could not be created \(.+\)"):
        check_settings({"WEIGHTS": str(tmp_path / "file" / "model.pth")}, "WEIGHTS")
    with pytest.raises(ValueError, match="WEIGHTS: expected the name of a file to write, found the folder"):
        check_settings({"WEIGHTS": str(tmp_path)}, "WEIGHTS")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # as for users who may not write there
    with pytest.raises(ValueError, match=re.escape(f"WEIGHTS: {tmp_path / 'model.pth'} cannot be written: choose")):
        check_settings({"WEIGHTS": str(tmp_path / "model.pth")}, "WEIGHTS")


def test_a_changed_setting_is_named_with_the_cell_to_run():
    settings = {"DATA": "dataset", "CLASS_NAMES": ["0", "1"], "EPOCHS": 2}
    used = {"Parse the IDX files": snapshot(settings, "DATA", "CLASS_NAMES"), "Set up": snapshot(settings, "EPOCHS")}
    check_unchanged(settings, used)
    settings["CLASS_NAMES"].append("2")
    with pytest.raises(
        RuntimeError, match=r"CLASS_NAMES was changed from \['0', '1'\] to .* re-run from \"Parse the IDX"
    ):
        check_unchanged(settings, used)
    settings |= {"CLASS_NAMES": ["0", "1"], "EPOCHS": 3}
    with pytest.raises(RuntimeError, match='EPOCHS was changed from 2 to 3: re-run from "Set up" to use it'):
        check_unchanged(settings, used)

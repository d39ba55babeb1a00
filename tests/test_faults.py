"""Runs that go wrong: killed, out of order, twice, interrupted, without room, with data that teach nothing."""

import os
import random
import re

import nbformat
import numpy as np
import pytest
import torch
from conftest import ROOT
from nbclient.exceptions import CellExecutionError
from test_notebooks import DATA, SMALL, check_clean, outputs, printed

from mnist_cnn import notebook
from mnist_cnn.model import MNIST_CNN, load_weights, save_weights
from tests.torture.faults import WRITTEN, Killing, make_read_only, run_in_vain, small_disk
from tests.torture.large import data_set


def code_cells(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def edit(path, change):
    """Read the notebook, let `change` have its list of cells, write it."""
    original = nbformat.read(path, as_version=4)
    original.cells = change(original.cells) or original.cells
    nbformat.write(original, path)
    return path


FEW = {"EPOCHS": 5, "BATCH_SIZE": 128, "VALIDATION": 500, "DEVICE": "cpu"}  # of the 5,000 training digits of `data`


@pytest.fixture
def data(tmp_path):
    """A function that writes MNIST's first 5,000 training and all test digits, changed, and returns the folder."""

    def write(**changes):
        data_set(tmp_path, 5000, **changes)
        return str(tmp_path)

    return write


# --- killed, and without room ---


def test_a_killed_run_leaves_whole_files(tmp_path):
    killing, chance = Killing(tmp_path), random.Random(1)
    for _ in range(5):
        killing.kill(chance)
        killing.restore()
    killing.next_run_cleans_up()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, of Linux")
@pytest.mark.parametrize("name", WRITTEN)
def test_a_full_disk_is_told_and_the_old_file_stays(copy_of_repository, name):
    folder = copy_of_repository()
    (folder / name).write_bytes(b"old")
    (folder / f".{name}.tmp").symlink_to("/dev/full")
    with pytest.raises(CellExecutionError, match=rf"{name} could not be written \(No space left on device\)"):
        notebook.run(folder / "workspace.ipynb", {**SMALL, "EPOCHS": 1})
    assert (folder / name).read_bytes() == b"old"


def test_a_read_only_folder_is_told():
    try:
        with small_disk() as disk:
            make_read_only(disk)
            assert run_in_vain(disk, "Read-only file system") == 0
    except PermissionError as error:
        pytest.skip(str(error))


# --- out of order, twice, half ---


@pytest.mark.parametrize("name, settings", [("workspace.ipynb", SMALL), ("playground.ipynb", {"DATA": DATA})])
def test_every_cell_may_run_twice(copy_of_repository, name, settings):
    def twice(cells):
        settings, *others = code_cells(cells)[1:2] + code_cells(cells)[:1] + code_cells(cells)[2:]
        return [settings, *(nbformat.v4.new_code_cell(cell.source) for cell in others for _ in range(2))]

    check_clean(notebook.run(edit(copy_of_repository() / name, twice), settings))


@pytest.mark.parametrize("name, settings", [("workspace.ipynb", SMALL), ("playground.ipynb", {"DATA": DATA})])
def test_cells_in_the_wrong_order_say_so(copy_of_repository, name, settings):
    def backwards(cells):
        first, second, *others = code_cells(cells)
        for cell in others:
            cell.metadata.tags = ["raises-exception"]
        return [first, second, *reversed(others)]

    executed = notebook.run(edit(copy_of_repository() / name, backwards), settings)
    errors = [output for output in outputs(executed) if output.output_type == "error"]
    assert len(errors) > 5
    for error in errors:
        assert error.ename == "NameError"
        assert "is not defined: run the cells above this one first" in error.evalue


@pytest.mark.parametrize("stop", ["at once", "after half an epoch", "while evaluating", "in the last epoch"])
def test_the_training_may_be_stopped_at_any_time(copy_of_repository, stop):
    """The kernel gets the signal that the stop button sends."""
    interrupt = "__import__('_thread').interrupt_main()"
    source, replacement = {
        "at once": ("        columns =", f"        {interrupt}\n        columns ="),
        "after half an epoch": (
            "total += step",
            f"steps // 4 == scheduler.last_epoch and {interrupt}\n{20 * ' '}total += step",
        ),
        "while evaluating": ("validation_losses.append", f"{interrupt}\n{16 * ' '}validation_losses.append"),
        "in the last epoch": (
            "total += step",
            f"steps - 9 == scheduler.last_epoch and {interrupt}\n{20 * ' '}total += step",
        ),
    }[stop]

    def change(cells):
        train = next(cell for cell in cells if "train" in cell.metadata.get("tags", []))
        assert source in train.source
        train.source = train.source.replace(source, replacement, 1)

    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    executed = notebook.run(edit(folder / "workspace.ipynb", change), {**SMALL, "BATCH_SIZE": 64})
    check_clean(executed)
    assert f"Stopped in epoch {2 if stop == 'in the last epoch' else 1}" in printed(executed)
    saved = (folder / "MNIST-MODEL.pth").read_bytes() != before
    assert saved == ("predicts the same" in printed(executed)) == (stop != "at once")
    load_weights(folder / "MNIST-MODEL.pth")


def test_settings_may_change_without_a_restart(copy_of_repository, data):
    """Run all; then change settings and run on from where the digits are held out, several times."""
    changes = [
        "VALIDATION = 0",
        "BATCH_SIZE, LEARNING_RATE = 256, 3e-3",
        "LABEL_SMOOTHING, EPOCHS = 0.1, 1",
        "SEED, AFFINE, ELASTIC = 7, 0, 0",
    ]

    def change(cells):
        hold_out = next(i for i, cell in enumerate(cells) if "held_out, kept = " in cell.source)
        again = [cell.source for cell in code_cells(cells[hold_out:])]
        return cells + [nbformat.v4.new_code_cell(source) for new in changes for source in (new, *again)]

    executed = notebook.run(edit(copy_of_repository() / "workspace.ipynb", change), {**FEW, "DATA": data()})
    check_clean(executed)
    assert printed(executed).count("predicts the same") == 1 + len(changes)
    assert printed(executed).count("5,000 digits to train on, 0 held out") == len(changes)


def test_no_step_to_take_is_told(copy_of_repository):
    with pytest.raises(
        CellExecutionError, match="no step to take: EPOCHS is 0, and 5000 digits make 19 batches of 256"
    ):
        notebook.run(copy_of_repository() / "workspace.ipynb", {**SMALL, "EPOCHS": 0})


def test_the_playground_refuses_weights_of_another_shape(copy_of_repository):
    folder = copy_of_repository()
    save_weights(MNIST_CNN(0.1, 0.3, classes=26), folder / "MNIST-MODEL.pth")
    with pytest.raises(CellExecutionError, match="knows 26 classes, CLASS_NAMES names 10: make them agree"):
        notebook.run(folder / "playground.ipynb", {"DATA": DATA})
    torch.save(torch.nn.Linear(3, 2).state_dict(), folder / "MNIST-MODEL.pth")
    with pytest.raises(CellExecutionError, match=r"MNIST-MODEL.pth: expected weights with the `mean` and `std`"):
        notebook.run(folder / "playground.ipynb", {"DATA": DATA})


@pytest.mark.parametrize("name", ["workspace.ipynb", "playground.ipynb"])
def test_an_empty_data_folder_is_told(copy_of_repository, tmp_path, name):
    with pytest.raises(CellExecutionError, match="The four files are expected at dataset/train"):
        notebook.run(copy_of_repository() / name, {"DATA": str(tmp_path)})


@pytest.mark.parametrize("name", ["workspace.ipynb", "playground.ipynb"])
def test_another_working_directory_is_told(copy_of_repository, tmp_path, name):
    message = re.escape(f"mnist_cnn was not found in the working directory, {tmp_path}")
    with pytest.raises(CellExecutionError, match=message):
        notebook.run(copy_of_repository() / name, folder=tmp_path)


# --- loud about numbers ---


def shuffled(values):
    return np.random.default_rng(0).permutation(values)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"train_labels": shuffled}, "RuntimeError.*nothing is learned: in epoch 3 the loss"),
        (
            {"train_images": np.zeros_like},
            "train: expected images that differ, found 5,000 with pixels all 0: check the files",
        ),
        ({"test_images": np.zeros_like}, "test: expected images that differ, found 10,000 with pixels all 0"),
    ],
)
def test_data_that_teach_nothing_are_told_and_the_weights_kept(copy_of_repository, data, changes, message):
    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    with pytest.raises(CellExecutionError, match=f"(?s){message}"):
        notebook.run(folder / "workspace.ipynb", {**FEW, "DATA": data(**changes)})
    assert (folder / "MNIST-MODEL.pth").read_bytes() == before


def test_test_digits_that_do_not_fit_are_told_and_the_weights_kept(copy_of_repository, data):
    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    executed = notebook.run(folder / "workspace.ipynb", {**FEW, "DATA": data(test_labels=shuffled)})
    check_clean(executed)
    assert "Nothing is learned: always answering the commonest class would be right 11.35%" in printed(executed)
    assert "nothing is saved: MNIST-MODEL.pth is as it was" in printed(executed)
    assert (folder / "MNIST-MODEL.pth").read_bytes() == before


def test_a_rate_a_hundred_times_too_high_is_told(copy_of_repository):
    folder = copy_of_repository()
    for settings in ({"LEARNING_RATE": 1}, {"LEARNING_RATE": 2, "LABEL_SMOOTHING": 0.1}):
        with pytest.raises(CellExecutionError, match=r"nothing is learned.*LEARNING_RATE|lower LEARNING_RATE"):
            notebook.run(folder / "workspace.ipynb", {**SMALL, "EPOCHS": 4, "BATCH_SIZE": 128, **settings})
    assert (folder / "MNIST-MODEL.pth").read_bytes() == (ROOT / "MNIST-MODEL.pth").read_bytes()

"""Runs that go wrong: killed, stopped, repeated, on a full disk, with data from which nothing can be learned."""

import random
import re

import nbformat
import numpy as np
import pytest
import torch
from nbclient.exceptions import CellExecutionError

from mnist_cnn.model import MNIST_CNN
from mnist_cnn.weights import load_weights, save_weights
from tests.helpers import DATA, ROOT, SMALL, check_clean, code_cells, edit, printed, tagged, wrong
from tests.torture.faults import READ_ONLY, WRITTEN, Killing, make_read_only, run_in_vain, small_disk
from tests.torture.large import data_set
from tools import run_notebook

FEW = {
    "EPOCHS": 5,
    "BATCH_SIZE": 128,
    "VALIDATION": 500,
    "DRAWN": 0,
    "NON_DIGITS": 0,
    "STRINGS": 0,
    "DEVICE": "cpu",
    "THREADS": 1,
}  # of the 5,000 training digits of `data`


@pytest.fixture
def data(tmp_path):
    """A function that writes MNIST's first 5,000 training and all test digits, changed, and returns the folder."""

    def write(**changes):
        data_set(tmp_path, 5000, **changes)
        return str(tmp_path)

    return write


# --- Kills and full disks ---


def test_a_killed_run_leaves_whole_files(tmp_path):
    killing, chance = Killing(tmp_path), random.Random(1)
    for _ in range(5):
        killing.kill(chance)
        killing.restore()
    killing.next_run_cleans_up()


@pytest.mark.parametrize("name", WRITTEN)
def test_a_full_disk_is_reported_and_the_old_file_stays(copy_of_repository, name):
    full_disk = f"""
import errno, os
from mnist_cnn import files

def replace(temporary, path):
    if os.path.basename(path) == {name!r}:
        raise OSError(errno.ENOSPC, "No space left on device")
    os.rename(temporary, path)

files.os.replace = replace"""
    folder = copy_of_repository()
    (folder / name).write_bytes(b"old")
    change = lambda cells: [nbformat.v4.new_code_cell(full_disk), *cells]
    with pytest.raises(CellExecutionError, match=rf"{name} could not be written \(No space left on device\)"):
        run_notebook.run(edit(folder / "workspace.ipynb", change), {**SMALL, "EPOCHS": 1})
    assert (folder / name).read_bytes() == b"old"
    assert not list(folder.glob(".*.tmp"))


def test_a_read_only_folder_is_reported():
    try:
        with small_disk() as disk:
            make_read_only(disk)
            assert run_in_vain(disk, READ_ONLY) == 0
    except PermissionError as error:
        pytest.skip(str(error))


# --- Repeated and interrupted cells ---


@pytest.mark.parametrize("name, settings", [("workspace.ipynb", SMALL), ("playground.ipynb", {"DATA": DATA})])
def test_every_cell_may_run_twice(copy_of_repository, name, settings):
    def twice(cells):
        settings, *others = code_cells(cells)[1:2] + code_cells(cells)[:1] + code_cells(cells)[2:]
        return [settings, *(nbformat.v4.new_code_cell(cell.source) for cell in others for _ in range(2))]

    check_clean(run_notebook.run(edit(copy_of_repository() / name, twice), settings))


STOP_AFTER = '''
import _thread

def stop_after(calls, function):
    """Wrap a function so that its n-th call interrupts the cell, like the stop button."""
    remaining = iter(range(calls - 1, -1, -1))

    def stopping(*arguments):
        result = function(*arguments)
        if next(remaining, None) == 0:
            _thread.interrupt_main()
        return result

    return stopping

original_update, original_evaluate = update_average, evaluate
'''


def before_training(cells, *sources):
    """Put code cells with these sources before the cell that trains, each followed by another such cell."""
    train = tagged(cells, "train")
    new = [nbformat.v4.new_code_cell(text) for source in sources for text in (source, cells[train].source)]
    return [*cells[:train], nbformat.v4.new_code_cell(STOP_AFTER), *new, *cells[train + 1 :]]


def test_the_training_may_be_stopped_at_any_time_and_continued(copy_of_repository):
    change = lambda cells: before_training(
        cells,
        "update_average = stop_after(1, original_update)",
        "update_average = stop_after(batches // 2, original_update)",
        "update_average, evaluate = original_update, stop_after(1, original_evaluate)",
        "update_average = stop_after(batches + 1, original_update)",
        "update_average = original_update",
    )
    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    executed = run_notebook.run(edit(folder / "workspace.ipynb", change), {**SMALL, "EPOCHS": 4, "BATCH_SIZE": 64})
    check_clean(executed)
    assert re.findall(r"Stopped in epoch (\d)", printed(executed)) == ["1", "1", "1", "2"]
    assert re.findall(r"^ +(\d) +\d\.\d{4} .*%", printed(executed), re.MULTILINE) == ["1", "2", "3", "4"]
    assert wrong(executed) < 1000
    assert (folder / "MNIST-MODEL.pth").read_bytes() != before
    load_weights(folder / "MNIST-MODEL.pth")


def test_a_network_that_learned_nothing_is_not_saved(copy_of_repository):
    change = lambda cells: before_training(cells, "epoch_batches = stop_after(1, epoch_batches)")
    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    executed = run_notebook.run(edit(folder / "workspace.ipynb", change), SMALL)
    check_clean(executed)
    assert "Nothing is learned, so MNIST-MODEL.pth is not overwritten" in printed(executed)
    assert (folder / "MNIST-MODEL.pth").read_bytes() == before


def test_settings_may_change_without_a_restart(copy_of_repository, data):
    """Run all; then change settings and run on from where the digits are held out, several times."""
    changes = [
        "VALIDATION = 0",
        "BATCH_SIZE, LEARNING_RATE = 256, 3e-3",
        "LABEL_SMOOTHING, EPOCHS = 0.1, 1",
        "SEED, AFFINE, ELASTIC = 7, 0, 0",
    ]

    def change(cells):
        again = [cell.source for cell in code_cells(cells[tagged(cells, "device") :])]
        return cells + [nbformat.v4.new_code_cell(source) for new in changes for source in (new, *again)]

    executed = run_notebook.run(edit(copy_of_repository() / "workspace.ipynb", change), {**FEW, "DATA": data()})
    check_clean(executed)
    assert printed(executed).count("MNIST-MODEL.pth: saved, ") == 1 + len(changes)
    assert printed(executed).count("5,000 digits to train on, 0 of them drawn; 0 held out") == len(changes)


@pytest.mark.parametrize(
    "change, from_tag, heading",
    [
        ("DATA = 'elsewhere'", "set-up", "Parse the IDX files"),
        ("CLASS_NAMES = [*CLASS_NAMES, 'ten']", "set-up", "Parse the IDX files"),
        ("VALIDATION = 0", "set-up", "Choose the device and the digits"),
        ("LEARNING_RATE = 3e-3", "train", "Set up the run"),
    ],
)
def test_a_setting_changed_too_late_is_reported(copy_of_repository, change, from_tag, heading):
    def edited(cells):
        again = [cell.source for cell in code_cells(cells[tagged(cells, from_tag) :])]
        return [*cells, *(nbformat.v4.new_code_cell(source) for source in (change, *again))]

    folder = copy_of_repository()
    with pytest.raises(CellExecutionError, match=f'was changed from .* re-run from "{heading}" to use it'):
        run_notebook.run(edit(folder / "workspace.ipynb", edited), {**SMALL, "EPOCHS": 1})


def test_better_weights_that_are_replaced_are_kept(copy_of_repository):
    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    executed = run_notebook.run(folder / "workspace.ipynb", SMALL)
    assert re.search(
        r"the replaced weights had \d+; the replaced file is kept as MNIST-MODEL-replaced.pth", printed(executed)
    )
    assert (folder / "MNIST-MODEL-replaced.pth").read_bytes() == before
    assert (folder / "MNIST-MODEL.pth").read_bytes() != before


def test_no_step_to_take_is_reported(copy_of_repository):
    message = "expected at least one step, found 5000 training digits and BATCH_SIZE=6000"
    with pytest.raises(CellExecutionError, match=message):
        run_notebook.run(copy_of_repository() / "workspace.ipynb", {**SMALL, "BATCH_SIZE": 6000})


def test_the_playground_refuses_weights_of_another_shape(copy_of_repository):
    folder = copy_of_repository()
    save_weights(MNIST_CNN(0.1, 0.3, classes=26), folder / "MNIST-MODEL.pth")
    with pytest.raises(CellExecutionError, match="has 26 classes, but CLASS_NAMES has 10 names: change one of them"):
        run_notebook.run(folder / "playground.ipynb", {"DATA": DATA})
    torch.save(torch.nn.Linear(3, 2).state_dict(), folder / "MNIST-MODEL.pth")
    with pytest.raises(CellExecutionError, match=r"MNIST-MODEL.pth: expected weights with the `mean` and `std`"):
        run_notebook.run(folder / "playground.ipynb", {"DATA": DATA})


@pytest.mark.parametrize("name", ["workspace.ipynb", "playground.ipynb"])
def test_an_empty_data_folder_is_reported(copy_of_repository, tmp_path, name):
    with pytest.raises(CellExecutionError, match="The four files are expected at dataset/train"):
        run_notebook.run(copy_of_repository() / name, {"DATA": str(tmp_path)})


# --- Unusable data and settings ---


def shuffled(values):
    return np.random.default_rng(0).permutation(values)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"train_labels": shuffled}, "RuntimeError.*nothing is learned: after 105 steps the loss"),
        (
            {"train_images": np.zeros_like},
            "train: expected images that differ, found 5,000 with pixels all 0: check the files",
        ),
        ({"test_images": np.zeros_like}, "test: expected images that differ, found 10,000 with pixels all 0"),
    ],
)
def test_data_that_teach_nothing_are_reported_and_the_weights_kept(copy_of_repository, data, changes, message):
    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    with pytest.raises(CellExecutionError, match=f"(?s){message}"):
        run_notebook.run(folder / "workspace.ipynb", {**FEW, "DATA": data(**changes)})
    assert (folder / "MNIST-MODEL.pth").read_bytes() == before


def test_test_digits_that_do_not_fit_are_reported_and_the_weights_kept(copy_of_repository, data):
    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    executed = run_notebook.run(folder / "workspace.ipynb", {**FEW, "DATA": data(test_labels=shuffled)})
    check_clean(executed)
    assert "Nothing is learned, so MNIST-MODEL.pth is not overwritten" in printed(executed)
    assert (folder / "MNIST-MODEL.pth").read_bytes() == before


def test_a_rate_a_hundred_times_too_high_is_reported(copy_of_repository):
    folder = copy_of_repository()
    for settings in ({"LEARNING_RATE": 1}, {"LEARNING_RATE": 2, "LABEL_SMOOTHING": 0.1}):
        with pytest.raises(CellExecutionError, match=r"nothing is learned.*LEARNING_RATE|lower LEARNING_RATE"):
            run_notebook.run(folder / "workspace.ipynb", {**SMALL, "EPOCHS": 4, "BATCH_SIZE": 128, **settings})
    assert (folder / "MNIST-MODEL.pth").read_bytes() == (ROOT / "MNIST-MODEL.pth").read_bytes()

"""Runs that go wrong: killed, stopped, repeated, on a full disk, with data from which nothing can be learned."""

import random
import re

import nbformat
import numpy as np
import pytest
from nbclient.exceptions import CellExecutionError

from mnist_cnn.model import MNIST_CNN
from mnist_cnn.weights import load_weights, save_weights
from tests.helpers import ROOT, check_clean, code_cells, edit, few_digits, outputs, printed, tagged, wrong
from tests.torture.faults import READ_ONLY, WRITTEN, Killing, make_read_only, run_in_vain, small_disk
from tools import run_notebook

# --- Kills and full disks ---


def test_a_killed_run_leaves_whole_files(tmp_path, small):
    killing, chance = Killing(tmp_path, {**small, "EPOCHS": 1}), random.Random(1)
    for writing in (False, True):
        killing.kill(chance, writing)
        killing.restore()
    killing.next_run_cleans_up()


def test_a_full_disk_is_reported_and_the_old_files_stay(copy_of_repository, small):
    full_disk = f"""
import errno, os
from mnist_cnn import files

def replace(temporary, path):
    if os.path.basename(path) in {WRITTEN}:
        raise OSError(errno.ENOSPC, "No space left on device")
    os.rename(temporary, path)

files.os.replace = replace"""

    def change(cells):
        for cell in code_cells(cells):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "raises-exception"]  # the next cell runs, too
        return [nbformat.v4.new_code_cell(full_disk), *cells]

    folder = copy_of_repository()
    for name in WRITTEN:
        (folder / name).write_bytes(b"old")
    executed = run_notebook.run(edit(folder / "workspace.ipynb", change), {**small, "EPOCHS": 1})
    errors = [output.evalue for output in outputs(executed) if output.output_type == "error"]
    assert len(errors) == len(WRITTEN)
    for name in WRITTEN:
        assert any(f"{name} could not be written (No space left on device)" in error for error in errors)
        assert (folder / name).read_bytes() == b"old"
    assert not list(folder.glob(".*.tmp"))


def test_a_read_only_folder_is_reported(small):
    try:
        with small_disk() as disk:
            make_read_only(disk)
            assert run_in_vain(disk, {**small, "EPOCHS": 1}, READ_ONLY) == 0
    except PermissionError as error:
        pytest.skip(str(error))


# --- Repeated and interrupted cells ---


@pytest.mark.parametrize("name", ["workspace.ipynb", "playground.ipynb"])
def test_every_cell_may_run_twice(copy_of_repository, quick, name):
    def twice(cells):
        settings, *others = code_cells(cells)[1:2] + code_cells(cells)[:1] + code_cells(cells)[2:]
        return [settings, *(nbformat.v4.new_code_cell(cell.source) for cell in others for _ in range(2))]

    check_clean(run_notebook.run(edit(copy_of_repository() / name, twice), quick[name]))


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


def test_the_training_may_be_stopped_at_any_time_and_continued(copy_of_repository, small):
    steps = nbformat.v4.new_code_cell('print(f"steps taken: {scheduler.last_epoch} of {steps}")')
    change = lambda cells: before_training(
        [*cells, steps],
        "update_average = stop_after(1, original_update)",
        "update_average = stop_after(batches // 2, original_update)",
        "update_average, evaluate = original_update, stop_after(1, original_evaluate)",
        "update_average = stop_after(batches + 1, original_update)",
        "update_average = original_update",
    )
    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    executed = run_notebook.run(edit(folder / "workspace.ipynb", change), {**small, "EPOCHS": 4, "BATCH_SIZE": 64})
    check_clean(executed)
    assert re.findall(r"Stopped in epoch (\d)", printed(executed)) == ["1", "1", "1", "3"]
    assert "steps taken: 312 of 312" in printed(executed)
    assert re.findall(r"^ +(\d) +\d\.\d{4} .*%", printed(executed), re.MULTILINE) == ["1", "2", "3", "4"]
    assert wrong(executed) < 1000
    assert (folder / "MNIST-MODEL.pth").read_bytes() != before
    load_weights(folder / "MNIST-MODEL.pth")


def test_a_network_that_learned_nothing_is_not_saved(copy_of_repository, small):
    change = lambda cells: before_training(cells, "epoch_batches = stop_after(1, epoch_batches)")
    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    executed = run_notebook.run(edit(folder / "workspace.ipynb", change), small)
    check_clean(executed)
    assert "Nothing is learned, so MNIST-MODEL.pth is not overwritten" in printed(executed)
    assert (folder / "MNIST-MODEL.pth").read_bytes() == before


def test_settings_may_change_without_a_restart(copy_of_repository, small):
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

    executed = run_notebook.run(edit(copy_of_repository() / "workspace.ipynb", change), small)
    check_clean(executed)
    assert printed(executed).count("MNIST-MODEL.pth: saved, ") == 1 + len(changes)
    assert printed(executed).count("5,500 digits to train on, 0 of them drawn; 0 held out") == len(changes)
    headers = [line.split() for line in printed(executed).splitlines() if line.startswith("epoch")]
    assert headers[1:] == [["epoch", "train", "loss", "seconds"]] * len(changes)  # nothing is held out


TOO_LATE = [  # a change of a setting, the cells that run next, the cell that should run again
    ("DATA = 'elsewhere'", ["set-up"], "Parse the IDX files"),
    ("CLASS_NAMES = [*CLASS_NAMES, 'ten']", ["set-up"], "Parse the IDX files"),
    ("VALIDATION = 0", ["set-up"], "Choose the device and the digits"),
    ("LEARNING_RATE = 3e-3", ["train"], "Set up the run"),
    ("AFFINE = 0.1", ["train"], "Set up the run"),
    ("EPOCHS = 5", ["check", "train"], "Set up the run"),
    ("VALIDATION = 100", ["check", "device", "train"], "Set up the run"),
]


def test_a_setting_changed_too_late_is_reported(copy_of_repository, small):
    def change(cells):
        new = cells[: tagged(cells, "train")]
        for assignment, tags, _ in TOO_LATE:
            name, sources = assignment.split()[0], [cells[tagged(cells, tag)].source for tag in tags]
            new.append(nbformat.v4.new_code_cell(f"before = {name}; {assignment}"))
            new += [nbformat.v4.new_code_cell(source) for source in sources]
            new[-1].metadata["tags"] = ["raises-exception"]
            new.append(nbformat.v4.new_code_cell(f"{name} = before"))
        return new

    executed = run_notebook.run(edit(copy_of_repository() / "workspace.ipynb", change), small)
    errors = [output.evalue for output in outputs(executed) if output.output_type == "error"]
    for error, (assignment, _, heading) in zip(errors, TOO_LATE, strict=True):
        assert error.startswith(f"{assignment.split()[0]} was changed from ")
        assert f're-run from "{heading}" to use it' in error


def test_the_playground_refuses_weights_of_another_shape(copy_of_repository, small):
    folder = copy_of_repository()
    save_weights(MNIST_CNN(0.1, 0.3, classes=26), folder / "MNIST-MODEL.pth")
    with pytest.raises(CellExecutionError, match="has 26 classes, but CLASS_NAMES has 10 names: change one of them"):
        run_notebook.run(folder / "playground.ipynb", {"DATA": small["DATA"]})


# --- Unusable data and settings ---


def shuffled(values):
    return np.random.default_rng(0).permutation(values)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"train_labels": shuffled}, "RuntimeError.*nothing is learned: after 117 steps the loss"),
        ({"test_images": np.zeros_like}, "test: expected images that differ, found 10,000 with pixels all 0"),
    ],
)
def test_data_that_teach_nothing_are_reported_and_the_weights_kept(copy_of_repository, tmp_path, changes, message):
    folder = copy_of_repository()
    before = (folder / "MNIST-MODEL.pth").read_bytes()
    with pytest.raises(CellExecutionError, match=f"(?s){message}"):
        settings = few_digits(tmp_path, **changes) | {"EPOCHS": 5, "BATCH_SIZE": 128}
        run_notebook.run(folder / "workspace.ipynb", settings)
    assert (folder / "MNIST-MODEL.pth").read_bytes() == before


def test_a_rate_a_hundred_times_too_high_is_reported(copy_of_repository, small):
    folder, settings = copy_of_repository(), {"EPOCHS": 4, "BATCH_SIZE": 128, "LEARNING_RATE": 1}
    with pytest.raises(CellExecutionError, match=r"nothing is learned.*LEARNING_RATE|lower LEARNING_RATE"):
        run_notebook.run(folder / "workspace.ipynb", {**small, **settings})
    assert (folder / "MNIST-MODEL.pth").read_bytes() == (ROOT / "MNIST-MODEL.pth").read_bytes()

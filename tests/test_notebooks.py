"""Both notebooks, run completely in a fresh kernel, in a temporary copy."""

import re
import subprocess
import sys

import nbformat
import pytest
import torch
from nbclient.exceptions import CellExecutionError
from nbconvert import PythonExporter

from mnist_cnn.model import TYPICAL, predict, typicality
from mnist_cnn.weights import load_weights
from tests.helpers import DATA, ROOT, check_clean, edit, is_png, printed, wrong
from tools import run_notebook


@pytest.fixture(scope="module")
def workspace(copy_of_repository):
    folder = copy_of_repository()
    (folder / "MNIST-MODEL.pth").unlink()
    settings = {"DATA": DATA, "EPOCHS": 1, "NON_DIGITS": 10000, "STRINGS": 200, "DEVICE": "cpu", "THREADS": 1}
    return folder, run_notebook.run(folder / "workspace.ipynb", settings)


@pytest.fixture(scope="module")
def trained(copy_of_repository, small):
    """A folder in which a few digits were trained on, over the committed weights, and the notebook."""
    folder = copy_of_repository()
    return folder, run_notebook.run(folder / "workspace.ipynb", small)


def test_workspace_trains_and_writes_everything(workspace, test_split):
    folder, executed = workspace
    check_clean(executed)
    assert is_png(folder / "loss.png")
    assert is_png(folder / "confusion.png")
    answers, _ = predict(load_weights(folder / "MNIST-MODEL.pth"), test_split[0])
    assert wrong(executed) == int((answers != test_split[1]).sum())
    assert wrong(executed) < 200  # one epoch: about 120
    typical = typicality(load_weights(folder / "MNIST-MODEL.pth"), test_split[0])
    assert 0 < (typical < TYPICAL).double().mean() < 0.015
    assert f"{(typical < TYPICAL).double().mean():.2%} of the test digits are called no digit" in printed(executed)
    assert "56,000 digits to train on, 1,000 of them drawn; 5,000 held out" in printed(executed)
    assert not list(folder.glob(".*.tmp"))


def test_workspace_shows_one_row_an_epoch_and_one_bar(workspace):
    cell = next(cell for cell in workspace[1].cells if "train" in cell.metadata.get("tags", []))
    assert [output.output_type for output in cell.outputs] == ["stream"]
    header, row, bar = cell.outputs[0].text.splitlines()
    assert header.split() == ["epoch", "train", "loss", "validation", "loss", "validation", "accuracy", "seconds"]
    assert len(row.split()) == 5
    assert bar.startswith("100%")


LEARN_LITTLE = """from mnist_cnn import training
training.adapt.__globals__.update(STEPS=20, POOL=1000, OUTLIERS=100)"""  # test_adapt.py tests how well it learns


def test_playground_after_training(workspace):
    folder, trained = workspace
    (folder / "pictures" / "broken.png").write_bytes(b"\x89PNG\r\n")

    def change(cells):
        digit = next(i for i, cell in enumerate(cells) if cell.source.startswith("INDEX = "))
        cells[digit].source = 'INDEX, FILE = 2, "touching-digits.png"'
        too_many = nbformat.v4.new_code_cell("INDEX = 5\n" + cells[digit + 1].source)
        too_many.metadata["tags"] = ["raises-exception"]
        return [nbformat.v4.new_code_cell(LEARN_LITTLE), *cells, too_many]

    edit(folder / "playground.ipynb", change)
    settings = {"DATA": DATA, "PICTURES": "pictures", "ANSWERS": "a/b.csv", "MY_WEIGHTS": "mine/MY.pth"}
    executed = run_notebook.run(folder / "playground.ipynb", settings)
    assert executed.cells.pop().outputs[0].evalue.startswith("expected a picture in PICTURES with more than 5 digits")
    check_clean(executed)
    assert "seven-on-lined-paper.jpg,7," in (folder / "a" / "b.csv").read_text(encoding="utf-8")
    assert "broken.png: expected a picture" in printed(executed)
    assert "Of your 49 digits, " in printed(executed) and "wrong of 12 with a label" in printed(executed)
    mine = load_weights(folder / "mine" / "MY.pth")
    assert not torch.equal(mine.layers[-1].weight, load_weights(folder / "MNIST-MODEL.pth").layers[-1].weight)
    for name in ("pred.png", "mnist_cnn_graph.png"):
        assert is_png(folder / name)
    result = next(line for line in printed(trained).splitlines() if "wrong of 10,000" in line)
    assert result in printed(executed)


def test_better_weights_that_are_replaced_are_kept(trained):
    folder, executed = trained
    sentence = r"the replaced weights had \d+; the replaced file is kept as MNIST-MODEL-replaced.pth"
    assert re.search(sentence, printed(executed))
    assert (folder / "MNIST-MODEL-replaced.pth").read_bytes() == (ROOT / "MNIST-MODEL.pth").read_bytes()
    assert (folder / "MNIST-MODEL.pth").read_bytes() != (ROOT / "MNIST-MODEL.pth").read_bytes()


def test_a_share_of_the_digits_may_be_held_out_and_files_go_to_new_folders(copy_of_repository, small):
    folder = copy_of_repository()
    files = {"WEIGHTS": "out/model.pth", "LOSS_PLOT": "out/plots/loss.png"}
    executed = run_notebook.run(folder / "workspace.ipynb", {**small, "EPOCHS": 1, "VALIDATION": 0.2, **files})
    check_clean(executed)
    assert "4,400 digits to train on, 0 of them drawn; 1,100 held out" in printed(executed)
    assert is_png(folder / "out" / "plots" / "loss.png")
    load_weights(folder / "out" / "model.pth")


def test_label_smoothing_keeps_the_training_loss_up(copy_of_repository, small):
    folder = copy_of_repository()
    executed = run_notebook.run(folder / "workspace.ipynb", {**small, "LABEL_SMOOTHING": 0.1})
    check_clean(executed)
    epochs, _, _ = printed(executed).partition(" wrong of ")
    losses = [float(loss) for loss in re.findall(r"^ +\d+ +(\d\.\d{4}) ", epochs, re.MULTILINE)]
    assert len(losses) == small["EPOCHS"]
    assert min(losses) > 0.5  # the entropy of an answer smoothed over ten classes; without, it falls below
    assert wrong(executed) < 1000  # 5,000 digits, two epochs


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"LEARNING_RATE": 1e30}, "FloatingPointError", "the loss is .* lower LEARNING_RATE, now 1e[+]30"),
        ({"VALIDATION": 60000}, "ValueError", "found 0, with 5,500 held out: lower VALIDATION"),
        ({"DATA": "nowhere"}, "FileNotFoundError", "train-images-idx3-ubyte"),
        ({"LOSS_PLOT": "workspace.ipynb/loss.png"}, "ValueError", "LOSS_PLOT: the folder of .* could not be created"),
        ({"CLASS_NAMES": ["0", "1"]}, "IDXError", "labels 0 to 1, found 0 to 9"),
    ],
)
def test_a_failing_cell_says_what_to_do_and_nothing_is_lost(copy_of_repository, small, settings, error, message):
    folder = copy_of_repository()
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(CellExecutionError) as caught:
        run_notebook.run(folder / "workspace.ipynb", {**small, **settings})
    assert caught.value.ename == error
    assert re.search(message, caught.value.evalue)
    assert before == {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_network_changed_in_model_py_trains_and_is_shown(copy_of_repository, small):
    folder = copy_of_repository()
    few = {**small, "DRAWN": 200, "NON_DIGITS": 1000, "STRINGS": 20}
    model = folder / "mnist_cnn" / "model.py"
    source = model.read_text()
    for old, new in [
        ("nn.Conv2d(1, 10, kernel_size=5),", "nn.Conv2d(1, 8, kernel_size=3, padding=1), nn.BatchNorm2d(8),"),
        ("nn.Conv2d(10, 20, kernel_size=5),", "nn.Conv2d(8, 24, kernel_size=(5, 7)),"),
        ("nn.Linear(320, 50),", "nn.Linear(24 * 5 * 4, 50), nn.BatchNorm1d(50), nn.ReLU(), nn.Dropout(0.2),"),
    ]:
        assert source.count(old) == 1
        source = source.replace(old, new)
    model.write_text(source)
    trained = run_notebook.run(folder / "workspace.ipynb", few)
    shown = run_notebook.run(folder / "playground.ipynb", {"DATA": DATA})
    for executed in (trained, shown):
        check_clean(executed)
    assert wrong(trained) == wrong(shown) < 1000
    assert "Convolution 2, 24 maps" in str(shown)


@pytest.mark.parametrize("name", ["workspace.ipynb", "playground.ipynb"])
def test_a_notebook_alone_says_what_to_do(name, tmp_path):
    (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    with pytest.raises(CellExecutionError, match="open this notebook inside its repository") as caught:
        run_notebook.run(tmp_path / name)
    assert caught.value.ename == "ModuleNotFoundError"


def test_settings_that_papermill_injected_are_replaced_too():
    cells = [
        nbformat.v4.new_code_cell("A = 1  # one\nB = 2", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("# Parameters\nA = 5\n", metadata={"tags": ["injected-parameters"]}),
    ]
    run_notebook.replace_settings(nbformat.v4.new_notebook(cells=cells), {"A": 7, "B": 8})
    assert [cell.source for cell in cells] == ["A = 7  # one\nB = 8", "# Parameters\nA = 7\n"]


@pytest.mark.parametrize("name", ["workspace.ipynb", "playground.ipynb"])
def test_notebooks_run_as_scripts(copy_of_repository, quick, name):
    folder = copy_of_repository()
    notebook = nbformat.read(folder / name, as_version=4)
    run_notebook.replace_settings(notebook, quick[name])
    script, _ = PythonExporter().from_notebook_node(notebook)
    (folder / "script.py").write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "wrong of 10,000" in done.stdout


def test_settings_are_replaced_with_their_comments_kept():
    source = 'A = 1  # one\nB = "x # y"\nAB = [1, 2]  # list'
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    run_notebook.replace_settings(nbformat.v4.new_notebook(cells=[cell]), {"A": 2, "AB": ["\\1"]})
    assert cell.source == "A = 2  # one\nB = \"x # y\"\nAB = ['\\\\1']  # list"
    with pytest.raises(ValueError, match="settings A, B, AB, found C"):
        run_notebook.replace_settings(nbformat.v4.new_notebook(cells=[cell]), {"C": 2})


@pytest.mark.parametrize(
    "text, value",
    [("A=2", 2), ("A=2e-3", 0.002), ("A=False", False), ("A=['x']", ["x"]), ("A=cpu", "cpu"), ("A=a/b=c", "a/b=c")],
)
def test_settings_from_the_command_line(text, value):
    assert run_notebook._setting(text) == ("A", value)


def test_the_command_prints_rows_and_writes_the_same_weights_bit_for_bit(copy_of_repository, small, trained):
    folder = copy_of_repository()
    command = run_notebook.command("workspace.ipynb", small)
    good = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert good.returncode == 0
    assert good.stderr == ""
    assert "validation accuracy" in good.stdout
    assert (folder / "MNIST-MODEL.pth").read_bytes() == (trained[0] / "MNIST-MODEL.pth").read_bytes()
    before = (folder / "workspace.ipynb").read_bytes()
    bad = subprocess.run([*command, "DATA=nowhere"], cwd=folder, capture_output=True, text=True)
    assert bad.returncode == 1
    assert "The four files are expected at" in bad.stderr
    misspelt = subprocess.run([*command, "EPOCH=2"], cwd=folder, capture_output=True, text=True)
    assert misspelt.returncode == 1
    assert misspelt.stderr.startswith("expected one of the settings")
    assert (folder / "workspace.ipynb").read_bytes() == before

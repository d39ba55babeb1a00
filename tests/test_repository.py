"""What is committed agrees with itself: notebooks, weights, plots, readme."""

import re

import nbformat
import pytest
from conftest import ROOT, committed
from test_notebooks import check_clean, is_png, printed

from mnist_cnn.model import predict

NOTEBOOKS = ["workspace.ipynb", "playground.ipynb"]


def text(name):
    return committed(name).decode()


@pytest.fixture(scope="module")
def wrong(model, test_split):
    """How many test digits the committed weights read wrongly now."""
    answers, _ = predict(model, test_split[0])
    return int((answers != test_split[1]).sum())


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_committed_as_executed(name, wrong):
    executed = nbformat.reads(text(name), as_version=4)
    nbformat.validate(executed)
    check_clean(executed)
    printed_wrong = int(re.search(r"([\d,]+) wrong of 10,000", printed(executed))[1])
    assert abs(printed_wrong - wrong) <= 2
    assert (
        "parameters"
        in executed.cells[
            [c.source.startswith("## Choose the settings") for c in executed.cells].index(True) + 1
        ].metadata.tags
    )
    assert "widgets" not in executed.metadata
    assert len(committed(name)) < 2_000_000


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_are_short(name):
    for cell in nbformat.read(ROOT / name, as_version=4).cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 40


@pytest.mark.parametrize("name", ["loss.png", "confusion.png", "pred.png", "mnist_cnn_graph.png"])
def test_plots_are_whole_and_small(name):
    assert is_png(ROOT / name)
    assert (ROOT / name).stat().st_size < 200_000


def test_the_readme_names_the_result_of_the_committed_notebook():
    result = r"(\d+) wrong of 10,000"
    executed = nbformat.reads(text("workspace.ipynb"), as_version=4)
    assert re.search(result, text("readme.md"))[1] == re.search(result, printed(executed))[1]


def test_every_file_that_the_readme_links_to_is_there():
    readme = (ROOT / "readme.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", readme)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_readmes_figures_are_those_of_the_benchmark():
    results = text("benchmarks/results.md").splitlines()
    section = text("readme.md").split("## Accuracy and speed\n")[1].split("\n## ")[0]
    figures = [line for line in section.splitlines() if line.startswith(("| ", "- "))]
    assert len(figures) > 5
    assert not [line for line in figures if line not in results]


def test_the_readmes_paragraph_on_reliability_tells_what_the_long_runs_found():
    paragraph = text("readme.md").split("## Reliability\n")[1].split("\n## ")[0]
    results = text("tests/torture/results.md")
    told, found = (set(re.findall(r"\d[\d,.]*\d", part)) for part in (paragraph, results))
    assert len(told) > 5
    assert told <= found

"""Both notebooks in a real JupyterLab, worked as a person works them: with the buttons of the toolbar, in a browser."""

import nbformat
import pytest
from playwright.sync_api import expect

from mnist_cnn.weights import load_weights
from tests.helpers import DATA, PATIENCE, check_clean, outputs, printed, wait_until_idle
from tools import run_notebook


@pytest.fixture(scope="module")
def lab(chromium, jupyterlab, tmp_path_factory):
    """The address of a JupyterLab in which every copy of the repository is a folder; not started without a browser."""
    return jupyterlab(tmp_path_factory.getbasetemp())


@pytest.fixture
def open_notebook(copy_of_repository, lab, open_page):
    """A function that opens a notebook with these settings in JupyterLab; returns its folder and its page."""

    def open(name, settings):
        folder = copy_of_repository()
        content = nbformat.read(folder / name, as_version=4)
        run_notebook.replace_settings(content, settings)
        for cell in content.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(content, folder / name)
        page = open_page(f"{lab}/lab/tree/{folder.name}/{name}?reset", lab, viewport={"width": 1280, "height": 900})
        wait_until_idle(page)
        return folder, page

    return open


def press(page, button):
    """Press this button of the notebook's toolbar."""
    page.locator(f".jp-NotebookPanel-toolbar [data-jp-item-name={button}] [data-command]").click()


def restart_and_run_all(page):
    press(page, "restart-and-run")
    page.locator(".jp-Dialog .jp-mod-accept").click()


def bar(training):
    """The progress bar, the last line of what the training cell shows."""
    return training.text_content().splitlines()[-1]


def check_page(page, path):
    """Every cell runs without error, and every picture is on the page. Returns the notebook as JupyterLab saves it."""
    cells = sum(cell.cell_type == "code" for cell in nbformat.read(path, as_version=4).cells)
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    expect(prompts).to_have_text([f"[{number}]:" for number in range(1, cells + 1)], timeout=PATIENCE)
    wait_until_idle(page)
    with page.expect_response(lambda response: response.request.method == "PUT" and path.name in response.url):
        press(page, "save")
    executed = nbformat.read(path, as_version=4)
    check_clean(executed)
    assert page.locator(".jp-OutputArea [data-mime-type*=stderr], .jp-OutputArea [data-mime-type*=error]").count() == 0
    pictures = page.locator(".jp-OutputArea-output img")
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("picture => picture.complete && picture.naturalWidth") > 100
        assert picture.bounding_box()["width"] > 100
    assert pictures.count() == sum("image/png" in output.get("data", {}) for output in outputs(executed))
    return executed


def test_workspace(open_notebook, small):
    folder, page = open_notebook("workspace.ipynb", small)
    (folder / "MNIST-MODEL.pth").unlink()
    restart_and_run_all(page)
    executed = check_page(page, folder / "workspace.ipynb")
    training = page.locator(".jp-OutputArea-output", has_text="validation accuracy")
    assert bar(training).startswith("100%")
    assert "MNIST-MODEL.pth: saved, " in printed(executed)
    load_weights(folder / "MNIST-MODEL.pth")


def test_playground(open_notebook):
    folder, page = open_notebook("playground.ipynb", {"DATA": DATA})
    restart_and_run_all(page)
    check_page(page, folder / "playground.ipynb")
    pad = page.locator(".jp-MarkdownOutput img")  # the picture for readers whose notebook runs no scripts
    assert pad.evaluate("picture => picture.complete && picture.naturalWidth") > 100
    assert page.locator(".mnist-sketchpad canvas").first.is_visible()

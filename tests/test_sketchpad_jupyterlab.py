"""The drawing pad in a real JupyterLab."""

import nbformat
import pytest

from tests.helpers import PATIENCE, wait_until_idle
from tests.pad import DIGITS, answer, draw

PAD_CELL = """
from IPython.display import HTML
from mnist_cnn import sketchpad
from mnist_cnn.weights import load_weights
HTML(sketchpad.html(load_weights("MNIST-MODEL.pth")))"""


@pytest.fixture
def lab(copy_of_repository, jupyterlab):
    """Start JupyterLab with a notebook whose only cell shows the pad. Returns the folder and the address."""
    folder = copy_of_repository()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PAD_CELL.strip())])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "pad.ipynb")
    return folder, jupyterlab(folder)


def test_in_jupyterlab(lab, open_page):
    folder, url = lab
    page = open_page(f"{url}/lab/tree/pad.ipynb", url, viewport={"width": 1280, "height": 900})
    wait_until_idle(page)
    page.locator(".jp-Notebook .jp-CodeCell").first.click(timeout=PATIENCE)  # waits until nothing covers it
    for run in (1, 2):  # a second run replaces the first one's pad
        page.locator(".jp-Notebook .jp-CodeCell [role=textbox]").first.press("Control+Enter", timeout=PATIENCE)
        page.locator(".jp-OutputPrompt", has_text=f"[{run}]").wait_for(timeout=PATIENCE)
        draw(page, DIGITS[7])
        assert answer(page).startswith("7, ")
    page.keyboard.press("Escape")
    draw(page, DIGITS[3])
    assert answer(page).startswith("3, ")

    for key in ("d", "d", "Escape", " ", "ArrowDown", "Control+z"):  # the notebook must not get these
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == 1
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
    with page.expect_response(lambda response: response.request.method == "PUT" and "pad.ipynb" in response.url):
        page.keyboard.press("Control+s")  # the notebook gets this one
    assert "data-sketchpad" in (folder / "pad.ipynb").read_text()

    page.get_by_text("Settings", exact=True).click()
    page.get_by_text("Theme", exact=True).hover()
    page.get_by_text("JupyterLab Dark", exact=True).click()
    page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    assert page.evaluate("getComputedStyle(document.querySelector('.mnist-sketchpad')).color") == "rgb(241, 243, 245)"

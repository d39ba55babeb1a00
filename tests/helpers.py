"""Shared helpers of the tests: paths, settings, and functions on notebooks, figures and files."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

import matplotlib.text
import nbformat
import numpy as np

from mnist_cnn.handwriting import read_numbers
from mnist_cnn.idx import FILES, read_idx

ROOT = Path(__file__).parent.parent
PICTURES = {  # those of numbers, and what is written there
    "date-between-lines.jpg": "27112026",
    "phone-number-on-squared-paper.webp": "040 555 1796",
    "page-of-three-lines.jpg": "3 14 159\n26 5 358\n9793 23",
    "touching-digits.png": "80335",
}
DATA = str(ROOT / "dataset")
PATIENCE = 180_000  # milliseconds, for a busy machine


def committed(name):
    """The bytes of a file as last committed: `make train` and `make benchmark` may have changed the file since."""
    git = ["git", "show", f"HEAD:./{name}"]
    shown = subprocess.run(git, cwd=ROOT, capture_output=True) if shutil.which("git") else None
    return shown.stdout if shown and shown.returncode == 0 else (ROOT / name).read_bytes()


# --- Files ---


def idx_bytes(array, code):
    """An array as an IDX file with this type byte."""
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + big_endian.tobytes()


def data_set(folder, train, test=10_000, **changes):
    """Write MNIST's digits, repeated or cut to these numbers, as four IDX files. Returns their size in bytes.

    changes: train_images, train_labels, test_images, test_labels, functions of these arrays.
    """
    for split, size in (("train", train), ("test", test)):
        for name, part in zip(FILES[split], ("images", "labels")):
            values = read_idx(ROOT / "dataset" / split / name)
            values = np.resize(values, (size, *values.shape[1:]))
            values = changes.get(f"{split}_{part}", lambda same: same)(values)
            (folder / name).write_bytes(idx_bytes(values, 0x08))
    return sum(path.stat().st_size for path in folder.iterdir())


def few_digits(folder, **changes):
    """Settings for a run of seconds: 5,000 training digits, 500 held out, all test digits, written into `folder`."""
    data_set(folder, 5500, **changes)
    none = {"DRAWN": 0, "NON_DIGITS": 0, "STRINGS": 0}
    return {"DATA": str(folder), "VALIDATION": 500, "EPOCHS": 2, "DEVICE": "cpu", "THREADS": 1, **none}


def is_png(path):
    data = path.read_bytes()
    return data.startswith(b"\x89PNG\r\n") and data.endswith(b"IEND\xaeB`\x82")


# --- Notebooks ---


def code_cells(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def outputs(executed):
    return [output for cell in code_cells(executed.cells) for output in cell.outputs]


def printed(executed):
    return "".join(output.text for output in outputs(executed) if output.output_type == "stream")


def wrong(executed):
    """The number of wrong answers that a notebook prints."""
    return int(re.search(r"([\d,]+) wrong of 10,000", printed(executed))[1].replace(",", ""))


def check_clean(executed):
    """Assert that a notebook ran completely, in order, without errors and without anything on stderr."""
    assert not [output for output in outputs(executed) if output.get("name") == "stderr"]
    assert not [output for output in outputs(executed) if output.output_type == "error"]
    counts = [cell.execution_count for cell in code_cells(executed.cells)]
    assert counts == list(range(1, len(counts) + 1))
    assert executed.metadata.kernelspec.name == "python3"


def edit(path, change):
    """Read the notebook, apply `change` to its list of cells, and write it."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = change(notebook.cells) or notebook.cells
    nbformat.write(notebook, path)
    return path


def tagged(cells, tag):
    """The index of the first cell with this tag."""
    return next(index for index, cell in enumerate(cells) if tag in cell.metadata.get("tags", []))


# --- Numbers ---


def texts(model, pictures):
    """The texts of pictures of numbers."""
    return [read_numbers(model, picture).text for picture in pictures]


def right(found, expected):
    """The share of texts that are as expected, apart from spaces."""
    return np.mean([text.replace(" ", "") == label for text, label in zip(found, expected, strict=True)])


# --- Figures and pages ---


def texts_apart(figure):
    """Assert that no text of the figure is cut off or overlaps another. Returns all texts."""
    figure.draw_without_rendering()
    frame = figure.bbox
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
    boxes = [text.get_window_extent() for text in texts if text.get_visible()]
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    return " ".join(text.get_text() for text in texts)


def wait_until_idle(page):
    """Wait until the kernel of the notebook that is open in JupyterLab has finished."""
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=PATIENCE)

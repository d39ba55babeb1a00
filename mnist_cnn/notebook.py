"""Run a notebook from a fresh kernel, with some of its settings replaced, as it happens in the terminal.

python -m mnist_cnn.notebook workspace.ipynb EPOCHS=2 DEVICE=cpu
"""

import argparse
import ast
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from mnist_cnn import files

# The kernel `python3` of this environment, even if the user has one of the same name elsewhere.
os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")


class _Echo(NotebookClient):
    """Prints what the cells print, while they run."""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "stream":
            print(msg["content"]["text"], end="", flush=True)
        return super().process_message(msg, cell, cell_index)


def run(path, settings=None, output=None, folder=None, echo=False):
    """Run the notebook at `path` whole and write it, executed, to `output` (default: in place).

    settings: {"EPOCHS": 2, ...}, values for names in the cell tagged `parameters`.
    folder: the kernel's working directory (default: the notebook's own).
    Returns the executed notebook. Raises nbclient's CellExecutionError if a cell fails, RuntimeError if the
    kernel is killed (nothing is written then), ValueError for a setting that the notebook does not have.
    """
    path = Path(path)
    notebook = nbformat.read(path, as_version=4)
    replace_settings(notebook, settings or {})
    client = (_Echo if echo else NotebookClient)(
        notebook,
        kernel_name="python3",
        timeout=None,
        coalesce_streams=True,  # one output for a progress bar, not hundreds
        record_timing=False,  # else each run would change the file
        resources={"metadata": {"path": str(folder or path.resolve().parent)}},
    )
    with tempfile.TemporaryDirectory() as sockets:
        # Talk through files in place of open ports, about which the kernel would warn; their names must be short.
        if os.name == "posix" and len(sockets) < 80:
            manager = client.create_kernel_manager()
            manager.transport, manager.ip = "ipc", f"{sockets}/kernel"
        client.execute()
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    files.write(output or path, nbformat.writes(notebook).encode() + b"\n")
    return notebook


def replace_settings(notebook, settings):
    """Replace `NAME = value  # comment` by the values in `settings`, in place, keeping the comments."""
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    for name, value in settings.items():
        line = re.search(rf"^{name} = (.*?)(?=  #|$)", cell.source, flags=re.MULTILINE)
        if line is None:
            known = ", ".join(re.findall(r"^([A-Z_0-9]+) = ", cell.source, flags=re.MULTILINE))
            raise ValueError(f"expected one of the settings {known}, found {name}")
        cell.source = cell.source[: line.start(1)] + repr(value) + cell.source[line.end(1) :]


def command(name, settings):
    """The command line, a list, that runs the notebook `name` with these settings in a process of its own."""
    return [sys.executable, "-m", "mnist_cnn.notebook", name, *(f"{name}={value}" for name, value in settings.items())]


def _setting(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, found {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # text, which needs no quotes here


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("settings", nargs="*", type=_setting, metavar="NAME=VALUE")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")  # Windows has no progress bar's blocks in the encoding of a pipe
    print(f"Running {arguments.notebook} ...", flush=True)
    try:
        run(arguments.notebook, dict(arguments.settings), echo=True)
    except CellExecutionError as error:
        sys.exit(f"{error}\n{arguments.notebook}: a cell failed; the notebook is as it was before")
    except RuntimeError:  # nbclient's, whether the kernel died early or late
        sys.exit(f"{arguments.notebook}: the kernel died, perhaps for want of memory; the notebook is as it was")
    except (OSError, ValueError) as error:  # no room for the executed notebook, no such setting, no notebook
        sys.exit(str(error))


if __name__ == "__main__":
    main()

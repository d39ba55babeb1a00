"""Run a notebook in a fresh kernel, with other settings, and print its output.

python -m tools.run_notebook workspace.ipynb EPOCHS=2 DEVICE=cpu
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

os.environ.pop("PYTHONSAFEPATH", None)  # the kernel imports mnist_cnn from the notebook's folder
# Use the kernel `python3` of this environment, even if the user has installed another one of that name.
os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")


class _Echo(NotebookClient):
    """Prints the output of each cell while it runs."""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "stream":
            print(msg["content"]["text"], end="", flush=True)
        return super().process_message(msg, cell, cell_index)


def run(path, settings=None, echo=False):
    """Run all cells of the notebook at `path`, in its folder, and write the executed notebook in place.

    settings: {"EPOCHS": 2, ...}, values for names in the cell tagged `parameters`.
    echo: print the cells' output while they run.
    Returns the executed notebook. Writes nothing and raises nbclient's CellExecutionError if a cell fails,
    RuntimeError if the kernel dies, ValueError for a setting that the notebook does not have.
    """
    path = Path(path)
    notebook = nbformat.read(path, as_version=4)
    replace_settings(notebook, settings or {})
    client = (_Echo if echo else NotebookClient)(
        notebook,
        kernel_name="python3",
        timeout=None,
        coalesce_streams=True,  # a progress bar becomes one output, not hundreds
        record_timing=False,  # timestamps would change the file in each run
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    with tempfile.TemporaryDirectory() as sockets:
        # Use Unix sockets, because the kernel warns about open ports. Their paths must be short.
        if os.name == "posix" and len(sockets) < 80:
            manager = client.create_kernel_manager()
            manager.transport, manager.ip = "ipc", f"{sockets}/kernel"
        client.execute()
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    files.write(path, nbformat.writes(notebook).encode() + b"\n")
    return notebook


def replace_settings(notebook, settings):
    """Replace the values in lines `NAME = value  # comment`, in place, keeping the comments.

    The lines are in the cell tagged `parameters`, and in the cell after it that papermill may have injected.
    """
    tags = {"parameters", "injected-parameters"}
    cells = [cell for cell in notebook.cells if tags.intersection(cell.metadata.get("tags", []))]
    for name, value in settings.items():
        lines = [(cell, _assignment(cell, name)) for cell in cells]
        if not any(line for _, line in lines):
            known = ", ".join(re.findall(r"^([A-Z_0-9]+) = ", "\n".join(cell.source for cell in cells), re.MULTILINE))
            raise ValueError(f"expected one of the settings {known or 'in a cell tagged `parameters`'}, found {name}")
        for cell, line in lines:
            if line:
                cell.source = cell.source[: line.start(1)] + repr(value) + cell.source[line.end(1) :]


def _assignment(cell, name):
    return re.search(rf"^{name} = (.*?)(?=  #|$)", cell.source, flags=re.MULTILINE)


def command(name, settings):
    """Return the command line, as a list, that runs a notebook with these settings."""
    changes = [f"{setting}={value}" for setting, value in settings.items()]
    return [sys.executable, "-m", "tools.run_notebook", name, *changes]


def _setting(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, found {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # text needs no quotes on the command line


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("settings", nargs="*", type=_setting, metavar="NAME=VALUE")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")  # on Windows, pipes cannot encode the progress bar
    print(f"Running {arguments.notebook} ...", flush=True)
    try:
        run(arguments.notebook, dict(arguments.settings), echo=True)
    except CellExecutionError as error:
        sys.exit(f"{error}\n{arguments.notebook}: a cell failed; the notebook is unchanged")
    except RuntimeError as error:  # the kernel dies, or never answers
        sys.exit(f"{arguments.notebook}: the kernel died, perhaps out of memory; the notebook is unchanged ({error})")
    except (OSError, ValueError) as error:  # full disk, unknown setting, missing notebook
        sys.exit(str(error))


if __name__ == "__main__":
    main()

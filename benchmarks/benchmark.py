"""Accuracy, speed and memory of workspace.ipynb and two baselines, measured alternately on one machine.

    make benchmark           # everything, one to two hours; can be stopped and continued
    make benchmark SEEDS=2   # a quick run

Linux and macOS only: Windows does not report the memory of a process that has ended.

The first three seeds are timed: nothing else should run then. Every finished run is appended to runs.jsonl. results.md
and results.png show the runs of this machine and this code. A run of the notebook executes the notebook's own cells in
a fresh kernel, with the settings below replaced.
"""

import ast
import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import torch

from benchmarks.report import TIMED, results, write_results
from mnist_cnn.training import has_bfloat16
from tools.run_notebook import command

HERE = Path(__file__).parent
ROOT = HERE.parent

UNDISTORTED = {"AFFINE": 0, "ELASTIC": 0}
# The settings that the notebook names above its settings cell.
ALONE = {"NON_DIGITS": 0, "STRINGS": 0}  # the network that classifies, without the two that help it
PLAIN = {"DRAWN": 0, **ALONE}  # MNIST alone
SHORT = {"EPOCHS": 1, "BATCH_SIZE": 144, "LEARNING_RATE": 0.02, "LABEL_SMOOTHING": 0.05, "VALIDATION": 0}
SHORT |= UNDISTORTED | PLAIN
LONG = {"EPOCHS": 100, "VALIDATION": 0}
EPOCHS = [1, 2, 5, 10, 20]
HELD_OUT = [50_000, 30_000, 0]  # trains on 10,000, 30,000 and 60,000 digits


def plan(seeds):
    """Yield all runs as (name, seed, settings). Runs that are compared alternate."""
    timed, others = range(seeds)[:TIMED], range(seeds)[TIMED:]
    for seed in timed:
        yield "matmul", seed, {}
        yield "plain", seed, {}
        yield "train_mnist_fast", seed, {}
        yield "short", seed, SHORT
        yield "default", seed, {}
        yield "5 epochs, undistorted", seed, {"EPOCHS": 5, **ALONE, **UNDISTORTED}
        for epochs in EPOCHS:
            yield "1 epoch" if epochs == 1 else f"{epochs} epochs", seed, {"EPOCHS": epochs, **ALONE}
        for held_out in HELD_OUT:
            yield f"{60_000 - held_out:,} digits", seed, {"EPOCHS": 1, "VALIDATION": held_out, **PLAIN}
    for seed in timed[:2]:
        yield "long", seed, LONG | ALONE
    for seed in others:
        yield "train_mnist_fast", seed, {}
        yield "short", seed, SHORT
        yield "default", seed, ALONE


def run(name, seed, settings):
    """Measure one run: seconds of training, accuracy and more."""
    if name == "matmul":
        return {"gflops": matmul_gflops()}
    if name in ("plain", "train_mnist_fast"):
        words = [sys.executable, "-m", "benchmarks.baselines", name, str(seed)]
        lines = subprocess.run(words, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        epochs = [json.loads(line) for line in lines]
        to_99 = next((epoch["seconds"] for epoch in epochs if epoch["accuracy"] >= 0.99), None)
        return {**epochs[-1], "to_99": to_99}
    return run_notebook({**settings, "SEED": seed, "DATA": str(ROOT / "dataset"), "DEVICE": "cpu", "THREADS": "all"})


def run_notebook(settings):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "workspace.ipynb", folder)
        for name in ("mnist_cnn", "tools"):
            shutil.copytree(ROOT / name, Path(folder, name))
        words = command("workspace.ipynb", settings)
        start = time.perf_counter()
        with open(Path(folder, "printed"), "w+", encoding="utf-8") as printed:
            process = subprocess.Popen(words, cwd=folder, stdout=printed)
            _, process.returncode, usage = os.wait4(process.pid, 0)  # usage includes the kernel's memory
            if process.returncode:
                raise SystemExit(f"{' '.join(words)} failed")
            wall = time.perf_counter() - start
            printed.seek(0)
            lines = [line.rpartition("\r")[2] for line in printed.read().split("\n")]
    seconds = [float(row[1]) for line in lines if (row := re.match(r" *\d+ +\d+\.\d{4}.* (\d+\.\d\d)$", line))]
    wrong = next(row[1] for line in lines if (row := re.match(r"([\d,]+) wrong of 10,000", line)))
    return {
        "seconds": round(sum(seconds), 2),
        "accuracy": 1 - int(wrong.replace(",", "")) / 10_000,
        "wall": round(wall, 1),
        "megabytes": usage.ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10),  # macOS counts bytes
        "epochs": len(seconds),
    }


def matmul_gflops(size=1536, repeats=20):
    """The machine's rate of float32 matrix products, in GFLOP/s: the median of several."""
    a, b, rates = torch.rand(size, size), torch.rand(size, size), []
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b
        rates.append(2 * size**3 / (time.perf_counter() - start) / 1e9)
    return round(statistics.median(rates), 1)


def machine():
    """Describe the machine: processor, threads and versions."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    name = names[0] if names else platform.processor() or platform.machine()
    native, threads = ", bfloat16" if has_bfloat16() else "", torch.get_num_threads()
    return f"{name}{native}, {threads} thread{'s' * (threads > 1)}, torch {torch.__version__}, {platform.system()}"


def code():
    """Return a short hash of the code that the runs depend on: the notebook's cells, the package and the baselines.

    Comments, docstrings and layout do not count, nor do the cells after the training.
    """
    cells = [cell for cell in nbformat.read(ROOT / "workspace.ipynb", 4).cells if cell.cell_type == "code"]
    last = next(i for i, cell in enumerate(cells) if "train" in cell.metadata.get("tags", []))
    training = ("augment", "device", "drawn_digits", "muon", "pen")
    names = ("dataset", "idx", "model", *(f"training/{name}" for name in training))
    paths = [*(ROOT / "mnist_cnn" / f"{name}.py" for name in names), HERE / "baselines.py"]
    sources = [*(cell.source for cell in cells[: last + 1]), *(path.read_text() for path in paths)]
    return hashlib.sha256("\n".join(map(without_comments, sources)).encode()).hexdigest()[:12]


def without_comments(source):
    """Python source without its comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def main(seeds):
    path, here, now = HERE / "runs.jsonl", machine(), code()
    path.touch()
    done = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    done = [run for run in done if run["machine"] == here and run["code"] == now]
    runs = []
    for name, seed, settings in plan(seeds):
        key = {"name": name, "seed": seed, "settings": settings}
        finished = next((run for run in done if key.items() <= run.items()), None)
        if finished:
            runs.append(finished)
        else:
            print(f"{time.strftime('%H:%M:%S')}  {name}, seed {seed} ...", end=" ", flush=True)
            finished = {**key, "machine": here, "code": now, **run(name, seed, settings)}
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(finished) + "\n")
            print({name: value for name, value in finished.items() if name not in (*key, "machine", "code")})
            runs.append(finished)
            write_results(runs)
    write_results(runs)
    print(results(runs))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)

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
import math
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
from matplotlib.ticker import FixedLocator

from mnist_cnn import figures, files
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
TIMED = 3  # seeds whose seconds and memory count; the others, for the accuracy, may run beside other work
HELD_OUT = [50_000, 30_000, 0]  # trains on 10,000, 30,000 and 60,000 digits
MFLOP = 2.6  # per image, forward and backward; the input of the first convolution needs no gradient
DIGITS = 55_808  # per epoch by default: the complete batches of 256 in 55,000 and 1,000 drawn ones


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


def mean_sd(values, digits=2):
    values = list(values)
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def results(runs):
    """Return the text of results.md, from runs on one machine with one version of the code."""
    of = lambda name, key, seeds=TIMED: [
        run[key] for run in runs if run["name"] == name and run["seed"] < seeds and run.get(key) is not None
    ]
    accuracies = lambda name: [100 * value for value in of(name, "accuracy", seeds=math.inf)]
    seconds = lambda name, key="seconds": statistics.median(of(name, key))
    names = list(dict.fromkeys(run["name"] for run in runs if "accuracy" in run))
    lines = [
        "# Results",
        "",
        f"{runs[0]['machine']}. Code {runs[0]['code']}. Written by `make benchmark`.",
        "",
        "Test accuracy of the last epoch, mean ± standard deviation over n seeds; seconds, median of three or fewer.",
        "",
        "| run | n | accuracy, % | worst, % | training, s | total, s | peak memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        wall = f"{seconds(name, 'wall'):.0f}" if of(name, "wall") else ""
        memory = f"{max(of(name, 'megabytes'))}" if of(name, "megabytes") else ""
        found = accuracies(name)
        row = [name, len(found), mean_sd(found), f"{min(found):.2f}", f"{seconds(name):.1f}", wall, memory]
        lines.append(f"| {' | '.join(map(str, row))} |")
    peak = statistics.median(of("matmul", "gflops"))

    def throughput(name):
        rate = of(name, "epochs")[0] * DIGITS / seconds(name)
        gflops = rate * MFLOP / 1e3
        return f"{rate:,.0f} images/s, {gflops:.0f} GFLOP/s ({gflops / peak:.0%} of the float32 matrix-product rate)"

    lines += [
        "",
        f"- The plain recipe reaches 99.0% after {seconds('plain', 'to_99'):.1f} s of training (median, n = "
        f"{len(of('plain', 'to_99'))}). The short run is {seconds('plain', 'to_99') / seconds('short'):.1f} times as "
        "fast.",
        f"- The short run is {seconds('train_mnist_fast') / seconds('short'):.2f} times as fast as train_mnist_fast.",
        f"- The default run is {seconds('plain') / seconds('default'):.2f} times as fast as the plain recipe's 20 "
        "epochs.",
        f"- Training throughput in {'bfloat16' if 'bfloat16' in runs[0]['machine'] else 'float32'}, at {MFLOP} MFLOP "
        f"per image, forward and backward: {throughput('5 epochs, undistorted')} without distortion, "
        f"{throughput('default')} with it. The machine multiplies float32 matrices at {peak:.0f} GFLOP/s.",
        "",
        "![Accuracy against training seconds](results.png)",
    ]
    return "\n".join(lines) + "\n"


STYLES = {  # name in the runs: (label, colour, marker)
    "plain": ("plain recipe, 20 epochs", figures.GREY, "s"),
    "train_mnist_fast": ("train_mnist_fast", "black", "^"),
    "short": ("short: 1 epoch", figures.VERMILION, "D"),
    "sweep": ("1 to 20 epochs", figures.SKY, "."),
    "default": ("default: 32 epochs", figures.BLUE, "o"),
    "long": ("long: 100 epochs", figures.GREEN, "P"),
}


def picture(runs):
    """Test error against training seconds, one mark per run that was timed."""
    groups = {name: [] for name in STYLES}
    for run in runs:
        name = "sweep" if re.fullmatch(r"\d+ epochs?", run["name"]) else run["name"]
        if name in STYLES and run["seed"] < TIMED:
            groups[name].append((run["seconds"], 100 * (1 - run["accuracy"])))
    figure = figures.Figure(figsize=(7.5, 4.8), layout="constrained")
    axis = figure.subplots()
    for name, (label, colour, marker) in STYLES.items():
        x, y = zip(*groups[name])
        axis.scatter(x, y, s=36, color=colour, marker=marker, alpha=0.75, linewidths=0, label=f"{label} (n = {len(x)})")
    median = lambda name: statistics.median(seconds for seconds, _ in groups[name])
    axis.set(xscale="log", yscale="log", xlabel="training seconds", ylabel="test error, %")
    to_99 = statistics.median(run["to_99"] for run in runs if run["name"] == "plain" and run["to_99"])
    error = statistics.mean(100 * (1 - run["accuracy"]) for run in runs if run["name"] == "default")
    axis.set_title(
        f"To 1% error {to_99 / median('short'):.0f} times as fast as the plain recipe; "
        f"{error:.2f}% error in {median('default'):.0f} s"
    )
    for ticks, values in (
        (axis.yaxis, [0.3, 0.4, 0.5, 0.7, 1, 1.5, 2]),
        (axis.xaxis, [1, 2, 5, 10, 20, 50, 100, 200, 500]),
    ):
        ticks.set_major_locator(FixedLocator(values))
        ticks.set_minor_locator(FixedLocator([]))
        ticks.set_major_formatter("{x:g}")
    axis.legend(frameon=False)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def write_results(runs):
    """Write results.md and results.png once every compared setting has at least one run."""
    compared = {"matmul", "5 epochs, undistorted", *STYLES} - {"sweep"}
    if compared <= {run["name"] for run in runs}:
        files.write(HERE / "results.md", results(runs).encode())
        figures.save(picture(runs), HERE / "results.png")


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

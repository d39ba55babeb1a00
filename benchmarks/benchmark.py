"""Accuracy, speed and memory of workspace.ipynb beside two published recipes, in turn on one machine.

    make benchmark           # everything: up to two hours; can be stopped, and goes on where it stopped
    make benchmark SEEDS=2   # a quick look

Linux and macOS only: Windows does not tell the memory of a process that has ended.

Every finished run is appended to runs.jsonl; results.md and results.png are written from those of this machine and
this code. A run of the notebook is the notebook's own cells in a fresh kernel, with the settings below replaced.
"""

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
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from mnist_cnn import cpu, figures, files, notebook

HERE = Path(__file__).parent
ROOT = HERE.parent

UNDISTORTED = {"AFFINE": 0, "ELASTIC": 0}
# Both as the notebook names them above its settings.
SHORT = {"EPOCHS": 1, "BATCH_SIZE": 144, "LEARNING_RATE": 0.02, "LABEL_SMOOTHING": 0.05, "VALIDATION": 0, **UNDISTORTED}
LONG = {"EPOCHS": 100, "VALIDATION": 0}
EPOCHS = [1, 2, 5, 10, 20, 40]
HELD_OUT = [50_000, 30_000, 0]  # trains on 10,000, 30,000 and 60,000 digits
MFLOP = 2.6  # an image: forward and backward; the first convolution's input needs no gradient
DIGITS = 54_784  # in an epoch by default: whole batches of 256 of the 55,000


def plan(seeds):
    """All runs, (name, seed, settings), so ordered that what is compared runs in turn."""
    few = range(min(3, seeds))
    for seed in range(seeds):
        yield "matmul", seed, {}
        if seed in few:
            yield "plain", seed, {}
        yield "train_mnist_fast", seed, {}
        yield "short", seed, SHORT
        yield "default", seed, {}
        if seed in few:
            yield "5 epochs, undistorted", seed, {"EPOCHS": 5, **UNDISTORTED}
    for seed in few:
        for epochs in EPOCHS:
            yield "1 epoch" if epochs == 1 else f"{epochs} epochs", seed, {"EPOCHS": epochs}
        for held_out in HELD_OUT:
            yield f"{60_000 - held_out:,} digits", seed, {"EPOCHS": 1, "VALIDATION": held_out}
    for seed in few:
        yield "long", seed, LONG


def run(name, seed, settings):
    """One run's figures: seconds of training, accuracy, and what else there is to measure."""
    if name == "matmul":
        return {"gflops": matmul_gflops()}
    if name in ("plain", "train_mnist_fast"):
        command = [sys.executable, "-m", "benchmarks.baselines", name, str(seed)]
        lines = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        epochs = [json.loads(line) for line in lines]
        to_99 = next((epoch["seconds"] for epoch in epochs if epoch["accuracy"] >= 0.99), None)
        return {**epochs[-1], "to_99": to_99}
    return run_notebook({**settings, "SEED": seed, "DATA": str(ROOT / "dataset"), "DEVICE": "cpu"})


def run_notebook(settings):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "workspace.ipynb", folder)
        shutil.copytree(ROOT / "mnist_cnn", Path(folder, "mnist_cnn"))
        command = notebook.command("workspace.ipynb", settings)
        start = time.perf_counter()
        with open(Path(folder, "printed"), "w+", encoding="utf-8") as printed:
            process = subprocess.Popen(command, cwd=folder, stdout=printed)
            _, process.returncode, usage = os.wait4(process.pid, 0)  # usage: with its kernel's memory
            if process.returncode:
                raise SystemExit(f"{' '.join(command)} failed")
            wall = time.perf_counter() - start
            printed.seek(0)
            lines = [line.rpartition("\r")[2] for line in printed.read().split("\n")]
    seconds = [float(row[1]) for line in lines if (row := re.match(r" *\d+ +\d+\.\d{4}.* (\d+\.\d\d)$", line))]
    wrong = next(row[1] for line in lines if (row := re.match(r"([\d,]+) wrong of 10,000", line)))
    return {
        "seconds": round(sum(seconds), 2),
        "accuracy": 1 - int(wrong.replace(",", "")) / 10_000,
        "wall": round(wall, 1),
        "megabytes": usage.ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10),  # bytes there, kilobytes here
        "epochs": len(seconds),
    }


def matmul_gflops(size=1536, repeats=20):
    """The machine's own rate of float32 matrix products, in GFLOP/s: the median of several."""
    a, b, rates = torch.rand(size, size), torch.rand(size, size), []
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b
        rates.append(2 * size**3 / (time.perf_counter() - start) / 1e9)
    return round(statistics.median(rates), 1)


def machine():
    """What a figure depends on besides the code: processor, threads, versions."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    name = names[0] if names else platform.processor() or platform.machine()
    native = ", bfloat16" if cpu.has_bfloat16() else ""
    return f"{name}{native}, {torch.get_num_threads()} threads, torch {torch.__version__}, {platform.system()}"


def code():
    """A short digest of all code that the runs depend on: the notebook's cells and the package."""
    cells = [cell.source for cell in nbformat.read(ROOT / "workspace.ipynb", 4).cells if cell.cell_type == "code"]
    sources = [
        (ROOT / "mnist_cnn" / f"{name}.py").read_text()
        for name in ("augment", "cpu", "dataset", "idx", "model", "muon")
    ]
    return hashlib.sha256("\n".join([*cells, *sources, (HERE / "baselines.py").read_text()]).encode()).hexdigest()[:12]


def mean_sd(values, digits=2):
    values = list(values)
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.{digits}f} ± {spread:.{digits}f}"


def results(runs):
    """results.md, from the runs of this machine and this code."""
    of = lambda name, key: [run[key] for run in runs if run["name"] == name and run.get(key) is not None]
    seconds = lambda name, key="seconds": statistics.median(of(name, key))
    percent = lambda name: mean_sd(100 * value for value in of(name, "accuracy"))
    names = list(dict.fromkeys(run["name"] for run in runs if "accuracy" in run))
    lines = [
        "# Results",
        "",
        f"{machine()}. Code {code()}. Written by `make benchmark`.",
        "",
        "Test accuracy of the last epoch, mean ± standard deviation over n seeds; training seconds, median.",
        "",
        "| what | n | accuracy, % | worst, % | training, s | whole run, s | peak memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        wall = f"{seconds(name, 'wall'):.0f}" if of(name, "wall") else ""
        memory = f"{max(of(name, 'megabytes'))}" if of(name, "megabytes") else ""
        worst = 100 * min(of(name, "accuracy"))
        row = [name, len(of(name, "accuracy")), percent(name), f"{worst:.2f}", f"{seconds(name):.1f}", wall, memory]
        lines.append(f"| {' | '.join(map(str, row))} |")
    peak = statistics.median(of("matmul", "gflops"))

    def throughput(name):
        rate = statistics.median(run["epochs"] * DIGITS / run["seconds"] for run in runs if run["name"] == name)
        gflops = rate * MFLOP / 1e3
        return f"{rate:,.0f} images/s, {gflops:.0f} GFLOP/s, {gflops / peak:.0%} of that"

    lines += [
        "",
        f"- Plain recipe, training time to its first epoch at 99.0%: {seconds('plain', 'to_99'):.1f} s (median). "
        f"The short run takes {seconds('plain', 'to_99') / seconds('short'):.1f} times less.",
        f"- train_mnist_fast: the short run takes {seconds('train_mnist_fast') / seconds('short'):.2f} times less.",
        f"- Plain recipe, 20 epochs: the default run takes {seconds('plain') / seconds('default'):.2f} times less.",
        f"- Throughput of training in {'bfloat16' if cpu.has_bfloat16() else 'float32'}, with {MFLOP} MFLOP an image, "
        f"forward and backward, beside the machine's {peak:.0f} GFLOP/s of float32 matrix products: "
        f"{throughput('5 epochs, undistorted')} without distortion; {throughput('default')} with it, by default.",
        "",
        "![Accuracy against training seconds](results.png)",
    ]
    return "\n".join(lines) + "\n"


def picture(runs):
    """Accuracy against training seconds, one dot a run."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    left_out = re.compile("digits|undistorted")
    colours = {"plain": figures.GREY, "train_mnist_fast": "black"}
    markers = {"plain": "s", "train_mnist_fast": "^"}
    offsets = {"short": (0, -16), "default": (-13, -15), "40 epochs": (32, 6)}  # of labels among other dots
    for name in dict.fromkeys(run["name"] for run in runs if "accuracy" in run and not left_out.search(run["name"])):
        dots = [(run["seconds"], 100 * (1 - run["accuracy"])) for run in runs if run["name"] == name]
        colour = colours.get(name, figures.BLUE)
        axis.scatter(*zip(*dots), s=22, color=colour, marker=markers.get(name, "o"), alpha=0.7, linewidths=0)
        label, offset = {"plain": "plain recipe, 20 epochs"}.get(name, name), offsets.get(name, (0, 8))
        x = statistics.median(seconds for seconds, _ in dots)
        y = (max if offset[1] > 0 else min)(error for _, error in dots)
        axis.annotate(label, (x, y), offset, textcoords="offset points", ha="center", color=colour)
    axis.margins(0.12)
    axis.set(
        xscale="log", yscale="log", xlabel="training seconds", ylabel="test error, %", title="Every dot is one run"
    )
    for ticks, values in (
        (axis.yaxis, [0.3, 0.4, 0.5, 0.7, 1, 1.5, 2]),
        (axis.xaxis, [1, 2, 5, 10, 20, 50, 100, 200, 500]),
    ):
        ticks.set_major_locator(FixedLocator(values))
        ticks.set_minor_locator(FixedLocator([]))
        ticks.set_major_formatter("{x:g}")
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def write_results(runs):
    """results.md and results.png, as soon as there is something of everything that is compared."""
    compared = {"matmul", "plain", "train_mnist_fast", "short", "default", "5 epochs, undistorted"}
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

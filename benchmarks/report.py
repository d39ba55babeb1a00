"""The report of benchmark.py: its runs as a table, results.md, and as a figure, results.png."""

import math
import re
import statistics
from pathlib import Path

from matplotlib.ticker import FixedLocator

from mnist_cnn import figures, files

HERE = Path(__file__).parent

TIMED = 3  # seeds whose seconds and memory count; the others, for the accuracy, may run beside other work
MFLOP = 2.6  # per image, forward and backward; the input of the first convolution needs no gradient
DIGITS = 55_808  # per epoch by default: the complete batches of 256 in 55,000 and 1,000 drawn ones


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

"""Memory use of the notebook with large data sets and many epochs.

python -m tests.torture large
"""

import re
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from tests.helpers import data_set
from tests.torture.faults import copy, finish, start

MEGABYTE = 2**20


def run_and_watch(settings):
    """Run workspace.ipynb. Returns its output, and its kernel's resident bytes, sampled 20 times a second."""
    with tempfile.TemporaryDirectory() as folder:
        copy(Path(folder))
        runner, samples = start(folder, settings), []

        def watch():
            while runner.poll() is None:
                for kernel in runner.children():
                    try:
                        samples.append(kernel.memory_info().rss)
                    except psutil.Error:  # the kernel has just ended
                        return
                time.sleep(0.05)

        watching = threading.Thread(target=watch)
        watching.start()
        code, printed = finish(runner, timeout=None)
        watching.join()
    if code:
        raise SystemExit(f"the notebook failed: {printed}")
    return printed, samples


def train_on(images):
    """Train on this many digits for one epoch, and classify as many.

    Returns the megabytes of the data and of the kernel at most, the seconds, and the share that is right, as text.
    """
    with tempfile.TemporaryDirectory() as folder:
        size = data_set(Path(folder), images, images)
        begin = time.perf_counter()
        printed, samples = run_and_watch({"DATA": folder, "EPOCHS": 1})
        seconds = time.perf_counter() - begin
    right = re.search(r"[\d,]+ wrong of [\d,]+: ([\d.]+%) right", printed)[1]
    return size / MEGABYTE, max(samples) / MEGABYTE, seconds, right


def large(images):
    """Memory may grow by the data and a copy of the training images on the device, not by more."""
    (small, least, *_), (data, peak, seconds, right) = train_on(images // 10), train_on(images)
    growth = (peak - least) / (data - small)
    assert growth < 2, f"{peak:.0f} MB for {data:.0f} MB of data, {least:.0f} MB for {small:.0f} MB"
    return (
        f"Trained on {images:,} images and classified {images:,} more, {data:,.0f} MB of data, in {seconds:.0f} s: "
        f"{peak:,.0f} MB at most, and {least:,.0f} MB with a tenth of them, so {growth:.2f} MB for each MB of data "
        f"({right} right)."
    )


def many_epochs(epochs):
    """Train on few digits for many epochs: memory must not grow from the second tenth to the last."""
    with tempfile.TemporaryDirectory() as folder:
        data_set(Path(folder), 1500, 500)
        printed, samples = run_and_watch({"DATA": folder, "EPOCHS": epochs, "VALIDATION": 220})
    rows = re.findall(r"\n *\d+ +\d+\.\d{4} ", printed.split(" wrong of ")[0])
    assert len(rows) == epochs, f"{len(rows)} epochs of {epochs}"
    training = np.array([sample for sample in samples if sample > 0.8 * max(samples)]) / MEGABYTE
    tenth = len(training) // 10
    early, late = np.median(training[tenth : 2 * tenth]), np.median(training[-2 * tenth : -tenth])
    assert late - early < 20, f"{early:.0f} MB early, {late:.0f} MB late"
    return f"{epochs:,} epochs: {early:.0f} MB early in the training, {late:.0f} MB late."


def run(scale=1.0):
    """500,000 images; 1,000 epochs. Returns lines for the record."""
    return [large(max(20_000, round(500_000 * scale))), many_epochs(max(200, round(1000 * scale)))]

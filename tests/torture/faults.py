"""Kill runs of workspace.ipynb, or run it on a full or read-only disk. Old files must stay intact.

python -m tests.torture faults
"""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from mnist_cnn.weights import load_weights
from tests.helpers import ROOT, few_digits, is_png
from tools import run_notebook

READ_ONLY = "cannot be written: choose a folder that you may write to"
WRITTEN = ("MNIST-MODEL.pth", "loss.png", "confusion.png")  # by the notebook


def copy(folder):
    """Copy everything that a run needs into `folder`."""
    shutil.copy(ROOT / "workspace.ipynb", folder)
    for name in ("mnist_cnn", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def start(folder, settings):
    """Start the notebook. Returns the process that runs it, whose only child is the kernel."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return psutil.Popen(run_notebook.command("workspace.ipynb", settings), cwd=folder, env=environment, **pipes)


def finish(runner, timeout=300):
    """Wait for the process to end. Returns its exit code and output; subprocess.TimeoutExpired if it takes longer."""
    printed, _ = runner.communicate(timeout=timeout)
    return runner.returncode, printed


def written(folder):
    return {name: (folder / name).read_bytes() for name in WRITTEN}


def leftovers(folder):
    return [path.name for path in folder.glob(".*.tmp")]


class Killing:
    """A folder with the files of an earlier run, in which runs with another seed are killed."""

    def __init__(self, folder, settings):
        self.folder, self.settings = Path(folder), settings | {"SEED": 1}
        copy(self.folder)
        states, self.seconds = [], None
        for seed in (1, 0):
            begin = time.perf_counter()
            code, printed = finish(start(self.folder, settings | {"SEED": seed}))
            assert code == 0, printed
            self.seconds = time.perf_counter() - begin
            states.append(written(self.folder))
        self.new, self.old = states
        self.executed = (self.folder / "workspace.ipynb").read_bytes()
        assert not leftovers(self.folder)

    def kill(self, chance, writing):
        """Kill the kernel at a random moment, or while it is writing a file, and check the files.

        Returns how many of the files were new, and whether a temporary file was left.
        """
        runner = start(self.folder, self.settings)
        if writing:
            name = chance.choice(WRITTEN)
            while not any(self.folder.glob(f".{name}.*.tmp")) and runner.poll() is None:
                time.sleep(0.0002)
            time.sleep(chance.random() * 0.004)
        else:
            time.sleep(chance.uniform(1, self.seconds))
        with contextlib.suppress(psutil.NoSuchProcess):
            for kernel in runner.children():
                kernel.kill()
        code, printed = finish(runner)
        if code:
            assert "the kernel died" in printed, printed
            assert (self.folder / "workspace.ipynb").read_bytes() == self.executed
        found, left = written(self.folder), leftovers(self.folder)
        for name, data in found.items():
            assert data in (self.old[name], self.new[name]), f"{name} is neither the old nor the new one"
        load_weights(self.folder / "MNIST-MODEL.pth")
        assert len(left) <= 1, left
        return sum(found[name] == self.new[name] for name in WRITTEN), bool(left)

    def restore(self):
        for name, data in {**self.old, "workspace.ipynb": self.executed}.items():
            (self.folder / name).write_bytes(data)
        for name in leftovers(self.folder):
            (self.folder / name).unlink()

    def next_run_cleans_up(self):
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        for name in WRITTEN:
            (self.folder / f".{name}.{ended.pid}-1.tmp").write_bytes(b"half of a fi")
        code, printed = finish(start(self.folder, self.settings))
        assert code == 0, printed
        assert leftovers(self.folder) == []
        assert written(self.folder) == self.new


@contextlib.contextmanager
def small_disk(megabytes=4):
    """A file system in memory, with everything that a run needs and the committed files. For root on Linux only."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
            raise PermissionError("only root on Linux can mount a small file system")
        try:
            copy(Path(folder))
            for name in WRITTEN:
                shutil.copy(ROOT / name, folder)
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def make_read_only(disk):
    """Make this `small_disk` read-only."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def fill(folder, room):
    """Leave about `room` bytes on the file system of `folder`."""
    with open(folder / "filler", "wb") as file, contextlib.suppress(OSError):
        while shutil.disk_usage(folder).free > room:
            file.write(bytes(4096))
            file.flush()


def run_in_vain(folder, settings, error):
    """Run where not all files can be written: the error says why, and each file is the old one or a complete new one.

    Returns how many are new.
    """
    old = written(folder)
    code, printed = finish(start(folder, settings))
    assert code == 1, printed
    assert error in printed, printed
    load_weights(folder / "MNIST-MODEL.pth")
    new = {name: data for name, data in written(folder).items() if data != old[name]}
    assert all(is_png(folder / name) for name in new if name.endswith(".png"))
    assert leftovers(folder) == []
    return len(new)


def kills(settings, count):
    """Kill runs, in a third of the cases while they write a file. Returns a line for the record."""
    chance, news, lefts = random.Random(0), [], 0
    with tempfile.TemporaryDirectory() as folder:
        killing = Killing(folder, settings)
        for i in range(count):
            new, left = killing.kill(chance, writing=chance.random() < 1 / 3)
            news.append(new)
            lefts += left
            print(f"kill {i + 1} of {count}: {new} of {len(WRITTEN)} files new, {'a' if left else 'no'} temporary file")
            killing.restore()
        killing.next_run_cleans_up()
    during = sum(0 < new < len(WRITTEN) for new in news)
    return (
        f"Killed {count} times: weights and plots were the old or the new ones, byte for byte, each time; {during} "
        f"kills fell between two files; {lefts} left one temporary file, which the next run removes."
    )


def disks(settings, rooms=(0, 20_000, 50_000, 100_000, 150_000)):
    """Run on full disks with so many bytes of room, and on a read-only one. Returns a line for the record."""
    try:
        for room in rooms:
            with small_disk() as disk:
                fill(disk, room)
                new = run_in_vain(disk, settings, "could not be written (No space left on device)")
                print(f"full disk, room for {room:,} bytes: {new} files new, the others old")
        with small_disk() as disk:
            make_read_only(disk)
            assert run_in_vain(disk, settings, READ_ONLY) == 0
    except PermissionError as error:
        return f"Full disk and read-only folder: not tried, {error}."
    return f"Full disk ({len(rooms)} amounts of room) and read-only folder: reported, old files intact."


def run(scale=1.0):
    """100 kills, several full disks and a read-only one. Returns lines for the record."""
    with tempfile.TemporaryDirectory() as folder:
        settings = few_digits(Path(folder)) | {"EPOCHS": 1}
        return [kills(settings, max(1, round(100 * scale))), disks(settings)]

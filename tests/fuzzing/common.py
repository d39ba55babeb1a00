"""Shared by all fuzzing: calls with limits, choices, damage, and files of inputs."""

import contextlib
import gzip
import struct
import time
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st

SECONDS = 20  # far more than any of these small inputs needs, even on a busy machine
MEMORY = 64 * 2**20  # bytes, on top of four times the decoded size
MOST = {"seconds": 0.0, "bytes": 0}  # the largest values of any call so far


# --- Calls with limits ---


def peak_memory():
    """The peak memory of this process since the last call, in bytes. Always 0 on systems other than Linux."""
    try:
        status = Path("/proc/self/status").read_text()
        with contextlib.suppress(PermissionError):  # without permission: the peak since the process started
            Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def attempt(function, *arguments, documented):
    """Call the function. Returns (result, refusal, memory): a result or a documented exception, and bytes used."""
    peak_memory()
    before, start = peak_memory(), time.perf_counter()
    try:
        result, refusal = function(*arguments), None
    except documented as error:
        result, refusal = None, error
    seconds, memory = time.perf_counter() - start, peak_memory() - before
    MOST.update(seconds=max(MOST["seconds"], seconds), bytes=max(MOST["bytes"], memory))
    assert seconds < SECONDS, f"{function.__name__} took {seconds:.0f} seconds"
    if refusal is not None:
        assert type(refusal) in documented, f"{type(refusal).__name__} is not documented: {refusal}"
        assert str(refusal), f"{type(refusal).__name__} without a message"
    return result, refusal, memory


def check_memory(memory, decoded):
    """Assert that a call used little memory. decoded: the size of the unpacked input in bytes."""
    assert memory <= MEMORY + 4 * decoded, f"{memory / 2**20:.0f} MB for an input of {decoded / 2**20:.1f} MB"


# --- Choices and damage ---


class Choices:
    """The choices of a builder.

    number: a function (low, high) -> an integer from low to high. Hypothesis draws it in the normal tests. In the long
        run, atheris derives it from the bytes that it tries.
    """

    def __init__(self, number):
        self.number = number

    def pick(self, options):
        """One element of a list."""
        return options[self.number(0, len(options) - 1)]

    def rarely(self, one_in=8):
        """True in one of `one_in` cases."""
        return self.number(1, one_in) == one_in

    def some(self, options, most):
        """A list of up to `most` elements of a list, with repetition."""
        return [self.pick(options) for _ in range(self.number(0, most))]


def strategy(build):
    """The hypothesis strategy that generates the results of `build(choices)`."""
    return st.composite(lambda draw: build(Choices(lambda low, high: draw(st.integers(low, high)))))()


def damaged(choose, whole):
    """These bytes with up to three changes: bytes replaced, removed or inserted, or the end cut off."""
    data = bytearray(whole)
    for kind in choose.some(["change", "number", "remove", "insert", "cut"], 3):
        place = choose.number(0, len(data))
        if kind == "change":
            data[place : place + 1] = bytes([choose.number(0, 255)])
        elif kind == "number":
            number = choose.pick([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1])
            data[place : place + 4] = struct.pack(choose.pick([">I", "<I"]), number)
        elif kind == "remove":
            del data[place : place + choose.number(1, 64)]
        elif kind == "insert":
            data[place:place] = bytes(choose.some(range(256), 16))
        else:
            del data[place:]
    return bytes(data)


# --- Files of inputs that once revealed a fault ---


def save_case(case, path):
    """Write an input to `path` and add the suffix of its type. The two files of a split go into a folder."""
    if isinstance(case, bytes):
        path.write_bytes(case)
    elif isinstance(case, torch.Tensor):
        torch.save(case, path.with_suffix(".pt"))
    elif isinstance(case, np.ndarray):
        np.save(path.with_suffix(".npy"), case, allow_pickle=False)
    elif isinstance(case, list) and any(isinstance(data, bytes) for data in case):
        path.mkdir(exist_ok=True)
        for name, data in zip(("images", "labels"), case):
            if data is not None:
                (path / name).write_bytes(data)
    else:
        path.with_suffix(".txt").write_text(repr(case), encoding="utf-8")


def load_case(path):
    """The input that `save_case` wrote. A file NAME.packed was compressed with gzip since."""
    if path.is_dir():
        files = [path / name for name in ("images", "labels")]
        return [file.read_bytes() if file.exists() else None for file in files]
    if path.suffix == ".pt":
        return torch.load(path, weights_only=True)
    if path.suffix == ".npy":
        return np.load(path)
    return gzip.decompress(path.read_bytes()) if path.suffix == ".packed" else path.read_bytes()

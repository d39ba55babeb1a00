"""Check the settings of the notebooks where they are set."""

import copy
import numbers
import os
import re
from pathlib import Path

import torch


def check_settings(settings, *files):
    """Raise ValueError if a setting has a wrong type or value, or if one of the files cannot be written.

    settings: {name: value}, such as globals() in a notebook. Unknown names are ignored.
    files: names of the settings that name files to write. Their folders are created.
    The message names the setting, the allowed values and the value that was found.
    """
    for name, (allowed, is_allowed) in SETTINGS.items():
        if name in settings and not is_allowed(settings[name]):
            raise ValueError(f"{name}: expected {allowed}, found {settings[name]!r}")
    device = settings.get("DEVICE", "cpu").partition(":")[0]
    accelerator = {"cuda": torch.cuda, "mps": torch.backends.mps}.get(device)
    if accelerator and not accelerator.is_available():
        raise ValueError(f'DEVICE: torch finds no {device} device on this computer: set "auto" or "cpu"')
    for name in files:
        if settings[name] != "":
            _check_writable(name, Path(settings[name]).expanduser())


def _check_writable(name, path):
    """Create the folder of a file that will be written. ValueError if that, or writing there, is not possible."""
    if path.is_dir():
        raise ValueError(f"{name}: expected the name of a file to write, found the folder {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{name}: the folder of {path} could not be created ({error.strerror})") from error
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{name}: {path} cannot be written: choose a folder that you may write to")


def snapshot(settings, *names):
    """Return {name: value} of these settings, for `check_unchanged`."""
    return {name: copy.copy(settings[name]) for name in names}


def check_unchanged(settings, used):
    """Raise RuntimeError if a setting was changed after a cell used it: training would silently use the old value.

    used: {heading of the cell: its snapshot}, from top to bottom.
    """
    for heading, values in used.items():
        for name, value in values.items():
            if settings[name] != value:
                raise RuntimeError(
                    f'{name} was changed from {value!r} to {settings[name]!r}: re-run from "{heading}" to use it'
                )


def _is_number(value, kind=numbers.Real):
    return isinstance(value, kind) and not isinstance(value, bool) and abs(value) < float("inf")


def _whole(least):
    return lambda value: _is_number(value, numbers.Integral) and value >= least


def _from_zero(value):
    return _is_number(value) and value >= 0


def _is_text(value):
    return isinstance(value, (str, os.PathLike)) and str(value).strip() != ""


def _are_names(value):
    return isinstance(value, (list, tuple)) and len(value) >= 2 and all(isinstance(name, str) for name in value)


SETTINGS = {  # name: (the allowed values in words, a function that recognizes them)
    **dict.fromkeys(["EPOCHS", "BATCH_SIZE"], ("a whole number from 1", _whole(1))),
    "LEARNING_RATE": ("a number above 0, such as 1e-2", lambda value: _is_number(value) and value > 0),
    "WEIGHT_DECAY": ("a number from 0", _from_zero),
    **dict.fromkeys(["AFFINE", "ELASTIC"], ("a number from 0 (none)", _from_zero)),
    "LABEL_SMOOTHING": ("a number from 0 (none) to below 1", lambda value: _from_zero(value) and value < 1),
    "VALIDATION": (
        "a whole number of digits from 0, or a share of them between 0 and 1",
        lambda value: _from_zero(value) and (value < 1 or value == int(value)),
    ),
    **dict.fromkeys(["DRAWN", "NON_DIGITS", "STRINGS"], ("a whole number from 0 (none)", _whole(0))),
    "SEED": ("a whole number from 0 to below 2**63", lambda value: _whole(0)(value) and value < 2**63),
    "THREADS": ('"all", "auto" or a whole number from 1', lambda value: value in ("all", "auto") or _whole(1)(value)),
    "DEVICE": (
        'one of "auto", "cpu", "cuda", "mps"',
        lambda value: isinstance(value, str) and re.fullmatch("auto|(cpu|cuda|mps)(:[0-9]+)?", value),
    ),
    "DATA": ("the name of a folder, in quotes", _is_text),
    "CLASS_NAMES": ('a list of at least two names, such as ["0", "1"]', _are_names),
    "PICTURES": ("a folder or files, in quotes", _is_text),
    **dict.fromkeys(
        ["ANSWERS", "MY_WEIGHTS"],
        ('the name of a file, in quotes, or "" for none', lambda value: value == "" or _is_text(value)),
    ),
    "WEIGHTS": ("the name of a file, in quotes", _is_text),
    **dict.fromkeys(
        ["LOSS_PLOT", "CONFUSION_PLOT", "PREDICTIONS_PLOT", "GRAPH_PLOT"],
        (
            'the name of a PNG file, such as "plot.png"',
            lambda value: _is_text(value) and Path(value).suffix.lower() == ".png",
        ),
    ),
}

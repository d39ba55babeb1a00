"""Fuzzing of load_weights: files with wrong tensors, damage, or code in them."""

import io
import math
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch

from mnist_cnn.model import MNIST_CNN
from mnist_cnn.weights import load_weights
from tests.fuzzing.common import attempt, check_memory, damaged

MARKER = Path("pwned")  # the code in CODE creates this file or folder in the current folder
UNDAMAGED = MNIST_CNN(0.13, 0.31).state_dict()


def check_load_weights(data, folder):
    """data: the bytes of a file. Returns whether it was accepted. Code in it must not run."""
    path = folder / "weights.pth"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about unusual tensors
        model, refusal, memory = attempt(load_weights, path, documented=(ValueError,))
        assert not MARKER.exists(), "code in the file was run"
        check_memory(memory, 0 if model is None else len(data))
        if refusal is not None:
            assert str(path) in str(refusal)
            return False
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None, "a file with a wrong checksum was accepted"
        expected = torch.load(io.BytesIO(rezipped(data)), weights_only=True)  # unpacked by Python, not by torch
    expected = {name.removeprefix("module."): tensor for name, tensor in expected.get("state_dict", expected).items()}
    state = model.state_dict()
    for parts in (("judge", "scores"), ("splitter",)):
        if not any(name.startswith(parts) for name in expected):  # an older file
            expected |= {name: tensor for name, tensor in state.items() if name.startswith(parts)}
    assert state["std"] > 0
    assert not model.training and state.keys() == expected.keys() == UNDAMAGED.keys()
    for name, tensor in state.items():
        classes = len(state["layers.8.bias"])
        ends = {"layers.8": (classes,), "judge.8": (classes + 1,), "splitter.8": (2,)}
        ends = ends.get(name.rpartition(".")[0], tensor.shape[:1])
        assert (
            tensor.dtype == torch.float32
            and tensor.shape == ends + UNDAMAGED[name].shape[1:]
            and tensor.isfinite().all()
        )
        in_file = expected[name].float().reshape(tensor.shape)  # torch also accepts shape (1,) for shape ()
        assert torch.equal(tensor, in_file), f"{name} differs from the file"
    return True


class Code:
    """An object that is pickled as a call of this function with these arguments."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


CODE = [  # each creates MARKER when unpickled by `pickle`
    Code(os.system, f"echo > {MARKER}"),
    Code(eval, f"open({str(MARKER)!r}, 'w')"),
    Code(exec, f"open({str(MARKER)!r}, 'w')"),
    Code(open, str(MARKER), "w"),
    Code(os.mkdir, str(MARKER)),
    Code(getattr, Code(eval, f"open({str(MARKER)!r}, 'w')"), "name"),
    Code(torch.load, Code(open, str(MARKER), "w")),
]
# Replacements for data.pkl. None of them exhausts memory or time: load_weights does not defend against files that were
# crafted to do so.
PICKLES = [
    b"",
    b"\x80\x02}.",
    b"\x80\x02N.",
    b"\x80\x02cos\nsystem\n(X\x0c\x00\x00\x00echo > pwnedtR.",
    b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x01sb.",
]


def saved(thing, **options):
    """The bytes that torch.save writes for a thing."""
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


def rezipped(data, compression=zipfile.ZIP_STORED, replaced=None):
    """A copy of a zip archive, with this compression. replaced: {end of an entry's name: its new content}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            ends = [end for end in replaced or {} if name.endswith(end)]
            new.writestr(name, replaced[ends[0]] if ends else old.read(name))
    return buffer.getvalue()


INSTEAD = [  # functions of a tensor: its replacement
    *[lambda like, shape=shape: torch.ones(shape) for shape in ((), (1,), (2,), (10,), (50, 10), (10, 1, 5, 5), (0,))],
    *[
        lambda like, shape=shape: torch.ones(1).expand(shape)
        for shape in ((10**9,), (10**8, 50), (10**5,), (10**5, 50))
    ],
    lambda like: torch.ones(10**12, 0),
    *[
        lambda like, number=number: torch.full_like(like, number, dtype=torch.float64)
        for number in (0.0, -1.0, 1e-40, 1e-320, 1e38, 1e39, math.nan, math.inf, -math.inf)
    ],
    *[lambda like, dtype=dtype: like.to(dtype) for dtype in (torch.float64, torch.float16, torch.bfloat16)],
    *[lambda like, dtype=dtype: like.to(dtype) for dtype in (torch.int64, torch.uint8, torch.bool, torch.complex64)],
    lambda like: like.flatten().flip(0).reshape(like.shape),
    lambda like: like.T.contiguous().T if like.ndim == 2 else like,
    lambda like: torch.nn.Parameter(like),
    lambda like: like.to_sparse(),
    lambda like: like.to("meta"),
    *[lambda like, thing=thing: thing for thing in (None, 1, 0.5, "text", torch.Size([2]), torch.float32, *CODE)],
    lambda like: [like],
    lambda like: {"a": like},
]


def weights_file(choose):
    """A file of weights with a few faults, or with code in it."""
    classes = choose.pick([10] * 6 + [1, 2, 47, 62])
    state = dict(UNDAMAGED)
    state |= {"layers.8.weight": torch.ones(classes, 50), "layers.8.bias": torch.ones(classes)}
    state |= {"judge.8.weight": torch.ones(classes + 1, 50), "judge.8.bias": torch.ones(classes + 1)}
    for kind in choose.some(["replace"] * 4 + ["rename", "remove", "add", "share"], 2):
        name = choose.pick(sorted(state, key=str))
        instead = choose.pick(INSTEAD)(UNDAMAGED.get(name, torch.ones(2)))
        if kind == "replace":
            state[name] = instead
        elif kind == "rename":
            state[choose.pick(["", "mean", "layers.8.bias", "module.mean", 1, None, ("a",)])] = state.pop(name)
        elif kind == "remove":
            del state[name]
        elif kind == "add":
            state[choose.pick(["layers.9.weight", "extra", 1, None])] = instead
        else:
            state["layers.0.bias"] = state[name]
    whole = state
    if choose.rarely(16):
        whole = choose.pick([[state], (state,), {"state_dict": state}, state.get("mean"), *CODE])
    elif choose.rarely():
        whole = OrderedDict(state)
        whole.__dict__ |= choose.pick([{"_metadata": {}}, {"_metadata": 1}, {"_metadata": {"": []}}, {"a": 1}])
    try:
        data = saved(whole, _use_new_zipfile_serialization=not choose.rarely(16))
    except (RuntimeError, TypeError, AttributeError, NotImplementedError, pickle.PicklingError):
        data = pickle.dumps(1)  # torch cannot save every object
    if choose.rarely(4) and zipfile.is_zipfile(io.BytesIO(data)):
        compression = choose.pick([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        end = choose.pick(["", "data.pkl", "data.pkl", "data.pkl", "byteorder", "data/3"])
        other = {
            "data.pkl": lambda: choose.pick([*PICKLES, *[damaged(choose, saved_pickle(data))] * 8]),
            "byteorder": lambda: choose.pick([b"big", b"little", b"x"]),
            "data/3": lambda: bytes(choose.some(range(256), 50)).ljust(40, b"1"),  # before 2.10, torch checks no size
        }
        data = rezipped(data, compression, {end: other[end]()} if end else {})
        if choose.rarely(4):
            data = data.replace(b"data.pkl", b"DATA.PKL")  # torch ignores the case
    return damaged(choose, data) if choose.rarely(3) else data


def saved_pickle(data):
    """The pickle in a file of weights."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))

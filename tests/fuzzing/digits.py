"""Fuzzing of to_mnist: arrays and tensors of any kind."""

import numpy as np
import torch

from mnist_cnn.handwriting import to_mnist
from tests.fuzzing.common import attempt, check_memory


def check_to_mnist(picture, folder=None):
    """picture: any object. Returns whether a digit was found in it."""
    image, refusal, memory = attempt(to_mnist, picture, documented=(ValueError,))
    check_memory(memory, getattr(picture, "nbytes", 0) if refusal is None else 0)
    if refusal is not None:
        return False
    assert image.dtype == torch.uint8 and image.shape == (1, 28, 28)
    rows, columns = np.nonzero(image[0].numpy())
    assert len(rows), "the image is blank"
    side, clipped = max(np.ptp(rows), np.ptp(columns)) + 1, {0, 27} & {*rows.tolist(), *columns.tolist()}
    assert 10 <= side <= 20 or clipped, f"the digit is {side} pixels long"  # faint ends may vanish: less than 20
    copy = picture.detach().clone() if isinstance(picture, torch.Tensor) else np.array(picture)
    assert torch.equal(to_mnist(copy), image), "a copy of the picture gives a different image"
    return True


def any_picture(choose):
    """An array or tensor: a picture of a digit, or nearly one."""
    height, width = (choose.pick([8, 9, 12, 16, 20, 28, 28, 31, 41, 0, 1, 7]) for _ in range(2))
    channels = choose.pick([0, 0, 0, 1, 2, 3, 4, 5])
    values = drawing(choose, height, width)
    if channels:
        values = np.stack([drawing(choose, height, width) if choose.rarely(3) else values for _ in range(channels)])
        values = values if choose.rarely(2) else np.moveaxis(values, 0, 2)
    if choose.rarely(32):
        values = choose.pick([values[None], values.ravel(), values.sum()])
    dtype = choose.pick(["u1", "u1", "f4", "f8", "f2", "g", "?", "u2", "i2", "i4", "i8", "c8", "O", "S3", ">f4", ">u2"])
    kind = np.dtype(dtype).kind
    scale = 255 if kind in "uiOS" and dtype != "u2" else 65535 if dtype == "u2" else 1
    array = (values * scale).round() if kind in "ui" else values * scale
    array = array > 0.5 if kind == "b" else array.astype(dtype)
    if kind == "f" and array.size and choose.rarely():
        array = array.copy()
        array.flat[choose.number(0, array.size - 1)] = choose.pick(
            [np.nan, np.inf, -np.inf, -0.0, -1e-30, 1.0000001, 1e-40, 2.0, 1e30]
        )
    layouts = {
        "plain": lambda a: a,
        "reversed": np.flip,
        "Fortran": np.asfortranarray,
        "every second": lambda a: np.repeat(a, 2, axis=0)[::2] if a.ndim else a,
        "transposed": np.transpose,
        "broadcast": lambda a: np.broadcast_to(a[..., :1], a.shape) if a.ndim and a.size else a,
        "a list": np.ndarray.tolist,
        "masked": np.ma.masked_array,
    }
    array = layouts[choose.pick(["plain"] * 6 + sorted(layouts))](np.asarray(array))
    if not isinstance(array, np.ndarray) or not choose.rarely(3):
        return array
    try:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
    except (TypeError, ValueError):  # torch lacks this dtype
        return array
    changes = {
        "plain": lambda t: t,
        "gradient": lambda t: t.float().requires_grad_(),
        "bfloat16": lambda t: t.real.to(torch.bfloat16),
        "eighth": lambda t: t.real.to(torch.float8_e5m2),
        "sparse": lambda t: t.float().to_sparse(),
        "conjugate": lambda t: t.to(torch.complex64).conj(),
        "meta": lambda t: t.to("meta"),
        "negative": lambda t: torch._neg_view(t.float()),
        "parameter": lambda t: torch.nn.Parameter(t.float()),
    }
    return changes[choose.pick(["plain"] * 8 + sorted(changes))](tensor)


def drawing(choose, height, width):
    """A picture (height, width) of values from 0 to 1.01: lines on paper, stripes, noise, a ramp or one tone."""
    kind = choose.pick(["lines"] * 6 + ["stripes", "noise", "ramp", "tone"])
    row, column = np.indices((height, width))
    if kind == "lines":
        values = np.zeros((height, width))
        for _ in range(choose.number(1, 3)):
            ends = [choose.number(0, 40) / 40 * side for side in (height, width, height, width)]
            share = np.linspace(0, 1, 60)[:, None, None]
            line = [ends[axis] + share * (ends[axis + 2] - ends[axis]) for axis in (0, 1)]
            distance = np.hypot(row - line[0], column - line[1]).min(axis=0)
            values = np.maximum(values, np.clip(choose.number(1, 5) - distance, 0, 1))
    elif kind == "stripes":
        values = ((row if choose.rarely(2) else column) // choose.number(1, 9) % 2).astype(float)
    elif kind == "noise":
        values = np.random.default_rng(choose.number(0, 99)).random((height, width))
    else:
        values = (row + column) / max(height + width, 1) * (kind == "ramp")
    low, high = choose.pick([(0, 1), (0, 1), (1, 0), (0.9, 0.1), (0.5, 0.52), (0, 1e-3), (1, 1), (0, 1.01)])
    return low + (high - low) * values

"""Convert ink to 28x28 pixels, sized and centred as MNIST's digits were."""

import math

import torch
from torch.nn import functional as F

FIT = 20  # pixels: the longer side of a digit of MNIST


def center(ink):
    """Size and centre ink as MNIST's digits were (http://yann.lecun.com/exdb/mnist, archived).

    The bounding box of the ink is scaled to fit into 20x20, keeping its aspect ratio. Its centre of mass then moves to
    the centre of 28x28. Nearly all of MNIST's own digits come out unchanged.

    ink: (H, W), array or tensor, uint8 or floating point in [0, 1]; 0 is paper.
    Returns uint8 (1, 28, 28).
    Raises ValueError for another shape, or if there is no ink.
    """
    pixels = torch.as_tensor(ink)
    pixels = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    if pixels.ndim != 2 or not (pixels > 0).any():
        raise ValueError(f"expected ink (pixels above 0), shape (H, W), found none in shape {tuple(pixels.shape)}")
    rows, columns = (pixels > 0).nonzero(as_tuple=True)
    box = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = FIT / max(box.shape)
    size = [max(1, math.floor(side * scale + 0.5)) for side in box.shape]
    box = F.interpolate(box[None, None], size, mode="bilinear", antialias=True)[0, 0]
    box = (box * 255 + 0.5).floor().clamp(0, 255)
    if not box.any():
        raise ValueError("expected ink that stays visible at 28x28, found only traces: make the strokes darker")
    top, left = (_corner(box.sum(dim=1 - axis)) for axis in (0, 1))
    page = torch.zeros(3 * 28, 3 * 28, dtype=torch.uint8)  # with margins, which are clipped
    page[28 + top : 28 + top + size[0], 28 + left : 28 + left + size[1]] = box
    return page[None, 28:56, 28:56].clone()


def _corner(mass):
    """Return where pixels of this mass start if their centre of mass is the middle of pixel 14, as in MNIST."""
    middle = (mass.double() * (torch.arange(len(mass)) + 0.5)).sum() / mass.double().sum()
    return math.floor(14.5 - middle.item() + 0.5)

"""A pen that draws strokes as digits of MNIST are drawn."""

import math

import torch
from torch.nn import functional as F

from mnist_cnn.handwriting.centering import FIT

SIDE = 28  # pixels of an image
SPREAD = 0.9  # pixels: of the drops of ink from which a stroke is made


def draw(points, drawn, width, blur):
    """Draw strokes with a round pen, placed as MNIST's digits are: in 20x20 pixels, centre of mass in the middle.

    points: float (N, K, P, 2), x to the right and y down, in any unit. drawn: bool (N, K), whether a stroke is drawn.
    width, blur: float (N,), of the pen and of its edges, in pixels.
    Returns uint8 (N, 1, 28, 28).
    """
    return torch.cat([_draw(*part) for part in zip(*(values.split(250) for values in (points, drawn, width, blur)))])


def _draw(points, drawn, width, blur):
    """`draw` for a few images: it needs some 300 kB for each."""
    hidden = ~drawn[..., None, None]
    low, high = points.masked_fill(hidden, math.inf).amin((1, 2)), points.masked_fill(hidden, -math.inf).amax((1, 2))
    points = points * ((FIT - width) / (high - low).amax(1).clamp(min=0.1))[:, None, None, None]
    step = (points[:, :, 1:] - points[:, :, :-1]).norm(dim=3)
    ink = (F.pad(step, (1, 0)) + F.pad(step, (0, 1))).clamp(min=0.1) / 2 * drawn[..., None]  # of each drop
    points, ink = points.flatten(1, 2), ink.flatten(1)[..., None]
    points = points + (SIDE + 1) / 2 - (points * ink).sum(1, keepdim=True) / ink.sum(1, keepdim=True)
    # Every drop spreads as a Gaussian, the product of one along x and one along y. Beside a straight line of drops,
    # their sum depends only on the distance from the line, so the distance follows from the sum.
    near = torch.exp(-((torch.arange(SIDE) + 0.5 - points[..., None]) / SPREAD).square().clamp(max=60) / 2)
    total = (near[:, :, 1] * ink).transpose(1, 2) @ near[:, :, 0] / (SPREAD * math.sqrt(2 * math.pi))
    distance = SPREAD * (-2 * total.clamp(1e-9, 1).log()).sqrt()
    darkness = (width[:, None, None] / 2 - distance) / blur[:, None, None] + 0.5
    return (darkness[:, None].clamp(0, 1) * 255).round().to(torch.uint8)

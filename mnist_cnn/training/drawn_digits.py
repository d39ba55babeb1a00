"""Digits drawn by program, in forms that are rare in MNIST, whose writers are American.

Such forms are ones with an upstroke, barred sevens, open fours, slashed zeros, nines with curled tails, thick pens.
"""

import math
import random
from functools import lru_cache

import torch

from mnist_cnn.training.pen import draw

POINTS = 72  # of a stroke: close enough for the pen
LABELS = 0, 1, 2, 3, 4, 5, 1, 6, 7, 8, 9  # in turn: ones twice, because theirs are farthest from MNIST's


def draw_digits(n, seed=0):
    """Draw digits of all ten classes, each with its own form, pen, slant and warp. The same seed draws the same ones.

    Returns (images, labels): uint8 (n, 1, 28, 28) and int64 (n,), on the CPU.
    """
    chance, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    labels = torch.tensor(LABELS).repeat(n // len(LABELS) + 1)[:n]
    points, drawn = torch.zeros(n, STROKES, POINTS, 2), torch.zeros(n, STROKES, dtype=torch.bool)
    for k, label in enumerate(labels):
        for i, curve in enumerate(FORMS[label](chance.uniform)):
            points[k, i], drawn[k, i] = _spline(len(curve)) @ torch.tensor(curve), True
    uniform = torch.rand(n, 4, generator=generator)
    slant, width, aspect = 0.7 * uniform[:, 0] - 0.2, 1.6 + 3 * uniform[:, 1] ** 1.5, 0.6 + 0.6 * uniform[:, 2]
    width *= 1 + 0.5 * uniform[:, 3] * (labels == 1)  # ones have room
    x, y = _warped(points.flatten(1, 2), generator).view_as(points).unbind(3)
    points = torch.stack([x * aspect[:, None, None] + (0.5 - y) * slant[:, None, None], y], 3)
    return draw(points, drawn, width, torch.ones(n)), labels


def _warped(points, generator):
    """Move points (N, P, 2) by a smooth random function of their place: three waves for each digit."""
    n, waves = len(points), 3
    wave = torch.randn(n, 2, waves, generator=generator) * 4
    phase = torch.rand(n, 1, waves, generator=generator) * 2 * torch.pi
    size = torch.randn(n, waves, 2, generator=generator) * 0.03
    return points + (points @ wave + phase).sin() @ size


@lru_cache
def _spline(n):
    """The matrix (POINTS, n) from n control points to points on a smooth curve through them (Catmull-Rom)."""
    place = torch.linspace(0, n - 1, POINTS)
    first = place.long().clamp(max=n - 2)
    t = (place - first)[:, None]
    weights = torch.cat([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2], 1) / 2
    rows = torch.zeros(POINTS, n + 2)  # with a point before the first and one after the last
    rows.scatter_(1, first[:, None] + torch.arange(4), weights)
    for end, near, next in (0, 1, 2), (-1, -2, -3):  # beyond the ends, the curve goes straight on
        rows[:, near] += 2 * rows[:, end]
        rows[:, next] -= rows[:, end]
    return rows[:, 1:-1]


# --- The forms: each a function of u(low, high), uniform draws, to curves; y from 0 (top) to 1, x about as wide ---


def arc(x, y, rx, ry, start, turn, n=9):
    """Points on an ellipse, from the angle `start` on; angles in turns, 0 at the top, clockwise on the page."""
    angles = [2 * math.pi * (start + turn * k / (n - 1)) for k in range(n)]
    return [(x + rx * math.sin(a), y - ry * math.cos(a)) for a in angles]


def _zero(u):
    curves = [arc(0, 0.5, u(0.22, 0.42), 0.5, u(-0.1, 0.15), -u(0.95, 1.1), 12)]
    return curves + [[(u(0.15, 0.35), u(0.05, 0.2)), (-u(0.15, 0.35), u(0.8, 0.95))]] * (u(0, 1) < 0.25)


def _one(u):
    length, angle = u(0.2, 0.6), u(0.6, 1.1)  # steeper than the bar of a 7
    x, y = -length * math.sin(angle), length * math.cos(angle)
    up = [(x, y), (0.55 * x, (0.55 + u(-0.1, 0.1)) * y), (0, 0)] if u(0, 1) < 0.5 else [(x, y), (0, 0)]
    foot = [[(-u(0.12, 0.35), 1), (u(0.12, 0.35), 1)]] * (u(0, 1) < 0.25)
    return [up, [(0, 0), (u(-0.04, 0.04), 1)], *foot]


def _two(u):
    neck, foot = (u(0.2, 0.35), u(0.35, 0.5)), (-u(0.25, 0.35), u(0.95, 1))
    top = [(-u(0.2, 0.35), u(0.15, 0.3)), (-u(0.1, 0.2), 0.04), (0.05, 0), (u(0.2, 0.32), 0.17), neck, (0, 0.72), foot]
    if u(0, 1) < 0.3:  # a loop instead of a corner
        return [[*top[:-1], (-0.2, 0.95), (-0.32, 0.93), (-0.25, u(0.8, 0.85)), (0, 0.9), (u(0.25, 0.4), u(0.92, 1))]]
    return [top, [foot, (0, u(0.93, 1)), (u(0.25, 0.4), u(0.9, 1))]]


def _three(u):
    waist, right = (u(-0.1, 0.05), u(0.4, 0.48)), u(0.2, 0.3)
    low = [waist, (0.2, 0.5), (u(0.25, 0.35), 0.72), (0.05, 1), (-u(0.2, 0.35), u(0.82, 0.97))]
    if u(0, 1) < 0.35:  # a flat top
        return [[(-0.25, u(0, 0.05)), (right, 0)], [(right, 0), waist], low]
    return [[(-u(0.15, 0.3), u(0.08, 0.2)), (0, 0), (right, 0.12), (0.18, 0.34), waist], low]


def _four(u):
    bar, x, stem = u(0.5, 0.72), u(0.02, 0.15), u(0, 0.4)
    if u(0, 1) < 0.25:  # a short stem, low
        bar, x, stem = u(0.7, 0.85), u(0, 0.12), u(0.4, 0.6)
    end, left = (x + u(0.08, 0.28), bar + u(-0.12, 0.03)), (-u(0.25, 0.4), bar)
    if u(0, 1) < 0.35:  # closed, with a point
        return [[(x, 0), left], [left, end], [(x, 0), (x + u(-0.05, 0.05), 1)]]
    down = [(-u(0.0, 0.3), u(0, 0.2)), (-u(0.25, 0.35), 0.6 * bar), left]
    return [down if u(0, 1) < 0.5 else [down[0], left], [left, end], [(x, stem), (x + u(-0.1, 0.05), 1)]]


def _five(u):
    corner, neck = (-u(0.15, 0.22), u(0, 0.04)), (-u(0.18, 0.28), u(0.36, 0.5))
    bowl = [neck, (0.02, u(0.33, 0.42)), (u(0.22, 0.33), 0.6), (u(0.15, 0.25), 0.87), (-0.05, 1), (-u(0.2, 0.35), 0.9)]
    return [[(u(0.15, 0.4), u(-0.05, 0.05)), corner], [corner, neck], bowl]


def _six(u):
    r, y = u(0.18, 0.3), u(0.15, 0.24)
    loop = arc(0, 1 - y, r, y, -0.2, -u(0.85, 1.15), 9)
    return [[(u(0.0, 0.3), 0), (-u(0.08, 0.15), 0.25), *loop]]


def _seven(u):
    left, right, foot = (-u(0.2, 0.4), u(0, 0.1)), (u(0.2, 0.32), u(-0.03, 0.04)), (u(-0.2, 0.1), 1)
    top = [left, (0, u(-0.03, 0.1)), right] if u(0, 1) < 0.5 else [left, right]
    stem = [right, (u(-0.02, 0.12), 0.5), foot]
    curves = [top, stem] + [[left, (left[0] + u(-0.05, 0.03), u(0.12, 0.28))]] * (u(0, 1) < 0.3)
    y = u(0.42, 0.6)
    return curves + [[(-u(0.1, 0.25), y), (u(0.2, 0.35), y + u(-0.08, 0.04))]] * (u(0, 1) < 0.6)


def _eight(u):
    y, up, low = u(0.4, 0.52), u(0.14, 0.25), u(0.2, 0.32)
    if u(0, 1) < 0.4:  # two rings
        return [arc(0, y / 2, up, y / 2, 0.5, 1, 10), arc(0, (1 + y) / 2, low, (1 - y) / 2, 0, 1, 10)]
    left, right = arc(0, y / 2, up, y / 2, 0.12, -0.5, 6), arc(0, (1 + y) / 2, low, (1 - y) / 2, 0.12, 0.76, 7)
    return [left + right + [left[0]]]


def _nine(u):
    r, y, aside = u(0.1, 0.3), u(0.1, 0.27), u(0, 0.15) * (u(0, 1) < 0.5)
    loop, x = arc(-aside, y, r, y, u(0.05, 0.25), -u(0.85, 1.05), 9), r + u(-0.05, 0.08)
    start = (r - aside, y * u(0.3, 1))
    if u(0, 1) < 0.35:  # a straight tail
        return [loop, [start, (x + u(-0.15, 0.05), 1)]]
    if u(0, 1) < 0.3:
        return [loop, [start, (x, u(0.5, 0.65)), (x - u(0.05, 0.15), 0.9), (0, 0.98)]]
    bottom = [(x - u(0.0, 0.15), u(0.83, 0.92)), (x - u(0.15, 0.3), 1), (-u(0.2, 0.4), u(0.85, 1))]
    return [loop, [start, (x + u(0, 0.05), u(0.5, 0.65)), *bottom]]


FORMS = [_zero, _one, _two, _three, _four, _five, _six, _seven, _eight, _nine]
STROKES = 4  # of a digit, at most

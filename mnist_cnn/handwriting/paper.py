"""Estimate how much ink each pixel has, on any paper and in any light.

tone: float32 (H, W), one number per pixel; the ink is darker or lighter than the paper.
"""

from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

SMALL = 40  # pixels; up to this side, a picture is treated as a cropped digit, above as a page with a digit
BAR = 0.06  # the tone of a bar varies by no more than this, of the picture's contrast
EDGE = 0.3  # its edge is a step of at least so much, in the same unit
BLOCKS = 20  # blocks along the longer side of a picture, in which its grain is measured
COARSE, GRAIN = 4, 0.05  # the table around a sheet has a grain so many times the paper's, and at least so much density
AROUND = 0.1  # so much of the border of the picture, at least, is dark grain of the table
EIGHT_CONNECTED = np.ones((3, 3), bool)  # structure in which pixels that share a corner are neighbours


def ink_density(tone, wide=None):
    """Return (density, smooth, noise): the ink density (H, W), about 0 on paper in any light, and how noisy it is.

    smooth: the density, blurred if it is noisy, to tell ink from paper by. Grey values are sharper in the density.
    noise: the standard deviation of smooth on paper.
    wide: pixels; what is wider is no ink, but paper in shadow. By default, a part of the picture's longer side.
    """
    if np.ptp(tone) < 0.01:
        raise ValueError("expected ink, found none: all pixels are equal, or nearly so")
    page = max(tone.shape) > SMALL
    bitmap = not page and is_bitmap(tone)
    divides = [mask for mask in (tone == tone.max(), tone == tone.min()) if bitmap and _divides(mask)]
    if len(divides) == 1:
        density = divides[0].astype(np.float32)
        return density, density, 0.0
    tone = tone if page or bitmap else _despiked(tone)
    for density in (_on_stripes(tone), _on_one_tone(tone)):
        if density is not None:
            return density, density, 0.0
    tone = tone if _dark_ink(tone) else -tone
    smooth = ndimage.gaussian_filter(tone, 1.0 if page else 0.7)
    background = _background(smooth, wide or max(5, int((0.25 if page else 0.4) * max(tone.shape))))
    background = ndimage.minimum_filter(background, 2 * (max(tone.shape) // 100) + 1)  # removes the edges of shadows
    density = background - tone
    if page and background.min() > 0:  # contrast is proportional to the light
        density = density / np.maximum(background, 0.2 * background.max())
    sheet = ~_table(density) if page else np.ones_like(density, bool)
    density = np.where(sheet, density - np.median(density[sheet]), 0)
    noisy = _spread(density[sheet]) > 0.03 * density.max()
    smooth = ndimage.gaussian_filter(density, 0.9) if noisy else density
    if page:
        return density, np.maximum(smooth, 0), _spread(smooth[sheet])
    smooth = np.maximum(smooth, 0) * _lines(-tone)
    return smooth, smooth, 0.0  # a small picture is not averaged down later, which would remove its noise


def between_bars(tone):
    """Return the slices between the bars that cameras put beside a picture, or above and below it, or in a frame."""
    contrast, spans, bars = np.ptp(tone), [], []
    for lines in (tone, tone.T):
        middle, even = np.median(lines, axis=1), np.ptp(lines, axis=1) < BAR * contrast
        for order in (slice(None), slice(None, None, -1)):
            tones = middle[order]
            wide = np.argmin(np.append(even[order] & (np.abs(tones - tones[0]) < BAR * contrast), False))
            rest = lines[order][min(wide, len(tones) - 1) :]
            steps = np.abs([np.median(rest[0]) - tones[0], np.median(rest) - tones[0]])  # from a margin, only the first
            bars.append(wide if steps.min() > EDGE * contrast else 0)
        spans.append(slice(bars[-2], len(lines) - bars[-1]))
    inside = tone[tuple(spans)]
    large = min(inside.shape) > (8 if all(bars) else SMALL)
    return tuple(spans) if large and np.ptp(inside) > EDGE * contrast else tuple(slice(0, side) for side in tone.shape)


def is_bitmap(tone):
    """Return whether this is a clean bitmap: of two tones, each in few pieces."""
    light = tone == tone.max()
    pieces = sum(ndimage.label(mask, EIGHT_CONNECTED)[1] for mask in (light, ~light))
    return bool(np.all(light | (tone == tone.min()))) and pieces < 10


def reaches_all_sides(mask):
    """Whether there is ink in the first and last row and in the first and last column."""
    return all(side.any() for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def border(mask):
    """The outermost pixels, as one row."""
    return np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])


def blocks_of(pixels, step):
    """A view of pixels (H, W, C) in square blocks: (h, step, w, step, C). Incomplete ones at the edges are left out."""
    height, width, channels = pixels.shape
    down, across = min(step, height), min(step, width)
    whole = pixels[: height // down * down, : width // across * across]
    return whole.reshape(height // down, down, width // across, across, channels)


def block_means(pixels, step, of=lambda part: part):
    """The means of pixels (H, W, C), or of a function of them, in square blocks: float32 (h, w, C)."""
    blocks = blocks_of(pixels, step)
    parts = (blocks[:, row, :, column] for row, column in np.ndindex(blocks.shape[1], blocks.shape[3]))
    total = sum(of(part).astype(np.float32) for part in parts)  # much faster than blocks.mean((1, 3))
    return total / (blocks.shape[1] * blocks.shape[3])


def _background(tone, window):
    """The paper: dark patches narrower than the window are filled; shadows that reach the border stay."""
    half = window // 2
    around = np.pad(tone, half, constant_values=-np.inf)
    return ndimage.grey_closing(around, 2 * half + 1)[half:-half, half:-half]


def _table(density):
    """The table around a sheet: where the grain is coarse, up to the border. bool (H, W)."""
    step = min(max(density.shape) // BLOCKS, *density.shape)
    grain = _spread(blocks_of(density[..., None], step)[..., 0], (1, 3))
    coarse = max(GRAIN, COARSE * np.quantile(grain, 0.1))
    broad = ndimage.binary_opening(np.pad(grain > coarse, 1, "edge"), np.ones((2, 2)))[1:-1, 1:-1]  # no digits
    labels, _ = ndimage.label(broad)
    table = np.isin(labels, np.setdiff1d(border(labels), 0)).repeat(step, 0).repeat(step, 1)
    table = np.pad(table, [(0, side - part) for side, part in zip(density.shape, table.shape)], "edge")
    dark = density > coarse
    if border(table & dark).mean() < AROUND:
        return np.zeros(density.shape, bool)
    return ndimage.binary_dilation(table, EIGHT_CONNECTED, step, mask=table | dark)  # up to the edge of the sheet


def _spread(values, axis=None):
    """The standard deviation of values of which most are noise, from their median absolute deviation."""
    return 1.4826 * np.median(np.abs(values - np.median(values, axis, keepdims=True)), axis)


def _dark_ink(tone):
    """Return whether the ink is darker than the paper. Strokes are elongated, the areas that they enclose are not.

    A window of side w detects parts narrower than w. Their area divided by w * w is larger if they are elongated, so
    its sum over several windows measures elongation.
    """
    small = ndimage.gaussian_filter(tone, 1.0)[::2, ::2] if max(tone.shape) > 256 else tone
    window = max(5, int((0.4 if max(tone.shape) <= SMALL else 0.25) * max(small.shape)))
    level, elongation = None, 0
    while window > 2:
        dark, light = _background(small, window) - small, _background(-small, window) + small
        level = level or 0.5 * max(np.quantile(dark, 0.997), np.quantile(light, 0.997))
        elongation += (np.sum(dark > level) - np.sum(light > level)) / window**2
        window = int(window / 1.6)
    return elongation >= 0


def _on_stripes(tone):
    """Ink on full-height or full-width stripes of two tones, where the ink has the other tone; otherwise None."""
    for lines in (tone, tone.T):
        background, contrast = np.median(np.concatenate([lines[:2], lines[-2:]]), axis=0), np.ptp(lines)
        jumps = np.abs(np.diff(background)) > 0.5 * contrast
        two_tones = np.abs(np.abs(background - lines.min() - 0.5 * contrast) - 0.5 * contrast) < 0.15 * contrast
        if min(lines.shape) < 24 or not jumps.any() or two_tones.mean() < 0.9:
            continue
        held = (np.abs(np.diff(lines, axis=1)) > 0.2 * contrast).mean(axis=0)[jumps]
        density = np.abs(lines - background)
        ink = density > 0.5 * contrast
        kept = held.min() > 0.5 and held.mean() > 0.65
        drawn = 0.015 < ink.mean() < 0.35 and border(ink).mean() < 0.05
        if kept and drawn and max(np.ptp(place) for place in np.where(ink)) >= 0.55 * min(lines.shape):
            return density if lines is tone else density.T
    return None


def _on_one_tone(tone):
    """Ink on a background of one even tone, dark or light; None if the background is uneven."""
    contrast, small = np.ptp(tone), max(tone.shape) <= SMALL
    reach = (0.06 if small else 0.03) * contrast
    low, high = tone - tone.min() < reach, tone.max() - tone < reach
    light = high.mean() + 2 * border(high).mean() > low.mean() + 2 * border(low).mean()
    background = high if light else low
    density = tone.max() - tone if light else tone - tone.min()
    soft = 0.7 if small else 0.35 if min(tone.shape) <= SMALL else 0.12  # edges take a large part of a narrow picture
    even = 1 - (low | high).mean() < soft and (background.mean() > 0.2 or border(background).mean() > 0.25)
    noisy = small and ndimage.label(density > 0.15 * contrast, EIGHT_CONNECTED)[1] > 12
    if not even or noisy:
        return None
    return density if small else np.where(density < reach / 2, 0, density)


@lru_cache
def _line_filters(width=1.2, length=2.5, n=12):
    """Filters (n, 1, 13, 13) for short bright lines on a dark background, in n directions."""
    y, x = np.mgrid[-6:7, -6:7]
    angle = np.pi * np.arange(n)[:, None, None] / n
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    lines = np.exp(-((along / length) ** 2 + (across / width) ** 2) / 2) * (1 - (across / width) ** 2)
    lines -= lines.mean(axis=(1, 2), keepdims=True)
    return torch.from_numpy(lines[:, None].astype(np.float32))


def _lines(tone):
    """How much each pixel looks like part of a stroke, 0 to 1: clouds, patches and noise do not."""
    if min(tone.shape) < 24:
        return np.ones_like(tone)
    tone = torch.from_numpy(np.ascontiguousarray(tone, np.float32))
    found = F.conv2d(F.pad(tone[None, None], (6, 6, 6, 6), mode="replicate"), _line_filters())[0].amax(dim=0).numpy()
    return (2 * found / max(np.quantile(found, 0.97), 1e-6) - 0.3).clip(0, 1)


def _divides(mask):
    """Return whether this is ink that divides its paper: it touches all four sides, in one piece."""
    outer = [border(ndimage.label(part, EIGHT_CONNECTED)[0]) for part in (mask, ~mask)]
    one, parts = (len(np.unique(labels[labels > 0])) for labels in outer)
    return one == 1 and parts > 1 and border(mask).mean() < 0.75 and reaches_all_sides(mask)


def _despiked(tone):
    """Replace salt-and-pepper noise by the median of the neighbours, if there is a lot of it."""
    middle = ndimage.median_filter(tone, 3, mode="nearest")
    spikes = np.abs(tone - middle) > 0.35 * np.ptp(tone)
    rim = spikes.copy()
    rim[3:-3, 3:-3] = False
    many = ndimage.label(spikes, EIGHT_CONNECTED)[1] >= 10 and ndimage.label(rim, EIGHT_CONNECTED)[1] >= 4
    return np.where(spikes, middle, tone) if many else tone

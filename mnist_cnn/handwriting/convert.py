"""A picture of one handwritten digit -> the 28x28 pixels that MNIST would have made of it: all the steps."""

import math
import os

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional as F

from mnist_cnn.handwriting.centering import FIT, center
from mnist_cnn.handwriting.frames import without_frames
from mnist_cnn.handwriting.ink import ink_of, stroke_width
from mnist_cnn.handwriting.paper import EIGHT_CONNECTED, between_bars, block_means, is_bitmap
from mnist_cnn.handwriting.pictures import MAX_PIXELS
from mnist_cnn.handwriting.pieces import digit_alone

TINY = 20  # pixels: a digit that fills a square bitmap at most so wide was stretched
ASPECT = 0.7  # width / height of most digits
SIDE = 384  # larger pictures are averaged down to this: fine enough for a digit a tenth as high as the picture
MOST = 2**23  # pixels of a piece of ink that is made finer
FINE, FINEST = 80, 16  # stroke widths are measured at so many pixels for a digit, or that many for a pixel
PEN = 2.8  # stroke width that thin strokes get, in pixels of a digit 20 long; in MNIST it is 1.9 to 4.6, median 2.8
SHARP = 3  # edges become so much steeper, at most: MNIST's were black and white before they were averaged down
THIN, FAT = 1.7, 4.0  # stroke widths, in the same pixels, outside which strokes are changed
ROOM = PEN / 2 / FIT  # strokes grow by so much, at most; in lengths of a digit


def to_mnist(picture):
    """Find the digit in a picture and convert it to MNIST's format.

    picture: array or tensor of shape (H, W), (H, W, C) or (C, H, W), C = 1 to 4: grey, grey and opacity, RGB, RGBA.
        uint8, 16-bit (uint16, or int32 up to 65535), floating point in [0, 1], or bool. From 8x8 to 100 megapixels.
        Ink may be darker or lighter than the paper; transparent pixels are paper.
    Returns uint8 (1, 28, 28), from 0 (paper) to 255 (ink).
    Raises ValueError for another shape, dtype or range, for several digits, in one picture or as (3, 28, 28), and if
    there is no ink.
    """
    tone = tone_of(pixels_of(picture), SIDE)
    tone = tone[between_bars(tone)]
    height, width = tone.shape
    ink, mask = ink_of(tone)
    ink = digit_alone(ink, without_frames(mask))
    if height == width <= TINY and min(ink.shape) >= height - 1 and is_bitmap(tone):
        ink = _narrowed(ink)
    length = max(ink.shape)
    return center(sharpened(with_pen(np.pad(ink, math.ceil(ROOM * length)), length), length))


# --- Pixels of any kind -> one tone per pixel ---


def tone_of(pixels, side):
    """One number per pixel, float32 (h, w), for pixels as `pixels_of` returns them, averaged down to h, w <= side."""
    return _tone(_on_paper(_reduced(pixels, side)))


def pixels_of(picture):
    """The picture as an array (H, W, C), not copied, with its shape and dtype checked."""
    if isinstance(picture, (str, os.PathLike)):
        raise ValueError(f"expected pixels, found the path {picture}: call to_mnist(read_picture(path))")
    if isinstance(picture, torch.Tensor):
        found = f"{picture.dtype}, {picture.layout}, on {picture.device}"
        try:
            picture = picture.detach().cpu().resolve_neg()
            picture = (picture.float() if picture.dtype == torch.bfloat16 else picture).numpy()
        except (TypeError, RuntimeError) as error:  # sparse, quantized, complex conjugate, without data, ...
            raise ValueError(f"expected a plain tensor of pixels, found {found}: convert it ({error})") from error
    pixels = np.asarray(picture)
    if pixels.dtype not in (np.uint8, np.uint16, np.int16, np.int32, bool) and pixels.dtype.kind != "f":
        raise ValueError(
            f"expected pixels as uint8, 16-bit, bool or floating point in [0, 1], found {pixels.dtype}: convert them"
        )
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    elif pixels.ndim == 3 and pixels.shape[2] > 4:
        pixels = np.moveaxis(pixels, 0, 2)
        if pixels.shape in ((28, 28, 3), (28, 28, 4)) and not _are_colours(pixels[..., :3]):
            raise ValueError(
                f"expected one picture, found shape {np.shape(picture)}, which looks like several grey digits: "
                "pass them one by one, or a colour picture as (28, 28, C)"
            )
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4) or min(pixels.shape[:2]) < 8:
        raise ValueError(
            "expected one picture of shape (H, W), (H, W, C) or (C, H, W) with C = 1 to 4, at least 8x8, found "
            f"{np.shape(picture)}: pass pictures one by one, and scale up smaller ones"
        )
    if pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
        raise ValueError(f"expected at most {MAX_PIXELS} pixels, found shape {np.shape(picture)}: scale it down")
    return pixels


def _are_colours(channels):
    """Return whether the channels (H, W, 3) show the same picture: each two vary together, or one does not vary."""
    flat = channels.reshape(-1, 3).astype(np.float64)
    varying = flat[:, flat.std(axis=0) > 0]
    return varying.shape[1] < 2 or bool(np.abs(np.corrcoef(varying.T)).min() > 0.7)


def _reduced(pixels, side):
    """Average square blocks: float32 in [0, 1], sides up to `side`, colours weighted by opacity.

    No copy of the picture is made. A thin stroke becomes faint, and noise becomes fainter too.
    """
    full = {"uint8": 255, "bool": 1}.get(pixels.dtype.name, 1 if pixels.dtype.kind == "f" else 65535)
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= -1e-6 and high <= 1.0001 * full):
        raise ValueError(
            f"expected {pixels.dtype} pixels from 0 to {full}, found {low:.6g} to {high:.6g}: divide floating-point "
            "pixels by 255, or pass uint8"
        )
    if full == 65535 and high <= 255:
        full = 255  # 8-bit values stored in 16 bits
    step = math.ceil(max(pixels.shape[:2]) / side)
    means = block_means(pixels, step) / full
    if pixels.shape[2] in (2, 4):
        opaque = lambda part: part[..., :-1] * part[..., -1:].astype(np.float32)
        means[..., :-1] = block_means(pixels, step, opaque) / full**2
    return means


def _on_paper(colours):
    """Colours (h, w, 1 or 3), with transparent pixels turned into paper."""
    if colours.shape[2] in (1, 3):
        return colours
    opacity = colours[..., -1:]
    if opacity.max() == 0:
        raise ValueError("expected ink, found none: the picture is transparent throughout")
    colours = colours[..., :-1] / np.maximum(opacity, 1e-6)
    if np.ptp(opacity) < 0.02:
        return colours
    solid = opacity[..., 0] > 0.5 * opacity.max()
    rim = solid & ndimage.binary_dilation(opacity[..., 0] < 0.1, EIGHT_CONNECTED, iterations=2)
    paper = np.median(colours[rim if rim.any() else solid], axis=0)
    pasted = colours * opacity + paper * (1 - opacity)
    return pasted if np.ptp(pasted, axis=(0, 1)).max() > 0.25 else 1 - opacity  # else the opacity is the drawing


def _tone(colours):
    """One number per pixel: its place on the axis along which ink differs from the paper around it.

    The axis is that of the sharpest differences. A highlighter or a table covers more pixels, but has fewer edges.
    """
    if colours.shape[2] == 1:
        return colours[..., 0]
    window = max(3, max(colours.shape) // 10)
    rest = colours - ndimage.uniform_filter(colours, (window, window, 0))
    rest *= (rest**2).sum(axis=2, keepdims=True)
    axis = np.linalg.eigh(np.tensordot(rest, rest, ((0, 1), (0, 1))))[1][:, -1]
    return (colours * (axis if axis.sum() > 0 else -axis)).sum(-1)  # unlike @, the same for equal colours


# --- Proportions and stroke width ---


def _narrowed(ink):
    """Bring a bitmap that was stretched to a square back to the usual proportions."""
    fine = F.interpolate(torch.from_numpy(np.pad(ink, 1))[None, None], scale_factor=4, mode="bilinear")
    fine = F.interpolate(fine, (fine.shape[2], round(ASPECT * fine.shape[3])), mode="area")[0, 0].numpy()
    rows, columns = np.where(fine > 0.3)
    return fine[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def with_pen(ink, length):
    """Bring the stroke width nearer to MNIST's: thicken thin strokes, cut the blur around thick ones away.

    ink: array, float32 (H, W), 0 to 1, with ROOM for the strokes to grow; length: of the digit, in its pixels.
    Returns a tensor of the same picture, finer if it has few pixels.
    """
    ink = torch.from_numpy(ink)
    scale = max(1, min(math.ceil(FINE / length), FINEST, math.isqrt(MOST // ink.numel())))
    fine = F.interpolate(ink[None, None], scale_factor=scale, mode="bilinear")[0, 0]
    unit = scale * length / FIT
    mask = fine.numpy() > 0.4
    if not mask.any():
        return ink
    width = stroke_width(mask) / unit
    if width > FAT:
        return ((ink - 0.3) / 0.7).clip(0)
    if width >= THIN:
        return ink
    distance = ndimage.distance_transform_edt(~mask)
    return torch.from_numpy(np.clip((PEN - width) / 2 * unit + 0.5 - distance, 0, 1))


def sharpened(ink, length):
    """Bring the edges of ink, 0 to 1, nearer to MNIST's, the more the larger it is. length: of the digit, in pixels."""
    return ((ink - 0.5) * min(max(1, 2 * length / FIT - 1), SHARP) + 0.5).clip(0, 1)

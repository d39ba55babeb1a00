"""Any picture of one handwritten digit -> the 28x28 pixels that MNIST would have made of it.

Nothing here knows the network: what is ink is told by contrast, shape and place alone.
"""

import contextlib
import math
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage
from torch.nn import functional as F

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 100_000_000
MAX_SIDE = 1_000_000  # Pillow takes 16 bytes for each row, however short
SIDE = 384  # what is larger is averaged down to this: fine enough for a digit a tenth as high as the picture
SMALL = 40  # up to this side a picture is a cropped digit, beyond it a page with a digit on it
THIN, PEN, FAT = 1.7, 2.4, 4.0  # stroke widths, in pixels of a digit 20 long; MNIST: 1.9 to 4.6, median 2.8
CORNERS = np.ones((3, 3), bool)  # pixels that touch at a corner are neighbours


# --- A file -> its pixels ---


def read_picture(path):
    """Read a picture file, turned as its EXIF orientation says; of an animation the first frame.

    path: a PNG, JPEG, WebP, GIF or BMP file, told by its content, not by its name.
    Returns a numpy.ndarray (H, W), or (H, W, C) with C = 2 (grey, opacity), 3 or 4; uint8, or uint16 for 16-bit grey.
    Raises ValueError for a file that is no such picture, is broken or announces more than 100 megapixels (before any
    is decoded), FileNotFoundError if it is missing.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is not there: expected a picture, {', '.join(FORMATS)}. Check the path")
    if not Path(path).is_file():
        raise ValueError(f"{path}: expected a picture file, found a folder: name one file in it")
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own limit warns below ours; a damaged EXIF is of no concern
        start = file.read(12)
        file.seek(0)
        try:
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                    raise Image.DecompressionBombError
                image.verify()  # the checksums of a PNG file, which decoding does not look at
            file.seek(0)
            with Image.open(file, formats=FORMATS) as image:
                return _decoded(image)
        except Image.DecompressionBombError:
            found = f"one of more than {MAX_PIXELS // 10**6} megapixels, or {MAX_SIDE:,} a side. Scale or crop it"
        except UnidentifiedImageError:
            if start[4:8] == b"ftyp":
                found = "HEIC, AVIF or a film. Convert it to JPEG or PNG, say with `heif-convert IN OUT.jpg`"
            elif start.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF", b"BM")):
                found = "a broken or truncated one. Save or download it again"
            else:
                found = "something else. Save it as PNG or JPEG"
        except Exception as error:  # whatever damaged bytes make the decoders raise
            found = f"a broken or truncated one ({error}). Save or download it again"
    raise ValueError(f"{path}: expected a picture, {', '.join(FORMATS)}, found {found}")


def _decoded(image):
    """The pixels of an opened picture, palette and colour space resolved."""
    image.load()
    with contextlib.suppress(Exception):  # an EXIF that cannot be read turns nothing
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # 16-bit grey
        return np.asarray(image).clip(0, 65535).astype(np.uint16)
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    pixels = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    rows = max(1, 2**20 // image.width)  # in strips, as Pillow makes two more copies of what it hands over
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        pixels[top : top + rows] = np.asarray(strip).reshape(strip.height, strip.width, -1)
    return pixels if pixels.shape[2] > 1 else pixels[..., 0]


# --- Pixels -> 28x28, in the steps that the sections below take one by one ---


def to_mnist(picture):
    """Find the digit in a picture and make of it what MNIST would have.

    picture: numpy array or tensor, (H, W), or (H, W, C) or (C, H, W) with C = 1 to 4: grey, grey and opacity, RGB,
        RGBA; uint8, 16-bit (uint16, or int32 up to 65535), floating point in [0, 1], or bool; from 8x8 to 100
        megapixels. Dark ink on light paper or the other way round; what is transparent is paper.
    Returns uint8 (1, 28, 28), 0 = paper .. 255 = ink.
    Raises ValueError for another shape, dtype or range, and where there is no ink.
    """
    ink = _ink(*_density(_unframed(_tone(_on_paper(_reduced(_pixels(picture)))))))
    return center(_with_pen(ink))


def center(ink):
    """Ink on a clean ground to 28x28, as MNIST was made (http://yann.lecun.com/exdb/mnist, archived).

    ink: (H, W), array or tensor, 0 = paper; uint8 or floating point in [0, 1].
    The box of all that is not 0 is fitted into 20x20, keeping its shape; its centre of mass then comes to the centre.
    Returns uint8 (1, 28, 28). MNIST's own digits come out as they were, but for a few.
    Raises ValueError for another shape, or if there is no ink.
    """
    pixels = torch.as_tensor(ink)
    pixels = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    if pixels.ndim != 2 or not (pixels > 0).any():
        raise ValueError(f"expected ink (pixels above 0), shape (H, W), found none in shape {tuple(pixels.shape)}")
    rows, columns = (pixels > 0).nonzero(as_tuple=True)
    box = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = 20 / max(box.shape)
    size = [max(1, math.floor(side * scale + 0.5)) for side in box.shape]
    box = F.interpolate(box[None, None], size, mode="bilinear", antialias=True, align_corners=False)[0, 0]
    box = (box * 255 + 0.5).floor().clamp(0, 255)
    if not box.any():
        raise ValueError("expected ink that stays visible at 28x28, found only traces: make the strokes darker")
    top, left = (_corner(box.sum(dim=1 - axis)) for axis in (0, 1))
    page = torch.zeros(3 * 28, 3 * 28, dtype=torch.uint8)  # what sticks out of the middle third is clipped
    page[28 + top : 28 + top + size[0], 28 + left : 28 + left + size[1]] = box.to(torch.uint8)
    return page[None, 28:56, 28:56].clone()


def _corner(mass):
    """Where a row of pixels of this mass starts if its centre is to be the middle of pixel 14, as in MNIST."""
    middle = (mass.double() * (torch.arange(len(mass)) + 0.5)).sum() / mass.double().sum()
    return math.floor(14.5 - middle.item() + 0.5)


# --- Pixels of any kind -> one tone for each ---


def _pixels(picture):
    """The picture as an array (H, W, C), not copied, after a look at its shape and dtype."""
    if isinstance(picture, torch.Tensor):
        found = f"{picture.dtype}, {picture.layout}, on {picture.device}"
        try:
            picture = picture.detach().cpu().resolve_neg()
            picture = (picture.float() if picture.dtype == torch.bfloat16 else picture).numpy()
        except (TypeError, RuntimeError) as error:  # sparse, quantised, complex conjugate, without data, ...
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
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4) or min(pixels.shape[:2]) < 8:
        raise ValueError(
            "expected one picture of shape (H, W), (H, W, C) or (C, H, W) with C = 1 to 4, at least 8x8, found "
            f"{np.shape(picture)}: pass pictures one by one, and scale up what is smaller"
        )
    if pixels.shape[0] * pixels.shape[1] > MAX_PIXELS:
        raise ValueError(f"expected at most {MAX_PIXELS} pixels, found shape {np.shape(picture)}: scale it down")
    return pixels


def _reduced(pixels):
    """Means over square blocks, float32 in [0, 1], sides up to SIDE; colours weighted by opacity.

    Done in tiles, so that no copy of a huge picture is made. A thin stroke becomes faint, and noise as much fainter.
    """
    height, width, channels = pixels.shape
    step = math.ceil(max(height, width) / SIDE)
    full = {"uint8": 255, "bool": 1}.get(pixels.dtype.name, 1 if pixels.dtype.kind == "f" else 65535)
    blocks = max(1, 2**19 // step**2)
    wide = step * min(blocks, math.ceil(width / step))
    high = step * max(1, blocks * step // wide)
    out = np.empty((math.ceil(height / step), math.ceil(width / step), channels), np.float32)
    for top in range(0, height, high):
        for left in range(0, width, wide):
            tile = pixels[top : top + high, left : left + wide].astype(np.float32) / full
            if not (tile.min() >= -1e-6 and tile.max() <= 1.0001):
                raise ValueError(
                    f"expected {pixels.dtype} pixels from 0 to {full}, found {tile.min() * full:.6g} to "
                    f"{tile.max() * full:.6g}: divide floating-point pixels by 255, or pass uint8"
                )
            if channels in (2, 4):
                tile[..., :-1] *= tile[..., -1:]
            ends = [np.arange(0, side, step) for side in tile.shape[:2]]
            counts = [np.minimum(step, side - end) for side, end in zip(tile.shape[:2], ends, strict=True)]
            tile = np.add.reduceat(np.add.reduceat(tile, ends[0], axis=0), ends[1], axis=1)
            tile /= np.multiply.outer(*counts)[..., None]
            out[top // step : top // step + len(tile), left // step : left // step + tile.shape[1]] = tile
    return out * 257 if full == 65535 and out.max() <= 255 / 65535 else out  # 8 bits in 16


def _on_paper(colours):
    """Colours (h, w, 1 or 3), what was transparent now paper."""
    if colours.shape[2] in (1, 3):
        return colours
    opacity = colours[..., -1:]
    if opacity.max() == 0:
        raise ValueError("expected ink, found none: the picture is transparent throughout")
    colours = colours[..., :-1] / np.maximum(opacity, 1e-6)
    if np.ptp(opacity) < 0.02:
        return colours
    solid = opacity[..., 0] > 0.5 * opacity.max()
    rim = solid & ndimage.binary_dilation(opacity[..., 0] < 0.1, CORNERS, iterations=2)
    paper = np.median(colours[rim if rim.any() else solid], axis=0)
    pasted = colours * opacity + paper * (1 - opacity)
    return pasted if np.ptp(pasted, axis=(0, 1)).max() > 0.25 else 1 - opacity  # one colour: opacity is the drawing


def _tone(colours):
    """One number a pixel, along the axis on which the colours differ most from what surrounds them."""
    if colours.shape[2] == 1:
        return colours[..., 0]
    step = math.ceil(max(colours.shape) / 48)
    small = ndimage.uniform_filter(colours, (step, step, 0))[::step, ::step]
    window = max(3, max(small.shape) // 3)
    rest = small - ndimage.median_filter(small, (window, window, 1), mode="nearest")
    axis = np.linalg.eigh(np.tensordot(rest, rest, ((0, 1), (0, 1))))[1][:, -1]
    return colours @ (axis if axis.sum() > 0 else -axis)


def _unframed(tone):
    """Without a drawn frame, or the table around the paper: a rim of one tone, then another along all four sides."""
    contrast, rim = np.ptp(tone), _edge(tone)
    middle = np.median(rim)
    if np.mean(np.abs(rim - middle) < 0.25 * contrast) < 0.9:
        return tone
    for wide in range(1, min(tone.shape) // 6):
        rest = tone[wide:-wide, wide:-wide]
        differs = np.abs(rest - middle) > 0.5 * contrast
        if min(side.mean() for side in _sides(differs)) > 0.75:
            rest = rest[1:-1, 1:-1] if max(tone.shape) > SMALL else rest  # the frame's own soft edge
            return rest if min(rest.shape) >= 8 and np.ptp(rest) > 0.3 * contrast else tone
    return tone


# --- Tones -> how much ink there is, whatever the paper and the light ---


def _ground(tone, window):
    """What is left of `tone` where no dark patch narrower than the window is; a shadow at the frame is."""
    half = window // 2
    around = np.pad(tone, half, constant_values=-np.inf)
    return ndimage.grey_closing(around, 2 * half + 1)[half:-half, half:-half]


def _dark_ink(tone):
    """Is the ink darker than the paper? Strokes are long and thin; the patches of paper that they enclose are not.

    A window of side w finds what is narrower than w: of a stroke of width w an area of w * length, of an enclosed
    patch about w * w. So the area over w * w, summed over windows, tells which of dark and light is elongated.
    """
    small = ndimage.gaussian_filter(tone, 1.0)[::2, ::2] if max(tone.shape) > 256 else tone
    window = max(5, int((0.4 if max(tone.shape) <= SMALL else 0.25) * max(small.shape)))
    level, elongation = None, 0
    while window > 2:
        dark, light = _ground(small, window) - small, _ground(-small, window) + small
        level = level or 0.5 * max(np.quantile(dark, 0.997), np.quantile(light, 0.997))
        elongation += (np.sum(dark > level) - np.sum(light > level)) / window**2
        window = int(window / 1.6)
    return elongation >= 0


def _sides(mask):
    """The first and the last row, the first and the last column."""
    return mask[0], mask[-1], mask[:, 0], mask[:, -1]


def _edge(mask):
    """The outermost pixels, as a row."""
    return np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])


def _on_stripes(tone):
    """Ink on full-height or full-width stripes of two tones, the ink on each being the other tone; or None."""
    for t in (tone, tone.T):
        ground, contrast = np.median(np.concatenate([t[:2], t[-2:]]), axis=0), np.ptp(t)
        jumps = np.abs(np.diff(ground)) > 0.5 * contrast
        two_tones = np.abs(np.abs(ground - t.min() - 0.5 * contrast) - 0.5 * contrast) < 0.15 * contrast
        if min(t.shape) < 24 or not jumps.any() or two_tones.mean() < 0.9:
            continue
        held = (np.abs(np.diff(t, axis=1)) > 0.2 * contrast).mean(axis=0)[jumps]
        density = np.abs(t - ground)
        ink = density > 0.5 * contrast
        if held.min() > 0.5 and held.mean() > 0.65 and 0.015 < ink.mean() < 0.35 and _edge(ink).mean() < 0.05:
            if max(np.ptp(place) for place in np.where(ink)) < 0.55 * min(t.shape):
                continue
            return density if t is tone else density.T
    return None


def _on_one_tone(tone):
    """Ink on a ground of one even tone, which may be black or white; or None where it is not even."""
    contrast, small = np.ptp(tone), max(tone.shape) <= SMALL
    reach = (0.06 if small else 0.03) * contrast
    low, high = tone - tone.min() < reach, tone.max() - tone < reach
    light = high.mean() + 2 * _edge(high).mean() > low.mean() + 2 * _edge(low).mean()
    ground = high if light else low
    density = tone.max() - tone if light else tone - tone.min()
    soft = 0.7 if small else 0.35 if min(tone.shape) <= SMALL else 0.12  # a narrow picture is edge for a good part
    even = 1 - (low | high).mean() < soft and (ground.mean() > 0.2 or _edge(ground).mean() > 0.25)
    noisy = small and ndimage.label(density > 0.15 * contrast, CORNERS)[1] > 12
    if not even or noisy:
        return None
    return density if small else np.where(density < reach / 2, 0, density)


def _density(tone):
    """How much ink there is, (h, w), about 0 on paper whatever the light, and the standard deviation of the noise."""
    if np.ptp(tone) < 0.01:
        raise ValueError("expected ink, found none: all pixels are equal, or nearly so")
    page = max(tone.shape) > SMALL
    tone = tone if page else _despiked(tone)
    for density in (_on_stripes(tone), _on_one_tone(tone)):
        if density is not None and page:
            return density, 0.0
        if density is not None:
            grey = np.abs(density / density.max() - 0.5) < 0.35
            cluttered = sorted(side.mean() for side in _sides(grey))[1] > 0.07  # three sides of the frame are
            return _sharpened(density) * (_lines(density) if cluttered else 1), 0.0
    tone = tone if _dark_ink(tone) else -tone
    smooth = ndimage.gaussian_filter(tone, 1.0 if page else 0.7)
    ground = _ground(smooth, max(5, int((0.25 if page else 0.4) * max(tone.shape))))
    ground = ndimage.minimum_filter(ground, 2 * (max(tone.shape) // 100) + 1)  # a shadow's edge is no line
    density = ground - tone
    if page and ground.min() > 0:  # half the light halves the contrast
        density = density / np.maximum(ground, 0.2 * ground.max())
    if page:
        density = _unruled(_unruled(density).T).T
    density = density - np.median(density)
    noise = 1.4826 * np.median(np.abs(density))
    if noise > 0.03 * density.max():
        density = ndimage.gaussian_filter(density, 0.9)
        noise = 1.4826 * np.median(np.abs(density))
    if page:
        return np.maximum(density, 0), noise
    return np.maximum(_sharpened(density), 0) * _lines(-tone), 0.0


@lru_cache
def _line_filters(width=1.2, length=2.5, n=12):
    """Short bright lines on a dark ground, in n directions, (n, 1, 13, 13)."""
    y, x = np.mgrid[-6:7, -6:7]
    angle = np.pi * np.arange(n)[:, None, None] / n
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    lines = np.exp(-((along / length) ** 2 + (across / width) ** 2) / 2) * (1 - (across / width) ** 2)
    lines -= lines.mean(axis=(1, 2), keepdims=True)
    return torch.from_numpy(lines[:, None].astype(np.float32))


def _lines(tone):
    """How much like a part of a stroke each pixel is, 0 to 1: clouds, patches and noise are no short bright lines."""
    if min(tone.shape) < 24:
        return np.ones_like(tone)
    tone = torch.from_numpy(np.ascontiguousarray(tone, np.float32))
    found = F.conv2d(F.pad(tone[None, None], (6, 6, 6, 6), mode="replicate"), _line_filters())[0].amax(dim=0).numpy()
    return (2 * found / max(np.quantile(found, 0.97), 1e-6) - 0.3).clip(0, 1)


def _sharpened(density):
    """Without the blur, if its steepest step from pixel to pixel is less than half its height."""
    steepest = max(np.abs(np.diff(density, axis=axis)).max() for axis in (0, 1))
    if steepest > 0.45 * density.max():
        return density
    return (density + 1.5 * (density - ndimage.gaussian_filter(density, 1.5))).clip(0)


def _despiked(tone):
    """Salt and pepper replaced by the median of the neighbours, if there is much of it."""
    middle = ndimage.median_filter(tone, 3, mode="nearest")
    spikes = np.abs(tone - middle) > 0.35 * np.ptp(tone)
    rim = spikes.copy()
    rim[3:-3, 3:-3] = False
    many = ndimage.label(spikes, CORNERS)[1] >= 10 and ndimage.label(rim, CORNERS)[1] >= 4
    return np.where(spikes, middle, tone) if many else tone


def _unruled(density):
    """Without the lines that run, nearly level, from the left edge to the right one."""
    height, width = density.shape
    if width < 24:
        return density
    y, x = np.mgrid[:height, :width]
    best = -1.0, 0.0
    for slope in np.linspace(-0.14, 0.14, 57):
        row = (y - np.round((x - width / 2) * slope).astype(int)).ravel()
        row -= row.min()
        count = np.bincount(row)
        mean = np.bincount(row, density.ravel()) / np.maximum(count, 1)
        best = max(best, (np.sum(np.diff(mean[count >= 0.5 * width]) ** 2), slope))
    shift = np.round((x - width / 2) * best[1]).astype(int)
    level = density[np.clip(y + shift, 0, height - 1), x]
    pieces = np.stack([np.median(piece, axis=1) for piece in np.array_split(level, 12, axis=1)])
    pieces -= ndimage.median_filter(pieces, (1, 2 * (height // 16) + 1))
    pieces = ndimage.maximum_filter(pieces, (1, 3))  # it may wander by a pixel
    line = np.median(pieces, axis=0)
    line = np.where(np.quantile(pieces, 0.1, axis=0) > 0.25 * line, line, 0).clip(0)  # a line is there all along
    return density - ndimage.maximum_filter(line, 3)[np.clip(y - shift, 0, height - 1)]


# --- Ink -> the digit alone: no lines, specks or edges ---


def _otsu(values):
    """The threshold that splits the values into two groups with the most variance between them (Otsu 1979)."""
    if np.ptp(values) < 1e-5:
        return values.min()
    counts, edges = np.histogram(values, 256)
    below = np.cumsum(counts)[:-1].astype(float)
    total = np.cumsum(counts * (edges[1:] + edges[:-1]) / 2)
    between = (total[-1] * below / len(values.ravel()) - total[:-1]) ** 2
    return edges[1:-1][np.argmax(between / np.maximum(below * (below[-1] + counts[-1] - below), 1))]


def _ink(density, noise):
    """The digit alone, 0 to 1, cropped to its box."""
    threshold = _otsu(density)
    some = density[density > max(3 * noise, 0.3 * threshold)]
    nothing = ValueError("expected ink, found none that stands out from the paper: more contrast, or a closer picture")
    if some.size == 0:
        raise nothing
    peak = np.median(density[density >= max(threshold, _otsu(some))])
    likely = density > max(3 * noise, 0.3 * peak)
    mask = ndimage.binary_propagation(likely & (density > 0.6 * peak), CORNERS, likely)
    uncrossed = _uncrossed(np.clip(density / peak, 0, 1))
    mask &= uncrossed > 0.3
    if not mask.any():
        raise nothing
    density = np.minimum(density, uncrossed * density.max())
    mask = _largest(mask, density)
    length = max(np.ptp(place) for place in np.where(mask)) / max(mask.shape)
    faint = peak < 0.02
    if noise and max(mask.shape) > SMALL:
        faint = peak < max(0.07, 4.5 * noise) or (peak < 0.2 and _edge(mask).any())
    if faint or length < 0.03:
        raise nothing
    filled = _filled(mask)
    if filled is not None:
        ink = filled
    else:
        around = ndimage.binary_dilation(mask, CORNERS, iterations=1 if noise else 2)
        ink = np.where(around & (density > 2 * noise), density, 0)
        ink = np.clip(ink / (ink.max() if peak > 0.9 * ink.max() and not noise else peak), 0, 1)
    rows, columns = np.where(ink > 0)
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float32)


def _uncrossed(ink):
    """Ink, 0 to 1, without a thin line, straight or zigzag, that crosses a small picture from side to side."""
    if not 24 <= min(ink.shape) <= max(ink.shape) <= SMALL:
        return ink
    for across in (ink, ink.T):
        rest = _without_path(across)
        if rest is not None:
            return rest if across is ink else rest.T
    return ink


def _without_path(ink):
    """Ink without the thinnest path along it from the left to the right, strokes across it kept; or None.

    None if there is no such path, or if it may be a stroke of the digit: it must be thinner than what is left, and
    longer at both ends.
    """
    off, left, right = 4, 2, ink.shape[1] - 4
    ink = np.pad(ink, ((off, off), (0, 0)))  # the line may leave the picture for a while
    cost = 1 - ink + 0.5 * ndimage.uniform_filter1d(ink, 5, axis=0)
    cost[:off], cost[-off:] = 0.5, 0.5
    total, steps = cost[:, left], []
    for x in range(left + 1, right + 1):
        before = np.pad(total, 2, constant_values=np.inf)
        before = np.stack([before[2 + k : 2 + k + len(total)] + 0.02 * abs(k) for k in range(-2, 3)])
        steps.append(before.argmin(axis=0) - 2)
        total = before.min(axis=0) + cost[:, x]
    path = [total.argmin()]
    for step in reversed(steps):
        path.append(path[-1] + step[path[-1]])
    path = np.array(path[::-1])
    inside = (path >= off) & (path < len(ink) - off)
    along = ink[path, np.arange(left, right + 1)][inside]
    if inside.mean() < 0.6 or np.mean(along > 0.4) < 0.92 or min(along[0], along[-1]) < 0.4:
        return None
    path = np.pad(path, (left, ink.shape[1] - 1 - right), mode="edge")
    band = np.abs(np.arange(len(ink))[:, None] - path) <= 1
    rest = np.where(band, 0, ink)
    y, x = np.mgrid[-3:4, -3:4]
    strokes = [ndimage.grey_closing(rest, footprint=abs(x - slope * y) < 0.6) for slope in (-1, -0.5, 0, 0.5, 1)]
    rest = np.where(band, np.minimum(ink, np.max(strokes, axis=0)), ink)[off:-off]
    digit = _largest(rest > 0.5, rest)
    if not digit.any() or _edge(digit).any():
        return None
    rows, columns = np.where(digit)
    ends = columns.min() - left, right - columns.max()
    line = (band & (ink > 0.5))[off:-off] & ~digit
    longer = line.any() and min(ends) >= 1 and sum(ends) >= 4 and max(np.ptp(rows), np.ptp(columns)) > 0.5 * len(rest)
    return rest if longer and _width(line) < min(2.2, _width(digit) / 1.05) else None


def _pieces(labels, n, density):
    """Of each piece: how much ink it is, how long, and whether it lies along the frame, as shadows and tables do."""
    amount = ndimage.sum_labels(density, labels, range(1, n + 1))
    boxes = ndimage.find_objects(labels, n)
    length = np.array([max(span.stop - span.start for span in box) if box else 0 for box in boxes])
    return amount, length, np.bincount(_edge(labels), minlength=n + 1)[1:] > 0.5 * length


def _largest(mask, density):
    """The part of the mask with the most ink, and others that are not much smaller and near: no specks, no edges."""
    labels, n = ndimage.label(mask, CORNERS)
    if n <= 1:
        return mask
    side, (amount, _, along) = max(mask.shape), _pieces(labels, n, density)
    if side > SMALL and amount[~along].sum() > 0.1 * amount[along].sum():
        mask = mask & ~np.append(False, along)[labels]
    if side > 60:
        labels, n = ndimage.label(ndimage.binary_dilation(mask, CORNERS, iterations=side // 60), CORNERS)
    labels = labels * mask
    amount, length, along = _pieces(labels, n, density)
    amount[along] *= 0.2
    main = np.argmax(amount)
    gap = ndimage.minimum(ndimage.distance_transform_edt(labels != main + 1), labels, range(1, n + 1))
    share = 0.04 if n < 4 else 0.1 if n < 6 else 0.2  # where there is much dirt, more is dirt
    return np.append(False, (amount >= share * amount[main]) & (gap < 0.5 * length[main]))[labels]


def _filled(mask):
    """The mask filled if it is only the outline of strokes: thin lines all along long narrow areas; or None."""
    labels, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    outside = labels[1:-1, 1:-1] == 1
    shell = mask & ndimage.binary_dilation(outside, CORNERS)
    inside = np.unique(labels[1:-1, 1:-1][ndimage.binary_dilation(shell, CORNERS) & ~mask & ~outside])
    strokes = np.isin(labels[1:-1, 1:-1], inside[inside > 1])
    if not strokes.any():
        return None
    unit = max(np.ptp(place) for place in np.where(mask)) / 20
    lined = (mask & ndimage.binary_dilation(strokes, CORNERS)).sum() / mask.sum()
    width = _width(strokes)
    longest = np.bincount(labels[1:-1, 1:-1][strokes]).max()  # an eight has two loops, neither of them long and narrow
    narrow = _width(mask) < 2.2 * unit and width < 5 * unit and longest > 4 * width**2
    return mask | strokes if lined > 0.85 and narrow else None


# --- The digit, with strokes as wide as MNIST's ---


def _width(mask):
    """Mean stroke width: across a stroke of width w, the distance to the edge averages w / 4 + 1 / 2."""
    return 4 * ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1][mask].mean() - 2


def _with_pen(ink):
    """Ink with strokes nearer to MNIST's width: thin ones thickened, the blur about thick ones cut away."""
    ink = torch.from_numpy(ink)
    fine = F.interpolate(ink[None, None], scale_factor=math.ceil(80 / max(ink.shape)), mode="bilinear")[0, 0]
    mask, unit = np.pad(fine.numpy() > 0.4, 40), max(fine.shape) / 20
    width = _width(mask) / unit
    if width > FAT:
        return ((ink - 0.3) / 0.7).clip(0)
    if width >= THIN:
        return ink
    distance = ndimage.distance_transform_edt(~mask)
    return torch.from_numpy(np.clip((PEN - width) / 2 * unit + 0.5 - distance, 0, 1))

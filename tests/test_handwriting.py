"""Any picture to 28x28: formats, what is ink and what is not, errors, and accuracy on drawn digits."""

import io
import struct
import time
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image, ImageDraw
from scipy import ndimage

from mnist_cnn.handwriting import center, read_picture, to_mnist
from mnist_cnn.model import predict

STROKES = {  # x and y from 0 to 1; each line of points is one stroke
    0: [[(0.5, 0), (0.2, 0.15), (0.1, 0.5), (0.2, 0.85), (0.5, 1), (0.8, 0.85), (0.9, 0.5), (0.8, 0.15), (0.5, 0)]],
    1: [[(0.5, 0), (0.5, 1)]],
    2: [[(0.1, 0.25), (0.3, 0.03), (0.65, 0.03), (0.85, 0.25), (0.7, 0.5), (0.08, 1), (0.95, 1)]],
    3: [[(0.1, 0.08), (0.5, 0), (0.85, 0.2), (0.75, 0.4), (0.4, 0.48), (0.8, 0.6), (0.9, 0.8), (0.5, 1), (0.1, 0.92)]],
    4: [[(0.2, 0), (0.1, 0.55), (0.95, 0.5)], [(0.75, 0.1), (0.7, 1)]],
    5: [[(0.85, 0), (0.2, 0), (0.18, 0.45), (0.6, 0.4), (0.88, 0.65), (0.6, 0.97), (0.1, 0.95)]],
    6: [[(0.7, 0), (0.3, 0.3), (0.12, 0.7), (0.4, 1), (0.75, 0.9), (0.75, 0.62), (0.4, 0.53), (0.15, 0.75)]],
    7: [[(0.1, 0), (0.9, 0), (0.4, 1)]],
    8: [[(0.8, 0.15), (0.5, 0), (0.2, 0.2), (0.82, 0.72), (0.5, 1), (0.15, 0.75), (0.5, 0.47), (0.8, 0.18)]],
    9: [[(0.85, 0.2), (0.5, 0), (0.15, 0.22), (0.3, 0.48), (0.6, 0.46), (0.85, 0.18), (0.82, 0.6), (0.65, 1)]],
}


def draw(digit, height, width, size, pen, seed=0):
    """A digit drawn with a round pen: float32 (height, width), 0 = paper .. 1 = ink; `size` pixels high."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (4 * width, 4 * height))
    pencil = ImageDraw.Draw(image)
    slant = rng.normal(0.1, 0.05)
    middle = np.array([width, height]) / 2 + rng.uniform(-0.1, 0.1, 2) * (min(height, width) - size)
    for stroke in STROKES[digit]:
        points = np.array(stroke) - 0.5 + rng.normal(0, 0.012, (len(stroke), 2))
        points[:, 0] = 0.7 * points[:, 0] - slant * points[:, 1]
        points = [tuple(point) for point in 4 * (points * size + middle)]
        pencil.line(points, fill=255, width=max(1, round(4 * pen)), joint="curve")
        for x, y in points:
            pencil.ellipse([x - 2 * pen, y - 2 * pen, x + 2 * pen, y + 2 * pen], fill=255)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float32) / 255


def photograph(ink, seed=0, shadow=True, lines=True):
    """Ink on ruled paper in uneven light, with a shadow, specks and noise: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    height, width = ink.shape
    y, x = np.mgrid[:height, :width] / max(height, width)
    ruled = np.abs((y + 0.02 * x) * 8 % 1 - 0.5) < 4 / max(height, width) if lines else np.zeros(ink.shape)
    paper = np.array([240, 235, 220]) - 70 * ruled[..., None] * np.array([1, 0.8, 0.4])
    page = paper * (1 - ink[..., None]) + np.array([40, 45, 110]) * ink[..., None]
    for row, column in rng.integers(3, min(height, width) - 3, (4, 2)):
        page[row : row + 2, column : column + 2] = 60
    light = 1 - 0.3 * x * y - 0.35 * shadow * (x + 0.3 * y > 0.75)
    page = ndimage.gaussian_filter(page * light[..., None], (0.7, 0.7, 0)) + rng.normal(0, 4, page.shape)
    return page.clip(0, 255).astype(np.uint8)


def in_ink(image, height, width=None):
    """A digit of MNIST, uint8 (28, 28), as crisp ink, float32, this many pixels high and wide."""
    rows, columns = np.where(image > 60)
    box = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float32) / 255
    width = width or max(3, round(height * box.shape[1] / box.shape[0]))
    ink = Image.fromarray(box).resize((width, height), Image.Resampling.BICUBIC)
    return np.clip((np.asarray(ink) - 0.5) * max(1, height / 20) + 0.5, 0, 1)


def line(rows, columns):
    """A thin line in 28x28, in column k around row rows[k], drawn from one column to another."""
    ink = np.clip(1 - 0.45 * np.abs(np.arange(28)[:, None] - rows), 0, 1)
    return np.where((np.arange(28) >= columns[0]) & (np.arange(28) < columns[1]), ink, 0)


@pytest.fixture(scope="module")
def read(model):
    """pictures -> the digits that the committed weights read, a list of int."""
    return lambda pictures: predict(model, torch.stack([to_mnist(picture) for picture in pictures]))[0].tolist()


def close(a, b, tolerance=2):
    return np.abs(a.numpy().astype(int) - b.numpy().astype(int)).max() <= tolerance


# --- center ---


def shift(a, b):
    """By how many pixels `a` (1, 28, 28) must be moved to equal `b`, or None if more than one would not do."""
    moves = [(0, 0), (0, 1), (1, 0), (1, 1), (0, -1), (-1, 0), (-1, -1), (1, -1), (-1, 1)]
    return next((max(map(abs, move)) for move in moves if torch.equal(torch.roll(a, move, (1, 2)), b)), None)


def test_center_leaves_mnist_digits_as_they_are(test_split):
    images = test_split[0][:500]
    assert sum(torch.equal(center(image[0]), image) for image in images) >= 0.99 * len(images)


def test_center_fits_into_20_pixels_with_the_centre_of_mass_in_the_middle():
    ink = np.zeros((300, 200), np.uint8)
    ink[30:230, 40:90] = 255
    out = center(ink)[0]
    rows, columns = np.where(out.numpy())
    assert out.dtype == torch.uint8 and out.shape == (28, 28)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 5)
    assert abs(rows.mean() - 14) <= 0.5 and abs(columns.mean() - 14) <= 0.5


def test_center_takes_floats_tensors_and_extreme_shapes():
    ink = np.zeros((40, 40), np.uint8)
    ink[10:30, 18:22] = 255
    assert torch.equal(center(ink), center(torch.from_numpy(ink / 255.0)))
    for shape in ((1, 1), (1, 500), (500, 1)):
        assert center(np.full(shape, 255, np.uint8)).max() == 255
    with pytest.raises(ValueError, match="none"):
        center(torch.zeros(28, 28))
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        center(torch.ones(1, 28, 28))


# --- to_mnist: the forms that a picture comes in ---


def test_the_same_drawing_in_every_form_gives_the_same_digit():
    ink = draw(5, 120, 100, 80, 8)
    grey = np.uint8(np.round(255 * (1 - ink)))
    rgb = np.repeat(grey[..., None], 3, axis=2)
    clear = np.zeros((120, 100, 4), np.uint8)
    clear[..., 3] = 255 - grey
    expected = to_mnist(grey)
    forms = {
        "tensor": torch.from_numpy(grey),
        "white on black": 255 - grey,
        "16-bit": grey.astype(np.uint16) * 257,
        "16-bit in int32": torch.from_numpy(grey.astype(np.int32) * 257),
        "float64": grey / 255,
        "float32 tensor": torch.from_numpy(grey / 255).float(),
        "one channel last": grey[..., None],
        "one channel first": grey[None],
        "RGB": rgb,
        "RGB first": torch.from_numpy(rgb.transpose(2, 0, 1).copy()),
        "RGBA opaque": np.dstack([rgb, np.full_like(grey, 255)]),
        "black on transparent": clear,
        "white on transparent, first": np.dstack([clear[..., :3] + 255, clear[..., 3]]).transpose(2, 0, 1),
        "grey and opacity": np.dstack([np.zeros_like(grey), 255 - grey]),
        "not contiguous": np.repeat(grey, 2, axis=1)[:, ::2],
    }
    for name, form in forms.items():
        out = to_mnist(form)
        assert out.shape == (1, 28, 28) and out.dtype == torch.uint8
        assert close(out, expected, 3), name
    assert close(to_mnist(ink > 0.5), to_mnist(np.uint8(255 * (ink > 0.5))), 0)


def test_the_input_is_left_as_it_was():
    picture = photograph(draw(3, 90, 90, 60, 6))
    copy = picture.copy()
    to_mnist(picture)
    assert np.array_equal(picture, copy)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((28, 28), np.uint8), "none"),
        (np.full((64, 64, 3), 255, np.uint8), "none"),
        (np.zeros((64, 64, 4), np.uint8), "transparent"),
        (np.zeros((7, 28), np.uint8), "at least 8x8"),
        (np.zeros((2, 1, 28, 28), np.uint8), "one by one"),
        (np.zeros((28, 28, 5), np.uint8), "C = 1 to 4"),
        (np.zeros(28, np.uint8), "shape"),
        (np.zeros((0, 28), np.uint8), "shape"),
        (np.zeros((28, 28), np.complex64), "complex64"),
        (np.zeros((28, 28), np.int64), "int64"),
        (np.array("seven"), "found"),
        (np.full((28, 28), 255.0), "divide"),
        (np.full((28, 28), -0.5), "from 0 to 1"),
        (np.full((28, 28), np.nan), "nan"),
        (np.full((28, 28), 70000, np.int32), "70000"),
        (np.broadcast_to(np.uint8(0), (10001, 10000)), "100000000"),
    ],
)
def test_what_is_no_picture_of_a_digit_says_why(picture, message):
    with pytest.raises(ValueError, match=message) as caught:
        to_mnist(picture)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("seed", range(4))
def test_empty_paper_is_not_read_as_a_digit(seed):
    with pytest.raises(ValueError, match="none"):
        to_mnist(photograph(np.zeros((300, 240)), seed, shadow=seed % 2, lines=seed // 2))


# --- to_mnist: ink and what is not ---


def test_mnist_digits_stay_as_they_are_and_are_still_read(test_split, read):
    images, labels = test_split[0][:1000], test_split[1][:1000].tolist()
    same = [shift(to_mnist(image), center(image[0])) == 0 for image in images[:200]]
    assert np.mean(same) > 0.75
    assert np.mean(np.equal(read(images), labels)) >= 0.993
    assert np.mean(np.equal(read(255 - images), labels)) >= 0.993


def test_specks_do_not_move_the_digit():
    grey = np.uint8(255 - 255 * draw(2, 200, 200, 120, 9))
    dirty = grey.copy()
    dirty[5:9, 5:9] = dirty[190:194, 100:103] = dirty[90:93, 180:184] = 0
    assert close(to_mnist(dirty), to_mnist(grey), 3)


def test_ruled_lines_light_and_shadow_are_not_ink():
    ink = draw(4, 320, 240, 130, 7)
    plain = to_mnist(np.uint8(255 - 255 * ink)).float() / 255
    for seed, (shadow, lines) in enumerate([(0, 1), (1, 0), (1, 1)]):
        seen = to_mnist(photograph(ink, seed, shadow, lines)).float() / 255
        assert (plain - seen).abs().mean() < 0.04


def test_a_frame_or_the_table_beside_the_paper_is_not_ink():
    ink = draw(5, 200, 160, 110, 8)
    plain, y, x = to_mnist(np.uint8(255 - 255 * ink)), *np.mgrid[:200, :160]
    framed = np.pad(255 - 255 * ink, 3).astype(np.uint8)
    on_a_table = np.pad(240 - 200 * ink, 12, constant_values=60).astype(np.uint8)
    corner = np.where(x + 0.7 * y > 240, 60, 240 - 200 * ink).astype(np.uint8)
    for picture in (framed, 255 - framed, on_a_table, corner):
        assert (plain.float() - to_mnist(picture).float()).abs().mean() / 255 < 0.03
    small = to_mnist(np.uint8(255 - 255 * draw(5, 28, 28, 20, 2)))
    assert close(to_mnist(np.pad(np.uint8(255 - 255 * draw(5, 28, 28, 20, 2)), 1)), small)


def test_stroke_width_comes_near_mnists():
    ink = [to_mnist(draw(3, 280, 280, 220, pen)).float().sum().item() / 255 for pen in (1.2, 4, 15, 30)]
    assert max(ink[:3]) < 1.8 * min(ink[:3]) and ink[3] < 2.5 * ink[2]


def test_a_digit_may_touch_the_frame_or_fill_it(read):
    eight = np.uint8(255 * draw(8, 60, 60, 54, 9))
    rows, columns = np.where(eight > 128)
    cropped = eight[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    one = np.uint8(255 * draw(1, 90, 90, 84, 9, 2))
    one = one[:, np.flatnonzero(one.max(axis=0))]
    assert read([cropped, 255 - cropped, one, 255 - one]) == [8, 8, 1, 1]


def test_a_huge_picture_needs_little_memory_and_keeps_its_hairline(read):
    page = np.full((9000, 11000), 235, np.uint8)
    line = np.repeat(np.repeat(draw(7, 900, 1100, 500, 1) > 0.5, 10, axis=0), 10, axis=1)
    page[line] = 60
    tracemalloc.start()
    start = time.perf_counter()
    digit = read([page])
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert digit == [7]
    assert peak < 64 * 2**20 and seconds < 20


@pytest.mark.parametrize("shape", [(8, 60_000), (60_000, 8), (8, 8)])
def test_odd_shapes_of_noise_neither_crash_nor_hang(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    try:
        assert to_mnist(noise).shape == (1, 28, 28)
    except ValueError as error:
        assert "expected" in str(error)


# --- accuracy on small sets that are drawn here ---


def accuracy(read, pictures):
    return np.mean(np.equal(read(pictures), [k % 10 for k in range(len(pictures))]))


def test_drawings_are_read(read):
    pictures = []
    for k in range(100):
        side = (28, 64, 140, 300, 420)[k // 10 % 5]
        ink = draw(k % 10, side, side, 0.72 * side, 0.72 * side * (0.06, 0.12)[k // 50], k)
        pictures.append(np.uint8(255 * (ink if k % 2 else 1 - ink)))
    assert accuracy(read, pictures) >= 0.99


def test_thin_line_drawings_are_read(read):
    pictures = [np.uint8(255 * (draw(k % 10, 28, 28, 21, 1, k) > 0.4)) for k in range(50)]
    assert accuracy(read, pictures) >= 0.98


def test_photographs_are_read(read):
    pictures = []
    for k in range(40):
        height, width = ((120, 90), (240, 320), (640, 480), (400, 400))[k // 10]
        ink = draw(k % 10, height, width, 0.6 * min(height, width), 0.04 * min(height, width), k)
        pictures.append(photograph(ink, k))
    assert accuracy(read, pictures) >= 0.975


def test_damaged_digits_are_read(test_split, read):
    images, labels = test_split[0][1000:1100, 0].numpy() / 255, test_split[1][1000:1100].tolist()
    rng = np.random.default_rng(0)
    fog = ndimage.zoom(rng.random((4, 4)), 7, order=1)
    stripes = np.arange(28) // 7 % 3 == 0
    spikes = rng.random((28, 28))
    damaged = {
        "low contrast": images * 0.2 + 0.3,
        "too bright": np.minimum(images + 0.6, 1),
        "fog": images * 0.45 + 0.5 * fog,
        "blurred": np.stack([ndimage.gaussian_filter(image, 1.3) for image in images]),
        "noise": (images * 0.8 + 0.1 + rng.normal(0, 0.08, images.shape)).clip(0, 1),
        "salt and pepper": np.where(spikes < 0.05, 0, np.where(spikes > 0.95, 1, images)),
        "stripes": np.where(stripes, 1 - images, images),
        "moved": np.roll(images, (3, -3), (1, 2)),
    }
    for name, pictures in damaged.items():
        assert np.mean(np.equal(read(np.uint8(pictures * 255)), labels)) >= 0.95, name


def test_digits_among_clouds_and_patches_are_read(test_split, read):
    images, labels = test_split[0][5000:5200, 0].numpy() / 255, test_split[1][5000:5200].tolist()
    rng = np.random.default_rng(5)
    noise = {n: rng.random((200, n, n)) / n**0.6 for n in (2, 4, 7, 14, 28)}
    clouds = sum(ndimage.zoom(layer, (1, 28 / n, 28 / n), order=1) for n, layer in noise.items())
    clouds = (clouds - clouds.min((1, 2), keepdims=True)) / np.ptp(clouds, (1, 2), keepdims=True)
    patches = ndimage.gaussian_filter(rng.normal(size=images.shape), (0, 3.5, 3.5))
    patches = patches > np.quantile(patches, 0.7, axis=(1, 2), keepdims=True)
    damaged = {"clouds": (0.3 * images + 0.7 * clouds, 0.9), "patches": (np.maximum(images, 0.45 * patches), 0.9)}
    for name, (pictures, floor) in damaged.items():
        assert np.mean(np.equal(read(np.uint8(255 * pictures)), labels)) >= floor, name


def test_photographs_of_real_handwriting_are_read(test_split, read):
    rng, pictures = np.random.default_rng(1), []
    labels = test_split[1][2000:2060].tolist()
    for k, image in enumerate(test_split[0][2000:2060, 0].numpy()):
        height, width = ((110, 90), (240, 320), (480, 360))[k % 3]
        ink = in_ink(image, int(rng.uniform(0.35, 0.8) * min(height, width)))
        page = np.zeros((height, max(width, ink.shape[1])), np.float32)
        top, left = (int(rng.uniform(0.1, 0.9) * (a - b)) for a, b in zip(page.shape, ink.shape, strict=True))
        page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
        buffer = io.BytesIO()
        Image.fromarray(photograph(page, k, lines=k % 2)).save(buffer, "JPEG", quality=70)
        pictures.append(np.asarray(Image.open(buffer)))
    assert np.mean(np.equal(read(pictures), labels)) >= 0.97


@pytest.mark.parametrize(("side", "floor"), [(16, 0.98), (32, 0.985)])
def test_other_scanners_digits_that_fill_the_frame_are_read(test_split, read, side, floor):
    rng, pictures = np.random.default_rng(2), []
    for image in test_split[0][3000:3200, 0].numpy():
        rows, columns = np.where(image > 60)
        width = round(side * rng.uniform(0.9, 1.2) * (np.ptp(columns) + 1) / (np.ptp(rows) + 1))
        ink = in_ink(image, side, np.clip(width, side // 6, side))
        ink = ndimage.gaussian_filter(ink, 0.4) if side == 16 else ink > 0.5  # grey, as USPS, or bits, as optdigits
        page = np.zeros((side, side), np.uint8)
        left = (side - ink.shape[1]) // 2
        page[:, left : left + ink.shape[1]] = 255 * ink
        pictures.append(page)
    assert np.mean(np.equal(read(pictures), test_split[1][3000:3200].tolist())) >= floor


def test_digits_crossed_by_lines_or_only_outlined_are_read(test_split, read):
    images, labels = test_split[0][4000:4200, 0].numpy() / 255, test_split[1][4000:4200].tolist()
    rng, x = np.random.default_rng(3), np.arange(28)
    waves = [rng.uniform(3, 25) + rng.uniform(-0.2, 0.2) * x + 4 * np.abs(x / 4 % 2 - 1) - 2 for _ in images]
    straight = [np.linspace(*rng.uniform(0, 27, 2), 28) for _ in images]
    thick = ndimage.zoom(images, (1, 2, 2), order=1) > 0.5
    damaged = {
        "zigzag": (np.minimum(images + [line(rows, (2, 25)) for rows in waves], 1), 0.76),
        "line": (np.minimum(images + [line(rows, (1, 26)) for rows in straight], 1), 0.67),
        "outline": (thick & ~ndimage.binary_erosion(thick, np.ones((1, 3, 3))), 0.96),
        "shot noise": (np.minimum(rng.poisson(images * 3) / 3, 1), 0.94),
    }
    for name, (pictures, floor) in damaged.items():
        assert np.mean(np.equal(read(np.uint8(pictures * 255)), labels)) >= floor, name


# --- read_picture ---


def test_every_format_is_read(tmp_path):
    ink = draw(6, 80, 70, 60, 8)
    grey = Image.fromarray(np.uint8(255 - 255 * ink))
    clear = Image.new("RGBA", grey.size)
    clear.putalpha(Image.fromarray(np.uint8(255 * ink)))
    sixteen = Image.fromarray(np.uint16(65535 * (1 - ink)))
    files = {
        "grey.png": (grey, np.uint8, (80, 70)),
        "bit.png": (grey.convert("1"), np.uint8, (80, 70)),
        "grey-alpha.png": (clear.convert("LA"), np.uint8, (80, 70, 2)),
        "rgb.png": (grey.convert("RGB"), np.uint8, (80, 70, 3)),
        "rgba.png": (clear, np.uint8, (80, 70, 4)),
        "palette.png": (grey.convert("RGB").quantize(8), np.uint8, (80, 70, 3)),
        "palette-clear.png": (clear.quantize(8), np.uint8, (80, 70, 4)),
        "sixteen.png": (sixteen, np.uint16, (80, 70)),
        "photo.jpg": (grey.convert("RGB"), np.uint8, (80, 70, 3)),
        "grey.jpg": (grey, np.uint8, (80, 70)),
        "cmyk.jpg": (grey.convert("CMYK"), np.uint8, (80, 70, 3)),
        "photo.webp": (grey.convert("RGB"), np.uint8, (80, 70, 3)),
        "clear.webp": (clear, np.uint8, (80, 70, 4)),
        "drawing.gif": (grey, np.uint8, (80, 70, 3)),
        "drawing.bmp": (grey.convert("RGB"), np.uint8, (80, 70, 3)),
    }
    expected = to_mnist(np.asarray(grey)).float()
    for name, (image, dtype, shape) in files.items():
        image.save(tmp_path / name)
        picture = read_picture(tmp_path / name)
        assert (picture.dtype, picture.shape) == (dtype, shape), name
        assert (to_mnist(picture).float() - expected).abs().mean() < 20, name  # a lossy format may move it by a pixel


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("L", (20, 20), value) for value in (40, 200)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert read_picture(tmp_path / "two.gif").max() == 40


def test_exif_orientation_is_respected(tmp_path):
    picture = Image.new("L", (30, 20), 255)
    picture.paste(0, (0, 0, 5, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter, clockwise
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    turned = read_picture(str(tmp_path / "turned.jpg"))
    assert turned.shape == (30, 20)
    assert turned[:4].max() < 60 and turned[8:].min() > 200


def png_header(width, height):
    """The start of a PNG file that announces this size."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return head + struct.pack(">I", 9) + b"IDAT" + b"\x78\x9c"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.png", b"", "something else"),
        ("text.jpg", b"just some text, not a picture", "something else"),
        ("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "something else"),
        ("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC.*Convert"),
        ("film.avif", b"\0\0\0\x1cftypavif\0\0\0\0", "HEIC, AVIF"),
        ("huge.png", png_header(10_001, 10_000), "100 megapixels"),
        ("vast.png", png_header(2**31 - 1, 2**31 - 1), "100 megapixels"),
        ("cut.png", png_header(20, 20), "broken or truncated"),
        ("cut-early.png", png_header(20, 20)[:30], "broken or truncated"),
    ],
)
def test_what_is_no_picture_file_says_so(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message) as caught:
            read_picture(tmp_path / name)
    assert name in str(caught.value) and "expected" in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png is not there"):
        read_picture(tmp_path / "gone.png")
    with pytest.raises(ValueError, match="folder"):
        read_picture(tmp_path)


@pytest.mark.parametrize("extension", ["png", "jpeg", "webp", "gif", "bmp"])
def test_damaged_bytes_raise_nothing_else(tmp_path, extension):
    buffer = io.BytesIO()
    Image.fromarray(np.uint8(255 - 255 * draw(9, 40, 40, 30, 4))).convert("RGB").save(buffer, extension)
    whole, rng, path = buffer.getvalue(), np.random.default_rng(0), tmp_path / "damaged"
    for trial in range(80):
        data = bytearray(whole[: rng.integers(1, len(whole))] if trial % 2 else whole)
        for place in rng.integers(0, len(data), trial % 6):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                assert read_picture(path).ndim in (2, 3)
            except ValueError as error:
                assert "damaged" in str(error)
    assert Image.MAX_IMAGE_PIXELS == 89478485  # Pillow's own settings are as they were


# --- the pictures that are shipped ---

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def test_the_shipped_pictures_are_read_right(read):
    paths = sorted(path for path in (ROOT / "pictures").iterdir() if not path.name.startswith("."))
    assert len(paths) >= 6
    assert all(path.stat().st_size < 30_000 for path in paths)
    assert read([read_picture(path) for path in paths]) == [NAMES.index(path.name.split("-")[0]) for path in paths]

"""Any picture to 28x28: accepted forms, errors, and what counts as ink."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from mnist_cnn.handwriting import center, to_mnist
from mnist_cnn.handwriting.convert import with_pen
from mnist_cnn.model import predict
from tests.drawings import draw, photograph


def close(a, b, tolerance=2):
    """Whether two images of uint8 differ by at most `tolerance` in every pixel."""
    return np.abs(a.numpy().astype(int) - b.numpy().astype(int)).max() <= tolerance


# --- Accepted forms and errors ---


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
        "black on transparent, 8 bits in 16": clear.astype(np.uint16),
        "not contiguous": np.repeat(grey, 2, axis=1)[:, ::2],
    }
    for name, form in forms.items():
        out = to_mnist(form)
        assert out.shape == (1, 28, 28) and out.dtype == torch.uint8
        assert close(out, expected, 3), name
    assert close(to_mnist(ink > 0.5), to_mnist(np.uint8(255 * (ink > 0.5))), 0)


@pytest.mark.parametrize("side, scale", [(100, 3), (2000, 1)])
def test_only_small_ink_is_made_finer(side, scale):
    """A table as large as the page, around digits of 30 pixels, would take gigabytes."""
    table = np.zeros((side, side), np.float32)
    table[[5, -5]] = table[:, [5, -5]] = 1
    assert with_pen(table, 30).shape == (scale * side, scale * side)


def test_the_input_is_not_changed():
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
def test_invalid_pictures_are_refused_with_the_reason(picture, message):
    with pytest.raises(ValueError, match=message) as caught:
        to_mnist(picture)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("seed", range(4))
def test_empty_paper_is_refused(seed):
    with pytest.raises(ValueError, match="none"):
        to_mnist(photograph(np.zeros((300, 240)), seed, shadow=seed % 2, lines=seed // 2))


# --- What counts as ink ---


def test_most_mnist_digits_are_only_centred(test_split):
    same = [torch.equal(to_mnist(image), center(image[0])) for image in test_split[0][:200]]
    assert np.mean(same) > 0.75  # the others lose traces of ink, or their stroke width changes


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
        assert (plain - seen).abs().mean() < 0.04  # the mean of the digit itself is 0.10


def test_a_frame_and_the_table_beside_the_paper_are_not_ink():
    ink = draw(5, 200, 160, 110, 8)
    plain, y, x = to_mnist(np.uint8(255 - 255 * ink)), *np.mgrid[:200, :160]
    framed = np.pad(255 - 255 * ink, 3).astype(np.uint8)
    on_a_table = np.pad(240 - 200 * ink, 12, constant_values=60).astype(np.uint8)
    corner = np.where(x + 0.7 * y > 240, 60, 240 - 200 * ink).astype(np.uint8)
    for picture in (framed, 255 - framed, on_a_table, corner):
        assert (plain.float() - to_mnist(picture).float()).abs().mean() / 255 < 0.03
    small = to_mnist(np.uint8(255 - 255 * draw(5, 28, 28, 20, 2)))
    assert close(to_mnist(np.pad(np.uint8(255 - 255 * draw(5, 28, 28, 20, 2)), 1)), small)


def test_the_stroke_width_becomes_similar_to_mnists():
    ink = [to_mnist(draw(3, 280, 280, 220, pen)).float().sum().item() / 255 for pen in (1.2, 4, 15, 30)]
    assert max(ink[:3]) < 1.8 * min(ink[:3]) and ink[3] < 2.5 * ink[2]


def test_blurred_edges_are_sharpened(test_split):
    originals = test_split[0][:50]
    padded = np.pad(originals[:, 0].numpy(), ((0, 0), (10, 10), (10, 10))).astype(float)
    large = ndimage.gaussian_filter(ndimage.zoom(padded, (1, 3, 3), order=1), (0, 1.5, 1.5))
    converted = torch.stack([to_mnist(np.uint8(picture)) for picture in large])
    assert (converted.float() - originals).abs().mean() < 10  # 9.4; 11.3 without


def test_a_thin_line_in_a_huge_picture_is_kept_with_little_memory(model):
    page = np.full((9000, 11000), 235, np.uint8)
    hairline = np.repeat(np.repeat(draw(7, 900, 1100, 500, 1) > 0.5, 10, axis=0), 10, axis=1)
    page[hairline] = 60
    tracemalloc.start()
    start = time.process_time()
    image = to_mnist(page)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert predict(model, image[None])[0].item() == 7
    assert peak < 64 * 2**20 and seconds < 20  # the picture itself takes 94 MB


@pytest.mark.parametrize("shape", [(8, 60_000), (60_000, 8), (8, 8)])
def test_noise_of_extreme_shapes_neither_crashes_nor_hangs(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    try:
        assert to_mnist(noise).shape == (1, 28, 28)
    except ValueError as error:
        assert "expected" in str(error)


@pytest.mark.parametrize("path", ["file.jpg", Path("file.jpg")])
def test_a_path_is_refused_with_the_call_that_reads_it(path):
    with pytest.raises(ValueError, match=r"found the path file.jpg: call to_mnist\(read_picture\(path\)\)"):
        to_mnist(path)


def test_several_grey_digits_are_not_taken_for_one_in_colour(test_split):
    images = test_split[0][:300, 0]
    for digits in [*images.split(3), *images[:200].split(4), images[:3] / 255]:
        with pytest.raises(ValueError, match="looks like several grey digits: pass them one by one"):
            to_mnist(digits)


@pytest.mark.parametrize(
    "ink, paper",
    [
        ((200, 0, 0), (255, 255, 255)),
        ((20, 30, 160), (240, 235, 200)),
        ((255, 220, 0), (0, 60, 0)),
        ((0,) * 3, (255,) * 3),
    ],
)
def test_a_colour_picture_may_have_its_channels_first(test_split, ink, paper):
    for image in test_split[0][:20, 0].numpy() / 255:
        picture = np.stack([image * i + (1 - image) * p for i, p in zip(ink, paper)]) / 255
        assert torch.equal(to_mnist(picture), to_mnist(picture.transpose(1, 2, 0)))


# --- Small bitmaps, as other data sets have them ---


def bitmap(image, height, width):
    """A digit of MNIST, cut out and scaled to a bitmap of two tones."""
    rows, columns = (np.flatnonzero((image > 127).any(axis)) for axis in (1, 0))
    box = torch.tensor(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])[None, None].float()
    large = torch.nn.functional.interpolate(box, (8 * height, 8 * width), mode="bilinear")
    return torch.nn.functional.avg_pool2d(large, 8)[0, 0].numpy() > 110


@pytest.mark.parametrize("height, width, floor", [(32, 22, 0.98), (16, 16, 0.975), (20, 20, 0.975)])
def test_bitmaps_of_two_tones_stretched_or_not(height, width, floor, model, test_split):
    """98.2 and 98.4% of the stretched ones are right; without a rule for them, 96.6 and 96.8%."""
    images, labels = (part[:1000] for part in test_split)
    upright = labels != 1  # a stretched 1 is a block
    found = []
    for image in images[upright, 0].numpy():
        ink = bitmap(image, height, width)
        black = np.where(ink, 255, 0).astype(np.uint8)
        coloured = np.where(ink[..., None], [30, 60, 200], [250, 230, 90])
        digit = to_mnist(black)
        if len(found) % 20 == 0:
            assert torch.equal(to_mnist(255 - black), digit)
            assert close(to_mnist(coloured.astype(np.uint8)), digit)
        found.append(digit)
    answers, _ = predict(model, torch.stack(found))
    assert (answers == labels[upright]).double().mean() >= floor

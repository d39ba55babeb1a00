"""Sizing and centring ink as MNIST's digits were."""

import numpy as np
import pytest
import torch

from mnist_cnn.handwriting import center


def rectangle(height, width, page=(60, 60), value=255):
    """Ink of this size on a page, uint8."""
    ink = np.zeros(page, np.uint8)
    ink[5 : 5 + height, 7 : 7 + width] = value
    return ink


def test_mnist_digits_stay_as_they_are(test_split):
    images = test_split[0][:500]
    assert sum(torch.equal(center(image[0]), image) for image in images) >= 0.99 * len(images)


@pytest.mark.parametrize(
    "height, width, rows, columns",
    [
        (
            200,
            50,
            (5, 25),
            (12, 17),
        ),  # 20 x 5. The centre of mass is at 14.5, the middle of pixel 14, or half a pixel on
        (50, 200, (12, 17), (5, 25)),
        (20, 20, (5, 25), (5, 25)),
        (10, 5, (5, 25), (10, 20)),  # enlarged
        (40, 9, (5, 25), (12, 17)),  # 4.5 is rounded to 5
        (40, 8, (5, 25), (13, 17)),
        (500, 1, (5, 25), (14, 15)),  # at least one pixel
        (1, 500, (14, 15), (5, 25)),
        (1, 1, (5, 25), (5, 25)),
    ],
)
def test_ink_fits_into_20_pixels_with_its_centre_of_mass_in_the_middle(height, width, rows, columns):
    out = center(rectangle(height, width, (510, 510)))
    assert out.dtype == torch.uint8 and out.shape == (1, 28, 28)
    expected = torch.zeros(28, 28, dtype=torch.uint8)
    expected[slice(*rows), slice(*columns)] = 255
    assert torch.equal(out[0], expected)


def test_grey_keeps_its_value_and_counts_in_the_centre_of_mass():
    ink = rectangle(20, 20, value=100)
    assert center(ink).unique().tolist() == [0, 100]
    ink[5:25, 7:27] = np.repeat([[200, 0, 50, 50]], 20, axis=0).repeat(5, axis=1)
    out = center(ink)[0]
    # The centre of mass: (200 * 2.5 + 50 * 12.5 + 50 * 17.5) / 300 = 6.67 from the left; 14.5 - 6.67 is nearly 8.
    assert out[5, 8:].tolist() == [200] * 5 + [0] * 5 + [50] * 10
    assert not out[:, :8].any() and not out[:5].any() and not out[25:].any()


def test_ink_that_lies_far_from_the_centre_of_mass_is_clipped_at_the_edge():
    ink = np.zeros((20, 20), np.uint8)
    ink[:, 0], ink[0, 1:] = 255, 1  # nearly all of the mass is in the first column
    out = center(ink)[0]
    assert (out[5:25, 14] == 255).all()  # 14.5 - (255 * 20 * 0.5 + 19 * 10.5) / (255 * 20 + 19) = 13.96
    assert (out[5, 15:] == 1).all()
    turned = center(ink[::-1, ::-1].copy())[0]
    assert (turned[4:24, 14] == 255).all() and (turned[23, :14] == 1).all()


def test_shrinking_averages():
    """Every pixel of the small digit is a mean over the pixels that it covers: fine stripes turn grey."""
    stripes = np.zeros((400, 400), np.uint8)
    stripes[:, ::2] = 200
    middle = center(stripes)[0, 7:23, 7:23].int()
    assert (middle - 100).abs().max() <= 1


def test_enlarging_interpolates_linearly_between_the_middles_of_pixels():
    out = center(np.array([[255, 55]], np.uint8))[0]
    place = np.clip((np.arange(20) + 0.5) / 10 - 0.5, 0, 1)  # from the middle of the first pixel to that of the second
    assert out[10, out[10] > 0].tolist() == [round(255 - 200 * x) for x in place]


def test_values_beyond_the_range_are_paper_and_full_ink():
    ink = torch.ones(20, 20)
    ink[5:10, 5:10], ink[12:15] = -0.5, 1.5
    assert torch.equal(center(ink), center(ink.clamp(0, 1)))


def test_floats_and_tensors_are_taken_too():
    ink = rectangle(20, 4, value=77)
    expected = center(ink)
    assert (ink == rectangle(20, 4, value=77)).all()
    for same in (torch.from_numpy(ink), ink / 255.0, torch.from_numpy(ink / np.float32(255))):
        assert torch.equal(center(same), expected)


@pytest.mark.parametrize(
    "ink, message",
    [
        (torch.zeros(28, 28), r"found none in shape \(28, 28\)$"),
        (torch.ones(1, 28, 28), r"shape \(H, W\), found none in shape \(1, 28, 28\)"),
        (torch.full((28, 28), 0.001), "found only traces: make the strokes darker$"),
    ],
)
def test_what_has_no_ink_is_refused(ink, message):
    with pytest.raises(ValueError, match=f"^expected ink.*{message}"):
        center(ink)

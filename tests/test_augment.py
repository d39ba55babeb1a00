"""Distortion, measured through ramps: an image whose pixels rise linearly from left to right (or from top to bottom)
shows, at each pixel of its distorted copy, the column (or row) that was sampled there.
"""

import pytest
import torch
from torch.nn import functional as F

from mnist_cnn.training.augment import distort

N = 1000  # draws

pytestmark = pytest.mark.filterwarnings("error")  # nothing may appear in the notebook


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def places(n, size, affine, elastic):
    """(n, 2, size, size): the column and the row that each pixel was sampled at; wrong near the edge."""
    ramp = torch.arange(float(size)).expand(1, 1, size, size) / (size - 1)
    images = [ramp.expand(n, -1, -1, -1), ramp.mT.expand(n, -1, -1, -1)]
    shown = torch.cat([distort(image, affine, elastic, generator()) for image in images], dim=1) * (size - 1)
    whole, place = shown.floor(), shown.frac()
    for _ in range(
        30
    ):  # a bicubic sample at 4 + t is 4 + t + t (1 - t) (1 - 2t) / 2, as cubic convolution has a = -0.75
        place = shown.frac() - place * (1 - place) * (1 - 2 * place) / 2
    return whole + place


def correlations(draws):
    """The largest correlation between two of the columns of (n, columns)."""
    return (torch.corrcoef(draws.T) - torch.eye(draws.shape[1])).abs().max()


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_affine_draws_are_uniform_as_large_as_documented_and_independent(strength):
    where = places(N, 28, strength, 0)
    (xx, yx), (xy, yy) = (  # derivatives by column and by row
        step.unbind(1)
        for step in (where[:, :, 14, 14] - where[:, :, 14, 13], where[:, :, 14, 14] - where[:, :, 13, 14])
    )
    angle = yx.asin()
    shift = where[:, :, 13:15, 13:15].mean(dim=(2, 3)) - 13.5  # of the middle of the image
    draws = torch.stack([angle.rad2deg(), xx / angle.cos() - 1, yy / angle.cos() - 1, xy + yx, *shift.T], dim=1)
    largest = strength * torch.tensor([12, 0.12, 0.12, 0.2, 2, 2])  # degrees, scale, scale, shear, pixels, pixels
    scaled = draws / largest
    assert scaled.abs().max() < 1.001
    torch.testing.assert_close(scaled.amin(dim=0), -torch.ones(6), atol=0.02, rtol=0)
    torch.testing.assert_close(scaled.amax(dim=0), torch.ones(6), atol=0.02, rtol=0)
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(6), atol=0.06, rtol=0)
    torch.testing.assert_close(scaled.std(dim=0), torch.full((6,), 3**-0.5), atol=0.03, rtol=0)
    assert correlations(scaled) < 0.15


SIZE = 30  # so that the 6 x 6 control points, 5 pixels apart, lie in the middle of a pixel: 2, 7, ... 27


def displacements(strength, n=N):
    """(n, 2, SIZE, SIZE): by how many pixels an elastic distortion of this strength moves; wrong near the edge."""
    pixel = torch.arange(float(SIZE)).expand(SIZE, SIZE)
    return places(n, SIZE, 0, strength) - torch.stack([pixel, pixel.T])


@pytest.mark.parametrize("strength", [0.1, 0.2])
def test_elastic_displacements_have_the_documented_deviation_and_are_independent(strength):
    control = displacements(strength)[:, :, 2::5, 2::5]
    assert control.shape[2:] == (6, 6)
    torch.testing.assert_close(control.std(dim=0), torch.full((2, 6, 6), strength), atol=0, rtol=0.1)
    assert control.mean(dim=0).abs().max() < 0.15 * strength
    assert correlations(control.flatten(1)) < 0.2


def test_elastic_displacements_are_bicubic_between_the_control_points():
    field = displacements(0.2, 50)
    expected = F.interpolate(field[:, :, 2::5, 2::5], size=SIZE, mode="bicubic", align_corners=False)
    inside = slice(2, 28)
    torch.testing.assert_close(field[:, :, inside, inside], expected[:, :, inside, inside], atol=1e-3, rtol=0)


def test_affine_and_elastic_distortion_add_up():
    both, alone, elastic = (places(20, 28, *strengths) for strengths in ((0.5, 0.2), (0.5, 0), (0, 0.2)))
    inside, pixel = slice(8, 20), torch.arange(28.0).expand(28, 28)
    expected = alone + elastic - torch.stack([pixel, pixel.T])
    torch.testing.assert_close(both[..., inside, inside], expected[..., inside, inside], atol=1e-3, rtol=0)


def test_sampling_is_bicubic():
    """A thin line shows the kernel of cubic convolution (Keys 1981, with a = -0.75 as in torch)."""
    line = torch.zeros(50, 1, 28, 28)
    line[..., 14] = 1
    column = places(50, 28, 1, 0)[:, 0, 10:18, 10:18]
    distance = (column - 14).abs()
    kernel = torch.where(
        distance <= 1,
        1.25 * distance**3 - 2.25 * distance**2 + 1,
        -0.75 * (distance**3 - 5 * distance**2 + 8 * distance - 4) * (distance < 2),
    )
    distorted = distort(line, 1, 0, generator())[:, 0, 10:18, 10:18]
    torch.testing.assert_close(distorted, kernel.clamp(0, 1), atol=1e-4, rtol=0)


def test_paper_continues_outside_of_the_image():
    distorted = distort(torch.ones(200, 1, 28, 28), 1, 0, generator())
    assert (distorted.amin(dim=(1, 2, 3)) < 0.1).sum() > 100  # a corner was sampled outside
    assert distorted[..., 10:18, 10:18].min() > 0.999


def test_each_image_has_its_own_draw(test_split):
    same = test_split[0][:1].repeat(50, 1, 1, 1)
    for strengths in ({"affine": 1, "elastic": 0}, {"affine": 0, "elastic": 1}):
        distorted = distort(same, **strengths, generator=generator())
        assert len(distorted.flatten(1).unique(dim=0)) == 50


def test_nothing_happens_without_strength(test_split):
    images = test_split[0][:20]
    assert distort(images, 0, 0) is images
    nearly_nothing = distort(images, 1e-6, 1e-6, generator())
    torch.testing.assert_close(nearly_nothing, images / 255, atol=1e-3, rtol=0)


def test_range_shape_and_input_kinds(test_split):
    images = test_split[0][:100]
    before = images.clone()
    distorted = distort(images, 1, 1, generator())
    assert distorted.shape == images.shape
    assert distorted.dtype == torch.float32
    assert distorted.min() == 0
    assert distorted.max() == 1
    assert torch.equal(images, before)
    assert torch.equal(distorted, distort(images / 255, 1, 1, generator()))
    assert torch.equal(distorted, distort((images / 255).double(), 1, 1, generator()))
    assert distort(images[:0], 1, 1).shape == (0, 1, 28, 28)


def test_the_work_is_done_on_the_images_device():
    distorted = distort(torch.empty(3, 1, 28, 28, device="meta"), 1, 1)  # refuses to be mixed with the CPU's tensors
    assert distorted.device.type == "meta"
    assert distorted.shape == (3, 1, 28, 28)


def test_same_seed_same_distortion(test_split):
    images = test_split[0][:10]
    assert torch.equal(distort(images, generator=generator(1)), distort(images, 0.6, 0.5, generator(1)))
    assert not torch.equal(distort(images, generator=generator(1)), distort(images, generator=generator(2)))
    torch.manual_seed(1)  # the global generator is the default one
    assert torch.equal(distort(images), distort(images, generator=generator(1)))

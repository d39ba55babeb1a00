import pytest
import torch

from mnist_cnn.augment import distort


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_image_has_its_own_draw(test_split):
    same = test_split[0][:1].repeat(50, 1, 1, 1)
    for strengths in ({"affine": 1, "elastic": 0}, {"affine": 0, "elastic": 1}):
        distorted = distort(same, **strengths, generator=generator())
        assert len(distorted.flatten(1).unique(dim=0)) == 50


def test_nothing_happens_without_strength(test_split):
    images = test_split[0][:20]
    assert torch.equal(distort(images, 0, 0), images)
    nearly_nothing = distort(images, 1e-6, 1e-6, generator())
    torch.testing.assert_close(nearly_nothing, images / 255, atol=1e-3, rtol=0)


def test_range_shape_and_input_kinds(test_split):
    images = test_split[0][:100]
    distorted = distort(images, 1, 1, generator())
    assert distorted.shape == images.shape
    assert distorted.dtype == torch.float32
    assert distorted.min() >= 0
    assert distorted.max() <= 1
    assert torch.equal(distorted, distort(images / 255, 1, 1, generator()))
    assert distort(images[:0], 1, 1).shape == (0, 1, 28, 28)


def test_same_seed_same_distortion(test_split):
    images = test_split[0][:10]
    assert torch.equal(distort(images, generator=generator(1)), distort(images, generator=generator(1)))
    assert not torch.equal(distort(images, generator=generator(1)), distort(images, generator=generator(2)))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_strength_is_what_the_docstring_says(strength):
    dot = torch.zeros(4000, 1, 28, 28)
    dot[:, :, 13:15, 13:15] = 1
    rows = torch.arange(28.0) + 0.5
    moved = distort(dot, strength, 0, generator()).sum(dim=(1, 3))
    centre = (moved * rows).sum(1) / moved.sum(1) - 14
    assert abs(centre.mean()) < 0.05  # no drift
    assert 1.9 * strength < centre.abs().max() < 2.1 * strength * 1.2  # up to 2 pixels, which the scale may stretch
    moved = distort(dot, 0, strength, generator()).sum(dim=(1, 3))
    centre = (moved * rows).sum(1) / moved.sum(1) - 14
    assert 0.5 * strength < centre.std() < 1.1 * strength

"""Damaged digits, after the fifteen kinds of MNIST-C (Mu and Gilmer 2019, MNIST-C: a robustness benchmark).

Written anew from their description, with SciPy: the strengths are similar, not the same.
"""

import numpy as np
from scipy import ndimage


def damages(images, rng):
    """Yield (name, images) for each kind. images: float (N, 28, 28), 0 is paper, 1 is ink; rng: numpy Generator."""
    uniform = lambda *shape: rng.random((*shape, *images.shape))
    each = lambda change: np.stack([change(image) for image in images])
    yield "shot noise", np.minimum(rng.poisson(images * 5) / 5, 1)
    spikes = uniform()
    yield "impulse noise", np.where(spikes < 0.07, 0, np.where(spikes > 0.93, 1, images))
    yield "glass blur", each(lambda image: _blur(_shuffled(_blur(image, 0.7), rng), 0.7))
    yield "motion blur", each(lambda image: _along(image, rng.uniform(0, np.pi)))
    yield "shear", each(lambda image: _mapped(image, [[1, 0], [rng.choice([-1, 1]) * rng.uniform(0.2, 0.4), 1]]))
    yield "scale", each(lambda image: _mapped(image, np.eye(2) / rng.uniform(0.5, 0.8)))
    angles = rng.choice([-1, 1], len(images)) * rng.uniform(np.pi / 9, np.pi / 6, len(images))
    turns = np.moveaxis(np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]), 2, 0)
    yield "rotate", np.stack([_mapped(image, turn) for image, turn in zip(images, turns)])
    yield "brightness", np.minimum(images + 0.6, 1)
    yield "translate", each(lambda image: ndimage.shift(image, rng.choice([-1, 1], 2) * rng.integers(3, 6, 2)))
    yield "stripe", np.where(np.arange(28) // 7 % 3 == 0, 1 - images, images)
    yield "fog", np.minimum(images * 0.55 + 0.45 * each(lambda image: ndimage.zoom(rng.random((4, 4)), 7, order=1)), 1)
    drops = ndimage.gaussian_filter(rng.normal(size=images.shape), (0, 1.2, 1.2))
    yield "spatter", np.where(drops > np.quantile(drops, 0.95, axis=(1, 2), keepdims=True), 0.6, images)
    yield "dotted line", each(lambda image: np.maximum(image, _line(rng, dotted=True)))
    yield "zigzag", each(lambda image: np.maximum(image, _line(rng, dotted=False)))
    large = ndimage.zoom(images, (1, 2, 2), order=1) > 0.5
    yield "canny edges", large & ~ndimage.binary_erosion(large, np.ones((1, 3, 3)))


def _blur(image, sigma):
    return ndimage.gaussian_filter(image, sigma)


def _shuffled(image, rng):
    """Each pixel takes the place of a neighbour."""
    places = np.indices(image.shape) + rng.integers(-1, 2, (2, *image.shape))
    return image[tuple(places.clip(0, 27))]


def _along(image, angle, length=7):
    """Blurred along a line."""
    steps = np.linspace(-0.5, 0.5, length) * length
    return np.mean([ndimage.shift(image, (s * np.sin(angle), s * np.cos(angle)), order=1) for s in steps], axis=0)


def _mapped(image, matrix):
    """Each place (y, x) from the centre shows what was at matrix @ (y, x)."""
    centre = np.array([13.5, 13.5])
    return ndimage.affine_transform(image, matrix, centre - np.asarray(matrix) @ centre, order=1)


def _line(rng, dotted):
    """A line from one side to the other: straight and dotted, or a zigzag."""
    page, x = np.zeros((28, 28)), np.arange(28)
    y = rng.uniform(3, 25) + np.linspace(0, rng.uniform(-8, 8), 28)
    if not dotted:
        y = y + 2.5 * (2 * np.abs(x / 4 % 2 - 1) - 1)
    shown = (x % 3 < 1) if dotted else np.ones(28, bool)
    page[y.round().astype(int).clip(0, 27)[shown], x[shown]] = 1
    return np.maximum(page, 0.8 * ndimage.shift(page, (1, 0), order=0)) if not dotted else page

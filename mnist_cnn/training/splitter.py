"""Training of the splitter, which tells the cuts that separate digits from all others. See handwriting/cuts.py."""

import numpy as np
import torch
from scipy import ndimage

from mnist_cnn.handwriting.centering import FIT
from mnist_cnn.handwriting.cuts import UNIT, possible_cuts, windows
from mnist_cnn.model import MNIST_CNN
from mnist_cnn.training.augment import distort
from mnist_cnn.training.fit import fit

DIGITS = 6  # in a string
DARK = 0.2  # ink of a digit's outline, of 1
OVERLAP = 4  # pixels by which neighbours overlap, at most
UPWARDS = 3  # pixels that a digit stands higher or lower, at most
SIZES = 0.75, 1.05  # heights of a digit, as they are estimated
GOOD, BAD = 0.02, 0.15  # share of a digit's ink on the wrong side of a cut: below, it is right; above, it is wrong
KEPT = 0.25  # share of the cuts that is trained on: neighbours are much alike


def train_splitter(model, cuts, answers, seed=0):
    """Train the splitter of a model. Only `model.splitter` is changed, at the end.

    model: MNIST_CNN on any device; cuts, answers: as `make_cuts` returns them. Without cuts, the splitter is reset:
        nothing is cut.
    """
    torch.manual_seed(seed)
    network = MNIST_CNN(model.mean, model.std, classes=2)
    if len(cuts) == 0:
        model.splitter.load_state_dict(network.splitter.state_dict())
        return
    network = fit(network, *(part.to(model.mean.device) for part in (cuts, answers)))
    model.splitter.load_state_dict(network.layers.state_dict())


def make_cuts(images, strings, seed=0):
    """Cut strings of touching images, and single ones, in every possible place.

    images: uint8 (N, 1, 28, 28), N from 1, on any device; strings: how many are made of them.
    Returns the ink around the cuts in random order, uint8 (M, 1, 28, 28), as `handwriting.cuts.windows` does, and the
    answers, float32 (M, 2): whether a cut is wrong, and right. One that is nearly right is partly both.
    """
    if strings == 0:
        return images[:0].cpu(), torch.zeros(0, 2)
    generator, random = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    parts = ([digits, digits[:1], digits[1:2]] for digits in _digits(images, strings, generator))
    found = [_cut(part, random) for digits in parts for part in digits]
    cuts, right = (torch.cat(part) for part in zip(*found))
    order = torch.randperm(len(cuts), generator=generator)
    return cuts[order], torch.stack([1 - right, right], dim=1)[order]


def _digits(images, strings, generator):
    """Neighbours in the file, often by one hand, distorted: float32 (DIGITS, 28, 28) for each string."""
    first = torch.randint(max(1, len(images) - DIGITS), (strings, 1), generator=generator)
    chosen = images[((first + torch.arange(DIGITS)) % len(images)).to(images.device)].cpu()
    for part in chosen.split(100):
        yield from distort(part.flatten(0, 1), generator=generator).view(-1, DIGITS, 28, 28).numpy()


def _cut(digits, random):
    """Windows around the cuts of a string, and how well each cut separates two of its digits, 0 to 1."""
    layers = _side_by_side(digits, random)
    scale = random.uniform(*SIZES) * UNIT / FIT
    layers = ndimage.zoom(layers, (1, scale, scale), order=1)
    rows = np.flatnonzero((layers > DARK).any(axis=(0, 2)))
    layers = layers[:, rows[0] : rows[-1] + 1] if len(rows) else layers
    page = layers.max(axis=0)
    paths = possible_cuts(page)
    paths = paths[random.random(len(paths)) < KEPT]
    left, right = np.maximum.accumulate(layers), np.maximum.accumulate(layers[::-1])[::-1]
    own = left[:-1] - right[1:]  # ink of the digits before each boundary, and with the other sign of those after it
    wrong = own.clip(0).sum(axis=2, keepdims=True) - np.cumsum(own, axis=2)  # if a row is cut after each column
    wrong = np.take_along_axis(wrong, paths.T.clip(0, page.shape[1] - 1)[None], axis=2).sum(axis=1)
    share = wrong.min(axis=0, initial=np.inf) / max(1, np.median(layers.sum((1, 2))))
    right = ((BAD - share) / (BAD - GOOD)).clip(0, 1)
    return windows(page, paths), torch.from_numpy(right.astype(np.float32))


def _side_by_side(digits, random):
    """Move digits until each touches or overlaps the one before: float32 (N, H, W), each in a layer of its own."""
    ups = random.integers(2 * UPWARDS + 1, size=len(digits))
    digits = [np.pad(digit, ((up, 2 * UPWARDS - up), (0, 0))) for digit, up in zip(digits, ups)]
    columns, places, outline = np.arange(28), [], np.full(28 + 2 * UPWARDS, -np.inf)
    for digit in digits:
        first = np.where(digit > DARK, columns, np.inf).min(axis=1)
        last = np.where(digit > DARK, columns, -np.inf).max(axis=1)
        touching = (ndimage.maximum_filter1d(outline, 3) - first).max() + 1
        places.append(max(0, int(touching - random.integers(OVERLAP))) if np.isfinite(touching) else len(places) * 28)
        outline = np.maximum(outline, places[-1] + last)
    layers = np.zeros((len(digits), len(outline), max(places) + 28), np.float32)
    for layer, digit, place in zip(layers, digits, places):
        layer[:, place : place + 28] = digit
    return layers

"""Images that belong to no class, made by program: scribbles, letters, signs, shapes, pieces of training images, noise.

A network that has seen them can tell its digits from anything else. Hendrycks et al. 2019 (Deep anomaly detection with
outlier exposure) use photographs; these images need no data besides the training images and a font of matplotlib.
"""

import math
import unicodedata

import matplotlib
import numpy as np
import torch
from matplotlib.ft2font import FT2Font
from PIL import ImageFont
from torch.nn import functional as F

from mnist_cnn.handwriting import center
from mnist_cnn.training.augment import distort
from mnist_cnn.training.drawn_digits import arc
from mnist_cnn.training.pen import SIDE, draw

COUNTS = 0.3, 0.3, 0.22, 0.13, 0.05  # how many of the scribbles have one, two, ... strokes
POINTS = 32  # of a stroke
LATIN = "ABCDEFGHJKLMNPQRTUVWXYacdefhkmnprtuvwxyÄÖÜßäöü"
MARKS = "+=×÷%&#@?!*€$£§<>~±"
LIKE_DIGITS = "OoIilSsZzbqgjΟοΙιОоІіЗзЅѕбՕօ"  # letters that people write as they write digits
FONT = matplotlib.get_data_path() + "/fonts/ttf/DejaVuSans.ttf"


def make_outliers(images, n, seed=0):
    """Make images of no class, the same for the same seed, in random order: uint8 (n, 1, 28, 28), on the CPU.

    images: uint8 (N, 1, 28, 28), the training images, on any device. Pieces of them are used.
    """
    images, generator = images.cpu(), torch.Generator().manual_seed(seed)
    if n == 0:
        return images[:0]
    *drawn, cut = (n * percent // 100 for percent in (32, 30, 14, 12, 8))
    made = [kind(count, generator) for kind, count in zip((scribbles, letters, signs, shapes), drawn)]
    made += [pieces(images, cut, generator), noise(images, n - sum(drawn) - cut, generator)]
    return torch.cat(made)[torch.randperm(n, generator=generator)]


def scribbles(n, generator=None):
    """Draw up to five strokes each, like letters of unknown alphabets: uint8 (n, 1, 28, 28).

    A stroke is a curve through two to four nodes, which lie near a lattice of three columns and four rows.
    """
    strokes = len(COUNTS)
    nodes = torch.rand(n, strokes, 4, 2, generator=generator) * torch.tensor([3, 4])
    nodes = nodes.floor() / torch.tensor([2, 3]) + 0.08 * torch.randn(n, strokes, 4, 2, generator=generator)
    nodes *= torch.stack([0.4 + 0.8 * torch.rand(n, generator=generator), torch.ones(n)], 1)[:, None, None]
    last = torch.randint(1, 4, (n, strokes, 1), generator=generator)  # the nodes after it are not visited
    last[:, 0].clamp_(min=2)  # the first stroke is never a mere line, or digits 1 would look like it
    nodes = nodes.gather(2, torch.arange(4).minimum(last)[..., None].expand(-1, -1, -1, 2))
    t = torch.linspace(0, 1, POINTS)[:, None]
    sharp = (1 - (3 * t - torch.arange(4)).abs()).clamp(min=0)  # straight lines from node to node
    smooth = torch.cat([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3], 1)  # a Bezier curve
    roundness = (2 * torch.rand(n, strokes, 1, 1, generator=generator) - 0.7).clamp(0, 1)
    points = (sharp + roundness * (smooth - sharp)) @ nodes
    count = 1 + torch.bucketize(torch.rand(n, generator=generator), torch.tensor(COUNTS).cumsum(0)[:-1])
    width = 1.5 + 2.3 * torch.rand(n, generator=generator) ** (1 + 0.5 * count)
    blur = 1 + 0.6 * torch.rand(n, generator=generator)
    return draw(points, torch.arange(strokes) < count[:, None], width, blur)


def signs(n, generator=None):
    """Draw signs and letters that people write beside digits, with a pen: uint8 (n, 1, 28, 28)."""
    points, drawn = torch.zeros(n, STROKES, POINTS, 2), torch.zeros(n, STROKES, dtype=torch.bool)
    for k, which in enumerate(torch.randint(len(SIGNS), (n,), generator=generator).tolist()):
        for i, nodes in enumerate(SIGNS[which]):
            nodes = torch.tensor(nodes).T + 0.05 * _between(torch.randn(2, 3, generator=generator), len(nodes))
            points[k, i] = _between(nodes, POINTS).T
            drawn[k, i] = True
    slant, aspect, width = torch.rand(3, n, 1, 1, generator=generator)
    x, y = points.unbind(3)
    points = torch.stack([x * (0.6 + 0.6 * aspect) + (0.5 - y) * (0.7 * slant - 0.2), y], 3)
    return draw(points, drawn, 1.6 + 2.4 * width.flatten() ** 1.5, torch.ones(n))


def _between(nodes, n):
    """n points, evenly spaced on straight lines through nodes (2, N): (2, n)."""
    return F.interpolate(nodes[None], n, mode="linear", align_corners=True)[0]


def shapes(n, generator=None):
    """Draw polygons, stars, hearts and circles, with marks inside, as of a face: uint8 (n, 1, 28, 28)."""
    kind, marks = torch.randint(4, (n, 1), generator=generator), torch.rand(n, 4, 1, 1, 2, generator=generator)
    half = math.pi / torch.randint(3, 6, (n, 1), generator=generator)  # the angle of half an edge
    t = torch.linspace(0, 2 * math.pi, 2 * POINTS)
    edge = (t % (2 * half) - half) / half  # from -1 to 1 along an edge
    turn, depth, aspect = torch.rand(3, n, 1, generator=generator)
    polygon, star = half.cos() / (edge * half).cos(), 1 - (0.3 + 0.4 * depth) * (1 - edge.abs())
    radius = torch.where(kind == 0, polygon, torch.where(kind == 1, star, 1))
    angle = t + 2 * math.pi * turn * (kind < 2)
    outline = torch.stack([radius * angle.sin(), -radius * angle.cos()], 2)
    heart = torch.stack([t.sin() ** 3, (5 * (2 * t).cos() + 2 * (3 * t).cos() + (4 * t).cos() - 13 * t.cos()) / 16], 1)
    outline = torch.where(kind[..., None] == 2, heart, outline)
    place, bend = 1.1 * (marks - 0.5), torch.randn(n, 4, 2, 1, 2, generator=generator) * 0.3
    along = torch.linspace(-1, 1, 2 * POINTS)[:, None]
    inside = place[:, :, 0] + bend[:, :, 0] * along + bend[:, :, 1] * (along**2 - 0.5)
    points = torch.cat([outline[:, None], inside], 1) * torch.stack([0.6 + 0.6 * aspect, torch.ones(n, 1)], 2)[:, None]
    few = torch.randint(4, (n, 1), generator=generator)
    few = torch.where(kind == 3, 3 + few // 2, few)  # an empty circle is a 0, one with a bar a slashed 0
    width, blur = torch.rand(2, n, generator=generator)
    return draw(points, torch.arange(5) <= few, 1.5 + 2 * width, 1 + 0.6 * blur)


def letters(n, generator=None):
    """Letters of DejaVu Sans, distorted, half of them Latin or marks, others of all alphabets: uint8 (n, 1, 28, 28)."""
    font = ImageFont.truetype(FONT, size=40, layout_engine=ImageFont.Layout.BASIC)
    known = []
    plain = lambda letter: unicodedata.category(letter)[0] == "L" and not unicodedata.decomposition(letter)  # no accent
    others = filter(plain, map(chr, sorted(FT2Font(FONT).get_charmap())))
    for letter in [*LATIN, *MARKS, *(letter for letter in others if letter not in LIKE_DIGITS)]:
        mask = font.getmask(letter)
        if min(mask.size) > 2:
            known.append(center(np.asarray(mask, np.uint8).reshape(mask.size[::-1])))
    common = torch.rand(n, generator=generator) < 0.5
    most = torch.where(common, len(LATIN + MARKS), len(known))
    chosen = torch.stack(known)[(torch.rand(n, generator=generator) * most).long()]
    contrast, pen_width = torch.rand(2, n, 1, 1, 1, generator=generator)
    contrast = 1 + 0.6 * contrast  # as soft as a photograph that was scaled down, up to as sharp as MNIST
    thinned = distort(chosen, 1.5, 0.5, generator) - (1 - pen_width) * (1 - 1 / contrast)
    return _uint8(thinned * contrast)


def pieces(images, n, generator=None):
    """Two images squeezed into one, overlaid or cut and joined, and images shuffled or turned: uint8 (n, 1, 28, 28)."""
    a, b = images[torch.randint(len(images), (2, n), generator=generator)].float()
    across = torch.rand(n, 1, 1, 1, generator=generator) < 0.5  # join them side by side, or one above the other
    a, b = (torch.where(across, image, image.mT) for image in (a, b))
    pair = torch.cat([a[..., 3:-3], b[..., 3:-3]], 3)
    narrow = F.interpolate(pair, (SIDE, SIDE), mode="area")
    small = F.pad(F.interpolate(pair, (14, 22), mode="area"), (3, 3, 7, 7))
    halves = torch.cat([a[..., :14], b[..., 14:]], 3)
    made = torch.stack([narrow, small, halves, torch.maximum(a, b), a.roll((14, 14), (2, 3)), a.rot90(1, (2, 3))])
    made = made[torch.randint(len(made), (n,), generator=generator), torch.arange(n)]
    return torch.where(across, made, made.mT).round().to(torch.uint8)


def noise(images, n, generator=None):
    """White noise, specks, dirty images, clouds, spots, boxes, frames and plain grey: uint8 (n, 1, 28, 28)."""
    grey = torch.rand(n, 1, SIDE, SIDE, generator=generator)
    share, level, filled = torch.rand(3, n, 1, 1, 1, generator=generator)
    image = images[torch.randint(len(images), (n,), generator=generator)] / 255
    dirty = torch.where(torch.rand(grey.shape, generator=generator) < 0.3 * share, grey.round(), image)
    clouds = F.interpolate(grey[..., :5, :5], (SIDE, SIDE), mode="bicubic")
    low, high = torch.rand(2, n, 2, 1, generator=generator) * torch.tensor([0.5, -0.5]).view(2, 1, 1, 1) * SIDE
    inside = (torch.arange(SIDE) + 0.5 > low) & (torch.arange(SIDE) + 0.5 < high + SIDE)
    box = (inside[:, :1, :, None] & inside[:, 1:, None]) * level
    plain = ((filled > 0.2) * level).expand_as(grey)  # and empty
    made = torch.stack([grey, (grey < share) * level, dirty, clouds, (clouds > share).float(), box, level - box, plain])
    return _uint8(made[torch.randint(len(made), (n,), generator=generator), torch.arange(n)])


def _uint8(pixels):
    return (pixels.clamp(0, 1) * 255).round().to(torch.uint8)


# --- The signs: strokes of points; y from 0 (top) to 1, x about as wide ---

STROKES = 5  # of a sign, at most
STEM = [(-0.2, 0.0), (-0.2, 1.0)]
SIGNS = [
    [[(-0.3, 0.5), (0.3, 0.5)], [(0, 0.2), (0, 0.8)]],  # plus
    [[(-0.3, 0.4), (0.3, 0.4)], [(-0.3, 0.6), (0.3, 0.6)]],  # equal
    [[(-0.3, 0.2), (0.3, 0.8)], [(0.3, 0.2), (-0.3, 0.8)]],  # times, or x
    [[(-0.3, 0.5), (0.3, 0.5)], [(0, 0.22), (0, 0.24)], [(0, 0.76), (0, 0.78)]],  # divided by
    [[(0, 0.2), (0, 0.8)], [(-0.27, 0.35), (0.27, 0.65)], [(-0.27, 0.65), (0.27, 0.35)]],  # asterisk
    [[(0.3, 0.2), (-0.3, 0.5), (0.3, 0.8)]],  # less
    [[(-0.3, 0.2), (0.3, 0.5), (-0.3, 0.8)]],  # greater
    [[(0.3, 0.0), (-0.3, 1.0)], arc(-0.25, 0.2, 0.13, 0.15, 0, 1), arc(0.25, 0.8, 0.13, 0.15, 0, 1)],  # percent
    [[(-0.1, 0), (-0.2, 1)], [(0.2, 0), (0.1, 1)], [(-0.35, 0.33), (0.35, 0.33)], [(-0.35, 0.67), (0.35, 0.67)]],  # #
    [[*arc(0, 0.25, 0.25, 0.25, -0.25, 0.7), (0, 0.6), (0, 0.75)], [(0, 0.95), (0, 0.97)]],  # question
    [arc(0.05, 0.5, 0.35, 0.5, 0.12, -0.75), [(-0.4, 0.4), (0.15, 0.4)], [(-0.4, 0.58), (0.12, 0.58)]],  # euro
    [[*arc(0, 0.3, 0.25, 0.2, 0.2, -0.7), *arc(0, 0.7, 0.25, 0.2, 0, 0.7)], [(0, 0.0), (0, 1.0)]],  # dollar
    [arc(0, 0.5, 0.15, 0.17, 0.25, 1.15), arc(0, 0.5, 0.42, 0.5, 0.25, -0.9)],  # at
    [[(-0.35, 1.0), (0, 0.0), (0.35, 1.0)], [(-0.22, 0.6), (0.22, 0.6)]],  # A
    [STEM, arc(0, 0.7, 0.2, 0.25, -0.25, 0.5), [(0.2, 0.7), (0.2, 1.0)]],  # h
    [STEM, [(0.25, 0.35), (-0.2, 0.7)], [(-0.1, 0.6), (0.25, 1.0)]],  # k
    [*([(x, 0.4), (x, 1.0)] for x in (-0.4, 0, 0.4)), *(arc(x, 0.55, 0.2, 0.2, -0.25, 0.5) for x in (-0.2, 0.2))],  # m
    *([arc(0, 0.5, bend, 0.6, 0.1, 0.3)] for bend in (0.4, -0.4)),  # parentheses
    *([[(0, 0), (x, 0), (x, 1), (0, 1)]] for x in (0.2, -0.2)),  # brackets
    [[(-0.3, 0.6), (-0.1, 1.0), (0.4, 0.0)]],  # check mark
    *([[(-0.5, 0.5), (0.5, 0.5)], [(0.2 * end, 0.3), (0.5 * end, 0.5), (0.2 * end, 0.7)]] for end in (1, -1)),  # arrows
]

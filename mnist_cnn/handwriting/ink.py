"""Tell ink from paper.

density: float32 (H, W), how much ink each pixel has, about 0 on paper.
"""

import numpy as np
from scipy import ndimage

from mnist_cnn.handwriting.paper import EIGHT_CONNECTED, blocks_of, border, ink_density

THICK, WIDE = 8, 0.1  # a shadow is so many times as thick as the strokes, and so thick, in the picture's longer side
SHADOW = 0.1  # and so much of what looks like ink, at least


def ink_of(tone):
    """Tell ink from paper, and from shadows on it: (ink, mask), as `find_ink` returns them."""
    ink, mask = find_ink(*ink_density(tone))
    wide = WIDE * max(mask.shape)
    if not blocks_of(mask[..., None], max(1, int(wide / 3))).all(axis=(1, 3)).any():
        return ink, mask
    thickness = 2 * distance_to_edge(mask)
    middle = mask & (thickness >= ndimage.maximum_filter(thickness, 3))  # of strokes and shadows
    wide = max(wide, THICK * np.median(thickness[middle]))
    return find_ink(*ink_density(tone, int(wide / 2))) if (thickness[mask] > wide).mean() > SHADOW else (ink, mask)


def find_ink(density, smooth, noise):
    """Tell ink from paper, by what `ink_density` returns.

    Returns (ink, mask): float32 (H, W), 1 where there is as much ink as in most strokes, and bool (H, W), the strokes.
    Raises ValueError if nothing stands out from the paper.
    """
    threshold = _otsu(smooth)
    some = smooth[smooth > max(3 * noise, 0.3 * threshold)]
    nothing = ValueError("expected ink, found none that stands out from the paper: raise the contrast, or move closer")
    if some.size == 0:
        raise nothing
    peak = np.median(smooth[smooth >= max(threshold, _otsu(some))])
    likely = smooth > max(3 * noise, 0.3 * peak)
    reach = max(3, max(smooth.shape) // 150)  # fainter ink is part of a stroke only near darker ink: not a grid
    mask = ndimage.binary_dilation(likely & (smooth > 0.6 * peak), EIGHT_CONNECTED, reach, likely)
    faint = peak < 0.02
    if noise:
        faint = peak < max(0.07, 4.5 * noise) or (peak < 0.2 and border(mask).any())
    if faint or not mask.any():
        raise nothing
    full = smooth.max() if peak > 0.9 * smooth.max() and not noise else peak
    return np.where(smooth > 2 * noise, density / full, 0).clip(0, 1).astype(np.float32), mask


def _otsu(values):
    """The threshold that splits the values into two groups with the largest variance between them (Otsu 1979)."""
    if np.ptp(values) < 1e-5:
        return values.min()
    counts, edges = np.histogram(values, 256)
    below = np.cumsum(counts)[:-1].astype(float)
    total = np.cumsum(counts * (edges[1:] + edges[:-1]) / 2)
    between = (total[-1] * below / len(values.ravel()) - total[:-1]) ** 2
    return edges[1:-1][np.argmax(between / np.maximum(below * (below[-1] + counts[-1] - below), 1))]


def stroke_width(mask):
    """Return the mean stroke width. The mean distance to the edge of a stroke of width w is w / 4 + 1 / 2."""
    return 4 * distance_to_edge(mask)[mask].mean() - 2


def distance_to_edge(mask):
    """How far each pixel of ink is from the nearest paper, also beyond the frame: (H, W)."""
    return ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]

"""Random distortion of images, drawn separately for each image.

Affine distortion follows LeCun et al. 1998 (Gradient-based learning applied to document recognition). Elastic
distortion follows Simard et al. 2003 (Best practices for convolutional neural networks applied to visual document
analysis), but interpolates displacements on a coarse grid instead of filtering dense ones.
"""

from functools import lru_cache

import torch
from torch.nn import functional as F

ROTATION = 12 * torch.pi / 180  # radians, the largest at affine strength 1
SCALE = 0.12  # share of the size, along each axis
SHEAR = 0.2  # columns per row
SHIFT = 2.0  # pixels
CONTROL = 6  # elastic displacements are drawn on a CONTROL x CONTROL grid


def distort(images, affine=0.6, elastic=0.5, generator=None):
    """Distort each image by its own random affine and elastic transform.

    images: (N, 1, H, H), uint8 or floating point in [0, 1], on any device.
    affine: strength. At 1, rotation is up to 12 degrees, scale up to 12%, shear up to 0.2 and shift up to 2 pixels,
        each drawn uniformly.
    elastic: standard deviation, in pixels, of the displacements on a 6x6 grid.
    generator: torch.Generator on the images' device; None uses the global one.
    Returns float32 in [0, 1] of the same shape. If both strengths are 0, returns the images unchanged.
    """
    if affine == 0 and elastic == 0:
        return images
    n, size, device = len(images), images.shape[-1], images.device
    uniform = torch.rand(n, 6, device=device, generator=generator) * 2 - 1
    angle, shear = ROTATION * affine * uniform[:, 0], SHEAR * affine * uniform[:, 1]
    scale_x, scale_y = (1 + SCALE * affine * uniform[:, 2:4]).unbind(1)
    shift_x, shift_y = (SHIFT * affine * 2 / size * uniform[:, 4:6]).unbind(1)
    cos, sin = angle.cos(), angle.sin()

    # The sampling positions are linear in these draws, so one matrix product computes all of them.
    coefficients = torch.empty(n, 2, 3 + CONTROL**2, device=device)
    coefficients[:, 0, 0], coefficients[:, 0, 1], coefficients[:, 0, 2] = scale_x * cos, shear - sin, shift_x
    coefficients[:, 1, 0], coefficients[:, 1, 1], coefficients[:, 1, 2] = sin, scale_y * cos, shift_y
    coefficients[:, :, 3:] = torch.randn(n, 2, CONTROL**2, device=device, generator=generator) * (elastic * 2 / size)
    grid = (coefficients @ _basis(size, device)).view(n, 2, size, size).permute(0, 2, 3, 1)

    pixels = images.float().div_(255) if images.dtype == torch.uint8 else images.float()
    # Bilinear sampling would blur the training digits, but not the test digits.
    return F.grid_sample(pixels, grid, mode="bicubic", padding_mode="zeros", align_corners=False).clamp_(0, 1)


@lru_cache
def _basis(size, device):
    """(3 + CONTROL**2, size**2): x, y and 1 at each pixel, then the bicubic basis function of each control point."""
    axis = (torch.arange(size) + 0.5) * 2 / size - 1  # pixel centres, in the coordinates of affine_grid
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    splines = F.interpolate(torch.eye(CONTROL**2).view(-1, 1, CONTROL, CONTROL), size=(size, size), mode="bicubic")
    return torch.cat([torch.stack([x, y, torch.ones_like(x)]), splines.squeeze(1)]).flatten(1).to(device)

"""Batch normalisation while training, absorbed by the network's own weights afterwards.

Ioffe and Szegedy 2015 (Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift),
here behind the first pooling: there it costs little, and the convolution that follows, linear and without padding,
absorbs it exactly.
"""

import copy

import torch
from torch import nn


class _BatchNorm(nn.BatchNorm2d):
    """Without parameters, and in the contiguous memory format: on a CPU its backward pass is slow in channels-last."""

    def __init__(self, channels, device):
        super().__init__(channels, affine=False, device=device)

    def forward(self, maps):
        normalized = super().forward(maps.contiguous())
        if normalized.requires_grad:
            normalized.register_hook(torch.Tensor.contiguous)
        return normalized


def insert(model):
    """A copy of an MNIST_CNN that normalises what the first pooling returns; it has no further parameters."""
    model = copy.deepcopy(model)
    convolution, relu, pooling, *others = model.layers
    norm = _BatchNorm(convolution.out_channels, model.mean.device)
    model.layers = nn.Sequential(convolution, relu, pooling, norm, *others)
    return model


@torch.no_grad()
def absorb(model):
    """The reverse of `insert`: a plain MNIST_CNN, in eval mode, with the logits of `model` in eval mode, to rounding.

    The second convolution takes the running mean and variance into its weight (out, in, 5, 5) and bias (out,).
    A model without batch normalisation is copied as it is.
    """
    model = copy.deepcopy(model).eval()
    if not isinstance(model.layers[3], _BatchNorm):
        return model
    convolution, relu, pooling, norm, second, *others = model.layers
    scale = (norm.running_var + norm.eps).rsqrt()
    second.weight *= scale.view(-1, 1, 1)
    second.bias -= (second.weight * norm.running_mean.view(-1, 1, 1)).sum(dim=(1, 2, 3))
    model.layers = nn.Sequential(convolution, relu, pooling, second, *others)
    return model

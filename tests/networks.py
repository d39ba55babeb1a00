"""Networks with other layers than the project's, as a reader may write them."""

import torch
from torch import nn

from mnist_cnn.model import MNIST_CNN

BLOCK = lambda *layers: [*layers, nn.ReLU(), nn.MaxPool2d(2)]


def END(inputs, *between, classes=10):
    return [nn.Flatten(), nn.Linear(inputs, 50), *between, nn.Linear(50, classes)]


NETWORKS = {  # a reader's: the layers, and what the pad writes above their feature maps
    "20, 40, 100 channels": (
        lambda: [
            *BLOCK(nn.Conv2d(1, 20, 5)),
            *BLOCK(nn.Conv2d(20, 40, 5)),
            *(nn.Conv2d(40, 100, 4), nn.ReLU(), nn.Flatten(), nn.Linear(100, 10)),
        ],
        ["Convolution 1, 20 maps", "Convolution 2, 40 maps", "Convolution 3, 40 of 100 maps"],
    ),
    "300 channels": (
        lambda: [*BLOCK(nn.Conv2d(1, 300, 5)), *BLOCK(nn.Conv2d(300, 8, 5)), *END(128)],
        ["Convolution 1, 40 of 300 maps", "Convolution 2, 8 maps"],
    ),
    "kernel 3 with padding": (
        lambda: [*BLOCK(nn.Conv2d(1, 10, 3, padding=1)), *BLOCK(nn.Conv2d(10, 20, 3, padding="same")), *END(980)],
        ["Convolution 1, 10 maps", "Convolution 2, 20 maps"],
    ),
    "kernels and strides that are not square": (
        lambda: [
            *BLOCK(nn.Conv2d(1, 6, (4, 6), (2, 1), (0, 2))),
            *(nn.Conv2d(6, 9, 3, 2, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)),
            *END(72),
        ],
        ["Convolution 1, 6 maps", "Convolution 2, 9 maps"],
    ),
    "ReLU and dropout before the last layer": (
        lambda: [*BLOCK(nn.Conv2d(1, 10, 5)), *BLOCK(nn.Conv2d(10, 20, 5)), *END(320, nn.ReLU(), nn.Dropout())],
        ["Convolution 1, 10 maps", "Convolution 2, 20 maps"],
    ),
    "batch normalization": (
        lambda: [
            *BLOCK(nn.BatchNorm2d(1, affine=False), nn.Conv2d(1, 10, 5, bias=False), nn.BatchNorm2d(10)),
            *BLOCK(nn.Conv2d(10, 20, 5), nn.BatchNorm2d(20)),
            *END(320, nn.BatchNorm1d(50), nn.ReLU()),
        ],
        ["Convolution 1, 10 maps", "Convolution 2, 20 maps"],
    ),
    "a third convolution, 47 classes": (
        lambda: [
            *BLOCK(nn.Conv2d(1, 8, 5)),
            *BLOCK(nn.Conv2d(8, 16, 4, padding="same")),
            *BLOCK(nn.Conv2d(16, 32, 3)),
            *END(128, nn.Dropout(0.2), classes=47),
        ],
        ["Convolution 1, 8 maps", "Convolution 2, 16 maps", "Convolution 3, 32 maps"],
    ),
    "without convolutions": (lambda: END(784, nn.ReLU()), []),
}


def changed(layers, images):
    """A network with these layers, in eval mode; batch normalization has statistics of its own and random weights."""
    torch.manual_seed(0)
    network = MNIST_CNN(0.13, 0.31)
    network.layers = nn.Sequential(*layers)
    with torch.no_grad():
        for layer in network.layers:
            if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)) and layer.affine:
                layer.weight.uniform_(-1.5, 1.5)
                layer.bias.normal_()
        for _ in range(5):
            network(images)  # in train mode
    return network.eval()

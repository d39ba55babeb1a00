"""Training of the judge, which tells images of the classes from anything else. See `mnist_cnn.model.typicality`.

Hendrycks et al. 2019 (Deep anomaly detection with outlier exposure) show a network outliers while it learns its
classes. A network as small as this one would make more mistakes then, so a second one learns to tell them apart.
"""

import torch
from torch.nn import functional as F

from mnist_cnn.model import MNIST_CNN, judge_scores
from mnist_cnn.training.augment import distort
from mnist_cnn.training.fit import fit

SOFT = 0.05  # share of the training images that are blurred, as pictures are that were scaled down
MOST = 60_000  # images that are used, of any number
HELD_OUT = 5000  # images, but at most a tenth, whose scores other images are compared with


def train_judge(model, images, labels, outliers, drawn=None, seed=0):
    """Train the judge of a model to tell images of the classes from outliers, and compute the scores to compare with.

    model: MNIST_CNN on any device. Only its `judge` and its `scores` are changed, at the end.
    images: uint8 (N, 1, 28, 28), N from 2; labels: int64 (N,); outliers: uint8 (M, 1, 28, 28), see outliers.py.
        Without outliers, the judge is reset: every image is typical.
    drawn: (images, labels) of digits that are trained on, too, but never held out; see drawn_digits.py.
    """
    device, classes = model.mean.device, model.layers[-1].out_features
    if len(outliers) == 0:
        model.judge.load_state_dict(MNIST_CNN(model.mean, model.std, classes).judge.state_dict())
        model.scores.zero_()
        return
    more_images, more_labels = drawn or (images[:0], labels[:0])
    images, labels, more_images, more_labels, outliers = (
        tensor.to(device) for tensor in (images, labels, more_images, more_labels, outliers)
    )
    torch.manual_seed(seed)
    order = torch.randperm(len(images), device=device)[:MOST]
    held_out, train = order.tensor_split([max(1, min(HELD_OUT, len(order) // 10))])
    soft, sharp = train.tensor_split([round(SOFT * len(train))])
    inputs = torch.cat([_soften(images[soft]), images[sharp], more_images, outliers])
    targets = F.pad(torch.cat([labels[train], more_labels]), (0, len(outliers)), value=classes)

    network = fit(MNIST_CNN(model.mean, model.std, classes + 1), inputs, targets, distort)
    model.judge.load_state_dict(network.layers.state_dict())
    scores = judge_scores(model, images[held_out])
    model.scores.copy_(torch.quantile(scores, torch.linspace(0, 1, len(model.scores))))


def _soften(images):
    """Blur images uint8 (N, 1, H, W) a little."""
    kernel = torch.tensor([0.15, 0.7, 0.15], device=images.device)
    return F.conv2d(images.float(), torch.outer(kernel, kernel)[None, None], padding=1).round().to(torch.uint8)

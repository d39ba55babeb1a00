"""Train a network further on one's own digits, without forgetting MNIST's; train another one on other signs.

While it learns the new images, the network is shown distorted training digits, and keeps its old logits for them
(Li and Hoiem 2016, Learning without forgetting; Ba and Caruana 2014, Do deep nets really need to be deep?).
"""

import copy
import math
from pathlib import Path

import torch
from torch.nn import functional as F

from mnist_cnn.dataset import load_split, mean_std
from mnist_cnn.model import MNIST_CNN, judge_scores, predict
from mnist_cnn.training.augment import distort
from mnist_cnn.training.fit import bfloat16, descend, placed
from mnist_cnn.training.outliers import make_outliers

STEPS, OWN, REHEARSED = 300, 64, 128  # training steps; images of one's own and others in each
LEARNING_RATE = 5e-3
KEPT = 0.3  # weight of the squared change of a logit for a rehearsed digit, compared with the cross-entropy
POOL = 10_000  # training digits that are rehearsed
OUTLIERS = 3_000  # images of no class that the judge rehearses
AT_ONCE = 20  # steps whose images are distorted together, which is faster
NEW_STEPS, NEW_RATE = 1000, 1e-2  # for a network that begins from nothing
DATASET = Path(__file__).parents[2] / "dataset"


def adapt(model, images, labels, seed=0, rehearsal=None, judge=True):
    """Return a copy of the network that was trained further on images of one's own, for a few seconds.

    model: MNIST_CNN on any device, which is left as it is.
    images: uint8 (N, 1, 28, 28), N from 1, as `to_mnist` makes them; labels: int64 (N,). Ten of each class are enough
        for a clear gain.
    rehearsal: training images, uint8 (M, 1, 28, 28), whose answers are to stay; by default MNIST's.
    judge: whether the typicality is learned again, too.
    Raises ValueError for other images or labels, FileNotFoundError without MNIST.
    """
    classes = model.layers[-1].out_features
    images, labels = _checked(images, labels, classes)
    model = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[model.mean.device] if model.mean.is_cuda else []):
        torch.manual_seed(seed)
        if rehearsal is None:
            rehearsal, _ = load_split(DATASET, "train")
        rehearsal = rehearsal[torch.randperm(len(rehearsal))[:POOL]].cpu()
        model.layers.load_state_dict(_train_further(model, model.layers, images, labels, rehearsal))
        if judge and model.scores.any():  # it was trained
            pool = torch.cat([rehearsal, make_outliers(rehearsal, OUTLIERS, seed)])
            # The judge knows these digits. So that others like them are refused as seldom as before, the old scores are
            # replaced by those that as many of them are below.
            levels = (judge_scores(model, rehearsal)[:, None] < model.scores.cpu()).float().mean(dim=0)
            model.judge.load_state_dict(_train_further(model, model.judge, images, labels, pool))
            model.scores.copy_(torch.quantile(judge_scores(model, rehearsal), levels))
    return model.eval()


def cross_validate(train, images, labels, folds=3, seed=0):
    """Classify images by networks that were trained on the others. Returns labels int64 (N,).

    train: a function of images and labels that returns a network; images, labels: as for `adapt`, N from `folds`.
    """
    if len(images) < folds:
        raise ValueError(f"expected at least {folds} images, found {len(images)}: some have to be held out")
    part = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed)) % folds
    predicted = torch.empty(len(images), dtype=torch.int64)
    for fold in range(folds):
        predicted[part == fold] = predict(train(images[part != fold], labels[part != fold]), images[part == fold])[0]
    return predicted


def learn(images, labels, classes, seed=0):
    """Train a network on a small set of any signs, from nothing: an MNIST_CNN on the CPU, without a trained judge.

    images, labels: as for `adapt`, of two classes or more. Ten letters need about thirty examples each.
    Raises ValueError for other images or labels.
    """
    images, labels = _checked(images, labels, classes)
    if len(labels.unique()) < 2:
        raise ValueError(f"expected images of two classes or more, found {len(labels)} of class {labels[0]}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MNIST_CNN(*mean_std(images), classes)
        model.layers.load_state_dict(_train_further(model, model.layers, images, labels, images[:0]))
    return model.eval()


def _checked(images, labels, classes):
    """The images and labels as tensors on the CPU, or ValueError."""
    images, labels = torch.as_tensor(images).cpu(), torch.as_tensor(labels).cpu()
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != (1, 28, 28) or len(images) == 0:
        raise ValueError(
            f"expected at least one image, uint8 (N, 1, 28, 28), found {images.dtype} {tuple(images.shape)}: convert "
            "pictures with to_mnist"
        )
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(f"expected {len(images)} whole numbers as labels, found {labels.dtype} {tuple(labels.shape)}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"expected labels 0 to {classes - 1}, found {labels.min()} to {labels.max()}")
    different, which = images.flatten(1).unique(dim=0, return_inverse=True)
    if twice := len(torch.stack([which, labels], 1).unique(dim=0)) - len(different):
        raise ValueError(
            f"expected one label for each image, found {twice} images that are there with another label too"
        )
    return images, labels.long()


def _train_further(model, layers, images, labels, pool):
    """Train layers of the model, its own or its judge's, on images and labels. Returns their new weights, a state_dict.

    For the images of the pool, they shall keep their logits. The first layer stays as it is. If the pool is empty, all
    layers begin from nothing.
    """
    device = model.mean.device
    network = placed(MNIST_CNN(model.mean, model.std, layers[-1].out_features), device)
    if len(pool):
        network.layers.load_state_dict(layers.state_dict())
        network.layers[0].requires_grad_(False)
    averaged = copy.deepcopy(network).eval()
    known = torch.cat([distort(part.to(device)) for part in pool.split(1000)])
    with torch.no_grad():
        before = torch.cat([averaged(part) for part in known.split(1000)])
    averages, weights = ([part for part in net.parameters() if part.requires_grad] for net in (averaged, network))
    steps, rate, decay = (STEPS, LEARNING_RATE, 0.0) if len(pool) else (NEW_STEPS, NEW_RATE, 0.15)
    own = torch.cat([torch.randperm(len(images)) for _ in range(math.ceil(steps * OWN / len(images)))])
    others = torch.randint(max(1, len(pool)), (steps, REHEARSED if len(pool) else 0), device=device)

    def losses():
        for start in range(0, steps, AT_ONCE):
            mine = own[start * OWN : (start + AT_ONCE) * OWN]
            inputs, answers = distort(images[mine].to(device)).split(OWN), labels[mine].to(device).split(OWN)
            for k in range(AT_ONCE):
                recalled = others[start + k]
                with bfloat16(device):
                    logits = network(torch.cat([inputs[k], known[recalled]])).float()
                loss = F.cross_entropy(logits[:OWN], answers[k], reduction="sum") / len(logits)
                yield loss + KEPT * F.mse_loss(logits[OWN:], before[recalled]) if len(pool) else loss
                with torch.no_grad():
                    torch._foreach_lerp_(averages, weights, max(0.01, 9 / (10 + start + k)))

    descend(weights, losses(), steps, rate, decay, betas=(0.9, 0.99))
    return averaged.layers.state_dict()

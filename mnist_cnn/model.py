"""The network and its answers."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

SURE = 0.75  # below this probability, an answer names the runner-up too
TYPICAL = 0.01  # below this typicality, an answer says that the image may be no digit


class MNIST_CNN(nn.Module):
    """21,840 parameters: two convolutions with ReLU and max pooling, then two linear layers.

    mean, std: of the training pixels in [0, 1] units. They are saved with the weights, so the network always scales
        its input as it did in training. Raises ValueError unless std is positive.
    classes: number of logits.

    `judge` is a second network of the same layers with one more class, for images that belong to none. `typicality`
    compares its scores with `scores`, those of held-out images. `splitter` is a third one, which tells where digits
    that touch are to be cut. All of them are buffers: training the network leaves them alone. training/judge.py and
    training/splitter.py compute them.
    """

    def __init__(self, mean=0.0, std=1.0, classes=10):
        super().__init__()
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("std", torch.tensor(float(std)))
        if not self.std > 0:  # as float32
            raise ValueError(f"expected a positive standard deviation, found {std}: are all pixels equal?")
        self.layers = nn.Sequential(  # (N,  1, 28, 28)
            nn.Conv2d(1, 10, kernel_size=5),  # (N, 10, 24, 24)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 10, 12, 12)
            nn.Conv2d(10, 20, kernel_size=5),  # (N, 20,  8,  8)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 20,  4,  4)
            nn.Flatten(),  # (N, 320)
            nn.Linear(320, 50),  # (N, 50)
            nn.Linear(50, classes),  # (N, classes)
        )
        self.judge = _helper(self.layers, classes + 1)
        self.splitter = _helper(self.layers, 2)
        self.register_buffer("scores", torch.zeros(1000))

    def forward(self, images):
        """Map pixels (N, 1, 28, 28), uint8 or floating point in [0, 1], to logits (N, classes)."""
        return self.layers(self.normalize(images))

    def normalize(self, images):
        """Subtract the mean of the training pixels and divide by their standard deviation."""
        white = 255 if images.dtype == torch.uint8 else 1
        return (images.to(self.mean.dtype) - white * self.mean) / (white * self.std)


def _helper(layers, outputs):
    """A copy of the layers with so many outputs. Its weights are buffers. All are zero, except one bias."""
    helper, last = copy.deepcopy(layers), layers[-1]
    if not isinstance(last, nn.Linear):
        raise ValueError(f"expected nn.Linear as the last layer, which returns the logits, found {last}")
    helper[-1] = nn.utils.skip_init(nn.Linear, last.in_features, outputs, bias=last.bias is not None)
    for layer in helper.modules():
        for name, parameter in list(layer.named_parameters(recurse=False)):
            delattr(layer, name)
            layer.register_buffer(name, torch.zeros_like(parameter))
    if last.bias is not None:
        helper[-1].bias[-1] = -30  # until they are trained, the judge refuses nothing, and the splitter cuts nothing
    return helper


def predict(model, images, batch_size=1000):
    """Classify images.

    images: tensor on any device, or array, (N, 1, 28, 28), N may be 0, uint8 or floating point in [0, 1].
    Returns (labels, probabilities): int64 (N,) and float32 (N, classes), on the CPU.
    Raises ValueError for another shape, dtype or range of pixels.
    """
    probabilities = _logits(model, model, images, batch_size).softmax(dim=1)
    return probabilities.argmax(dim=1), probabilities


def evaluate(model, images, labels, batch_size=1000):
    """Return mean cross-entropy and accuracy (0 to 1) on images (N, 1, 28, 28) with labels int64 (N,), N > 0."""
    if len(images) != len(labels) or len(labels) == 0:
        raise ValueError(f"expected a label for each of at least one image, found {len(images)} and {len(labels)}")
    logits, labels = _logits(model, model, images, batch_size), torch.as_tensor(labels).cpu()
    return F.cross_entropy(logits, labels).item(), (logits.argmax(dim=1) == labels).double().mean().item()


def typicality(model, images, batch_size=1000):
    """Tell images that belong to one of the classes from anything else.

    A conformal p-value (Vovk et al. 2005, Algorithmic learning in a random world): the share of held-out training
    images that look less like one of the classes to `model.judge`. So 1% of images like these are below 0.01.

    images: as for `predict`. Returns float64 (N,) in [0, 1], on the CPU; 1 if the judge was not trained. Raises as
    `predict` does.
    """
    return share_below(model, judge_scores(model, images, batch_size))


def share_below(model, scores):
    """The typicality, float64 (N,), for scores of the judge, float32 (N,), as `judge_scores` returns them."""
    return torch.searchsorted(model.scores.cpu(), scores).double() / len(model.scores)


def judge_scores(model, images, batch_size=1000):
    """The logarithm of the judge's odds that an image belongs to one of the classes: float32 (N,), on the CPU."""
    logits = _logits(model, lambda batch: model.judge(model.normalize(batch)), images, batch_size)
    return logits[:, :-1].logsumexp(dim=1) - logits[:, -1]


def split_odds(model, images, batch_size=1000):
    """The logarithm of the splitter's odds that a cut separates two digits: float32 (N,), on the CPU.

    images: windows around cuts, uint8 (N, 1, 28, 28), see handwriting/cuts.py.
    """
    logits = _logits(model, lambda batch: model.splitter(model.normalize(batch)), images, batch_size)
    return logits[:, 1] - logits[:, 0]


def in_words(probabilities, class_names, typicality=1.0):
    """Format an answer: "7, 98%"; "not sure: 4 or 9" if no probability reaches SURE; "no digit? 4" if not TYPICAL.

    probabilities: (classes,); typicality: a number in [0, 1].
    """
    (first, _), (best, other) = (values.tolist() for values in probabilities.topk(2))
    if typicality < TYPICAL:
        return f"{none_of(class_names)} {class_names[best]}"
    if first < SURE:
        return f"not sure: {class_names[best]} or {class_names[other]}"
    return f"{class_names[best]}, {first:.0%}"


def none_of(class_names):
    """The question whether an image belongs to none of these classes: "no digit?" or "none of these?"."""
    return "no digit?" if all(str(name).isdecimal() for name in class_names) else "none of these?"


@torch.inference_mode()
def _logits(model, forward, images, batch_size):
    """Logits float32 (N, classes) on the CPU: `forward` of the model in eval mode. The model's mode is restored."""
    images = torch.as_tensor(images)
    if images.ndim != 4 or images.shape[1:] != (1, 28, 28):
        hint = {(1, 28, 28): ": pass image[None]", (28, 28): ": pass image[None, None]"}.get(tuple(images.shape), "")
        raise ValueError(f"expected images of shape (N, 1, 28, 28), found {tuple(images.shape)}{hint}")
    if images.is_floating_point():
        if images.numel() and not (images.min() >= 0 and images.max() <= 1):
            raise ValueError(
                f"expected floating-point pixels in [0, 1], found {images.min():.4g} to {images.max():.4g}: "
                "divide by 255, or pass uint8; the network normalizes its input itself"
            )
    elif images.dtype != torch.uint8:
        raise ValueError(f"expected uint8 or floating-point pixels, found {images.dtype}")
    device, training = model.mean.device, model.training
    model.eval()
    try:
        return torch.cat([forward(batch.to(device)).float().cpu() for batch in images.split(batch_size)])
    finally:
        model.train(training)

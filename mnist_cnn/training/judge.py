"""Training of the judge, which tells images of the classes from anything else. See `mnist_cnn.model.typicality`.

Hendrycks et al. 2019 (Deep anomaly detection with outlier exposure) show a network outliers while it learns its
classes. A network as small as this one would make more mistakes then, so a second one learns to tell them apart.
"""

import torch
from torch.nn import functional as F

from mnist_cnn.model import MNIST_CNN, judge_scores
from mnist_cnn.training.augment import distort
from mnist_cnn.training.device import has_bfloat16
from mnist_cnn.training.muon import MuonWithAdamW

EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 3, 256, 2e-2, 0.15
SOFT = 0.05  # share of the training images that are blurred, as pictures are that were scaled down
HELD_OUT = 5000  # images, but at most a tenth, whose scores other images are compared with


def train_judge(model, images, labels, outliers, drawn=None, seed=0):
    """Train the judge of a model to tell images of the classes from outliers, and compute the scores to compare with.

    model: MNIST_CNN on any device. Only its `judge` and its `scores` are changed, at the end.
    images: uint8 (N, 1, 28, 28), N from 2; labels: int64 (N,); outliers: uint8 (M, 1, 28, 28), see outliers.py.
    drawn: (images, labels) of digits that are trained on, too, but never held out; see drawn_digits.py.
    """
    device, classes = model.mean.device, model.layers[-1].out_features
    more_images, more_labels = drawn or (images[:0], labels[:0])
    images, labels, more_images, more_labels, outliers = (
        tensor.to(device) for tensor in (images, labels, more_images, more_labels, outliers)
    )
    torch.manual_seed(seed)
    order = torch.randperm(len(images), device=device)
    held_out, train = order.tensor_split([max(1, min(HELD_OUT, len(images) // 10))])
    soft, sharp = train.tensor_split([round(SOFT * len(train))])
    inputs = torch.cat([_soften(images[soft]), images[sharp], more_images, outliers])
    targets = F.pad(torch.cat([labels[train], more_labels]), (0, len(outliers)), value=classes)

    memory_format = torch.channels_last if device.type == "cpu" else torch.contiguous_format  # faster on a CPU
    network = MNIST_CNN(model.mean, model.std, classes + 1).to(device, memory_format=memory_format)
    batches = max(1, len(inputs) // BATCH_SIZE)
    steps = EPOCHS * batches
    warmup = max(1, steps // 10)
    optimizer = MuonWithAdamW(
        network.parameters(), LEARNING_RATE, betas=(0.8, 0.99), weight_decay=WEIGHT_DECAY, fused=True
    )
    lr_factor = lambda step: max(0, min((step + 1) / warmup, (steps - step) / max(1, steps - warmup)))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_factor)
    for _ in range(EPOCHS):
        order = torch.randperm(len(inputs), device=device)[: batches * BATCH_SIZE]
        for chunk in order.split(20 * BATCH_SIZE):
            for batch, answers in zip(distort(inputs[chunk]).split(BATCH_SIZE), targets[chunk].split(BATCH_SIZE)):
                with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cpu" and has_bfloat16()):
                    loss = F.cross_entropy(network(batch), answers)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()

    network.eval()
    model.judge.load_state_dict(network.layers.state_dict())
    scores = judge_scores(model, images[held_out])
    model.scores.copy_(torch.quantile(scores, torch.linspace(0, 1, len(model.scores))))


def _soften(images):
    """Blur images uint8 (N, 1, H, W) a little."""
    kernel = torch.tensor([0.15, 0.7, 0.15], device=images.device)
    return F.conv2d(images.float(), torch.outer(kernel, kernel)[None, None], padding=1).round().to(torch.uint8)

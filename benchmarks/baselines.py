"""The two baselines of the benchmark: a typical tutorial recipe and a published one.

    python -m benchmarks.baselines plain 0

prints one JSON line after each epoch: training seconds so far and test accuracy.
"""

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from mnist_cnn.dataset import load_split, mean_std
from mnist_cnn.model import MNIST_CNN

DATA = Path(__file__).parent.parent / "dataset"


def load():
    """Return both splits as (normalized float32 images, labels)."""
    (images, labels), test = load_split(DATA, "train"), load_split(DATA, "test")
    mean, std = mean_std(images)
    return [((x / 255 - mean) / std, y) for x, y in ((images, labels), test)]


def plain(epochs=20):
    """The recipe of most tutorials: a DataLoader, batches of 64, SGD at 0.01 with momentum 0.9, nothing else."""
    train, test = load()
    model = MNIST_CNN().layers
    batches = DataLoader(TensorDataset(*train), batch_size=64, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    yield from run(model, test, epochs, lambda: batches, optimizer)


def train_mnist_fast():
    """The last recipe of github.com/tuomaso/train_mnist_fast: one epoch in file order. Published mean: 99.04%."""
    (images, labels), test = load()
    model = nn.Sequential(
        nn.Conv2d(1, 24, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(24, 32, 3),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(800, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, betas=(0.7, 0.9))
    batches = list(zip(images.split(256), labels.split(256)))
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=len(batches), cycle_momentum=False)
    yield from run(model, test, 1, lambda: batches, optimizer, scheduler)


def run(model, test, epochs, batches, optimizer, scheduler=None):
    """Train, and yield (training seconds so far, test accuracy) after each epoch."""
    seconds = 0.0
    for _ in range(epochs):
        start = time.perf_counter()
        for images, labels in batches():
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
            if scheduler:
                scheduler.step()
        seconds += time.perf_counter() - start
        with torch.inference_mode():
            accuracy = (torch.cat([model(x) for x in test[0].split(1000)]).argmax(1) == test[1]).double().mean()
        yield seconds, accuracy.item()


if __name__ == "__main__":
    recipe, seed = {"plain": plain, "train_mnist_fast": train_mnist_fast}[sys.argv[1]], int(sys.argv[2])
    torch.manual_seed(seed)
    for seconds, accuracy in recipe():
        print(json.dumps({"seconds": round(seconds, 3), "accuracy": accuracy}), flush=True)

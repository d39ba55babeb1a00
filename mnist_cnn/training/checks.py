"""Checks that a network learns something: it must be clearly better than guessing."""

import math

import torch

MARGIN = 0.05  # share of the distance from guessing to perfection


def check_loss(loss, labels, scheduler, smoothing=0.0):
    """Raise an error that says what to do if the training loss shows that nothing is learned.

    The loss is compared with guessing only after 100 steps, and only if the learning rates so far could have moved the
    weights or the training is over.

    loss: mean cross-entropy of the last epoch.
    labels: int64 (N,), of the training images. The loss of guessing is the entropy of their frequencies.
    scheduler: torch.optim.lr_scheduler.LambdaLR, stepped once for each batch.
    smoothing: share of each label that is spread over all classes.
    Raises FloatingPointError if the loss is NaN or infinite, RuntimeError if it is no better than guessing.
    """
    steps, factor, lr = scheduler.last_epoch, scheduler.lr_lambdas[0], float(scheduler.base_lrs[0])
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss} after {steps} steps: lower LEARNING_RATE, now {lr:g}")
    moved = lr * sum(map(factor, range(steps)))  # about how far AdamW can have moved a weight
    if steps < 100 or (moved <= 0.1 and factor(steps) > 0):
        return
    entropy = lambda shares: torch.special.entr((1 - smoothing) * shares + smoothing / len(shares)).sum().item()
    frequencies = labels.bincount().cpu() / len(labels)
    guessing, perfection = map(entropy, (frequencies, torch.eye(len(frequencies))[0]))
    if loss > guessing - MARGIN * (guessing - perfection):
        raise RuntimeError(
            f"nothing is learned: after {steps} steps the loss is {loss:.4f}, that of guessing {guessing:.4f}. "
            f"LEARNING_RATE, now {lr:g}, is probably far too high or far too low. If not, check that the labels belong "
            "to the images: see the first twenty above"
        )


def beats_guessing(predicted, labels):
    """Return whether predictions are clearly better than always answering the most frequent class.

    predicted, labels: int64 (N,), N of at least 1, on the CPU.
    """
    right = (predicted == labels).double().mean().item()
    guessing = labels.bincount().max().item() / len(labels)
    return right > guessing + MARGIN * (1 - guessing)

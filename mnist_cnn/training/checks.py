"""Whether a network learns anything: it must get clearly past guessing."""

import math

MARGIN = 0.05  # of the way from guessing to perfection


def check_loss(loss, labels, scheduler):
    """Raise an error that says what to do if the training loss shows that nothing is learned.

    Judges only after 100 steps, and only when the learning rates so far are large enough to have moved the weights, or
    when the training is over.

    loss: mean cross-entropy of the training so far.
    labels: int64 (N,), those of the training images. Guessing knows their frequencies.
    scheduler: torch.optim.lr_scheduler.LambdaLR, stepped once for each batch.
    Raises FloatingPointError if the loss is NaN or infinite, RuntimeError if it is no better than guessing.
    """
    steps, factor, lr = scheduler.last_epoch, scheduler.lr_lambdas[0], float(scheduler.base_lrs[0])
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss} after {steps} steps: lower LEARNING_RATE, now {lr:g}")
    moved = lr * sum(map(factor, range(steps)))  # about how far AdamW can have moved a weight
    if steps < 100 or (moved <= 0.1 and factor(steps) > 0):
        return
    frequencies = labels.bincount() / len(labels)
    guessing = frequencies.xlogy(frequencies).sum().neg().item()
    if loss > (1 - MARGIN) * guessing:
        raise RuntimeError(
            f"nothing is learned: after {steps} steps the loss is {loss:.4f}, and guessing gives {guessing:.4f}. "
            f"Change LEARNING_RATE, now {lr:g}: it is far too high or far too low. If it is not, the labels do not "
            "belong to the images: look at the first twenty above"
        )


def beats_guessing(predicted, labels):
    """Return whether predictions are clearly better than always answering the most frequent class.

    predicted, labels: int64 (N,), N of at least 1, on the CPU.
    """
    right = (predicted == labels).double().mean().item()
    guessing = min(1 - MARGIN, labels.bincount().max().item() / len(labels))  # one class alone cannot be beaten
    return right > guessing + MARGIN * (1 - guessing)

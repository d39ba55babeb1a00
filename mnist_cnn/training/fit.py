"""Training of the networks that help the one that classifies: the judge and the splitter."""

import torch
from torch.nn import functional as F

from mnist_cnn.training.device import has_bfloat16
from mnist_cnn.training.muon import MuonWithAdamW

EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 3, 256, 2e-2, 0.15


def fit(network, inputs, targets, transform=lambda images: images):
    """Train a network, on the device of its inputs. Returns it in eval mode.

    network: MNIST_CNN; inputs: uint8 (N, 1, 28, 28), N > 0; targets: int64 (N,) or float32 (N, classes), as for
    `torch.nn.functional.cross_entropy`; transform: what is done with images before each step.
    """
    device = inputs.device
    network = placed(network, device)
    batches = max(1, len(inputs) // BATCH_SIZE)

    def losses():
        for _ in range(EPOCHS):
            order = torch.randperm(len(inputs), device=device)[: batches * BATCH_SIZE]
            for chunk in order.split(20 * BATCH_SIZE):
                for batch, answers in zip(transform(inputs[chunk]).split(BATCH_SIZE), targets[chunk].split(BATCH_SIZE)):
                    with bfloat16(device):
                        loss = F.cross_entropy(network(batch), answers)
                    yield loss

    descend(network.parameters(), losses(), EPOCHS * batches, LEARNING_RATE, WEIGHT_DECAY, betas=(0.8, 0.99))
    return network.eval()


def descend(weights, losses, steps, rate, decay, betas):
    """Take a step for each loss. The learning rate rises to `rate` in a tenth of all steps, and then falls to zero.

    losses: a generator. It computes each loss after the step for the one before.
    """
    optimizer = MuonWithAdamW(weights, rate, betas=betas, weight_decay=decay, fused=True)
    warmup = max(1, steps // 10)
    lr_factor = lambda step: max(0, min((step + 1) / warmup, (steps - step) / max(1, steps - warmup)))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_factor)
    for loss in losses:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()


def placed(network, device):
    """The network on a device, in the memory format that is faster there."""
    memory_format = torch.channels_last if device.type == "cpu" else torch.contiguous_format
    return network.to(device, memory_format=memory_format)


def bfloat16(device):
    """A context in which the layers compute in bfloat16, on a CPU that does so natively."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cpu" and has_bfloat16())

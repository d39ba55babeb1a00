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
    memory_format = torch.channels_last if device.type == "cpu" else torch.contiguous_format  # faster on a CPU
    network = network.to(device, memory_format=memory_format)
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
            for batch, answers in zip(transform(inputs[chunk]).split(BATCH_SIZE), targets[chunk].split(BATCH_SIZE)):
                with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cpu" and has_bfloat16()):
                    loss = F.cross_entropy(network(batch), answers)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()
    return network.eval()

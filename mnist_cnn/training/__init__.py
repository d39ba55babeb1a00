"""Training: random distortion, the optimizer, the device, and checks of the progress."""

from mnist_cnn.training.augment import distort
from mnist_cnn.training.checks import beats_guessing, check_loss
from mnist_cnn.training.device import CudaGraph, has_bfloat16, keep_freed_memory, set_threads
from mnist_cnn.training.muon import MuonWithAdamW

__all__ = [
    "CudaGraph",
    "MuonWithAdamW",
    "beats_guessing",
    "check_loss",
    "distort",
    "has_bfloat16",
    "keep_freed_memory",
    "set_threads",
]

"""Training: random distortion, drawn digits, the optimizer, the device, checks, images of no class, cuts of numbers.

`adapt` and `learn` train on one's own images.
"""

from mnist_cnn.training.adapt import adapt, cross_validate, learn
from mnist_cnn.training.augment import distort
from mnist_cnn.training.checks import beats_guessing, check_loss
from mnist_cnn.training.device import CudaGraph, accelerator, has_bfloat16, keep_freed_memory, set_threads
from mnist_cnn.training.drawn_digits import draw_digits
from mnist_cnn.training.judge import train_judge
from mnist_cnn.training.muon import MuonWithAdamW
from mnist_cnn.training.outliers import make_outliers
from mnist_cnn.training.splitter import make_cuts, train_splitter

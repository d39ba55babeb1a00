"""Handwriting: any picture of one digit -> the 28x28 pixels that MNIST would have made of it.

No step uses the network: contrast, shape and place alone decide what is ink. `pictures` decodes the file, `paper` finds
how much ink each place has, `ink` keeps only the digit, `centering` places it as in MNIST. `convert` runs these steps.
"""

from mnist_cnn.handwriting.centering import center
from mnist_cnn.handwriting.convert import to_mnist
from mnist_cnn.handwriting.pictures import read_picture

__all__ = ["center", "read_picture", "to_mnist"]

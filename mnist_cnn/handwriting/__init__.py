"""Convert any picture of one handwritten digit to a 28x28 image in MNIST's style.

No step uses the network: ink is found by contrast, shape and position alone. `pictures` decodes the file, `paper`
estimates how much ink each pixel has, `ink` keeps only the digit, `centering` places it as in MNIST. `convert` runs
these steps, `folder` runs them for many files.
"""

from mnist_cnn.handwriting.centering import center
from mnist_cnn.handwriting.convert import to_mnist
from mnist_cnn.handwriting.folder import read_pictures, thumbnail, write_answers
from mnist_cnn.handwriting.pictures import read_picture

__all__ = ["center", "read_picture", "read_pictures", "thumbnail", "to_mnist", "write_answers"]

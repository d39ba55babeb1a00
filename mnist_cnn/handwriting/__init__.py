"""Read handwritten digits in any picture.

`read_numbers` reads whole numbers, lines and pages: it finds the ink, cuts it into pieces, and lets the network choose
which of them are digits. `to_mnist` converts a picture of one digit to MNIST's format, without the network.

Both begin with the same steps: `pictures` decodes the file, `convert` gives one tone per pixel, `paper` estimates how
much ink each pixel has, `ink` and `pieces` tell digits from what surrounds them, `centering` places a digit as in
MNIST. `cuts` and `numbers` separate digits that touch. `folder` reads many files.
"""

from mnist_cnn.handwriting.centering import center
from mnist_cnn.handwriting.convert import to_mnist
from mnist_cnn.handwriting.folder import read_pictures, thumbnail, write_answers
from mnist_cnn.handwriting.numbers import read_numbers
from mnist_cnn.handwriting.pictures import read_picture

__all__ = ["center", "read_numbers", "read_picture", "read_pictures", "thumbnail", "to_mnist", "write_answers"]

"""Read handwritten digits in any picture.

`read_numbers` reads whole numbers, lines and pages: it finds the ink, cuts it into pieces, and lets the network choose
which of them are digits. `to_mnist` converts a picture of one digit to MNIST's format, without the network.
`read_strokes` reads what was drawn on a screen.

The first two begin with the same steps: `pictures` decodes the file, `convert` gives one tone per pixel, `paper`
estimates how much ink each pixel has, `ink` tells ink from paper, `frames` removes what surrounds digits, `pieces`
finds strokes and lines of text, `centering` places a digit as in MNIST. `cuts` separates digits that touch, `path`
finds the best reading, `reading` is the answer.
`folder` reads many files, and `labels` finds their labels.
"""

from mnist_cnn.handwriting.centering import center
from mnist_cnn.handwriting.convert import to_mnist
from mnist_cnn.handwriting.folder import labelled_digits, read_pictures, thumbnail, write_answers
from mnist_cnn.handwriting.numbers import read_numbers
from mnist_cnn.handwriting.pictures import read_picture
from mnist_cnn.handwriting.strokes import draw_strokes, read_strokes

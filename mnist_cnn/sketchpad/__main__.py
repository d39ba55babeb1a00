"""Write the drawing pad as one web page: python -m mnist_cnn.sketchpad [WEIGHTS [OUTPUT]]"""

import sys

from mnist_cnn import files, sketchpad
from mnist_cnn.weights import load_weights


def main(weights="MNIST-MODEL.pth", output="sketchpad.html"):
    files.write(output, sketchpad.page(load_weights(weights)).encode())
    print(f"{output}: open it in a browser, or put it on any web page")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Write the drawing pad as one web page: python -m mnist_cnn.sketchpad [WEIGHTS [OUTPUT]]"""

import sys

from mnist_cnn import files, sketchpad
from mnist_cnn.weights import load_weights


def main(weights="MNIST-MODEL.pth", output="sketchpad.html"):
    """Return the exit status."""
    try:
        files.write(output, sketchpad.page(load_weights(weights)).encode())
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{output}: open it in a browser, or put it on any web page")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Compose the picture at the top of the readme: the drawing pad, and pictures with the network's input.

python -m tools.readme_picture
"""

import io
from pathlib import Path

import torch
from PIL import Image

from mnist_cnn import figures, files
from mnist_cnn.handwriting import read_picture, thumbnail, to_mnist
from mnist_cnn.model import in_words, predict, typicality
from mnist_cnn.weights import load_weights

ROOT = Path(__file__).parent.parent
README_PICTURE = "tools/readme.png"
PAD_HEIGHT = 400  # pixels of mnist_cnn/sketchpad/sketchpad.png: the paper, the answer and the probabilities
SHOWN = [
    "five-in-pencil-on-squared-paper.webp",
    "two-in-shadow.jpg",
    "nine-in-chalk.jpg",
    "seven-on-lined-paper.jpg",
    "six-from-a-paint-program.bmp",
    "three-white-on-black.png",
]


def compose(model):
    """Return the picture as a PIL image, with the predictions of this network."""
    pictures = [read_picture(ROOT / "pictures" / name) for name in SHOWN]
    digits = torch.stack([to_mnist(picture) for picture in pictures])
    answers = zip(predict(model, digits)[1], typicality(model, digits))
    captions = [in_words(probabilities, "0123456789", typical) for probabilities, typical in answers]
    figure = figures.pictures([thumbnail(picture) for picture in pictures], digits, captions, columns=len(SHOWN))
    row = Image.open(io.BytesIO(figure._repr_png_())).convert("RGB")
    pad = Image.open(ROOT / "mnist_cnn" / "sketchpad" / "sketchpad.png").convert("RGB")
    row = row.resize((pad.width, round(row.height * pad.width / row.width)), Image.Resampling.LANCZOS)
    composed = Image.new("RGB", (pad.width, PAD_HEIGHT + row.height), "white")
    composed.paste(pad.crop((0, 0, pad.width, PAD_HEIGHT)))
    composed.paste(row, (0, PAD_HEIGHT))
    return composed


def main():
    buffer = io.BytesIO()
    compose(load_weights(ROOT / "MNIST-MODEL.pth")).save(buffer, "PNG", optimize=True)
    files.write(ROOT / README_PICTURE, buffer.getvalue())
    print(f"{README_PICTURE}: {len(buffer.getvalue()):,} bytes")


if __name__ == "__main__":
    main()

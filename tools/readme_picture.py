"""Compose the picture at the top of the readme: the drawing pad, and pictures with the network's input.

python -m tools.readme_picture
"""

import io
from pathlib import Path

from PIL import Image, PngImagePlugin

from mnist_cnn import figures, files
from mnist_cnn.handwriting import read_pictures
from mnist_cnn.weights import load_weights

ROOT = Path(__file__).parent.parent
README_PICTURE = "tools/readme.png"
PAD_HEIGHT = 690  # pixels of mnist_cnn/sketchpad/sketchpad.png: the paper, the answer and the probabilities
SHOWN = [
    "page-of-three-lines.jpg",
    "phone-number-on-squared-paper.webp",
    "touching-digits.png",
    "nine-in-chalk.jpg",
]


def compose(model):
    """Return the picture as a PIL image, with the answers of this network, and these answers as text."""
    pictures, _ = read_pictures(model, *(str(ROOT / "pictures" / name) for name in SHOWN))
    pictures.sort(key=lambda picture: SHOWN.index(Path(picture.path).name))  # not the least sure first
    figure = figures.pictures(pictures, columns=len(SHOWN), names=False)
    row = Image.open(io.BytesIO(figure._repr_png_())).convert("RGB")
    pad = Image.open(ROOT / "mnist_cnn" / "sketchpad" / "sketchpad.png").convert("RGB")
    row = row.resize((pad.width, round(row.height * pad.width / row.width)), Image.Resampling.LANCZOS)
    composed = Image.new("RGB", (pad.width, PAD_HEIGHT + row.height), "white")
    composed.paste(pad.crop((0, 0, pad.width, PAD_HEIGHT)))
    composed.paste(row, (0, PAD_HEIGHT))
    return composed, "; ".join(picture.reading.in_words() for picture in pictures)


def main():
    buffer = io.BytesIO()
    picture, answers = compose(load_weights(ROOT / "MNIST-MODEL.pth"))
    description = PngImagePlugin.PngInfo()
    description.add_text("Description", answers)
    picture.save(buffer, "PNG", optimize=True, pnginfo=description)
    files.write(ROOT / README_PICTURE, buffer.getvalue())
    print(f"{README_PICTURE}: {len(buffer.getvalue()):,} bytes")


if __name__ == "__main__":
    main()

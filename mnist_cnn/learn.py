"""Train a network of its own on pictures of other signs, such as letters: a folder with a folder for each class.

    python -m mnist_cnn.learn letters LETTERS.pth

The exit status is 1 if nothing could be learned.
"""

import argparse
import os
import sys

import torch

from mnist_cnn.handwriting import read_picture, to_mnist
from mnist_cnn.handwriting.folder import problem
from mnist_cnn.settings import check_settings
from mnist_cnn.training import cross_validate, learn
from mnist_cnn.weights import save_weights

ENOUGH = 30  # examples of a class


def main(arguments=None):
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m mnist_cnn.learn", description="Train a network on other signs.")
    parser.add_argument("folder", help="with a folder of pictures for each class, which has the name of the class")
    parser.add_argument("weights", help="the file to write")
    options = parser.parse_args(arguments)
    try:
        check_settings({"WEIGHTS": options.weights}, "WEIGHTS")
        names = sorted(entry.name for entry in _visible(options.folder) if entry.is_dir())
        images, labels = _load(options.folder, names)
        train = lambda images, labels: learn(images, labels, len(names))
        right = cross_validate(train, images, labels) == labels
        save_weights(train(images, labels), options.weights)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    wrong, share = int((~right).sum()), right.double().mean()
    print(f"{wrong} wrong of {len(labels)} that were held out, a third each time: {share:.1%} right")
    counts = labels.bincount(minlength=len(names)).tolist()
    if few := [f"{ENOUGH - count} of {name}" for name, count in zip(names, counts) if count < ENOUGH]:
        print(f"More examples would help: {', '.join(few)}")
    print(f'To use it: python -m mnist_cnn.read PICTURES --weights "{options.weights}" --names="{",".join(names)}"')
    print(
        f"In the playground, set WEIGHTS = {options.weights!r} and CLASS_NAMES = {names}, and run the cells up to "
        "'Load the network', 'Read your handwriting' and 'Draw a number'; the others need test digits"
    )
    return 0


def _visible(folder):
    """The entries of a folder, without those that are hidden, such as .ipynb_checkpoints."""
    return [entry for entry in os.scandir(folder) if not entry.name.startswith((".", "__"))]


def _load(folder, names):
    """The pictures in the folders of the classes: uint8 (N, 1, 28, 28), and labels int64 (N,)."""
    images, labels = [], []
    for label, name in enumerate(names):
        for path in sorted(entry.path for entry in _visible(os.path.join(folder, name)) if entry.is_file()):
            try:
                images.append(to_mnist(read_picture(path)))
                labels.append(label)
            except (OSError, ValueError) as error:
                print(problem(path, error), file=sys.stderr)
    if not images:
        raise ValueError(f"{folder}: expected a folder of pictures for each class, found no picture in its folders")
    return torch.stack(images), torch.tensor(labels)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # names of classes that the terminal or the pipe cannot encode
    sys.exit(main())

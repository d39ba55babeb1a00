"""Read the numbers in pictures, from the command line.

    python -m mnist_cnn.read scan.png ~/photographs "notes/*.jpg"
    python -m mnist_cnn.read scans --csv answers.csv

Prints a line for each picture: its name, its text, and its doubts. The exit status is 1 if a file could not be read.
"""

import argparse
import json
import sys
from pathlib import Path

from mnist_cnn.handwriting import read_pictures, write_answers
from mnist_cnn.weights import load_weights

WEIGHTS = Path(__file__).parent.parent / "MNIST-MODEL.pth"


def main(arguments=None):
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m mnist_cnn.read", description="Read the numbers in pictures.")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE", help="a file, a folder or a pattern")
    parser.add_argument("--weights", default=WEIGHTS, metavar="FILE", help="that workspace.ipynb saved")
    names = {"type": lambda text: text.split(","), "default": list("0123456789"), "metavar": "A,B,C"}
    parser.add_argument("--names", **names, help="of the classes, if they are not the digits")
    parser.add_argument("--csv", metavar="FILE", help="write the answers to a table, too")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each picture")
    options = parser.parse_args(arguments)
    try:
        model = load_weights(options.weights)
        if len(options.names) != (classes := model.layers[-1].out_features):
            raise ValueError(f"{options.weights} has {classes} classes: --names expects as many, found {options.names}")
        pictures, problems = read_pictures(model, *options.pictures, class_names=options.names, messages=sys.stderr)
        for picture in sorted(pictures, key=lambda picture: picture.path):
            print(_json(picture) if options.json else _line(picture))
        if options.csv:
            write_answers(options.csv, pictures, problems)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if problems else 0


def _line(picture):
    """The name of a picture, its text in one line, and its doubts."""
    text, words = (text.replace("\n", " / ") for text in (picture.reading.text, picture.reading.in_words()))
    doubts = f"   ({words})" if any(digit.doubtful for digit in picture.reading.digits) or not text else ""
    left_out = f"   {len(picture.reading.left_out)} left out" * bool(picture.reading.left_out)
    return f"{picture.path}: {text}{doubts}{left_out}" + f"   wrong: {picture.label}" * picture.wrong


def _json(picture):
    """A picture and its digits as a JSON object."""
    reading = picture.reading
    answer = lambda digit: {
        "answer": reading.class_names[digit.label],
        "box": digit.box,
        "probability": round(digit.probabilities.max().item(), 4),
        "typicality": round(digit.typicality, 3),
        "doubtful": digit.doubtful,
    }
    found = {"file": picture.path, "text": reading.text, "label": picture.label}
    found |= {"digits": list(map(answer, reading.digits)), "left out": list(map(answer, reading.left_out))}
    return json.dumps(found)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # names of files that the terminal or the pipe cannot encode
    sys.exit(main())

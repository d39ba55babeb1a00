"""The drawing pad: the network classifies, in the browser, what the user draws.

`html` returns it as the output of a notebook cell, `page` as a whole web page. Both contain the weights, the style and
the scripts; nothing is loaded from elsewhere. The pad runs the network's layers as they are: see layers.py.
"""

import base64
import hashlib
import itertools
import json
from pathlib import Path
from string import Template

from mnist_cnn.handwriting import path, reading, strokes
from mnist_cnn.layers import describe
from mnist_cnn.model import none_of

SCRIPTS = "network.js", "recognize.js", "sketchpad.js", "events.js"
MOST_MAPS = 40  # of a layer, to show
RULES = {  # the numbers of `read_strokes`
    name: value
    for module in (path, reading, strokes)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, (int, float))
}


def html(model, class_names=None):
    """The pad as an HTML fragment for IPython.display.HTML. A page may hold several.

    It takes about 260 kB, of which the weights are 234 kB. Arguments and errors as for `layers.describe`.
    """
    config = describe(model, class_names)
    _add_notes(config["layers"])
    config |= {"none": none_of(config["names"]), "rules": RULES}
    config = json.dumps(config, default=_encode).replace("<", "\\u003c")  # so that no name ends the script
    return Template(_read("fragment.html")).substitute(
        style=_read("sketchpad.css"),
        script="".join(map(_read, SCRIPTS)),
        config=config,
        key=hashlib.sha256(config.encode()).hexdigest()[:12],  # the script starts only the pads with its own key
    )


def page(model, class_names=None):
    """The pad as a whole HTML document, to open as a file or to publish. Arguments as for `html`."""
    return Template(_read("sketchpad.html")).substitute(fragment=html(model, class_names))


def _add_notes(layers):
    """Add to the rectified convolutions what the pad writes above their maps, and how many it shows."""
    numbers = itertools.count(1)
    for layer in layers:
        if layer["kind"] == "rectify" and len(layer["to"]) == 3:
            maps, *sides = layer["to"]
            shown = min(maps, MOST_MAPS)
            number = maps if maps == shown else f"{shown} of {maps}"
            layer |= {"note": f"Convolution {next(numbers)}, {number} maps", "shown": [shown, *sides]}


def _encode(tensor):
    """Numbers as base64 of little-endian float32."""
    return base64.b64encode(tensor.numpy().astype("<f4").tobytes()).decode()


def _read(name):
    return (Path(__file__).parent / name).read_text(encoding="utf-8")

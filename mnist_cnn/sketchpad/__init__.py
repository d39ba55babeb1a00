"""The drawing pad: the network classifies, in the browser, what the user draws.

`html` returns it as the output of a notebook cell, `page` as a whole web page. Both contain the weights, the style and
the scripts; nothing is loaded from elsewhere.
"""

import base64
import hashlib
import json
from pathlib import Path
from string import Template

from torch.nn.utils import parameters_to_vector

from mnist_cnn.handwriting.convert import PEN
from mnist_cnn.model import SURE


def html(model, class_names=None):
    """The pad as an HTML fragment for IPython.display.HTML. A page may hold several.

    It takes about 140 kB, of which the weights are 116 kB.

    model: an MNIST_CNN on any device. class_names: one for each class, by default their numbers.
    Raises ValueError for another number of names.
    """
    classes = model.layers[-1].out_features
    names = [str(name) for name in (range(classes) if class_names is None else class_names)]
    if len(names) != classes:
        raise ValueError(f"expected {classes} class names, one for each class of the network, found {len(names)}")
    weights = parameters_to_vector(model.parameters()).detach().cpu().numpy().astype("<f4")
    config = {
        "names": names,
        "mean": model.mean.item(),
        "std": model.std.item(),
        "shapes": [list(parameter.shape) for parameter in model.parameters() if parameter.ndim > 1],
        "weights": base64.b64encode(weights.tobytes()).decode(),
        "pen": PEN,
        "sure": SURE,
    }
    config = json.dumps(config).replace("<", "\\u003c")  # so that no name ends the script
    return Template(_read("fragment.html")).substitute(
        style=_read("sketchpad.css"),
        script=_read("recognize.js") + _read("sketchpad.js"),
        config=config,
        key=hashlib.sha256(config.encode()).hexdigest()[:12],  # the script starts only the pads with its own key
    )


def page(model, class_names=None):
    """The pad as a whole HTML document, to open as a file or to publish. Arguments as for `html`."""
    return Template(_read("sketchpad.html")).substitute(fragment=html(model, class_names))


def _read(name):
    return (Path(__file__).parent / name).read_text(encoding="utf-8")

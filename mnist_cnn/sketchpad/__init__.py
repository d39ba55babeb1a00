"""The drawing pad: the network classifies, in the browser, what the user draws.

`html` returns it as the output of a notebook cell, `page` as a whole web page. Both contain the weights, the style and
the scripts; nothing is loaded from elsewhere. The pad runs the network's layers as they are: whoever adds a kind of
layer to model.py adds it to `_describe_layer` and to recognize.js.
"""

import base64
import copy
import hashlib
import itertools
import json
from pathlib import Path
from string import Template

import torch
from torch import nn

from mnist_cnn.handwriting import path, reading, strokes
from mnist_cnn.model import none_of

UNCHANGED = (nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d)  # in eval mode they keep all values in their order
KNOWN = (
    "Conv2d padded with zeros and without groups or dilation, MaxPool2d without dilation, ReLU, Linear after Flatten, "
    "Dropout, and BatchNorm1d or BatchNorm2d with running statistics"
)
MOST_MAPS = 40  # of a layer, to show
RULES = {  # numbers of read_strokes
    name: value
    for module in (path, reading, strokes)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, (int, float))
}
PROBE = torch.linspace(0, 1, 28 * 28).view(1, 1, 28, 28)


@torch.inference_mode()
def html(model, class_names=None):
    """The pad as an HTML fragment for IPython.display.HTML. A page may hold several.

    It takes about 260 kB, of which the weights are 234 kB.

    model: an MNIST_CNN on any device. class_names: one for each class, by default their numbers.
    Raises ValueError for another number of names, and for a network with other layers than KNOWN.
    """
    model = copy.deepcopy(getattr(model, "_orig_mod", model)).cpu().float().eval()  # torch.compile wraps the original
    layers, logits = _describe(model, model.layers)
    judge, _ = _describe(model, model.judge)
    if not torch.allclose(logits, model(PROBE), rtol=1e-3, atol=1e-3, equal_nan=True):
        raise ValueError("expected a network that only normalizes its input and runs `layers`, found another `forward`")
    classes = logits.shape[1]
    names = [str(name) for name in (range(classes) if class_names is None else class_names)]
    if len(names) != classes:
        raise ValueError(f"expected {classes} class names, one for each class of the network, found {len(names)}")
    config = {
        "names": names,
        "mean": model.mean.item(),
        "std": model.std.item(),
        "layers": layers,
        "judge": judge,
        "scores": _encode(model.scores),
        "none": none_of(names),
        "rules": RULES,
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


def _describe(model, sequence):
    """Return a sequence of the model's layers as recognize.js runs them, a list of dictionaries, and PROBE's logits.

    Raises ValueError if there is an unknown layer.
    """
    values, layers, numbers = model.normalize(PROBE), [], itertools.count(1)
    for layer in sequence:
        inputs, values = values, layer(values)
        description = _describe_layer(layer, list(inputs.shape[1:]), list(values.shape[1:]))
        if description.get("kind") == "rectify" and values.ndim == 4:
            _, maps, *sides = values.shape
            shown = min(maps, MOST_MAPS)
            number = maps if maps == shown else f"{shown} of {maps}"
            description |= {"note": f"Convolution {next(numbers)}, {number} maps", "shown": [shown, *sides]}
        layers += [description] if description else []
    return layers, values


def _describe_layer(layer, before, after):
    """One layer as recognize.js runs it, empty if it does nothing. before, after: the shapes of its input and output.

    A linear layer becomes a convolution whose kernel covers the whole input, batch normalization one of single pixels.
    """
    kind, single = type(layer), {"stride": (1, 1), "padding": (0, 0)}
    if kind in UNCHANGED:
        return {}
    if kind is nn.ReLU:
        return {"kind": "rectify"}
    if kind is nn.Conv2d and layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros":
        same = [(side - 1) // 2 for side in layer.kernel_size]
        padding = {"valid": (0, 0), "same": same}.get(layer.padding, layer.padding)
        window = {"kernel": layer.kernel_size, "stride": layer.stride, "padding": padding}
        return _convolution(layer.weight, layer.bias, **window, before=before, after=after)
    if kind is nn.Linear and len(before) == 1:
        return _convolution(
            layer.weight, layer.bias, [1, *before], **single, before=[1, 1, *before], after=[*after, 1, 1]
        )
    if kind is nn.MaxPool2d and layer.dilation in (1, (1, 1)) and not layer.return_indices:
        sizes = {"kernel": layer.kernel_size, "stride": layer.stride, "padding": layer.padding}
        window = {name: size if isinstance(size, (list, tuple)) else (size, size) for name, size in sizes.items()}
        return {"kind": "pool", **window, "from": before, "to": after}
    if kind in (nn.BatchNorm1d, nn.BatchNorm2d) and layer.running_mean is not None:
        scale = (layer.running_var + layer.eps).rsqrt() * (1 if layer.weight is None else layer.weight)
        shift = (0 if layer.bias is None else layer.bias) - layer.running_mean * scale
        maps = (*before, 1, 1)[:3]
        return _convolution(scale.diag(), shift, (1, 1), **single, before=maps, after=maps)
    raise ValueError(f"the drawing pad does not know the layer {' '.join(str(layer).split())}: it knows {KNOWN}")


def _convolution(weight, bias, kernel, stride, padding, before, after):
    """A convolution as recognize.js runs it. weight: (maps, channels, ...); bias: (maps,), or None for zeros."""
    weights = {"weight": _encode(weight), "bias": _encode(torch.zeros(len(weight)) if bias is None else bias)}
    window = {"kernel": kernel, "stride": stride, "padding": padding, "from": before, "to": after}
    return {"kind": "convolve", **window, **weights}


def _encode(tensor):
    """Numbers as base64 of little-endian float32."""
    return base64.b64encode(tensor.numpy().astype("<f4").tobytes()).decode()


def _read(name):
    return (Path(__file__).parent / name).read_text(encoding="utf-8")

"""The network in three operations, convolve, pool and rectify, for programs in other languages.

sketchpad/network.js and export.h run these operations. Whoever adds a kind of layer to model.py adds it to
`_describe_layer`, and a new operation to both.
"""

import copy

import torch
from torch import nn

UNCHANGED = (nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d)  # in eval mode they keep all values in their order
KNOWN = (
    "Conv2d padded with zeros and without groups or dilation, MaxPool2d without dilation, ReLU, Linear after Flatten, "
    "Dropout, and BatchNorm1d or BatchNorm2d with running statistics"
)
PROBE = torch.linspace(0, 1, 28 * 28).view(1, 1, 28, 28)


@torch.inference_mode()
def describe(model, class_names=None):
    """Return the network as a dictionary of names, numbers, and float32 tensors on the CPU.

    model: an MNIST_CNN on any device. class_names: as for `name_classes`.
    Its `layers` and its `judge` are lists of dictionaries, one for each operation, in their order.
    Raises ValueError for another number of names, and for a network with other layers than KNOWN.
    """
    model = plain_copy(model)
    layers, logits = _describe(model, model.layers)
    judge, _ = _describe(model, model.judge)
    if not torch.allclose(logits, model(PROBE), rtol=1e-3, atol=1e-3, equal_nan=True):
        raise ValueError("expected a network that only normalizes its input and runs `layers`, found another `forward`")
    return {
        "names": name_classes(logits, class_names),
        "mean": model.mean.item(),
        "std": model.std.item(),
        "layers": layers,
        "judge": judge,
        "scores": model.scores,
    }


def name_classes(logits, class_names=None):
    """The names of the classes as strings, by default their numbers. Raises ValueError for another number of names."""
    classes = logits.shape[1]
    names = [str(name) for name in (range(classes) if class_names is None else class_names)]
    if len(names) != classes:
        raise ValueError(f"expected {classes} class names, one for each class of the network, found {len(names)}")
    return names


def plain_copy(model):
    """A copy of the network on the CPU, in float32 and eval mode, without gradients or the wrapper of torch.compile."""
    return copy.deepcopy(getattr(model, "_orig_mod", model)).cpu().float().eval().requires_grad_(False)


def _describe(model, sequence):
    """Return a sequence of the model's layers as a list of operations, and PROBE's logits."""
    values, layers = model.normalize(PROBE), []
    for layer in sequence:
        inputs, values = values, layer(values)
        operation = _describe_layer(layer, list(inputs.shape[1:]), list(values.shape[1:]))
        layers += [operation] if operation else []
    return layers, values


def _describe_layer(layer, before, after):
    """One layer as an operation, empty if it does nothing. before, after: the shapes of its input and output.

    A linear layer becomes a convolution whose kernel covers the whole input, batch normalization one of single pixels.
    """
    kind, single = type(layer), {"stride": (1, 1), "padding": (0, 0)}
    if kind in UNCHANGED:
        return {}
    if kind is nn.ReLU:
        return {"kind": "rectify", "from": before, "to": after}
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
    raise ValueError(
        f"the drawing pad and the C header do not know the layer {' '.join(str(layer).split())}: they know {KNOWN}"
    )


def _convolution(weight, bias, kernel, stride, padding, before, after):
    """A convolution as an operation. weight: (maps, channels, ...); bias: (maps,), or None for zeros."""
    weights = {"weight": weight, "bias": torch.zeros(len(weight)) if bias is None else bias}
    window = {"kernel": kernel, "stride": stride, "padding": padding, "from": before, "to": after}
    return {"kind": "convolve", **window, **weights}

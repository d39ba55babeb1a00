"""Write the network for use without PyTorch, into the current folder.

    python -m mnist_cnn.export
    python -m mnist_cnn.export CLOTHES.pth --class-names T-shirt Trousers ...

mnist_cnn.h is for C and C++, such as programs for microcontrollers; its first lines explain its use. mnist_cnn.onnx is
for ONNX runtimes, and needs `pip install onnx onnxscript`. The exit status is 1 if one of them could not be written.
"""

import argparse
import json
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from string import Template

import numpy as np
import torch

from mnist_cnn import files
from mnist_cnn.layers import describe, name_classes, plain_copy
from mnist_cnn.weights import load_weights


def main(arguments=None):
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m mnist_cnn.export", description="Write mnist_cnn.h and .onnx.")
    parser.add_argument("weights", nargs="?", default="MNIST-MODEL.pth", help="a file that workspace.ipynb saved")
    parser.add_argument("--class-names", nargs="+", metavar="NAME", help="one for each class")
    options = parser.parse_args(arguments)
    try:
        model = load_weights(options.weights)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    status = 0
    for name, convert, use in (
        ("mnist_cnn.h", to_c, "include it in a C or C++ program; its first lines explain its use"),
        ("mnist_cnn.onnx", to_onnx, "maps `images`, uint8 (N, 1, 28, 28), to `logits`, float32 (N, classes)"),
    ):
        try:
            files.write(name, convert(model, options.class_names))
            print(f"{name}: {use}")
        except (ImportError, OSError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            status = 1
    return status


def to_onnx(model, class_names=None):
    """Return the network as the bytes of an ONNX file, in the default opset of the installed PyTorch.

    Its input `images` is uint8 (N, 1, 28, 28), 0 is paper, 255 is ink. Its output `logits` is float32 (N, classes).
    N may vary. The metadata `class_names` is a JSON list.

    model: an MNIST_CNN on any device, with any layers. class_names: one for each class, by default their numbers.
    Raises ModuleNotFoundError without the packages onnx and onnxscript, ValueError for another number of names, or if
    this release of PyTorch cannot convert the network.
    """
    if missing := [name for name in ("onnx", "onnxscript") if find_spec(name) is None]:
        raise ModuleNotFoundError(f"to write ONNX, first run `pip install {' '.join(missing)}`")
    model, images = plain_copy(model), torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    names = name_classes(model(images), class_names)
    try:
        program = torch.onnx.export(
            model,
            (images,),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes={"images": {0: torch.export.Dim("N")}},
            dynamo=True,  # not the default before torch 2.9
            optimize=True,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:  # of releases before 2.9, for some networks
        raise ValueError(f"torch {torch.__version__} cannot convert this network: upgrade torch, onnxscript") from error
    for part in (program.model.graph, *program.model.graph):
        part.metadata_props.clear()  # stack traces, with the paths of this machine
    program.model.metadata_props["class_names"] = json.dumps(names)
    return program.model_proto.SerializeToString()


def to_c(model, class_names=None):
    """Return the network as the bytes of a C header, with float32 weights and with int8 weights.

    The int8 weights have a float32 scale for each map, such that the largest becomes 127. All else is float32.

    Arguments and errors as for `layers.describe`.
    """
    network = describe(model, class_names)
    parts, work = {"floats": [], "int8": [], "biases": [], "table": []}, 0
    for number, layer in enumerate(network["layers"]):
        before, after = ([*layer[name], 1, 1][:3] for name in ("from", "to"))
        window = [layer.get(name, (0, 0)) for name in ("kernel", "stride", "padding")]
        shapes = ", ".join(f"{{{', '.join(map(str, sizes))}}}" for sizes in (before, after, *window))
        arrays = "0, 0, 0"
        if layer["kind"] == "convolve":
            weights = layer["weight"].flatten(1).numpy()
            scales = np.abs(weights).max(axis=1, keepdims=True) / np.float32(127)
            scales[scales == 0] = 1
            parts["floats"] += [_array(f"weights_{number}", weights)]
            parts["int8"] += [_array(f"weights_{number}", np.rint(weights / scales).astype(np.int8))]
            parts["int8"] += [_array(f"scales_{number}", scales)]
            parts["biases"] += [_array(f"biases_{number}", layer["bias"].numpy())]
            arrays = f"mnist_cnn_weights_{number}, MNIST_CNN_SCALES({number}), mnist_cnn_biases_{number}"
        parts["table"] += [f"    {{mnist_cnn_{layer['kind']}, {shapes}, {arrays}}},"]
        if layer["kind"] != "rectify":  # which replaces its input
            work = max(work, np.prod(before) + np.prod(after))
    template = Template(Path(__file__).with_suffix(".h").read_text(encoding="utf-8"))
    text = template.substitute(
        {part: "\n".join(lines) for part, lines in parts.items()},
        classes=len(network["names"]),
        names=", ".join(_string(name) for name in network["names"]),
        layers=len(parts["table"]),
        work=work,
        mean=_number(np.float32(network["mean"])),
        std=_number(np.float32(network["std"])),
    )
    return text.encode()


def _array(name, values):
    """A C array of int8 or float32 numbers."""
    kind = "int8_t" if values.dtype == np.int8 else "float"
    numbers = textwrap.fill(", ".join(map(_number, values.flat)), 120, break_on_hyphens=False)
    return f"static const {kind} mnist_cnn_{name}[] = {{\n{numbers}\n}};"


def _number(value):
    """An int8 or float32 number in C, which reads the same number."""
    return f"{value!s}f" if isinstance(value, np.float32) else str(value)


def _string(text):
    """A string in C, of UTF-8 bytes in any source encoding."""
    plain = lambda byte: 32 <= byte < 127 and chr(byte) not in '"\\?'
    return '"' + "".join(chr(byte) if plain(byte) else f"\\{byte:03o}" for byte in text.encode()) + '"'


if __name__ == "__main__":
    sys.exit(main())

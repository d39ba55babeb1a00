"""The network, its weights in a file, and what it says of images."""

import io
import pickletools
import re
import zipfile
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from mnist_cnn import files

MAX_WEIGHTS_BYTES = 2**19  # the network's own take 90 kB; more is something else
MAX_PICKLE_BYTES = 2**14  # of them 1 kB or two: the names and shapes of the tensors
TENSORS_ONLY = r"collections OrderedDict|torch\._utils _rebuild_tensor_v2|torch \w+Storage"  # what their pickle names
OPCODES = (  # and its operations
    "PROTO|MARK|GLOBAL|REDUCE|BUILD|BINPERSID|BINPUT|BINGET|BINUNICODE|BININT[12]?|NEW(TRUE|FALSE)|NONE|"
    "EMPTY_(DICT|LIST|TUPLE)|TUPLE[123]?|APPENDS?|SETITEMS?|STOP"
)
BYTES = {"torch FloatStorage": 4, "torch DoubleStorage": 8}  # of a number; others are not read


class MNIST_CNN(nn.Module):
    """21,840 parameters: two convolutions with ReLU and max pooling, then two linear layers.

    mean, std: of the training pixels in [0, 1] units; kept with the weights, so that the network
        always scales its input as it was trained. std must be positive (else ValueError).
    classes: how many logits it returns.
    """

    def __init__(self, mean=0.0, std=1.0, classes=10):
        super().__init__()
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("std", torch.tensor(float(std)))
        if not self.std > 0:  # as float32
            raise ValueError(f"expected a positive standard deviation, found {std}: are all pixels equal?")
        self.layers = nn.Sequential(  # (N,  1, 28, 28)
            nn.Conv2d(1, 10, kernel_size=5),  # (N, 10, 24, 24)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 10, 12, 12)
            nn.Conv2d(10, 20, kernel_size=5),  # (N, 20,  8,  8)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 20,  4,  4)
            nn.Flatten(),  # (N, 320)
            nn.Linear(320, 50),  # (N, 50)
            nn.Linear(50, classes),  # (N, classes)
        )

    def forward(self, images):
        """Pixels (N, 1, 28, 28), uint8 or floating point in [0, 1], to logits (N, classes)."""
        return self.layers(self.scaled(images))

    def scaled(self, images):
        """The same pixels with the training pixels' mean taken off, divided by their standard deviation."""
        white = 255 if images.dtype == torch.uint8 else 1
        return (images.to(self.mean.dtype) - white * self.mean) / (white * self.std)


def save_weights(model, path):
    """Save the model's state_dict to `path`; whatever fails, the old file stays whole (OSError)."""
    buffer = io.BytesIO()
    torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, buffer)
    files.write(path, buffer.getvalue())


def load_weights(path, device="cpu"):
    """Load an MNIST_CNN, in eval mode and on `device`, from a file that `save_weights` wrote.

    The number of classes is that of the last layer. No code in the file is ever run.
    Raises FileNotFoundError if it is missing, ValueError if it is not a whole file of finite weights
    of this network.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is not there: run workspace.ipynb (or `make train`), which writes it")
    state = _read_state(path)
    if missing := {"mean", "std"} - state.keys():
        raise ValueError(
            f"{path}: expected weights with the `mean` and `std` that they were trained with, found none of "
            f"{sorted(missing)}: train and save them again with workspace.ipynb"
        )
    bias = state.get("layers.8.bias")
    classes = 10 if bias is None or bias.ndim != 1 else len(bias)
    if classes < 2:
        raise ValueError(f"{path}: expected the weights of at least two classes, found {classes}")
    try:
        model = MNIST_CNN(float(state["mean"]), float(state["std"]), classes)
        model.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: expected the weights of MNIST_CNN, found others: {error}") from error
    blank_and_full = torch.stack([torch.zeros(1, 28, 28), torch.ones(1, 28, 28)])
    values = [*model.state_dict().values(), _logits(model, blank_and_full, 2)]
    if not all(tensor.isfinite().all() for tensor in values):
        raise ValueError(f"{path}: expected finite weights and answers, found NaN or infinity: train again")
    return model.to(device).eval()


def _read_state(path):
    """The dictionary of real tensors in a file, or ValueError."""
    expected = f"{path}: expected weights saved by workspace.ipynb, found"
    try:
        state = torch.load(_checked(path), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file makes the parsers raise
        raise ValueError(
            f"{expected} a file that is truncated, of another kind, or has code in it (nothing of it was run): "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str)
        and isinstance(tensor, torch.Tensor)
        and tensor.dtype in (torch.float32, torch.float64)
        and tensor.nbytes <= MAX_WEIGHTS_BYTES  # a view may announce more than the file holds
        for name, tensor in dict.items(state)
    ):
        raise ValueError(f"{expected} something else than a state_dict of floating-point tensors")
    return dict(dict.items(state))  # without the attributes that a pickle may give an OrderedDict


def _checked(path):
    """The file, copied into memory; ValueError if it is more than a few whole tensors in torch.save's format.

    torch.load, safe as it is from code, looks at no checksum, and takes time and memory without limit for a small file.
    """
    if not Path(path).is_file():
        raise ValueError("a folder or a device")
    size, copy = Path(path).stat().st_size, io.BytesIO()
    if size > MAX_WEIGHTS_BYTES:
        raise ValueError(f"{size} bytes")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as checked:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("compressed data")
        if sum(entry.file_size for entry in entries) > MAX_WEIGHTS_BYTES:
            raise ValueError("overlapping data")
        sizes = {entry.filename.rpartition("/data/")[2]: entry.file_size for entry in entries}
        if len(sizes) < len(entries):
            raise ValueError("two entries of the same name")
        for entry in entries:
            data = archive.read(entry)  # an error if its checksum is wrong
            if entry.filename.lower().endswith(".pkl"):  # torch looks for it in any case
                if len(data) > MAX_PICKLE_BYTES:
                    raise ValueError(f"a pickle of {len(data)} bytes")
                _check_pickle(data, sizes)
            checked.writestr(entry.filename, data)
    copy.seek(0)
    return copy


def _check_pickle(data, sizes):
    """ValueError for a pickle of anything but names and tensors, whose records have the sizes {key: bytes}.

    What it uses twice must be a name: tuples in tuples, each used twice, would be read without end. That a record is
    as large as its tensor, torch.load has looked at since version 2.10 only.
    """
    memo, text, since_mark, in_tuple = {}, None, [], []
    for opcode, argument, _ in pickletools.genops(data):
        kind = opcode.name.removeprefix("LONG_")
        if kind == "BINPUT":
            memo[argument] = text
            continue
        if kind == "BINGET":
            argument = memo.get(argument)
        if (
            not re.fullmatch(OPCODES, kind)
            or (kind == "BINGET" and argument is None)
            or (kind == "GLOBAL" and not re.fullmatch(TENSORS_ONLY, argument))
        ):
            raise ValueError(f"`{kind} {argument}` in its pickle")
        if kind == "BINPERSID":  # a tensor's record, told by what has just been put into a tuple
            _, storage, key, _, count = in_tuple
            if storage in BYTES and sizes.get(key) != count * BYTES[storage]:
                raise ValueError(f"{sizes.get(key)} bytes for {count} numbers")
        in_tuple = since_mark if kind == "TUPLE" else []
        since_mark = (
            [] if kind in ("MARK", "TUPLE") else [*since_mark, argument] if argument is not None else since_mark
        )
        text = argument if isinstance(argument, str) else None


def predict(model, images, batch_size=1000):
    """Classify images.

    images: (N, 1, 28, 28), N = 0 included, uint8 or floating point in [0, 1], on any device.
    Returns (labels, probabilities): int64 (N,) and float32 (N, classes), on the CPU.
    Raises ValueError for another shape or for floating-point pixels outside [0, 1].
    """
    probabilities = _logits(model, images, batch_size).softmax(dim=1)
    return probabilities.argmax(dim=1), probabilities


def evaluate(model, images, labels, batch_size=1000):
    """Mean cross-entropy and accuracy (0..1) of the model on images (N, 1, 28, 28), labels int64 (N,)."""
    if len(images) != len(labels) or len(labels) == 0:
        raise ValueError(f"expected a label for each of at least one image, found {len(images)} and {len(labels)}")
    logits, labels = _logits(model, images, batch_size), labels.cpu()
    return F.cross_entropy(logits, labels).item(), (logits.argmax(dim=1) == labels).double().mean().item()


def in_words(probabilities, class_names, sure=0.75):
    """What the network says, given its probabilities (classes,): "7, 98%", or "not sure: 4 or 9"."""
    (first, _), (best, other) = (values.tolist() for values in probabilities.topk(2))
    return (
        f"{class_names[best]}, {first:.0%}"
        if first >= sure
        else f"not sure: {class_names[best]} or {class_names[other]}"
    )


@torch.inference_mode()
def _logits(model, images, batch_size):
    """Logits float32 (N, classes) on the CPU, in eval mode; the model's mode is restored."""
    if images.ndim != 4 or images.shape[1:] != (1, 28, 28):
        raise ValueError(f"expected images of shape (N, 1, 28, 28), found {tuple(images.shape)}")
    if images.is_floating_point():
        if images.numel() and not (images.min() >= 0 and images.max() <= 1):
            raise ValueError(
                f"expected floating-point pixels in [0, 1], found {images.min():.4g} to {images.max():.4g}: "
                "divide by 255, or pass uint8; the network does its own normalising"
            )
    elif images.dtype != torch.uint8:
        raise ValueError(f"expected uint8 or floating-point pixels, found {images.dtype}")
    device, training = next(model.parameters()).device, model.training
    model.eval()
    try:
        return torch.cat([model(batch.to(device)).float().cpu() for batch in images.split(batch_size)])
    finally:
        model.train(training)

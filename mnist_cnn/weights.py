"""Save and load the network's weights.

The file is a plain state_dict. Loading never runs code from the file (`weights_only=True`). Damaged files, and files
without finite weights of this network, are refused. A file that was crafted to exhaust memory is not detected: users
load files that they wrote themselves, and a filter of pickle opcodes took 60 lines.
"""

import io
import zipfile
from pathlib import Path

import torch

from mnist_cnn import files
from mnist_cnn.model import MNIST_CNN

MAX_BYTES = 2**19  # the network's own file takes 90 kB


def save_weights(model, path):
    """Save the model's state_dict to `path`. If that fails (OSError), the old file stays intact."""
    buffer = io.BytesIO()
    torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, buffer)
    files.write(path, buffer.getvalue())


def load_weights(path, device="cpu"):
    """Load an MNIST_CNN, in eval mode and on `device`, from a file that `save_weights` wrote.

    The last layer determines the number of classes.
    Raises FileNotFoundError if the file is missing, ValueError if it is damaged or does not hold finite weights of
    this network.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is not there: run workspace.ipynb (or `make train`), which writes it")
    state = _read_state(path)
    if missing := {"mean", "std"} - state.keys():
        raise ValueError(
            f"{path}: expected weights with the `mean` and `std` of their training pixels, found no "
            f"{' and no '.join(sorted(missing))}: train and save them again with workspace.ipynb"
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
    with torch.inference_mode():
        logits = model.eval()(torch.stack([torch.zeros(1, 28, 28), torch.ones(1, 28, 28)]))
    if not all(tensor.isfinite().all() for tensor in (*model.state_dict().values(), logits)):
        raise ValueError(f"{path}: expected finite weights and logits, found NaN or infinity: train again")
    return model.to(device)


def _read_state(path):
    """The state_dict in a file as {name: floating-point tensor}, or ValueError."""
    expected = f"{path}: expected weights saved by workspace.ipynb, found"
    try:
        state = torch.load(io.BytesIO(_read_whole_archive(path)), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes the parsers raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{expected} a file that is truncated, of another kind, or has code in it (the code was not run): {reason}"
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str)
        and isinstance(tensor, torch.Tensor)
        and tensor.layout == torch.strided
        and tensor.dtype in (torch.float32, torch.float64)
        and tensor.nbytes <= MAX_BYTES  # a view may be larger than its data
        for name, tensor in dict.items(state)
    ):
        raise ValueError(f"{expected} something other than a state_dict of floating-point tensors")
    return dict(dict.items(state))  # without the attributes that a pickle may give an OrderedDict


def _read_whole_archive(path):
    """The bytes of a zip archive, the format of torch.save, after verifying the checksums that torch.load ignores."""
    if not Path(path).is_file():
        raise ValueError("not a regular file")
    if (size := Path(path).stat().st_size) > MAX_BYTES:
        raise ValueError(f"{size:,} bytes, more than {MAX_BYTES:,}")
    data = Path(path).read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise ValueError("an archive whose contents are too large")
        if damaged := archive.testzip():
            raise ValueError(f"a wrong checksum for {damaged}")
    return data

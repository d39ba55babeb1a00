"""Save and load the network's weights.

The file is a plain state_dict. Loading never runs code from the file (`weights_only=True`). Damaged files, and files
without finite weights of this network, are refused. A file that was crafted to exhaust memory is not detected: users
load files that they wrote themselves, and a filter of pickle opcodes took 60 lines.
"""

import io
import itertools
import re
import zipfile
from pathlib import Path

import torch

from mnist_cnn import files
from mnist_cnn.model import MNIST_CNN, predict

WRAPPERS = r"^((_orig_mod|module)\.)*"  # prefixes by torch.compile, and by DataParallel and AveragedModel
SAME_DATA = 0.01  # by which the mean of the training pixels, in [0, 1], differs at most between runs on the same data
LATER = (("judge", "scores"), ("splitter",))  # parts that older files do not have
CHECKPOINT_KEYS = ("model_state_dict", "state_dict", "model")  # where checkpoints keep the network's weights


def save_weights(model, path):
    """Save the model's state_dict to `path`, without the prefixes of wrappers such as torch.compile.

    The weights are loaded again before the old file is replaced. Raises ValueError if that fails, OSError if the file
    cannot be written. The old file then stays intact.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in _unwrap(model.state_dict()).items()}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    _load(buffer.getvalue(), f"{path} was not written, because it could not be loaded again")
    files.write(path, buffer.getvalue())


def replace_weights(model, path, images, labels):
    """Save the model's weights to `path`, and compare them with those that they replace.

    Both are compared by their mistakes on images (N, 1, 28, 28) with labels int64 (N,). Replaced weights that are
    better are kept as NAME-replaced.pth, unless this file already holds better ones. A file that cannot be compared,
    because it is damaged or for other data, is kept, too, with a number in its name if there is another one.
    Returns a sentence for the user. Raises as `save_weights` and `predict` do.
    """
    predict(model, images[:1])
    path = Path(path).expanduser()
    kept = path.with_stem(f"{path.stem}-replaced")
    new, old, older = (_mistakes(weights, model, images, labels) for weights in (model, path, kept))
    worth_keeping = path.exists() and (old is None or old < new)
    if worth_keeping and kept.exists() and None in (old, older):  # they cannot be compared, so both stay
        names = (path.with_stem(f"{path.stem}-replaced-{k}") for k in itertools.count(2))
        kept, older = next(name for name in names if not name.exists()), None
    keep = worth_keeping and (older is None or old < older)
    if keep:
        files.write(kept, path.read_bytes())
    save_weights(model, path)
    sentence = f"{path}: saved, {new:,} wrong of {len(labels):,}"
    if old is not None:
        sentence += f"; the replaced weights had {old:,}"
    if keep:
        sentence += f"; the replaced file is kept as {kept}"
    elif worth_keeping:
        sentence += f"; {kept}, from before, has {older:,}"
    return sentence


def _mistakes(weights, model, images, labels):
    """The number of mistakes of a network, or of a file of weights; None if it is not one for the data of `model`."""
    try:
        other = weights if isinstance(weights, torch.nn.Module) else load_weights(weights)
        predicted, probabilities = predict(other, images)
    except (FileNotFoundError, ValueError):
        return None
    mean, other_mean = (_unwrap(network.state_dict())["mean"].item() for network in (model, other))
    same = probabilities.shape[1] == predict(model, images[:0])[1].shape[1] and abs(mean - other_mean) < SAME_DATA
    return int((predicted != labels.cpu()).sum()) if same else None


def load_weights(path, device="cpu"):
    """Load an MNIST_CNN, in eval mode and on `device`, from a file that `save_weights` wrote.

    Also accepts weights in half or double precision, with the prefixes of wrappers, and inside of a checkpoint. The
    last layer determines the number of classes. For files without a judge, every image is typical.
    Raises FileNotFoundError if the file is missing, ValueError if it is damaged or does not hold finite weights of
    this network.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: run workspace.ipynb (or `make train`), which writes it")
    if not path.is_file():
        raise ValueError(f"{path}: expected a file of weights, found a folder or a device")
    if (size := path.stat().st_size) > (most := _max_bytes()):
        raise ValueError(f"{path}: expected at most {most:,} bytes for this network, found {size:,}")
    return _load(path.read_bytes(), path).to(device, memory_format=torch.channels_last)  # faster on a CPU


def _load(data, path):
    """Build the network, in eval mode on the CPU, from the bytes of a file. `path` names it in errors."""
    state = _unwrap(_read_state(data, path))
    if missing := {"mean", "std"} - state.keys():
        raise ValueError(
            f"{path}: expected weights with the `mean` and `std` of their training pixels, found no "
            f"{' and no '.join(sorted(missing))}: train and save them again with workspace.ipynb"
        )
    *_, last = (name for name in MNIST_CNN().state_dict() if re.fullmatch(r"layers\..*weight", name))
    classes = len(state[last]) if last in state and state[last].ndim == 2 else 10
    if classes < 2:
        raise ValueError(f"{path}: expected the weights of at least two classes, found {classes}")
    try:
        model = MNIST_CNN(float(state["mean"]), float(state["std"]), classes)
        untrained = {
            name: value
            for name, value in model.state_dict().items()
            for parts in LATER
            if name.startswith(parts) and not any(other.startswith(parts) for other in state)
        }
        model.load_state_dict({**state, **untrained})
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: expected the weights of MNIST_CNN, found others: {error}") from error
    with torch.inference_mode():
        logits = model.eval()(torch.stack([torch.zeros(1, 28, 28), torch.ones(1, 28, 28)]))
    if not all(tensor.isfinite().all() for tensor in (*model.state_dict().values(), logits)):
        raise ValueError(f"{path}: expected finite weights and logits, found NaN or infinity: train again")
    return model


def _unwrap(state):
    """A state_dict without the prefixes that wrappers put before the names."""
    state = {re.sub(WRAPPERS, "", name): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in state.items() if name != "n_averaged"}  # AveragedModel's


def _read_state(data, path):
    """The state_dict in the bytes of a file as {name: tensor}, or ValueError."""
    expected, most = f"{path}: expected weights saved by workspace.ipynb, found", _max_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > most:
                raise ValueError("an archive whose contents are too large")
            if damaged := archive.testzip():  # torch.load ignores the checksums
                raise ValueError(f"a wrong checksum for {damaged}")
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes the parsers raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{expected} a file that is truncated, of another kind, or has code in it (the code was not run): {reason}"
        ) from error
    if isinstance(state, dict):
        state = next((state[key] for key in CHECKPOINT_KEYS if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict) or not all(
        isinstance(name, str)
        and isinstance(tensor, torch.Tensor)
        and tensor.layout == torch.strided
        and (tensor.is_floating_point() or name.endswith("num_batches_tracked"))  # of batch normalization
        and tensor.nbytes <= most  # a view may be larger than its data
        for name, tensor in dict.items(state)
    ):
        raise ValueError(f"{expected} something other than a state_dict of floating-point tensors")
    return dict(dict.items(state))  # without the attributes that a pickle may give an OrderedDict


def _max_bytes():
    """The size of a checkpoint of this network in double precision with two numbers per weight for the optimizer."""
    return 2**18 + 6 * sum(tensor.nbytes for tensor in MNIST_CNN().state_dict().values())

"""Fuzzing: builders of nearly valid inputs, and what each function must do with any input.

A function either returns what an independent reading of the same input gives, or raises an exception that it
documents, with a message that says which file; both in little time and memory. The normal tests use a few hundred
inputs of each (test_fuzz.py), the long run as many as it is told to (torture/fuzz.py).
"""

import contextlib
import gzip
import io
import math
import os
import pickle
import struct
import time
import warnings
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image, ImageOps

from mnist_cnn.dataset import load_split
from mnist_cnn.handwriting import read_picture, to_mnist
from mnist_cnn.idx import DTYPES, FILES, IDXError, read_idx
from mnist_cnn.model import MNIST_CNN, load_weights
from mnist_cnn.pictures import FORMATS, MAX_PIXELS

SECONDS = 20  # far more than any of these small inputs needs, on a busy machine too
MEMORY = 64 * 2**20  # and four times the decoded size
MARKER = Path("pwned")  # what pickled code makes, in the current folder, if it is ever run
UNDAMAGED = MNIST_CNN(0.13, 0.31).state_dict()
MOST = {"seconds": 0.0, "bytes": 0}  # that a call took so far


# --- What holds for every function ---


def peak_memory():
    """The most memory that this process had since the last call, in bytes; 0 where Linux is not."""
    try:
        status = Path("/proc/self/status").read_text()
        with contextlib.suppress(PermissionError):  # then it is the most since the process began
            Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def attempt(function, *arguments, documented):
    """Call the function. Returns (result, refusal, memory): a result or a documented exception, and bytes used."""
    peak_memory()
    before, start = peak_memory(), time.perf_counter()
    try:
        result, refusal = function(*arguments), None
    except documented as error:
        result, refusal = None, error
    seconds, memory = time.perf_counter() - start, peak_memory() - before
    MOST.update(seconds=max(MOST["seconds"], seconds), bytes=max(MOST["bytes"], memory))
    assert seconds < SECONDS, f"{function.__name__} took {seconds:.0f} seconds"
    if refusal is not None:
        assert type(refusal) in documented, f"{type(refusal).__name__} is not documented: {refusal}"
        assert str(refusal), f"{type(refusal).__name__} without a message"
    return result, refusal, memory


def check_memory(memory, decoded):
    """decoded: how many bytes the input is when it is unpacked."""
    assert memory <= MEMORY + 4 * decoded, f"{memory / 2**20:.0f} MB for an input of {decoded / 2**20:.1f} MB"


class Choices:
    """What the builders of inputs choose by.

    number: a function (low, high) -> a whole number from low to high. Hypothesis draws it in the normal tests; in the
        long run atheris reads it from the bytes that it tries.
    """

    def __init__(self, number):
        self.number = number

    def pick(self, options):
        """One of a list."""
        return options[self.number(0, len(options) - 1)]

    def rarely(self, one_in=8):
        """True once in so many times."""
        return self.number(1, one_in) == one_in

    def some(self, options, most):
        """A list of up to so many of them."""
        return [self.pick(options) for _ in range(self.number(0, most))]


def strategy(build):
    """The hypothesis strategy of what `build(choices)` returns."""
    return st.composite(lambda draw: build(Choices(lambda low, high: draw(st.integers(low, high)))))()


def damaged(choose, whole):
    """These bytes as they are, or cut, or with some of them changed, removed or put in."""
    data = bytearray(whole)
    for kind in choose.some(["change", "number", "remove", "insert", "cut"], 3):
        place = choose.number(0, len(data))
        if kind == "change":
            data[place : place + 1] = bytes([choose.number(0, 255)])
        elif kind == "number":
            number = choose.pick([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1])
            data[place : place + 4] = struct.pack(choose.pick([">I", "<I"]), number)
        elif kind == "remove":
            del data[place : place + choose.number(1, 64)]
        elif kind == "insert":
            data[place:place] = bytes(choose.some(range(256), 16))
        else:
            del data[place:]
    return bytes(data)


# --- read_idx ---


def parsed_idx(data):
    """(array, size): what IDX bytes hold, None if they are not whole, and how many bytes they are unpacked."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return None, 0
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in DTYPES or data[3] > 64 or len(data) < 4 + 4 * data[3]:
        return None, len(data)
    shape, dtype = struct.unpack_from(f">{data[3]}I", data, 4), np.dtype(DTYPES[data[2]])
    values = data[4 + 4 * len(shape) :]
    too_large = math.prod(max(size, 1) for size in shape) * dtype.itemsize >= 2**63  # for numpy, even where one is 0
    if too_large or len(values) != math.prod(shape) * dtype.itemsize:
        return None, len(data)
    return np.frombuffer(values, dtype).reshape(shape), len(data)


def check_read_idx(data, folder):
    """data: the bytes of a file. True if it was read, False if it was refused."""
    path = folder / "data-idx"
    path.write_bytes(data)
    array, refusal, memory = attempt(read_idx, path, documented=(IDXError,))
    expected, size = parsed_idx(data)
    check_memory(memory, size)
    if refusal is not None:
        assert expected is None, f"a whole file is refused: {refusal}"
        assert str(path) in str(refusal)
        return False
    assert expected is not None, f"a file that is not whole was read, as {array.dtype} {array.shape}"
    assert array.dtype == expected.dtype.newbyteorder("=") and array.dtype.isnative and array.shape == expected.shape
    assert array.flags.writeable and array.tobytes() == expected.astype(array.dtype).tobytes()
    return True


def idx_file(choose, code=None, shape=None):
    """An IDX file whose header, data or compression may not fit together."""
    code = choose.pick([*DTYPES, *DTYPES, 0x00, 0x0A, 0xFF]) if code is None else code
    shape = choose.some(range(6), 4) if shape is None else shape
    announced, rank = list(shape), len(shape)
    if announced and choose.rarely():
        announced[choose.number(0, len(shape) - 1)] = choose.pick([0, 1, 2**16, 2**31, 2**32 - 1])
    if choose.rarely():
        rank = choose.pick([0, 1, 3, 64, 65, 255])
    size = math.prod(shape) * np.dtype(DTYPES.get(code, "u1")).itemsize
    if choose.rarely():
        size += choose.pick([-1, 1, 1000])
    values = (np.arange(max(size, 0)) * choose.number(0, 9) % 251).astype(np.uint8).tobytes()
    data = struct.pack(f">HBB{len(shape)}I", 0, code, rank, *announced) + values
    if choose.rarely(4):
        data = damaged(choose, data)
    for _ in range(choose.pick([0, 0, 0, 1, 1, 2])):
        data = gzip.compress(data, 1)
        if choose.rarely(4):
            data = damaged(choose, data) + choose.pick([b"", b"", bytes(9), data, gzip.compress(b"more")])
    return data


# --- load_split ---


def check_load_split(files, folder):
    """files: the bytes of (images, labels), None for a missing one. True if they were read, False if refused."""
    paths = [folder / name for name in FILES["train"]]
    for path, data in zip(paths, files):
        if data is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(data)
    split, refusal, memory = attempt(load_split, folder, "train", documented=(IDXError, FileNotFoundError))
    (images, images_size), (labels, labels_size) = (parsed_idx(data or b"") for data in files)
    check_memory(memory, images_size + labels_size)
    valid = (
        images is not None
        and labels is not None
        and images.dtype == np.uint8
        and images.ndim == 3
        and images.shape == (len(images), 28, 28)
        and labels.dtype.kind in "iu"
        and labels.shape == (len(images),)
        and len(images) > 0
        and 0 <= labels.min() <= labels.max() < 10
    )
    if refusal is not None:
        assert not valid, f"a valid split is refused: {refusal}"
        assert isinstance(refusal, FileNotFoundError) <= (None in files)
        assert any(path.name in str(refusal) for path in paths)
        return False
    assert valid, "a split that is not valid was read"
    assert split[0].dtype == torch.uint8 and split[1].dtype == torch.int64
    assert np.array_equal(split[0].numpy(), images[:, None]) and np.array_equal(split[1].numpy(), labels)
    return True


def split_files(choose):
    """The two files of a split, which may not belong together."""
    n = choose.pick([1, 2, 3, 4, 0])
    files = [
        idx_file(choose, choose.pick([0x08] * 9 + [0x09, 0x0D]), choose.pick([[n, 28, 28]] * 9 + [[n, 784]])),
        idx_file(choose, choose.pick([0x08] * 6 + [0x09, 0x0C, 0x0D]), choose.pick([[n]] * 9 + [[n, 2], [5]])),
    ]
    if choose.rarely(16):
        files[choose.number(0, 1)] = None
    return files[::-1] if choose.rarely(16) else files


# --- load_weights ---


def check_load_weights(data, folder):
    """data: the bytes of a file. True if it was read, False if it was refused; code in it must not be run."""
    path = folder / "weights.pth"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, on kinds of tensors that it does not like
        model, refusal, memory = attempt(load_weights, path, documented=(ValueError,))
        assert not MARKER.exists(), "code in the file was run"
        check_memory(memory, 0 if model is None else len(data))
        if refusal is not None:
            assert str(path) in str(refusal)
            return False
        plain = io.BytesIO()  # torch refuses some headers that are only odd
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(plain, "w") as copy:
            assert archive.testzip() is None, "a file with a wrong checksum was read"
            for entry in archive.infolist():
                copy.writestr(entry.filename, archive.read(entry))
        plain.seek(0)
        expected = torch.load(plain, weights_only=True)
    state = model.state_dict()
    assert state["std"] > 0
    assert not model.training and state.keys() == expected.keys() == UNDAMAGED.keys()
    for name, tensor in state.items():
        ends = (len(state["layers.8.bias"]),) if name.startswith("layers.8") else tensor.shape[:1]
        assert (
            tensor.dtype == torch.float32
            and tensor.shape == ends + UNDAMAGED[name].shape[1:]
            and tensor.isfinite().all()
        )
        held = expected[name].float().reshape(tensor.shape)  # torch takes a row of one number as a number too
        assert torch.equal(tensor, held), f"{name} is not what the file holds"
    return True


class Code:
    """What pickles as a call of a function, with these arguments."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


CODE = [  # each would make the file MARKER
    Code(os.system, f"echo > {MARKER}"),
    Code(eval, f"open({str(MARKER)!r}, 'w')"),
    Code(exec, f"open({str(MARKER)!r}, 'w')"),
    Code(open, str(MARKER), "w"),
    Code(os.mkdir, str(MARKER)),
    Code(getattr, Code(eval, f"open({str(MARKER)!r}, 'w')"), "name"),
    Code(torch.load, Code(open, str(MARKER), "w")),
]
PICKLES = [  # what stands in place of data.pkl; the last ones would take much more memory than they are long
    b"",
    b"\x80\x02}.",
    b"\x80\x02N.",
    b"\x80\x02cos\nsystem\n(X\x0c\x00\x00\x00echo > pwnedtR.",
    b"\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x01sb.",
    b"\x80\x02cbuiltins\nbytearray\n(J\x00\x00\x00\x40tR.",
    b"\x80\x02" + b"\x8f" * 400_000 + b".",
    b"\x80\x02ctorch.nn.parameter\nParameter\nq\x00" + b"h\x00)R" * 80_000 + b".",
]


def saved(thing, **options):
    """The bytes that torch.save makes of it."""
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


def rezipped(data, compression, replaced):
    """The zip archive anew, with other compression, and with other data for the names that end with these."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, next((value for end, value in replaced.items() if name.endswith(end)), old.read(name)))
    return buffer.getvalue()


INSTEAD = [  # what may stand in place of a tensor
    *[lambda like, shape=shape: torch.ones(shape) for shape in ((), (1,), (2,), (10,), (50, 10), (10, 1, 5, 5), (0,))],
    *[
        lambda like, shape=shape: torch.ones(1).expand(shape)
        for shape in ((10**9,), (10**8, 50), (10**5,), (10**5, 50))
    ],
    lambda like: torch.ones(10**12, 0),
    *[
        lambda like, number=number: torch.full_like(like, number, dtype=torch.float64)
        for number in (0.0, -1.0, 1e-40, 1e-320, 1e38, 1e39, math.nan, math.inf, -math.inf)
    ],
    *[lambda like, dtype=dtype: like.to(dtype) for dtype in (torch.float64, torch.float16, torch.bfloat16)],
    *[lambda like, dtype=dtype: like.to(dtype) for dtype in (torch.int64, torch.uint8, torch.bool, torch.complex64)],
    lambda like: like.flatten().flip(0).reshape(like.shape),
    lambda like: like.T.contiguous().T if like.ndim == 2 else like,
    lambda like: torch.nn.Parameter(like),
    lambda like: like.to_sparse(),
    lambda like: like.to("meta"),
    *[lambda like, thing=thing: thing for thing in (None, 1, 0.5, "text", torch.Size([2]), torch.float32, *CODE)],
    lambda like: [like],
    lambda like: {"a": like},
]


def weights_file(choose):
    """A file of weights with a few things wrong, or with code in it."""
    classes = choose.pick([10] * 6 + [1, 2, 47, 62])
    state = dict(UNDAMAGED)
    state |= {"layers.8.weight": torch.ones(classes, 50), "layers.8.bias": torch.ones(classes)}
    for kind in choose.some(["replace"] * 4 + ["rename", "remove", "add", "share"], 2):
        name = choose.pick(sorted(state, key=str))
        instead = choose.pick(INSTEAD)(UNDAMAGED.get(name, torch.ones(2)))
        if kind == "replace":
            state[name] = instead
        elif kind == "rename":
            state[choose.pick(["", "mean", "layers.8.bias", "module.mean", 1, None, ("a",)])] = state.pop(name)
        elif kind == "remove":
            del state[name]
        elif kind == "add":
            state[choose.pick(["layers.9.weight", "extra", 1, None])] = instead
        else:
            state["layers.0.bias"] = state[name]
    whole = state
    if choose.rarely(16):
        whole = choose.pick([[state], (state,), {"state_dict": state}, state.get("mean"), *CODE])
    elif choose.rarely():
        whole = OrderedDict(state)
        whole.__dict__ |= choose.pick([{"_metadata": {}}, {"_metadata": 1}, {"_metadata": {"": []}}, {"a": 1}])
    try:
        data = saved(whole, _use_new_zipfile_serialization=not choose.rarely(16))
    except (RuntimeError, TypeError, AttributeError, NotImplementedError, pickle.PicklingError):
        data = pickle.dumps(1)  # not everything can be saved
    if choose.rarely(4) and zipfile.is_zipfile(io.BytesIO(data)):
        compression = choose.pick([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        end = choose.pick(["", "data.pkl", "data.pkl", "data.pkl", "byteorder", "data/3"])
        other = {
            "data.pkl": lambda: choose.pick([*PICKLES, *[damaged(choose, saved_pickle(data))] * 8]),
            "byteorder": lambda: choose.pick([b"big", b"little", b"x"]),
            "data/3": lambda: bytes(choose.some(range(256), 50)),
        }
        data = rezipped(data, compression, {end: other[end]()} if end else {})
        if choose.rarely(4):
            data = data.replace(b"data.pkl", b"DATA.PKL")  # torch finds it all the same
    return damaged(choose, data) if choose.rarely(3) else data


def saved_pickle(data):
    """The pickle in a file of weights."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


# --- read_picture ---


def pillow_picture(data, channels):
    """What Pillow makes of the bytes by itself: the first frame, turned as the EXIF says, with so many channels."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.load()
        with contextlib.suppress(Exception):
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            return np.asarray(image)
        return np.asarray(image.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]))


def png_chunks(data):
    """(kind, content, checksum is right) of each chunk of a PNG file."""
    place = 8
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        body, checksum = data[place + 4 : place + 8 + size], data[place + 8 + size : place + 12 + size]
        yield body[:4], body[4:], struct.pack(">I", zlib.crc32(body)) == checksum
        place += 12 + size


def announced_size(data):
    """How many bytes the picture is when decoded, at 4 a pixel; 0 for what may not be decoded at all."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return 4 * image.width * image.height if image.width * image.height <= MAX_PIXELS else 0
    except Exception:  # it is no picture
        return 0


def check_read_picture(data, folder):
    """data: the bytes of a file. True if it was read, False if it was refused."""
    path = folder / "picture"
    path.write_bytes(data)
    picture, refusal, memory = attempt(read_picture, path, documented=(ValueError,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on large or damaged pictures
        check_memory(memory, announced_size(data) if picture is None else picture.nbytes)
        if refusal is not None:
            assert str(path) in str(refusal)
            return False
        expected = pillow_picture(data, 1 if picture.ndim == 2 else picture.shape[2])
    assert picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] in (2, 3, 4))
    assert picture.dtype == np.uint8 or (picture.dtype == np.uint16 and picture.ndim == 2)
    assert picture.shape[0] * picture.shape[1] <= MAX_PIXELS and picture.flags.writeable
    assert np.array_equal(picture, expected), "the pixels are not those that Pillow decodes"
    if data.startswith(b"\x89PNG"):
        broken = [kind for kind, _, right in png_chunks(data) if kind in (b"IHDR", b"PLTE", b"IDAT") and not right]
        assert not broken, f"a PNG file with a wrong checksum was read: {broken}"
    return True


def png(chunks):
    """A PNG file of (kind, content, anything) chunks, with right checksums."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content, _ in chunks
    )


MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "GIF": ["1", "L", "P", "RGB", "RGBA"],
    "BMP": ["1", "L", "P", "RGB", "RGBA"],
    "WEBP": ["L", "RGB", "RGBA"],
}


def picture_file(choose):
    """A small picture in any format and mode, as it is or damaged, also under right checksums."""
    kind = choose.pick([*MODES, "PNG"])
    mode = choose.pick(MODES[kind])
    width, height, step = choose.number(1, 24), choose.number(1, 24), choose.number(1, 255)
    image = picture_image(mode, np.arange(width * height).reshape(height, width) * step % 256)
    options = {}
    if choose.rarely(4):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = choose.pick([*range(10), 65535])
    if kind == "PNG" and mode in ("1", "L", "P", "RGB", "I;16") and choose.rarely(2):
        options["transparency"] = (1, 2, 3) if mode == "RGB" else 0
    if kind in ("PNG", "GIF", "WEBP") and choose.rarely():
        options |= {"save_all": True, "append_images": [image.copy()]}
    if kind == "JPEG":
        options["progressive"] = choose.rarely(2)
    if kind == "WEBP":
        options["lossless"] = choose.rarely(2)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    data = buffer.getvalue()
    if kind == "PNG" and choose.rarely(2):
        chunks = list(png_chunks(data))
        place = choose.number(0, len(chunks) - 1)
        name, content, right = chunks[place]
        chunks[place] = choose.pick([name] * 9 + [b"tRNS", b"PLTE", b"eXIf", b"fdAT"]), damaged(choose, content), right
        data = png(chunks[:place] + chunks[place:][::-1] if choose.rarely() else chunks)
    return damaged(choose, data) if choose.rarely(2) else data


def picture_image(mode, values):
    """A Pillow image of this mode with these values, from 0 to 255, in all its bands."""
    grey = Image.fromarray(np.uint8(values))
    if mode == "I;16":
        return Image.fromarray(np.uint16(values * 257))
    return grey.convert(mode) if mode in ("1", "P") else Image.merge(mode, [grey] * len(mode))


# --- to_mnist ---


def check_to_mnist(picture, folder=None):
    """picture: anything. True if a digit was found in it, False if it was refused."""
    image, refusal, memory = attempt(to_mnist, picture, documented=(ValueError,))
    check_memory(memory, getattr(picture, "nbytes", 0) if refusal is None else 0)
    if refusal is not None:
        return False
    assert image.dtype == torch.uint8 and image.shape == (1, 28, 28)
    rows, columns = np.nonzero(image[0].numpy())
    assert len(rows), "the image is blank"
    side, clipped = max(np.ptp(rows), np.ptp(columns)) + 1, {0, 27} & {*rows.tolist(), *columns.tolist()}
    assert 10 <= side <= 20 or clipped, f"the digit is {side} pixels long"  # 20, or less by its faint ends
    copy = picture.detach().clone() if isinstance(picture, torch.Tensor) else np.array(picture)
    assert torch.equal(to_mnist(copy), image), "the same pixels gave another image"
    return True


def any_picture(choose):
    """An array or tensor that is, or nearly is, a picture of a digit."""
    height, width = (choose.pick([8, 9, 12, 16, 20, 28, 28, 31, 41, 0, 1, 7]) for _ in range(2))
    channels = choose.pick([0, 0, 0, 1, 2, 3, 4, 5])
    values = drawing(choose, height, width)
    if channels:
        values = np.stack([drawing(choose, height, width) if choose.rarely(3) else values for _ in range(channels)])
        values = values if choose.rarely(2) else np.moveaxis(values, 0, 2)
    if choose.rarely(32):
        values = choose.pick([values[None], values.ravel(), values.sum()])
    dtype = choose.pick(["u1", "u1", "f4", "f8", "f2", "g", "?", "u2", "i2", "i4", "i8", "c8", "O", "S3", ">f4", ">u2"])
    kind = np.dtype(dtype).kind
    scale = 255 if kind in "uiOS" and dtype != "u2" else 65535 if dtype == "u2" else 1
    array = (values * scale).round() if kind in "ui" else values * scale
    array = array > 0.5 if kind == "b" else array.astype(dtype)
    if kind == "f" and array.size and choose.rarely():
        array = array.copy()
        array.flat[choose.number(0, array.size - 1)] = choose.pick(
            [np.nan, np.inf, -np.inf, -0.0, -1e-30, 1.0000001, 1e-40, 2.0, 1e30]
        )
    layouts = {
        "plain": lambda a: a,
        "reversed": np.flip,
        "Fortran": np.asfortranarray,
        "every second": lambda a: np.repeat(a, 2, axis=0)[::2] if a.ndim else a,
        "transposed": np.transpose,
        "broadcast": lambda a: np.broadcast_to(a[..., :1], a.shape) if a.ndim and a.size else a,
        "a list": np.ndarray.tolist,
        "masked": np.ma.masked_array,
    }
    array = layouts[choose.pick(["plain"] * 6 + sorted(layouts))](np.asarray(array))
    if not isinstance(array, np.ndarray) or not choose.rarely(3):
        return array
    try:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
    except (TypeError, ValueError):  # torch has no such dtype
        return array
    changes = {
        "plain": lambda t: t,
        "gradient": lambda t: t.float().requires_grad_(),
        "bfloat16": lambda t: t.real.to(torch.bfloat16),
        "eighth": lambda t: t.real.to(torch.float8_e5m2),
        "sparse": lambda t: t.float().to_sparse(),
        "conjugate": lambda t: t.to(torch.complex64).conj(),
        "meta": lambda t: t.to("meta"),
        "negative": lambda t: torch._neg_view(t.float()),
        "parameter": lambda t: torch.nn.Parameter(t.float()),
    }
    return changes[choose.pick(["plain"] * 8 + sorted(changes))](tensor)


def drawing(choose, height, width):
    """Values from 0 to 1 (height, width): a few lines on paper, stripes, noise, a ramp or one tone."""
    kind = choose.pick(["lines"] * 6 + ["stripes", "noise", "ramp", "tone"])
    row, column = np.indices((height, width))
    if kind == "lines":
        values = np.zeros((height, width))
        for _ in range(choose.number(1, 3)):
            ends = [choose.number(0, 40) / 40 * side for side in (height, width, height, width)]
            share = np.linspace(0, 1, 60)[:, None, None]
            line = [ends[axis] + share * (ends[axis + 2] - ends[axis]) for axis in (0, 1)]
            distance = np.hypot(row - line[0], column - line[1]).min(axis=0)
            values = np.maximum(values, np.clip(choose.number(1, 5) - distance, 0, 1))
    elif kind == "stripes":
        values = ((row if choose.rarely(2) else column) // choose.number(1, 9) % 2).astype(float)
    elif kind == "noise":
        values = np.random.default_rng(choose.number(0, 99)).random((height, width))
    else:
        values = (row + column) / max(height + width, 1) * (kind == "ramp")
    low, high = choose.pick([(0, 1), (0, 1), (1, 0), (0.9, 0.1), (0.5, 0.52), (0, 1e-3), (1, 1), (0, 1.01)])
    return low + (high - low) * values


TARGETS = {  # name of the function: what builds an input, what checks it
    "read_idx": (idx_file, check_read_idx),
    "load_split": (split_files, check_load_split),
    "load_weights": (weights_file, check_load_weights),
    "read_picture": (picture_file, check_read_picture),
    "to_mnist": (any_picture, check_to_mnist),
}


# --- Inputs that once found something, in files ---


def save_case(case, path):
    """Write an input to `path`, with the ending that its kind has; two files of a split into a folder."""
    if isinstance(case, bytes):
        path.write_bytes(case)
    elif isinstance(case, torch.Tensor):
        torch.save(case, path.with_suffix(".pt"))
    elif isinstance(case, np.ndarray):
        np.save(path.with_suffix(".npy"), case, allow_pickle=False)
    elif isinstance(case, list) and any(isinstance(data, bytes) for data in case):
        path.mkdir(exist_ok=True)
        for name, data in zip(("images", "labels"), case):
            if data is not None:
                (path / name).write_bytes(data)
    else:
        path.with_suffix(".txt").write_text(repr(case), encoding="utf-8")


def load_case(path):
    """The input that `save_case` wrote; the bytes may have been packed with gzip since, as NAME.packed."""
    if path.is_dir():
        files = [path / name for name in ("images", "labels")]
        return [file.read_bytes() if file.exists() else None for file in files]
    if path.suffix == ".pt":
        return torch.load(path, weights_only=True)
    if path.suffix == ".npy":
        return np.load(path)
    return gzip.decompress(path.read_bytes()) if path.suffix == ".packed" else path.read_bytes()

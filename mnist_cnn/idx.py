"""The IDX file format, as http://yann.lecun.com/exdb/mnist (archived) describes it.

A file consists of two zero bytes, a type byte, a rank byte, one big-endian 32-bit size per dimension, and the values
in row-major order, big-endian.
"""

import codecs
import contextlib
import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_RANK = 64  # numpy's own limit

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}

OTHERS = {  # prefixes of related data sets, and how to convert them to MNIST's format
    "emnist-": "transpose each image; the labels of EMNIST's letters start at 1: subtract 1",
    "qmnist-": "of the many columns of QMNIST's labels, keep the first, labels[:, 0], as uint8",
}


class IDXError(ValueError):
    """A file has the wrong content. The message names the file, what was expected and what was found."""


def find(path):
    """Return the file at `path`, under one of the names and places that people have for it, or None.

    A dot for a hyphen, capitals, and the endings .idx and .gz make no difference. The file may be in a folder of its
    own name. The exact name comes first.
    """
    path = Path(path).expanduser()
    if not path.parent.is_dir():
        return None
    others = (other for other in sorted(path.parent.iterdir()) if _plain(other.name) == _plain(path.name))
    for found in (path, Path(f"{path}.gz"), *others):
        if found.is_dir():
            found = next((file for file in sorted(found.iterdir()) if _plain(file.name) == _plain(path.name)), None)
        if found and found.exists():
            return found
    return None


def _plain(name):
    name = name.lower().removesuffix(".gz").removesuffix(".idx")
    return name.replace(".", "-")


def read_idx(path):
    """Read one IDX file, plain or gzip-compressed (its content decides, not its name).

    path: the file, or a file with a similar name, see `find`.
    Returns a writable numpy.ndarray in native byte order: uint8, int8, int16, int32, float32 or float64, of rank 0
    to 64.
    Raises FileNotFoundError if the file is missing; IDXError if it is not IDX, is damaged, or holds more or less data
    than its header announces. Memory is only allocated for data that is there.
    """
    found = find(path)
    if found is None:
        if Path(path).is_dir():
            raise IDXError(f"{path}: expected a file, found a folder")
        raise FileNotFoundError(_missing(path))

    with open(found, "rb") as file:
        start = file.read(2**16)
        file.seek(0)
        if not start.startswith(b"\x1f\x8b"):
            try:
                return _parse(file, found)
            except IDXError as error:
                raise IDXError(f"{error}{_text_mode(start)}") from None
        try:
            with gzip.open(file) as unpacked:
                return _parse(unpacked, found)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise IDXError(
                f"{found}: expected a gzip file, found a truncated or corrupt one ({error}). Download it again"
            ) from error


def _parse(file, path):
    """Read the header, then at most one byte more than it announces."""
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise IDXError(f"{path}: {_not_idx(head + file.read(60))}")
    code, rank = head[2:]
    if code not in DTYPES:
        known = ", ".join(f"0x{known:02X}" for known in DTYPES)
        raise IDXError(f"{path}: expected a type byte among {known}, found 0x{code:02X}")
    if rank > MAX_RANK:
        raise IDXError(f"{path}: expected at most {MAX_RANK} dimensions, found {rank}")

    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise IDXError(f"{path}: expected {rank} sizes in the header, found {len(sizes) // 4}: it is truncated")
    shape = struct.unpack(f">{rank}I", sizes)
    dtype = np.dtype(DTYPES[code])
    if math.prod(size for size in shape if size) * dtype.itemsize >= 2**63:
        raise IDXError(f"{path}: expected a shape that fits into memory, found {shape}")

    expected = math.prod(shape) * dtype.itemsize
    data = bytearray()  # grows with the data in the file, whatever the header announces
    while chunk := file.read(min(2**20, expected + 1 - len(data))):
        data += chunk
    if len(data) != expected:
        found = f"{len(data)}: it is truncated" if len(data) < expected else "more: there are trailing bytes"
        raise IDXError(f"{path}: expected {expected} bytes of data for shape {shape}, found {found}")
    values = np.frombuffer(data, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


def _not_idx(start):
    """Describe a file that is not IDX and starts with the bytes `start`."""
    expected = "expected an IDX file (two zero bytes, a type byte, a rank byte), found"
    if not start:
        return f"{expected} an empty file. Download it again"
    if start.startswith(b"version https://git-lfs"):
        return f"{expected} a Git LFS pointer instead of the data. Run `git lfs pull`"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return f"{expected} an HTML or XML page instead of the data. Download the file itself"
    if len(start) < 4:
        return f"{expected} only {len(start)} bytes: the header is truncated. Download it again"
    return f"{expected} the bytes {start[:4].hex(' ')}"


def _text_mode(start):
    """A hint if a damaged file that starts with these bytes went through a program that took it for text, or ""."""
    ends = start.count(b"\n")
    if ends > 9 and ends == start.count(b"\r\n"):
        return ". Every line feed is CR LF: the file was transferred as text. Transfer it again in binary mode"
    with contextlib.suppress(UnicodeDecodeError):
        text = codecs.getincrementaldecoder("utf-8")().decode(start)  # the last letter may be cut off
        if not text.isascii():
            return ". All of it is valid UTF-8: the file was re-encoded as text. Transfer it again in binary mode"
    return ""


def _missing(path):
    path = Path(path).expanduser()
    for folder in (path.parent, path.parent.parent):
        for start, conversion in OTHERS.items():
            if other := next(folder.glob(f"{start}*idx*"), None):
                return f"{path} is not there, but {other} is. To use it, {conversion}; then save it under MNIST's name"
    for folder in (path.parent, path.parent.parent):
        if archive := next(folder.glob("*.zip"), None) or (folder if folder.suffix == ".zip" else None):
            return f"{path} is not there, but {archive} is: unpack it, and name the folder"
    places = ", ".join(f"dataset/{split}/{name}" for split, names in FILES.items() for name in names)
    ours = Path(__file__).parents[1] / "dataset" in path.absolute().parents
    return (
        f"{path} is not there, nor is {path.name}.gz. The four files are expected at {places}, or all in one folder"
        + "; they are part of the repository: `git checkout -- dataset` brings them back" * ours
    )

"""Fuzzing of read_idx and load_split: IDX files and pairs of them."""

import gzip
import math
import struct
import zlib

import numpy as np
import torch

from mnist_cnn.dataset import load_split
from mnist_cnn.idx import DTYPES, FILES, IDXError, read_idx
from tests.fuzzing.common import attempt, check_memory, damaged

# --- read_idx ---


def parsed_idx(data):
    """Decode IDX bytes independently. Returns (array or None if they are invalid, their unpacked size in bytes)."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return None, 0
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in DTYPES or data[3] > 64 or len(data) < 4 + 4 * data[3]:
        return None, len(data)
    shape, dtype = struct.unpack_from(f">{data[3]}I", data, 4), np.dtype(DTYPES[data[2]])
    values = data[4 + 4 * len(shape) :]
    too_large = math.prod(max(size, 1) for size in shape) * dtype.itemsize >= 2**63  # numpy refuses it, even if empty
    if too_large or len(values) != math.prod(shape) * dtype.itemsize:
        return None, len(data)
    return np.frombuffer(values, dtype).reshape(shape), len(data)


def check_read_idx(data, folder):
    """data: the bytes of a file. Returns whether it was accepted."""
    path = folder / "data-idx"
    path.write_bytes(data)
    array, refusal, memory = attempt(read_idx, path, documented=(IDXError,))
    expected, size = parsed_idx(data)
    check_memory(memory, size)
    if refusal is not None:
        assert expected is None, f"a valid file was refused: {refusal}"
        assert str(path) in str(refusal)
        return False
    assert expected is not None, f"an invalid file was accepted, as {array.dtype} {array.shape}"
    assert array.dtype == expected.dtype.newbyteorder("=") and array.dtype.isnative and array.shape == expected.shape
    assert array.flags.writeable and array.tobytes() == expected.astype(array.dtype).tobytes()
    return True


def idx_file(choose, code=None, shape=None):
    """An IDX file. Its header, data and compression may contradict each other."""
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
    """files: the bytes of (images, labels), None for a missing file. Returns whether they were accepted."""
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
        assert not valid, f"a valid split was refused: {refusal}"
        assert isinstance(refusal, FileNotFoundError) <= (None in files)
        assert any(path.name in str(refusal) for path in paths)
        return False
    assert valid, "an invalid split was accepted"
    assert split[0].dtype == torch.uint8 and split[1].dtype == torch.int64
    assert np.array_equal(split[0].numpy(), images[:, None]) and np.array_equal(split[1].numpy(), labels)
    return True


def split_files(choose):
    """The two files of a split. They may not belong together."""
    n = choose.pick([1, 2, 3, 4, 0])
    files = [
        idx_file(choose, choose.pick([0x08] * 9 + [0x09, 0x0D]), choose.pick([[n, 28, 28]] * 9 + [[n, 784]])),
        idx_file(choose, choose.pick([0x08] * 6 + [0x09, 0x0C, 0x0D]), choose.pick([[n]] * 9 + [[n, 2], [5]])),
    ]
    if choose.rarely(16):
        files[choose.number(0, 1)] = None
    return files[::-1] if choose.rarely(16) else files

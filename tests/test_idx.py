import gzip
import hashlib
import re
import struct
import tracemalloc

import numpy as np
import pytest

from mnist_cnn.idx import IDXError, read_idx
from tests.helpers import ROOT, idx_bytes

SHA256 = {
    "train/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "test/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "test/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@pytest.fixture
def write(tmp_path):
    def write(data, name="file-idx"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


GOOD = idx_bytes(np.arange(24, dtype=np.int16).reshape(2, 3, 4), 0x0B)


@pytest.mark.parametrize("name", SHA256)
def test_the_data_are_the_official_ones(name):
    assert hashlib.sha256((ROOT / "dataset" / name).read_bytes()).hexdigest() == SHA256[name]


def test_mnist_has_its_shapes():
    assert read_idx(ROOT / "dataset/train/train-images-idx3-ubyte").shape == (60000, 28, 28)
    assert read_idx(ROOT / "dataset/test/t10k-labels-idx1-ubyte")[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.parametrize(
    "code, dtype", [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")]
)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 1, 3), (1,) * 64, (3, 0, 2)])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_every_type_and_rank(write, code, dtype, shape, compress):
    values = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    read = read_idx(write(compress(idx_bytes(values, code))))
    assert read.dtype == np.dtype(dtype)
    assert read.dtype.isnative
    assert read.flags.writeable
    np.testing.assert_array_equal(read, values)


def test_extreme_values_keep_their_bits(write):
    values = np.array([np.nan, np.inf, -0.0, np.finfo("f8").tiny])
    assert read_idx(write(idx_bytes(values, 0x0E))).tobytes() == values.tobytes()


def test_gz_is_found_and_the_plain_file_preferred(write, tmp_path):
    write(gzip.compress(GOOD), "x-ubyte.gz")
    assert read_idx(tmp_path / "x-ubyte").shape == (2, 3, 4)
    write(idx_bytes(np.zeros(1, "u1"), 0x08), "x-ubyte")
    assert read_idx(str(tmp_path / "x-ubyte")).shape == (1,)


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "found an empty file. Download it again"),
        (b"\0\0\x08", "found only 3 bytes: the header is truncated"),
        (b"\1" + GOOD[1:], r"IDX file \(two zero bytes, .* a rank byte\), found the bytes 01 00 0b 03$"),
        (b"\0\1\x08\0", "found the bytes 00 01 08 00$"),
        (b"\0\0\x0a\1" + bytes(8), "type byte among 0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, found 0x0A"),
        (b"\0\0\x08\x41" + bytes(2000), "at most 64 dimensions, found 65"),
        (GOOD[:12], "3 sizes in the header, found 2: it is truncated"),
        (GOOD[:-1], r"48 bytes of data for shape \(2, 3, 4\), found 47: it is truncated"),
        (GOOD + b"x", "found more: there are trailing bytes"),
        (struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3), "fits into memory"),
        (struct.pack(">HBB2I", 0, 0x0E, 2, 2**30, 2**30), r"fits into memory, found \(1073741824, 1073741824\)"),
        (struct.pack(">HBB2I", 0, 0x0C, 2, 2**30, 2**30), "truncated"),  # 2**62 bytes: numpy could have such a shape
        (struct.pack(">HBB3I", 0, 8, 3, 2**20, 2**10, 2**10) + b"few", "truncated"),
        (struct.pack(">HBB4I", 0, 8, 4, 0, *[2**32 - 1] * 3), "fits into memory"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS.*Run `git lfs pull`"),
        (b"\n<!DOCTYPE html><html></html>", "HTML or XML page.*Download the file itself"),
        (b"<html>", "HTML"),
        (b"\xef\xbb\xbf \t\r\n<?xml", "XML"),  # after a byte order mark
        (b"X<a>", "found the bytes 58 3c 61 3e$"),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_refusals_name_the_file_and_the_reason(write, data, message, compress):
    path = write(compress(data))
    with pytest.raises(IDXError) as caught:
        read_idx(path)
    start, told = str(caught.value).split(": ", 1)
    assert start == str(path)
    assert re.match(f"expected .*{message}", told)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("damage", [lambda z: z[:-6], lambda z: z[:20], lambda z: z[:-8] + b"\0" * 8, lambda z: z[:2]])
def test_damaged_gzip(write, damage):
    with pytest.raises(IDXError, match="gzip"):
        read_idx(write(damage(gzip.compress(GOOD * 100))))


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_nothing_is_allocated_for_what_is_not_there(write, compress):
    path = write(compress(struct.pack(">HBB3I", 0, 0x0E, 3, 2**15, 2**10, 2**10)))  # announces 256 GB
    tracemalloc.start()
    with pytest.raises(IDXError):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "start, message", [(idx_bytes(np.zeros(5, "u1"), 0x08), "trailing"), (b"text", "found the bytes")]
)
def test_a_gzip_bomb_is_not_unpacked(write, start, message):
    path = write(gzip.compress(start + bytes(50_000_000), 1))
    tracemalloc.start()
    with pytest.raises(IDXError, match=message):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()


def test_missing_file_says_where_the_four_are_expected(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        read_idx(tmp_path / "none")
    assert f"{tmp_path}/none is not there, nor is none.gz." in str(caught.value)
    places = ", ".join(f"dataset/{name}" for name in SHA256)
    assert str(caught.value).endswith(f"expected at {places}, or all in one folder")
    assert "git" not in str(caught.value).replace(str(tmp_path), "")  # the folder is the user's own


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(IDXError, match="folder"):
        read_idx(tmp_path)


def test_a_missing_file_of_the_repository_can_be_brought_back():
    with pytest.raises(FileNotFoundError, match=r"`git checkout -- dataset` brings them back$"):
        read_idx(ROOT / "dataset" / "train" / "none")


@pytest.mark.parametrize(
    "name",
    [
        "train-images.idx3-ubyte",
        "TRAIN-IMAGES-IDX3-UBYTE",
        "train-images-idx3-ubyte.idx",
        "Train-Images.Idx3-Ubyte.GZ",
        "train-images-idx3-ubyte/train-images-idx3-ubyte",
        "train-images.idx3-ubyte/train-images.idx3-ubyte",
    ],
)
def test_names_that_people_have_are_found(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(gzip.compress(GOOD) if name.endswith("GZ") else GOOD)
    assert read_idx(tmp_path / "train-images-idx3-ubyte").shape == (2, 3, 4)


def test_the_exact_name_comes_first(write):
    write(idx_bytes(np.zeros(1, "u1"), 0x08), "a.b-idx")
    path = write(GOOD, "a-b-idx")
    write(idx_bytes(np.zeros(2, "u1"), 0x08), "a-b.idx")
    assert read_idx(path).shape == (2, 3, 4)


def test_the_home_folder_is_found(write, monkeypatch):
    path = write(GOOD)
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.setenv("USERPROFILE", str(path.parent))
    assert read_idx(f"~/{path.name}").shape == (2, 3, 4)


@pytest.mark.parametrize("place", [".", "archive.zip", "archive.zip/train"])
def test_an_archive_is_named_with_what_to_do(tmp_path, place):
    (tmp_path / "archive.zip").write_bytes(b"PK")
    with pytest.raises(FileNotFoundError, match=r"archive\.zip is: unpack it, and name the folder$"):
        read_idx(tmp_path / place / "train-images-idx3-ubyte")


PIXELS = idx_bytes(np.arange(28 * 28 * 9).reshape(9, 28, 28).astype("u1"), 0x08)


@pytest.mark.parametrize(
    "damage, message",
    [
        (
            lambda data: data.replace(b"\n", b"\r\n"),
            "the file was transferred as text. Transfer it again in binary mode",
        ),
        (lambda data: data.decode("latin-1").encode(), "the file was re-encoded as text. Transfer it again"),
        (lambda data: data.decode("utf-8", "replace").encode(), "the file was re-encoded as text. Transfer it again"),
        (lambda data: gzip.compress(data).decode("latin-1").encode(), "the file was re-encoded as text"),
    ],
)
def test_files_that_went_through_text_mode_are_recognized(write, damage, message):
    with pytest.raises(IDXError, match=message):
        read_idx(write(damage(PIXELS)))


@pytest.mark.parametrize("data", [PIXELS[:-1], PIXELS + b"x", b"\1" + PIXELS[1:], b"\0\0\x0a\1" + bytes(range(128))])
def test_other_damage_is_not_blamed_on_text_mode(write, data):
    with pytest.raises(IDXError) as caught:
        read_idx(write(data))
    assert "as text" not in str(caught.value)

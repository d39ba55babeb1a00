"""Writing a file completely or not at all."""

import errno
import os

import pytest

from mnist_cnn import files


def failing(error):
    def fail(*_):
        raise error

    return fail


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "weights.pth"
    for data in (b"old", b"the new one"):
        files.write(path, data)
        assert path.read_bytes() == data
    files.write(str(path), b"by name")
    assert path.read_bytes() == b"by name"
    assert os.listdir(tmp_path) == ["weights.pth"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_says_why(step, tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"old")
    monkeypatch.setattr(files.os, step, failing(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match=r"\(No space left on device\); .*untouched. Free some space") as caught:
        files.write(path, b"new")
    assert caught.value.errno == errno.ENOSPC
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["weights.pth"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), MemoryError("none left")])
def test_an_interrupt_passes_and_leaves_the_old_file(interrupt, tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"old")
    monkeypatch.setattr(files.os, "fsync", failing(interrupt))
    with pytest.raises(type(interrupt)) as caught:
        files.write(path, b"new")
    assert caught.value is interrupt
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_the_data_are_on_the_disk_before_the_file_gets_its_name(tmp_path, monkeypatch):
    path, synced = tmp_path / "weights.pth", []

    def fsync(descriptor):
        synced.append((os.fstat(descriptor).st_size, path.exists(), os.listdir(tmp_path)))

    monkeypatch.setattr(files.os, "fsync", fsync)
    files.write(path, b"12345")
    assert synced == [(5, False, [".weights.pth.tmp"])]


def test_what_a_killed_process_left_is_replaced(tmp_path):
    (tmp_path / ".weights.pth.tmp").write_bytes(b"half of a longer file")
    files.write(tmp_path / "weights.pth", b"whole")
    assert os.listdir(tmp_path) == ["weights.pth"]
    assert (tmp_path / "weights.pth").read_bytes() == b"whole"


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No such file.*choose a folder that you may write to$") as caught:
        files.write(tmp_path / "none" / "weights.pth", b"new")
    assert caught.value.errno == errno.ENOENT


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target" / "weights.pth")
    files.write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target" / "weights.pth").read_bytes() == b"new"

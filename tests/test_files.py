"""Writing a file completely or not at all."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from mnist_cnn import files
from tests.helpers import ROOT


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
        synced.append((os.fstat(descriptor).st_size, path.exists(), len(os.listdir(tmp_path))))

    monkeypatch.setattr(files.os, "fsync", fsync)
    files.write(path, b"12345")
    assert synced == [(5, False, 1)]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_without_fsync_is_no_full_disk(number, tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", failing(OSError(number, "Invalid argument")))
    files.write(tmp_path / "weights.pth", b"new")
    assert (tmp_path / "weights.pth").read_bytes() == b"new"


WRITER = """
import sys
from pathlib import Path
from mnist_cnn import files
path, letter = Path(sys.argv[1]), sys.argv[2].encode()
for _ in range(200):
    files.write(path, letter * 100_000)
    data = path.read_bytes()
    assert data in (b"a" * 100_000, b"b" * 100_000), "a mixture"
"""


def test_two_processes_may_write_the_same_file(tmp_path):
    path = tmp_path / "weights.pth"
    commands = ([sys.executable, "-c", WRITER, str(path), letter] for letter in "ab")
    writers = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for command in commands]
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [("", 0)] * 2
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_two_threads_may_write_the_same_file(tmp_path):
    path = tmp_path / "weights.pth"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda letter: files.write(path, letter * 100_000), [b"a", b"b", b"c", b"d"] * 20))
    assert path.stat().st_size == 100_000 and len(set(path.read_bytes())) == 1
    assert os.listdir(tmp_path) == ["weights.pth"]


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path, running = (
        tmp_path / "weights[1].pth",
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE),
    )
    removed = [f".{path.name}.{process}-1.tmp" for process in (ended.pid, 10**30)]
    kept = [f".{path.name}.{running.pid}-1.tmp", f".{path.name}.old.tmp", f".other.pth.{ended.pid}-1.tmp", "notes.tmp"]
    for name in removed + kept:
        (tmp_path / name).write_bytes(b"half")
    files.write(path, b"whole")
    running.communicate(b"\n")
    assert running.returncode == 0  # checking whether it runs did not end it
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, path.name])


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

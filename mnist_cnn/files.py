"""Write a file completely or not at all."""

import contextlib
import errno
import glob
import os
import threading
from pathlib import Path


def write(path, data):
    """Write the bytes `data` to a temporary file in the folder of `path`, then rename it to `path`.

    A crash, a full disk or an interrupt leaves the old file intact. Several processes may write to the same path: each
    reader finds one complete file. If a process is killed, its temporary file `.NAME.PROCESS-THREAD.tmp` may remain. A
    later write of the same file removes it.

    Raises OSError, with the file's name and the system's reason, if the file cannot be written.
    """
    path = Path(os.path.realpath(os.path.expanduser(path)))  # write to the target of a symbolic link, not over the link
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            _sync(file)
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # report the first error, not this one
            temporary.unlink()
        if not isinstance(error, OSError):
            raise
        raise type(error)(
            error.errno,
            f"{path} could not be written ({error.strerror}); the old file, if any, is untouched. "
            "Free some space, or choose a folder that you may write to",
        ) from error
    _remove_leftovers(path)


def _sync(file):
    """Wait until the file is on the disk, unless its file system cannot do that."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _remove_leftovers(path):
    """Remove the temporary files of processes that were killed while they wrote to `path`."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        process = leftover.suffixes[-2].strip(".").split("-")[0]
        with contextlib.suppress(OSError):  # Windows refuses to remove a file that is being written
            if process.isdigit() and (os.name == "nt" or not _is_running(int(process))):
                leftover.unlink()


def _is_running(process):
    """Return whether a process with this number exists. Not for Windows, where os.kill would end it."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True

"""Write a file completely or not at all."""

import contextlib
import os
from pathlib import Path


def write(path, data):
    """Write the bytes `data` to a temporary file in the folder of `path`, then rename it to `path`.

    A crash, a full disk or an interrupt leaves the old file intact. If the process is killed, the temporary file
    `.NAME.tmp` may remain. The next write of the same file replaces it.

    Raises OSError, with the file's name and the system's reason, if the file cannot be written.
    """
    path = Path(os.path.realpath(path))  # write to the target of a symbolic link, not over the link
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
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

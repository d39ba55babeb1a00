"""What makes training on a CPU faster and is not PyTorch's to decide."""

import ctypes
import sys

import torch


def has_bfloat16():
    """Whether this processor computes in bfloat16 natively (x86 with AVX-512 BF16 or AMX)."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # a function that older releases lack
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def keep_freed_memory():
    """Let this process keep the memory that it frees, for the next allocation; does nothing but on Linux with glibc.

    By default glibc gives large blocks back to the system at once, which hands them out again page by
    page, zeroed: in a training step that costs a tenth of the time or more. See mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        trim_threshold, mmap_threshold = -1, -3
        mallopt(trim_threshold, 2**30)
        mallopt(mmap_threshold, 2**25)  # the largest that it takes

"""Faster training on a CPU or a CUDA GPU, where PyTorch's defaults are slow for a small network."""

import contextlib
import ctypes
import statistics
import sys
import time

import torch

from mnist_cnn.training.augment import distort

ALL_THREADS = torch.get_num_threads()  # at the start of the process


def accelerator():
    """Return the type of the fastest device that can train: "cuda", "mps" or "cpu"."""
    if torch.cuda.is_available():
        return "cuda"
    with contextlib.suppress(RuntimeError):  # older releases cannot distort images on MPS
        if torch.backends.mps.is_available():
            distort(torch.zeros(1, 1, 28, 28, device="mps"))
            return "mps"
    return "cpu"


def has_bfloat16():
    """Return whether this processor computes in bfloat16 natively (x86 with AVX-512 BF16 or AMX)."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older releases lack this function
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def keep_freed_memory():
    """Let this process keep freed memory for its next allocation. Does nothing except on Linux with glibc.

    By default, glibc returns large blocks to the system. Allocating them again costs a tenth of a training step or
    more, because every page is zeroed. See mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        trim_threshold, mmap_threshold = -1, -3
        mallopt(trim_threshold, 2**30)
        mallopt(mmap_threshold, 2**25)  # the largest value that it accepts


def set_threads(threads, model, images):
    """Set the number of CPU threads, and return it.

    threads: a number, "all", or "auto": one or all, whichever runs training steps faster at the moment. On a busy
        computer, two threads mostly wait for each other. One is chosen only if it is a quarter faster than all.
    model, images: a network, which is left as it is, and a batch, on the CPU.
    """
    torch.set_num_threads(ALL_THREADS if threads in ("all", "auto") else threads)
    if threads == "auto" and ALL_THREADS > 1:
        every = _step_seconds(model, images)
        torch.set_num_threads(1)
        if _step_seconds(model, images) > 0.8 * every:
            torch.set_num_threads(ALL_THREADS)
    return torch.get_num_threads()


def _step_seconds(model, images, repeats=9, limit=2.0):
    """The median time of a forward and backward pass, in seconds; stops after `limit` seconds."""
    seconds, start = [], time.perf_counter()
    while len(seconds) <= repeats and time.perf_counter() - start < limit:
        before = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
            loss = model(images).square().mean()
        torch.autograd.grad(loss, model.parameters())
        seconds.append(time.perf_counter() - before)
    return statistics.median(seconds[1:] or seconds)  # the first pass includes the setup


class CudaGraph:
    """Wraps a function of CUDA tensors so that its kernels are launched together, as one CUDA graph.

    A training step of a small network launches about a hundred kernels, which takes longer than running them. Call the
    object like the function, always with tensors of the same shapes and dtypes. The function must return one tensor,
    which the next call overwrites. Everything else that it uses (weights, a learning rate) must be tensors that are
    changed in place. See https://pytorch.org/docs/stable/notes/cuda.html#whole-network-capture.
    """

    WARM_UP = 3  # calls that run kernel by kernel, so that one-time setup is not recorded

    def __init__(self, function):
        self.function, self.calls = function, 0
        self.stream, self.graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()

    def __call__(self, *inputs):
        self.calls += 1
        if self.calls <= self.WARM_UP:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                output = self.function(*inputs)
            torch.cuda.current_stream().wait_stream(self.stream)
            return output
        if self.calls == self.WARM_UP + 1:
            self.inputs = [tensor.clone() for tensor in inputs]
            with torch.cuda.graph(self.graph, stream=self.stream):  # records the kernels without running them
                self.output = self.function(*self.inputs)
        for recorded, tensor in zip(self.inputs, inputs):
            recorded.copy_(tensor)
        self.graph.replay()
        return self.output

"""A training step as one CUDA graph."""

import torch


class Graphed:
    """A function of tensors on CUDA whose kernels are launched together, as a CUDA graph.

    A step of a small network is some hundred kernels: launching them one by one takes longer than running them. Called
    like the function itself, always with tensors of the same shapes and dtypes. What it returns, a tensor, is
    overwritten by the next call; what else it reads (weights, a learning rate) must be tensors, changed in place.
    After https://pytorch.org/docs/stable/notes/cuda.html#whole-network-capture.
    """

    WARM_UP = 3  # calls that run kernel by kernel, so that what is set up once is not recorded

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
            with torch.cuda.graph(self.graph, stream=self.stream):  # records, and runs nothing
                self.output = self.function(*self.inputs)
        for recorded, tensor in zip(self.inputs, inputs):
            recorded.copy_(tensor)
        self.graph.replay()
        return self.output

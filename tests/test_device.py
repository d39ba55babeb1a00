"""The number of CPU threads: a number, all, or the faster of one and all."""

import time

import pytest
import torch

from mnist_cnn.model import MNIST_CNN
from mnist_cnn.training import accelerator, device, set_threads

IMAGES = torch.zeros(8, 1, 28, 28, dtype=torch.uint8)


@pytest.fixture(autouse=True)
def four_threads(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(device, "ALL_THREADS", 4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_number_is_set_without_measuring(threads, monkeypatch):
    monkeypatch.setattr(device, "_step_seconds", None)
    assert set_threads(threads, MNIST_CNN(), IMAGES) == threads == torch.get_num_threads()


@pytest.mark.parametrize("one, every, chosen", [(1.4, 1.0, 4), (0.81, 1.0, 4), (0.79, 1.0, 1), (0.1, 1.0, 1)])
def test_one_thread_is_chosen_if_it_is_clearly_faster(one, every, chosen, monkeypatch):
    seconds = {1: one, 4: every}
    monkeypatch.setattr(device, "_step_seconds", lambda model, images: seconds[torch.get_num_threads()])
    torch.set_num_threads(2)
    assert set_threads("auto", MNIST_CNN(), IMAGES) == chosen == torch.get_num_threads()


def test_all_are_set_without_measuring(monkeypatch):
    monkeypatch.setattr(device, "_step_seconds", None)
    torch.set_num_threads(1)
    assert set_threads("all", MNIST_CNN(), IMAGES) == 4 == torch.get_num_threads()


def test_a_single_core_is_not_measured(monkeypatch):
    monkeypatch.setattr(device, "_step_seconds", None)
    monkeypatch.setattr(device, "ALL_THREADS", 1)
    assert set_threads("auto", MNIST_CNN(), IMAGES) == 1


def test_a_device_that_cannot_distort_images_is_not_used(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)

    def distort(images):
        raise RuntimeError("MPS: Unsupported Bicubic interpolation")

    monkeypatch.setattr(torch, "zeros", lambda *shape, device: None)  # most machines have no such device
    monkeypatch.setattr(device, "distort", lambda images: images)
    assert accelerator() == "mps"
    monkeypatch.setattr(device, "distort", distort)
    assert accelerator() == "cpu"


def test_measuring_changes_neither_the_network_nor_the_random_numbers():
    model = MNIST_CNN()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    assert set_threads("auto", model, IMAGES) in (1, 4)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_measuring_stops_on_a_very_busy_computer():
    class Slow(MNIST_CNN):
        def forward(self, images):
            time.sleep(0.1)
            return super().forward(images)

    start = time.perf_counter()
    device._step_seconds(Slow(), IMAGES, limit=0.3)
    assert time.perf_counter() - start < 2

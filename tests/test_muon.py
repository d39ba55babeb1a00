import copy

import torch
from torch import nn

from mnist_cnn.muon import MuonWithAdamW, orthogonalize


def test_singular_values_come_near_one():
    torch.manual_seed(0)
    for shape in ((10, 25), (20, 250), (25, 10), (1, 5)):
        left, values, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
        matrix = left @ torch.linspace(1, 3, len(values)).diag() @ right
        for scale in (1e-4, 1, 1e4):
            near_one = left.T @ orthogonalize(scale * matrix) @ right.T
            assert 0.68 < near_one.diag().min() <= near_one.diag().max() < 1.21, (shape, scale)
            torch.testing.assert_close(near_one, near_one.diag().diag(), rtol=0, atol=1e-5)  # in the same directions
    assert not orthogonalize(torch.zeros(10, 25)).any()


def seeded_network():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10))
    return network.to(memory_format=torch.channels_last)


def take_step(network, optimizer):
    """Make the outputs for sixteen images, always the same, smaller."""
    images = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    network(images).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_all_but_kernels_takes_adamws_steps():
    networks = [seeded_network(), seeded_network()]
    for kind, network in zip((MuonWithAdamW, torch.optim.AdamW), networks):
        optimizer = kind(network.parameters(), lr=1e-2, weight_decay=0.15)
        take_step(network, optimizer)
    ours, adamws = (dict(network.named_parameters()) for network in networks)
    assert not torch.equal(ours.pop("0.weight"), adamws.pop("0.weight"))
    assert all(torch.equal(ours[name], adamws[name]) for name in ours)


def test_a_kernels_step_is_orthogonal_and_as_large_as_its_learning_rate_says():
    network = seeded_network()
    optimizer = MuonWithAdamW(network.parameters(), lr=1e-2, weight_decay=0.5)
    kernel = network[0].weight
    before = kernel.detach().clone()
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    gradient = kernel.grad
    optimizer.step()
    step = before * (1 - 1e-2 * 0.5) - kernel.detach()
    assert (step * gradient).sum() > 0  # downhill
    values = torch.linalg.svdvals(step.flatten(1))
    assert values.max() < 2.5 * values.min()
    assert 0.15e-2 < step.square().mean().sqrt() < 0.25e-2  # as large as AdamW's: 0.2 of the learning rate
    assert kernel.is_contiguous(memory_format=torch.channels_last)


def test_a_run_goes_on_from_a_saved_state():
    network = seeded_network()
    optimizer = MuonWithAdamW(network.parameters(), lr=1e-2, weight_decay=0.5)
    take_step(network, optimizer)
    other = copy.deepcopy(network)
    resumed = MuonWithAdamW(other.parameters(), lr=1)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    take_step(network, optimizer)
    take_step(other, resumed)
    assert all(torch.equal(*pair) for pair in zip(network.parameters(), other.parameters()))


def test_a_rate_in_a_tensor_takes_the_same_steps():
    networks = []
    for rate in (1e-2, torch.tensor(1e-2)):
        network = seeded_network()
        optimizer = MuonWithAdamW(network.parameters(), rate, weight_decay=0.15, fused=True)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
        for _ in range(3):
            take_step(network, optimizer)
            scheduler.step()
        networks.append(network)
    for number, tensor in zip(*(network.parameters() for network in networks)):
        torch.testing.assert_close(number, tensor, rtol=0, atol=1e-7)


def test_momentum_smooths_the_gradients():
    """After many equal gradients, one opposite turns the next step less than the gradient turned."""
    network = seeded_network()
    optimizer = MuonWithAdamW(network.parameters(), lr=1e-3, weight_decay=0)
    kernel, generator = network[0].weight, torch.Generator().manual_seed(0)
    gradient = torch.randn(kernel.shape, generator=generator)
    steps = []
    for sign in [1] * 20 + [-1]:
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        kernel.grad = sign * gradient
        before = kernel.detach().clone()
        optimizer.step()
        steps.append(before - kernel.detach())
    torch.testing.assert_close(steps[-1], steps[-2], rtol=0.1, atol=1e-5)

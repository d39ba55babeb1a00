import copy

import pytest
import torch
from torch import nn

from mnist_cnn.training.muon import MuonWithAdamW, orthogonalize


def newton_schulz(value):
    """A singular value, as a share of the matrix's norm, after two steps of Jordan's Newton-Schulz iteration."""
    for _ in range(2):
        value = 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5
    return value


@pytest.mark.parametrize("shape", [(10, 25), (20, 250), (25, 10), (1, 5)])
@pytest.mark.parametrize("scale", [1e-4, 1, 1e4])
def test_singular_values_come_near_one(shape, scale):
    torch.manual_seed(0)
    left, values, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    values = torch.linspace(1, 3, len(values))
    near_one = left.T @ orthogonalize(scale * left @ values.diag() @ right) @ right.T
    assert 0.68 < near_one.diag().min() <= near_one.diag().max() < 1.21
    expected = newton_schulz(values / values.norm())  # in the same directions
    torch.testing.assert_close(near_one, expected.diag(), rtol=0, atol=2e-3 if scale < 1 else 1e-5)


def test_zero_and_tiny_gradients_stay_finite():
    assert not orthogonalize(torch.zeros(10, 25)).any()
    for size in (1e-7, 1e-12):
        assert torch.linalg.svdvals(orthogonalize(torch.eye(1, 5) * size)).max() < 1.21
    assert orthogonalize(torch.rand(3, 4).double()).dtype == torch.float64


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


@pytest.mark.parametrize("shape", [(8, 3, 5, 5), (40, 3, 3, 3)])
def test_kernels_take_steps_with_nesterov_momentum(shape):
    """With momentum 0.9, a step follows the mean of the gradients, then once more a tenth of the newest."""
    torch.manual_seed(0)
    kernel, lr, decay = nn.Parameter(torch.randn(shape).double()), 0.3, 0.5
    optimizer = MuonWithAdamW([kernel], lr=lr, weight_decay=decay)
    expected, mean = kernel.detach().flatten(1).clone(), 0
    for _ in range(3):
        gradient = torch.randn(shape).double()
        kernel.grad = gradient.clone()
        optimizer.step()
        mean = 0.9 * mean + 0.1 * gradient.flatten(1)
        direction = orthogonalize(0.9 * mean + 0.1 * gradient.flatten(1))
        # An orthogonal matrix (R, C) has a root mean square of 1 / max(R, C) ** 0.5; AdamW's updates have about 0.2.
        expected = expected * (1 - lr * decay) - lr * 0.2 * max(expected.shape) ** 0.5 * direction
        torch.testing.assert_close(kernel.detach().flatten(1), expected, rtol=1e-12, atol=1e-12)
        assert kernel.grad is None


def test_groups_have_their_own_rate_and_parameters_without_a_gradient_stay():
    kernels = [nn.Parameter(torch.ones(4, 1, 5, 5)) for _ in range(3)]
    bias = nn.Parameter(torch.ones(4))
    groups = [{"params": [*kernels[:2], bias], "lr": 1e-2}, {"params": kernels[2:], "lr": 1e-3}]
    optimizer = MuonWithAdamW(groups, weight_decay=0)
    gradient = torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    kernels[1].grad, kernels[2].grad = gradient.clone(), gradient.clone()
    optimizer.step()
    assert (kernels[0] == 1).all() and (bias == 1).all()
    torch.testing.assert_close(kernels[1] - 1, 10 * (kernels[2] - 1), rtol=1e-3, atol=1e-6)

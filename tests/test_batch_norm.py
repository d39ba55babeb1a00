import pytest
import torch
from torch import nn

from mnist_cnn import batch_norm
from mnist_cnn.model import MNIST_CNN


@pytest.fixture
def trained(test_split):
    """A network with batch normalisation whose statistics are those of digits, and far from 0 and 1."""
    torch.manual_seed(0)
    network = batch_norm.insert(MNIST_CNN(0.13, 0.31)).train()
    for images in test_split[0][:1000].split(100):
        network(images)
    return network


def test_the_network_stays_as_it_was_apart_from_the_normalisation(trained):
    plain = MNIST_CNN()
    kinds = [type(layer) for layer in trained.layers]
    assert issubclass(kinds.pop(3), nn.BatchNorm2d)
    assert kinds == [type(layer) for layer in plain.layers]
    assert sum(weight.numel() for weight in trained.parameters()) == 21_840


def test_what_follows_a_pooling_has_mean_0_and_variance_1(trained, test_split):
    pooled = trained.layers[:4]((test_split[0][:500] / 255 - 0.13) / 0.31)
    torch.testing.assert_close(pooled.mean(dim=(0, 2, 3)), torch.zeros(10), atol=1e-4, rtol=0)
    torch.testing.assert_close(pooled.var(dim=(0, 2, 3)), torch.ones(10), atol=1e-2, rtol=0)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_the_absorbed_network_says_the_same(trained, test_split, memory_format):
    trained = trained.to(memory_format=memory_format)
    absorbed = batch_norm.absorb(trained)
    assert trained.training and not absorbed.training
    assert {name: weight.shape for name, weight in absorbed.state_dict().items()} == {
        name: weight.shape for name, weight in MNIST_CNN().state_dict().items()
    }
    with torch.no_grad():
        expected = trained.eval()(test_split[0][:500])
        torch.testing.assert_close(absorbed(test_split[0][:500]), expected, atol=1e-4, rtol=1e-4)
        assert expected.std() > 0.01


def test_the_originals_are_left_alone(trained):
    plain = MNIST_CNN()
    batch_norm.insert(plain)
    assert len(plain.layers) == 9
    before = {name: weight.clone() for name, weight in trained.state_dict().items()}
    batch_norm.absorb(trained)
    assert all(torch.equal(before[name], weight) for name, weight in trained.state_dict().items())
    assert len(trained.layers) == 10


def test_a_plain_network_is_absorbed_as_it_is():
    plain = MNIST_CNN()
    absorbed = batch_norm.absorb(plain)
    assert absorbed is not plain
    assert all(torch.equal(weight, absorbed.state_dict()[name]) for name, weight in plain.state_dict().items())

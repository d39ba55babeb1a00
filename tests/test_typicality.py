"""The two helper networks of a model: the judge, which gives the typicality of an image, and the splitter."""

import copy
import math

import pytest
import torch

from mnist_cnn.model import MNIST_CNN, _helper, judge_scores, share_below, split_odds, typicality


def test_split_odds_are_the_logarithm_of_the_odds(model, test_split):
    images = test_split[0][:600]  # more than one batch
    with torch.inference_mode():
        wrong, right = model.splitter(model.normalize(images)).softmax(dim=1).T
    odds = split_odds(model, images, 250)
    assert odds.shape == (600,) and odds.dtype == torch.float32
    torch.testing.assert_close(odds, (right / wrong).log(), atol=1e-3, rtol=1e-3)


def test_judge_scores_are_the_logarithm_of_the_odds(model, test_split):
    images = test_split[0][:600]
    with torch.inference_mode():
        *classes, none = model.judge(model.normalize(images)).double().softmax(dim=1).T
    scores = judge_scores(model, images, 250)
    assert scores.shape == (600,) and scores.dtype == torch.float32
    torch.testing.assert_close(scores.double(), (sum(classes) / none).log(), atol=1e-3, rtol=1e-3)


def test_typicality_is_the_share_of_the_scores_that_are_below():
    network = MNIST_CNN()
    network.scores.copy_(torch.arange(1000))
    shares = share_below(network, torch.tensor([-1, 0, 0.5, 500, 999, 2000]))
    torch.testing.assert_close(shares, torch.tensor([0, 0, 0.001, 0.5, 0.999, 1], dtype=torch.float64))
    with torch.no_grad():
        network.judge[-1].bias[-1] = -250  # the score of any image, without the ten classes
    expected = math.ceil(250 + math.log(10)) / 1000
    torch.testing.assert_close(
        typicality(network, torch.zeros(3, 1, 28, 28)), torch.full((3,), expected, dtype=torch.float64)
    )


def test_typicality_depends_on_nothing_but_the_image(model, test_split):
    images = test_split[0][:300]
    before, state = model.training, copy.deepcopy(model.state_dict())
    expected = typicality(model, images)
    assert torch.equal(typicality(model, images, batch_size=7), expected)
    assert torch.equal(typicality(model.train(), images), expected)
    assert torch.equal(typicality(model, images.numpy()), expected)
    torch.testing.assert_close(typicality(model, images.float() / 255), expected, atol=2e-3, rtol=0)
    assert typicality(model, images[:0]).shape == (0,)
    model.train(before)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_without_a_trained_judge_everything_is_typical(test_split):
    assert (typicality(MNIST_CNN(), test_split[0][:100]) == 1).all()


@pytest.mark.parametrize("classes", [2, 10])
def test_judge_and_splitter_are_buffers_of_the_same_layers(classes):
    network = MNIST_CNN(classes=classes)
    for helper, outputs in ((network.judge, classes + 1), (network.splitter, 2)):
        assert [type(layer) for layer in helper] == [type(layer) for layer in network.layers]
        assert not list(helper.parameters())
        shapes = {name: tuple(tensor.shape) for name, tensor in network.layers.state_dict().items()}
        shapes |= {"8.weight": (outputs, 50), "8.bias": (outputs,)}
        assert {name: tuple(tensor.shape) for name, tensor in helper.state_dict().items()} == shapes
        assert sum(tensor.count_nonzero().item() for tensor in helper.buffers()) == 1
        assert helper[-1].bias[-1] == -30  # until it is trained, it never answers the last class


def test_layers_that_do_not_end_with_a_linear_one_are_refused():
    with pytest.raises(ValueError, match=r"expected nn.Linear as the last layer.*found ReLU"):
        _helper(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()), 2)


def test_a_last_layer_without_a_bias_stays_without_one():
    assert _helper(torch.nn.Sequential(torch.nn.Linear(3, 2, bias=False)), 5)[-1].bias is None

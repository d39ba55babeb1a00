"""The network, its predictions, and its answers in words."""

import math

import pytest
import torch
import torchinfo

from mnist_cnn.model import MNIST_CNN, TYPICAL, evaluate, in_words, none_of, predict

LAYERS = [
    ("Conv2d", "[64, 10, 24, 24]", "260"),
    ("ReLU", "[64, 10, 24, 24]", "--"),
    ("MaxPool2d", "[64, 10, 12, 12]", "--"),
    ("Conv2d", "[64, 20, 8, 8]", "5,020"),
    ("ReLU", "[64, 20, 8, 8]", "--"),
    ("MaxPool2d", "[64, 20, 4, 4]", "--"),
    ("Flatten", "[64, 320]", "--"),
    ("Linear", "[64, 50]", "16,050"),
    ("Linear", "[64, 10]", "510"),
]


def test_the_table_of_the_network_line_by_line():
    table = str(torchinfo.summary(MNIST_CNN(), (64, 1, 28, 28), verbose=0))
    lines = [line.split() for line in table.splitlines()]
    assert lines[3] == ["MNIST_CNN", "[64,", "10]", "--"]
    assert lines[4][:2] == ["├─Sequential:", "1-1"]
    for number, (line, (name, shape, parameters)) in enumerate(zip(lines[5:14], LAYERS), start=1):
        assert line == ["│", f"└─{name}:", f"2-{number}", *shape.split(), parameters]
    assert "Total params: 21,840" in table
    assert "): 31.21" in table


def test_the_network_scales_its_own_input(test_split):
    images = test_split[0][:50]
    scaled, raw = MNIST_CNN(0.13, 0.31).eval(), MNIST_CNN().eval()
    raw.layers.load_state_dict(scaled.layers.state_dict())
    with torch.no_grad():
        expected = raw.layers((images.double() / 255 - 0.13).float() / 0.31)
        torch.testing.assert_close(scaled(images), expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(scaled(images / 255), expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(scaled((images / 255).double()), expected, atol=1e-5, rtol=1e-4)
    assert {"mean", "std"} < scaled.state_dict().keys()
    assert MNIST_CNN().mean == 0 and MNIST_CNN().std == 1


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan"), 1e-50])  # the last one is 0 as float32
def test_a_standard_deviation_that_is_not_positive_is_refused(std):
    with pytest.raises(ValueError, match="positive standard deviation"):
        MNIST_CNN(0.5, std)


def test_predictions(model, test_split):
    images, labels = test_split
    answers, probabilities = predict(model, images)
    assert answers.shape == (10000,)
    assert answers.dtype == torch.int64
    assert probabilities.shape == (10000, 10)
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.sum(1), torch.ones(10000))
    assert torch.equal(answers, probabilities.argmax(1))
    loss, accuracy = evaluate(model, images, labels)
    assert accuracy == pytest.approx((answers == labels).double().mean().item())
    expected = -probabilities[torch.arange(10000), labels].double().log().mean().item()
    assert loss == pytest.approx(expected, abs=1e-4)


def test_predictions_of_any_number_and_kind_of_image(model, test_split):
    images = test_split[0][:25]
    expected = predict(model, images)[1]
    for batch_size in (1, 7, 25, 1000):
        torch.testing.assert_close(predict(model, images, batch_size)[1], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(predict(model, images / 255)[1], expected, atol=1e-5, rtol=1e-4)
    answers, probabilities = predict(model, images[:0])
    assert answers.shape == (0,)
    assert answers.dtype == torch.int64
    assert probabilities.shape == (0, 10)


def test_large_numbers_of_images_are_classified_in_batches(test_split):
    network, sizes = MNIST_CNN(), []
    network.register_forward_hook(lambda _, images, __: sizes.append(len(images[0])))
    predict(network, test_split[0][:2500])
    predict(network, test_split[0][:25], 10)
    evaluate(network, test_split[0][:2500], test_split[1][:2500])
    evaluate(network, test_split[0][:25], test_split[1][:25], 10)
    assert sizes == [1000, 1000, 500, 10, 10, 5] * 2


def test_answers_are_float32_on_the_cpu_computed_without_gradients_in_eval_mode():
    network, modes = MNIST_CNN().double(), []
    network.register_forward_hook(lambda *_: modes.append((network.training, torch.is_grad_enabled())))
    probabilities = predict(network, torch.rand(2, 1, 28, 28))[1]
    assert probabilities.dtype == torch.float32
    assert modes == [(False, False)]


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_restored(training, test_split):
    model = MNIST_CNN().train(training)
    predict(model, test_split[0][:2])
    assert model.training == training
    with pytest.raises(ValueError, match="N, 1, 28, 28"):
        predict(model, test_split[0][0])
    assert model.training == training


@pytest.mark.parametrize(
    "images, message",
    [
        (torch.eye(28).expand(2, 1, 28, 28) * 255, "found 0 to 255: divide by 255"),
        (torch.full((2, 1, 28, 28), 1.001), "divide by 255"),
        (torch.full((2, 1, 28, 28), -0.001), "divide by 255"),
        (torch.full((2, 1, 28, 28), torch.nan), r"in \[0, 1\], found nan"),
        (torch.rand(1, 28, 28), r"N, 1, 28, 28\), found \(1, 28, 28\)"),
        (torch.rand(2, 3, 28, 28), "N, 1, 28, 28"),
        (torch.rand(2, 1, 28, 28, 1), "N, 1, 28, 28"),
        (torch.rand(2, 1, 32, 32), "N, 1, 28, 28"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.int64), "uint8 or floating.*int64"),
    ],
)
def test_predictions_refuse(images, message):
    with pytest.raises(ValueError, match=message):
        predict(MNIST_CNN(), images)


def test_evaluation_refuses_what_does_not_fit(test_split):
    with pytest.raises(ValueError, match="3 and 2"):
        evaluate(MNIST_CNN(), test_split[0][:3], test_split[1][:2])
    with pytest.raises(ValueError, match="0 and 0"):
        evaluate(MNIST_CNN(), test_split[0][:0], test_split[1][:0])


def test_evaluation_is_mean_cross_entropy_and_the_share_that_is_right(test_split):
    images, labels = test_split[0][:3], torch.tensor([1, 1, 2])
    network = MNIST_CNN(classes=3)
    torch.nn.init.zeros_(network.layers[-1].weight)
    with torch.no_grad():
        network.layers[-1].bias.copy_(torch.tensor([0.2, 0.5, 0.3]).log())  # the answer to any image
    loss, accuracy = evaluate(network, images, labels)
    assert accuracy == 2 / 3
    assert loss == pytest.approx(-(2 * math.log(0.5) + math.log(0.3)) / 3, abs=1e-6)


@pytest.mark.parametrize(
    "probabilities, words",
    [
        ([0.01, 0.98, 0.01], "one, 98%"),
        ([0.125, 0.125, 0.75], "two, 75%"),
        ([0.74, 0.06, 0.2], "not sure: zero or two"),
        ([0.2, 0.45, 0.35], "not sure: one or two"),
    ],
)
def test_an_answer_in_words_names_the_runner_up_if_it_is_less_than_three_quarters_sure(probabilities, words):
    assert in_words(torch.tensor(probabilities), ["zero", "one", "two"]) == words


def test_arrays_are_classified_like_tensors(model, test_split):
    images, labels = test_split[0][:20], test_split[1][:20]
    assert torch.equal(predict(model, images.numpy())[1], predict(model, images)[1])
    assert evaluate(model, images.numpy(), labels.numpy()) == evaluate(model, images, labels)


@pytest.mark.parametrize(
    "shape, hint",
    [((1, 28, 28), r": pass image\[None\]"), ((28, 28), r": pass image\[None, None\]"), ((2, 3, 28, 28), "")],
)
def test_images_of_another_shape_are_refused_with_the_remedy(shape, hint):
    with pytest.raises(ValueError, match=rf"found \({', '.join(map(str, shape))}\){hint}$"):
        predict(MNIST_CNN(), torch.zeros(shape, dtype=torch.uint8))


def test_an_answer_in_words_asks_whether_an_image_that_is_not_typical_belongs_to_a_class():
    probabilities = torch.tensor([0.05, 0.9, 0.05])
    assert in_words(probabilities, "abc", TYPICAL) == "b, 90%"
    assert in_words(probabilities, "abc", TYPICAL - 1e-3) == "none of these? b"
    assert in_words(torch.tensor([0.2, 0.8]), "01", torch.tensor(0.0)) == "no digit? 1"


@pytest.mark.parametrize(
    "names, question", [("01", "no digit?"), (range(10), "no digit?"), (["0", "A"], "none of these?")]
)
def test_the_question_for_what_belongs_to_no_class(names, question):
    assert none_of(names) == question

"""Networks whose layers the reader has changed: the drawing pad computes them, and the playground shows them."""

import ast
import copy
from itertools import pairwise

import nbformat
import pytest
import torch
from sklearn.manifold import TSNE
from torch import nn
from torch.fx import symbolic_trace
from torch.fx.passes.shape_prop import ShapeProp

from mnist_cnn import figures, sketchpad
from mnist_cnn.model import MNIST_CNN, predict
from tests.helpers import ROOT, texts_apart
from tests.networks import END, NETWORKS, changed
from tests.pad import CLASSIFY, DIGITS, answer, base64, draw


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, test_split):
    layers, heads = NETWORKS[request.param]
    return changed(layers(), test_split[0][:200]), heads


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_a_changed_network_computes_what_pytorch_computes(network, test_split, tmp_path, open_page):
    network, heads = network
    path = tmp_path / "sketchpad.html"
    path.write_text(sketchpad.page(network), encoding="utf-8")
    page = open_page(path.as_uri())
    images = torch.cat([test_split[0][:16], torch.randint(0, 256, (4, 1, 28, 28), dtype=torch.uint8)])
    found = page.evaluate(CLASSIFY, [base64(image) for image in images.numpy()])
    with torch.inference_mode():
        expected = network(images)
    assert (torch.tensor(found)[:, :-1] - expected).abs().max() < 1e-4
    assert expected.std(dim=0).mean() > 1e-2  # not the same for all images

    assert page.locator(".pad-body > .pad-note").all_inner_texts()[:-1] == heads
    draw(page, DIGITS[3])
    assert answer(page)
    blank = """(maps) => maps.map((map) => [map.width, map.height, map.getBoundingClientRect()])
        .filter(([width, height, box]) => Math.abs(box.width / box.height - width / height) > 0.1 * width / height)"""
    assert page.locator(".pad-maps canvas").evaluate_all(blank) == []  # all maps keep their proportions
    ink = """(maps) => maps.filter((map) => map.getContext("2d")
        .getImageData(0, 0, map.width, map.height).data.some((value) => value > 0)).length"""
    assert page.locator(".pad-maps canvas").evaluate_all(ink) >= 4 * len(heads)


@pytest.mark.parametrize("training", [False, True])
def test_the_pad_does_not_change_the_network(training, test_split):
    network = changed(NETWORKS["batch normalization"][0](), test_split[0][:50]).train(training)
    before = copy.deepcopy(network.state_dict())
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    page = sketchpad.html(network)
    assert torch.rand(1) == expected
    assert network.training is training and network.layers[1].training is training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert page == sketchpad.html(torch.compile(network)) == sketchpad.html(network.double())


@pytest.mark.parametrize(
    "layers, named",
    [
        ([nn.Conv2d(1, 4, 5), nn.LeakyReLU(), *END(2304)], "LeakyReLU(negative_slope=0.01)"),
        ([nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AvgPool2d(2), *END(576)], "AvgPool2d(kernel_size=2"),
        ([nn.Conv2d(1, 4, 5), nn.Conv2d(4, 4, 5, groups=2), *END(1600)], "groups=2"),
        ([nn.Conv2d(1, 4, 5, dilation=2), *END(1600)], "dilation=(2, 2)"),
        ([nn.Conv2d(1, 4, 5, padding=2, padding_mode="reflect"), *END(3136)], "padding_mode=reflect"),
        ([nn.MaxPool2d(2, dilation=2), *END(169)], "dilation=2"),
        ([nn.BatchNorm2d(1, track_running_stats=False), *END(784)], "track_running_stats=False"),
        ([nn.Linear(28, 28), *END(784)], "Linear(in_features=28, out_features=28, bias=True)"),
        ([nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU()), *END(2304)], "Sequential( (0): Conv2d(1, 4"),
    ],
)
def test_an_unknown_layer_is_named_in_a_sentence(layers, named, test_split):
    with pytest.raises(ValueError) as caught:
        sketchpad.html(changed(layers, test_split[0][:9]))
    message = str(caught.value)
    assert message.startswith("the drawing pad and the C header do not know the layer") and named in message
    assert "they know Conv2d" in message and "\n" not in message


def test_a_network_that_is_more_than_its_layers_is_refused():
    class Doubting(MNIST_CNN):
        def forward(self, images):
            return super().forward(images) + images.flatten(1)[:, :10]

    with pytest.raises(ValueError, match="found another `forward`"):
        sketchpad.html(Doubting())


def run_cell_of_playground(heading, names):
    """Run the code cell below a heading with these variables. Returns the figure that it shows."""
    cells = nbformat.read(ROOT / "playground.ipynb", as_version=4).cells
    source = next(code.source for text, code in pairwise(cells) if text.source.startswith(f"## {heading}"))
    *lines, last = ast.parse(source).body
    exec(compile(ast.Module(lines, []), heading, "exec"), names)
    return eval(compile(ast.Expression(last.value), heading, "eval"), names)


@pytest.mark.parametrize("name", ["20, 40, 100 channels", "batch normalization", "without convolutions"])
def test_the_playground_shows_a_changed_network(name, test_split, tmp_path):
    layers, heads = NETWORKS[name]
    model = changed(layers(), test_split[0][:200])
    images, labels = (part[:100] for part in test_split)
    predicted, _ = predict(model, images)
    wrong = predicted != labels
    names = {"figures": figures, "torch": torch, "TSNE": TSNE, "symbolic_trace": symbolic_trace, "ShapeProp": ShapeProp}
    names |= {"model": model, "images": images, "labels": labels, "wrong": wrong, "mistakes": wrong.nonzero().flatten()}
    names |= {"image": images[7], "CLASS_NAMES": list("0123456789"), "GRAPH_PLOT": tmp_path / "graph.png"}
    shown = texts_apart(run_cell_of_playground("See the feature maps", names))
    assert all(head.split(",")[0] in shown for head in heads)
    run_cell_of_playground("Map the ", names)
    *_, last = model.layers
    assert names["features"].shape == (100, last.in_features)
    architecture = run_cell_of_playground("Draw the architecture", names)
    assert f"{sum(map(torch.numel, model.parameters())):,} parameters" in architecture.axes[0].get_title()

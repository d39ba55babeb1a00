"""Training further on one's own digits: it learns them, keeps the others, and is not misled."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from mnist_cnn.handwriting import draw_strokes, to_mnist
from mnist_cnn.learn import main
from mnist_cnn.model import MNIST_CNN, TYPICAL, predict, typicality
from mnist_cnn.training import adapt, cross_validate, learn, make_outliers
from mnist_cnn.weights import load_weights

LETTERS = {  # strokes of x,y in tenths
    "A": "2,9 5,1 8,9 | 3,6 7,6",
    "B": "3,9 3,1 6,1 7,3 6,5 3,5 6,5 8,7 6,9 3,9",
    "C": "8,2 6,1 3,2 2,5 3,8 6,9 8,8",
    "E": "7,1 3,1 3,9 7,9 | 3,5 6,5",
    "F": "7,1 3,1 3,9 | 3,5 6,5",
    "H": "3,1 3,9 | 7,1 7,9 | 3,5 7,5",
    "K": "3,1 3,9 | 7,1 3,5 7,9",
    "M": "2,9 2.5,1 5,6 7.5,1 8,9",
    "P": "3,9 3,1 7,1 8,3 7,5 3,5",
    "W": "1,1 3,9 5,3 7,9 9,1",
}


def letters(count, seed):
    """`count` of each of ten letters, drawn with an unsteady hand: (images, labels)."""
    rng, images = np.random.default_rng(seed), []
    for text in LETTERS.values():
        strokes = [np.array([place.split(",") for place in part.split()], float) for part in text.split("|")]
        for _ in range(count):
            hand = np.eye(2) + rng.normal(0, 0.15, (2, 2))
            images.append(draw_strokes([(part + rng.normal(0, 0.35, part.shape)) @ hand for part in strokes]))
    return torch.stack(images), torch.arange(10).repeat_interleave(count)


@pytest.fixture(scope="module")
def own():
    """Digits of Turkish writers as bitmaps of 16x16 that they fill, converted: (images, labels)."""
    digits = load_digits()
    large = [
        Image.fromarray(np.uint8(image * 15)).resize((64, 64), Image.Resampling.BICUBIC) for image in digits.images
    ]
    boxes = [image.crop(image.point(lambda value: 255 * (value > 90)).getbbox()) for image in large[:900]]
    bitmaps = [np.asarray(box.resize((16, 16), Image.Resampling.BOX)) > 110 for box in boxes]
    return torch.stack([to_mnist(bitmap) for bitmap in bitmaps]), torch.tensor(digits.target[:900])


@pytest.fixture(scope="module")
def chosen(own):
    """Indices of ten digits of each class, at random."""
    order = torch.randperm(len(own[1]), generator=torch.Generator().manual_seed(0))
    return torch.cat([order[own[1][order] == label][:10] for label in range(10)])


@pytest.fixture(scope="module")
def adapted(model, own, chosen):
    return adapt(model, own[0][chosen], own[1][chosen])


def wrong(model, images, labels):
    return int((predict(model, images)[0] != labels).sum())


def test_it_learns_a_hand_and_keeps_mnist(model, adapted, own, chosen, test_split):
    rest = torch.ones(len(own[1]), dtype=torch.bool)
    rest[chosen] = False
    before, after = (wrong(network, own[0][rest], own[1][rest]) for network in (model, adapted))
    assert before > 40 and after < 0.65 * before
    assert wrong(adapted, *test_split) <= wrong(model, *test_split) + 12  # on average 6 more


def test_typicality_is_learned_again(model, adapted, own, test_split):
    refused = lambda network, images: (typicality(network, images) < TYPICAL).double().mean()
    assert refused(adapted, own[0]) < 0.6 * refused(model, own[0])
    assert abs(refused(adapted, test_split[0]) - refused(model, test_split[0])) < 0.0025
    others = make_outliers(test_split[0], 300, seed=9)
    assert refused(adapted, others) > refused(model, others) - 0.05


def test_the_same_seed_gives_the_same_weights_and_leaves_the_rest_alone(model, own, chosen, monkeypatch):
    for name, value in {"STEPS": 20, "POOL": 500, "OUTLIERS": 100}.items():  # of 300, 10,000 and 3,000
        monkeypatch.setitem(adapt.__globals__, name, value)
    before = copy.deepcopy(model.state_dict())
    once = adapt(model, own[0][chosen], own[1][chosen])
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    again = adapt(model, own[0][chosen].numpy(), own[1][chosen].numpy())
    assert torch.rand(1) == expected
    assert all(torch.equal(value, once.state_dict()[name]) for name, value in again.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    other = adapt(model, own[0][chosen], own[1][chosen], seed=1, judge=False)
    assert not torch.equal(other.layers[-1].weight, once.layers[-1].weight)
    assert torch.equal(other.layers[0].weight, model.layers[0].weight)
    assert torch.equal(other.scores, model.scores)


@pytest.mark.parametrize("kind", ["one digit", "one class", "a tenth wrong"])
def test_a_poor_set_does_no_harm(kind, model, own, chosen, test_split):
    images, labels = own[0][chosen], own[1][chosen].clone()
    if kind == "one digit":
        images, labels = images[:1], labels[:1]
    elif kind == "one class":
        images, labels = images[70:80], labels[70:80]
    else:
        labels[::10] = (labels[::10] + 1) % 10
    adapted = adapt(model, images, labels, judge=False)
    assert wrong(adapted, *test_split) <= wrong(model, *test_split) + 25
    assert wrong(adapted, *own) <= wrong(model, *own) + 9


def test_cross_validation_classifies_each_image_by_a_network_that_has_not_seen_it():
    images, labels = torch.arange(7, dtype=torch.uint8).view(7, 1, 1, 1).repeat(1, 1, 28, 28), torch.arange(7)
    seen = []

    def train(images, labels):
        """A network that answers how many were trained before it."""
        assert images[:, 0, 0, 0].tolist() == labels.tolist()
        network = MNIST_CNN()
        network.layers[-1].weight.data.zero_()
        network.layers[-1].bias.data = torch.eye(10)[len(seen)]
        seen.append(labels.tolist())
        return network

    predicted = cross_validate(train, images, labels).tolist()
    assert all(label not in seen[fold] for label, fold in enumerate(predicted))
    assert sorted(len(part) for part in seen) == [4, 5, 5]
    with pytest.raises(ValueError, match="expected at least 3 images, found 2"):
        cross_validate(train, images[:2], labels[:2])


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (torch.zeros(0, 1, 28, 28, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64), "at least one image"),
        (
            torch.zeros(3, 28, 28, dtype=torch.uint8),
            torch.zeros(3, dtype=torch.int64),
            "convert pictures with to_mnist",
        ),
        (torch.zeros(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64), "found torch.float32"),
        (torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), "3 whole numbers as labels"),
        (
            torch.zeros(3, 1, 28, 28, dtype=torch.uint8),
            torch.zeros(3),
            "3 whole numbers as labels, found torch.float32",
        ),
        (
            torch.zeros(3, 1, 28, 28, dtype=torch.uint8),
            torch.tensor([0, 10, 2]),
            "expected labels 0 to 9, found 0 to 10",
        ),
    ],
)
def test_bad_input_is_refused(images, labels, message, model):
    with pytest.raises(ValueError, match=message):
        adapt(model, images, labels)


def test_an_image_with_two_labels_is_refused(model, own):
    images = torch.cat([own[0][:5], own[0][:2]])
    with pytest.raises(ValueError, match="found 2 images that are there with another label too"):
        adapt(model, images, torch.cat([own[1][:5], (own[1][:2] + 1) % 10]))
    adapt(model, images, torch.cat([own[1][:5], own[1][:2]]), judge=False)  # twice the same is no contradiction


def test_ten_letters_of_thirty_examples_each_are_learned():
    images, labels = letters(30, seed=0)
    network = learn(images, labels, 10)
    more_images, more_labels = letters(30, seed=1)
    assert wrong(network, more_images, more_labels) < 0.06 * len(more_labels)
    with pytest.raises(ValueError, match="two classes or more, found 30 of class 3"):
        learn(images[90:120], labels[90:120], 10)


def test_other_signs_from_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(learn.__globals__, "NEW_STEPS", 200)  # instead of 1,000: four networks are trained
    images, labels = letters(12, seed=0)
    for k in range(36):  # A, B and C
        folder = tmp_path / "signs" / "ABC"[labels[k]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - images[k, 0].numpy()).save(folder / f"{k}.png")
    (folder / "note.txt").write_text("no picture")
    (folder / ".DS_Store").write_text("hidden")
    (tmp_path / "signs" / ".ipynb_checkpoints").mkdir()
    assert main([str(tmp_path / "signs"), str(tmp_path / "ABC.pth")]) == 0
    out, err = capsys.readouterr()
    assert int(out.split()[0]) <= 4 and "of 36 that were held out" in out
    assert "More examples would help: 18 of A, 18 of B, 18 of C" in out and "CLASS_NAMES = ['A', 'B', 'C']" in out
    assert '--names="A,B,C"' in out
    assert "note.txt: expected a picture" in err and "DS_Store" not in err
    assert wrong(load_weights(tmp_path / "ABC.pth"), images[:36], labels[:36]) <= 1
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        assert main([str(tmp_path / folder), str(tmp_path / "none.pth")]) == 1
        assert folder in capsys.readouterr().err and not (tmp_path / "none.pth").exists()
    monkeypatch.delitem(learn.__globals__, "NEW_STEPS")  # nothing is trained before the file is known to be writable
    assert main([str(tmp_path / "signs"), str(tmp_path / "signs")]) == 1
    assert "WEIGHTS: expected the name of a file to write, found the folder" in capsys.readouterr().err

"""Figures with names as long as those of clothes: nothing overlaps or is cut off; pictures are shown as they are."""

import matplotlib
import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager, style

from mnist_cnn import figures
from mnist_cnn.handwriting.folder import Picture
from mnist_cnn.handwriting.reading import Digit, Reading
from tests.helpers import texts_apart

NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
PAIRS = [(NAMES[i % 10], NAMES[i * 3 % 10]) for i in range(30)]


@pytest.mark.parametrize("caption", ["{}, not {}", "{} as {}\n98%", "number 9999\nlabel {}\nread as {}"])
def test_digits(caption):
    captions = [caption.format(*pair) for pair in PAIRS]
    texts_apart(figures.digits(IMAGES, captions, np.arange(30) % 2 == 0, title="30 of 30 mistakes"))


def test_probabilities():
    texts_apart(figures.probabilities(IMAGES[0], np.eye(10)[9], NAMES, label=0))


def picture(name, class_names, doubtful=False):
    """A picture of two digits, one in each corner, and something that is none."""
    answers = [digit(0, (5, 5, 40, 60), doubtful), digit(1, (50, 30, 90, 95), False)]
    reading = Reading([answers], [digit(0, (70, 2, 90, 20), True)], class_names)
    return Picture(f"folder/{name}", np.full((9, 9, 3), 255, np.uint8), (100, 100), reading)


def digit(label, box, cut_off):
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    return Digit(label, box, image, torch.tensor([0.9, 0.1]), 0.5, cut_off)


@pytest.mark.parametrize("count", [1, 8, 20])
def test_pictures(count):
    names = [f"a rather long name of picture number {i}.jpeg" for i in range(count)]
    shown = [picture(name, ["3", "7"], doubtful=True) for name in names]
    figure = figures.pictures(shown, title=f"{count} of 90")
    texts = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    assert all(any(f"{i}.jpeg" in text for text in texts) for i in range(count))
    assert texts.count("3?7") == count and texts.count("3?") == texts.count("7") == count
    lines = [patch.get_linestyle() for patch in figure.axes[0].patches]
    assert sorted(lines) == ["-", "--", ":"]  # sure, doubtful, left out: told apart without colour


def test_a_picture_in_which_nothing_was_found():
    nothing = picture("dash.png", ["3", "7"])._replace(reading=Reading([], [], ["3", "7"]))
    assert not figures.pictures([nothing]).axes[0].patches


def test_no_mistakes():
    assert texts_apart(figures.digits(IMAGES[:0], [], title="0 of 0 mistakes")) == "0 of 0 mistakes"


@pytest.mark.parametrize("losses", [([0.9], []), ([0.9], [0.1]), ([0.9, 0.5], [0.1, 0.08]), ([], [])])
def test_loss_of_few_epochs_has_wide_axes(losses):
    figure = figures.loss(*losses)
    if losses[0]:
        (left, right), (low, high) = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
        assert right - left >= 2
        assert high >= 5 * low


def test_the_loss_has_both_curves():
    axis = figures.loss([0.9, 0.5], [0.3, 0.1]).axes[0]
    curves = {line.get_label(): line.get_ydata().tolist() for line in axis.lines}
    assert curves == {"training": [0.9, 0.5], "held out": [0.3, 0.1]} and axis.get_yscale() == "log"


def test_the_confusion_matrix_has_labels_in_rows():
    axis = figures.confusion([[5, 2], [0, 3]], ["a", "b"]).axes[0]
    assert {text.get_position(): text.get_text() for text in axis.texts} == {(0, 0): "5", (1, 0): "2", (1, 1): "3"}
    assert axis.get_title() == "2 wrong of 10\nmost often a as b, 2 times"


def test_the_bars_are_the_probabilities():
    bars = figures.probabilities(IMAGES[0], [0.1, 0.7, 0.2], list("abc")).axes[1].patches
    assert [bar.get_width() for bar in bars] == [0.1, 0.7, 0.2]


def test_reliability_shows_the_number_of_images_and_the_uncertainty():
    figure = figures.reliability([0.35, 0.62, 0.98], [1, 16, 985], [2, 20, 1000])
    texts = texts_apart(figure)
    assert {"2", "20", "1,000"} <= set(texts.split())
    assert "error 0.87%" in texts  # (2 * 0.15 + 20 * 0.18 + 1000 * 0.005) / 1022, with the shares 0.5, 0.8 and 0.985
    (bars,) = figure.axes[0].containers
    (segments,) = (collection.get_segments() for collection in bars.lines[2])
    heights = [segment[1, 1] - segment[0, 1] for segment in segments]
    assert heights[0] > 0.7  # two images say little
    assert heights[0] > 2 * heights[1] > 10 * heights[2]


def test_figures_do_not_depend_on_the_users_style():
    draw = lambda: [
        figures.digits(IMAGES, ["5"] * 30, title="Digits")._repr_png_(),
        figures.loss([0.9, 0.3], [0.2, 0.1])._repr_png_(),
        figures.confusion(np.eye(10, dtype=int), NAMES)._repr_png_(),
        figures.feature_maps(np.eye(5)[None].repeat(10, 0), IMAGES[0], IMAGES[:10], IMAGES[:20])._repr_png_(),
        figures.attribution(IMAGES[0], IMAGES[:2] / 255, ["4", "9"])._repr_png_(),
    ]
    expected = draw()
    users = {"image.origin": "lower", "image.cmap": "jet", "font.size": 30, "savefig.dpi": 50}
    with style.context("dark_background"), matplotlib.rc_context(users):
        assert draw() == expected


def test_captions_are_readable_where_the_figure_is_400_pixels_wide():
    for captions in (["7"] * 29 + ["7, not 1"], ["4 as 9\n98%"] * 30, ["Ankle boot as Sneaker"] * 30):
        figure = figures.digits(IMAGES, captions)
        inches = figure.axes[0].title.get_fontsize() / 72
        assert inches * 400 / figure.get_figwidth() >= 8  # pixels


def test_mistakes_stand_out_without_colour():
    right, mistake = figures.digits(IMAGES[:2], ["7", "7, not 1"], [False, True]).axes[:2]
    assert right.images[0].get_cmap().name == "gray_r"
    assert mistake.images[0].get_cmap().name == "gray"
    assert mistake.get_frame_on()
    assert not right.get_frame_on()


# --- Class names in any script ---


@pytest.fixture
def small_font(tmp_path):
    """The path of a font that has only one character, a black square as the Japanese o."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in [(100, 700), (900, 700), (900, 0)]:
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "o"])
    builder.setupCharacterMap({ord("お"): "o"})
    builder.setupGlyf({".notdef": square, "o": square})
    builder.setupHorizontalMetrics({".notdef": (1000, 100), "o": (1000, 100)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Only O", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "only-o.ttf")
    return str(tmp_path / "only-o.ttf")


def draw_everything(names):
    """The texts of all figures that show class names."""
    drawn = [
        figures.digits(IMAGES[:9], [f"{name}\nas {names[0]}" for name in names * 5][:9], columns=3),
        figures.confusion([[3, 1], [0, 4]], names),
        figures.probabilities(IMAGES[0], [0.2, 0.8], names, label=0),
        figures.pictures([picture(names[1], names)]),
        figures.attribution(IMAGES[0], IMAGES[:1] / 255, [f"for and against {names[1]}"]),
        figures.embedding(np.eye(4, 2), np.array([0, 1, 0, 1]), np.zeros(4, bool), names),
    ]
    for figure in drawn:
        figure._repr_png_()  # with all warnings as errors
    return [text.get_text() for figure in drawn for text in figure.findobj(matplotlib.text.Text)]


@pytest.mark.filterwarnings("error")
def test_names_in_another_script_are_drawn_in_a_font_that_has_them(small_font, monkeypatch, capfd):
    scans = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: scans.append(1) or [small_font])
    assert "お" in draw_everything(["お", "A"])
    known = len(font_manager.fontManager.ttflist)
    draw_everything(["お", "A"])
    assert len(font_manager.fontManager.ttflist) == known and len(scans) <= 6  # once for each set of characters
    title = figures.probabilities(IMAGES[0], [0.2, 0.8], ["お", "A"])._suptitle
    assert font_manager.fontManager._find_fonts_by_props(title.get_fontproperties())[-1] == small_font
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("error")
def test_names_that_no_font_has_become_their_codes_and_this_is_said_once(monkeypatch, capfd):
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    texts = draw_everything(["か", "\U00013080"])
    assert {"U+304B", "U+13080"} <= set(texts)
    draw_everything(["か", "\U00013080"])
    out, err = capfd.readouterr()
    assert out.count("no font of this machine has か \U00013080: install one that has") >= 1
    assert len(out.splitlines()) <= 6 and err == ""  # one for each set of characters


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("names", [["$5", "5$"], ["x_1", "x^2"], [r"\frac{", "{}"], ["$\\", "%s"], ["", " "]])
def test_names_are_text_not_mathematics(names):
    assert set(names) <= set(draw_everything(names))
    assert not figures.confusion(np.eye(2, dtype=int), names).axes[0].get_xticklabels()[0].get_parse_math()

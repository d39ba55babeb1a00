"""All figures: functions that take numbers and return a matplotlib Figure.

Digits and pictures with their answers: `digits`, `pictures`. Training and evaluation: `loss`, `confusion`,
`reliability`. How the network answers: `probabilities`, `feature_maps`, `attribution`, `embedding`, `architecture`.

Digits are drawn as ink on paper. Digits with a wrong answer are white on black in a thick frame, so that they stand out
in black and white, too. Colours are from Okabe and Ito's palette for the colour-blind.
"""

import io
import math
import os
import textwrap

import matplotlib.figure
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from scipy.stats import binomtest

from mnist_cnn import files
from mnist_cnn.fonts import default_style, inches

BLUE, SKY, GREEN, VERMILION, GREY = "#0072B2", "#56B4E9", "#009E73", "#D55E00", "#767676"
HALO = [withStroke(linewidth=3, foreground="white")]
MISTAKES = LinearSegmentedColormap.from_list("mistakes", ["white", "#F0A070", VERMILION])
ACTIVATIONS = LinearSegmentedColormap.from_list("activations", ["#eef0f3", BLUE])  # as on the drawing pad
MOST_SEEN = 60  # digits of a picture that are shown as the network sees them
BARE = {"xticks": [], "yticks": [], "frame_on": False}  # axes without ticks and frame
CAPTION = 13  # points; a digit's caption is then about 9 pixels high where the figure is 400 pixels wide


class Figure(matplotlib.figure.Figure):
    """A Figure that a notebook shows exactly as `save` writes it."""

    @default_style
    def _repr_png_(self):
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
        return buffer.getvalue()


def save(figure, path):
    """Save the figure as a PNG file. The same numbers give the same bytes. Raises OSError as `files.write` does."""
    files.write(path, figure._repr_png_())


# --- Digits and pictures with their answers ---


@default_style
def digits(images, captions, wrong=None, columns=10, title=""):
    """A grid of digits, each with a caption.

    images: (N, 28, 28) or (N, 1, 28, 28), uint8 or [0, 1]; captions: N strings.
    wrong: N booleans, the digits to draw inverted and framed.
    columns: number of digits per row; fewer if the captions are too long for so many.
    """
    n = len(images)
    wrong = np.zeros(n, bool) if wrong is None else np.asarray(wrong)
    captions = [_wrap(caption, 12) for caption in captions]
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    longest = max((inches(line, CAPTION) for caption in captions for line in caption.split("\n")), default=0)
    width = max(0.8, longest + 0.05)  # inches
    columns = max(1, min(columns, int(8.5 / width)))
    rows = max(1, math.ceil(n / columns))
    figure = Figure(figsize=(width * columns, (0.72 + 0.22 * lines) * rows + 0.5), layout="constrained")
    figure.suptitle(_wrap(title, 60))
    axes = figure.subplots(rows, columns, squeeze=False, subplot_kw=BARE).ravel()
    for axis, image, caption, is_wrong in zip(axes, images, captions, wrong):
        _image(axis, image, cmap="gray" if is_wrong else "gray_r")
        axis.set_title(caption, fontsize=CAPTION, color=VERMILION if is_wrong else "black", pad=3)
        if is_wrong:
            axis.set_frame_on(True)
            axis.title.set_fontweight("bold")
            axis.spines[:].set(color=VERMILION, linewidth=3)
    return figure


@default_style
def pictures(found, columns=4, title="", names=True):
    """Pictures with a box around each digit and the answer above it; below, the digits as the network sees them.

    A doubtful digit has a dashed box and a question mark, and what was left out a dotted box without an answer.
    found: a list of Picture, as `mnist_cnn.handwriting.read_pictures` returns it; names: whether to write those of the
        files.
    """
    columns = min(len(found), columns)
    rows = math.ceil(len(found) / columns)
    figure = Figure(figsize=(1.8 * columns, 3.3 * rows), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[1.5, 1] * rows, subplot_kw=BARE)
    for top, bottom, picture in zip(axes[::2].ravel(), axes[1::2].ravel(), found):
        (width, height), reading = picture.size, picture.reading
        top.imshow(picture.thumbnail, extent=(0, width, height, 0))
        top.set_frame_on(True)
        name = os.path.basename(picture.path)
        top.set_xlabel((name if len(name) <= 24 else f"{name[:9]}...{name[-12:]}") * names, fontsize=9)
        for digit in reading.digits:
            answer = reading.class_names[digit.label] + "?" * digit.doubtful
            _box(top, digit.box, answer, *((VERMILION, "--", 2) if digit.doubtful else (BLUE, "-", 1)))
        for digit in reading.left_out:
            _box(top, digit.box, "", GREY, ":", 1.5)
        blank = np.zeros((28, 28), np.uint8)
        seen = [digit.image[0].numpy() for digit in reading.digits or reading.left_out][:MOST_SEEN] or [blank]
        across = round(math.sqrt(1.6 * len(seen)))
        seen += [blank] * (-len(seen) % across)
        bottom.imshow(np.block([seen[k : k + across] for k in range(0, len(seen), across)]), cmap="gray_r")
        wrong = f"\nwrong: {picture.label}" * picture.wrong
        bottom.set_title(_wrap(reading.in_words(), 18) + wrong, fontsize=CAPTION)
        bottom.set_frame_on(True)
    return figure


def _box(axis, box, answer, colour, line, width):
    """Draw a box in a picture, with the answer above it, about as large as the box."""
    left, top, right, bottom = box
    axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec=colour, ls=line, lw=width))
    points = 120 * (bottom - top) / np.ptp(axis.get_xlim())  # an axis is about 120 points wide
    size = float(np.clip(0.7 * points, 5, CAPTION))
    axis.text(left, top, answer, color=colour, fontsize=size, fontweight="bold", va="bottom", path_effects=HALO)


# --- Training and evaluation ---


@default_style
def loss(train, validation=()):
    """Loss against epoch, on a logarithmic scale. train, validation: mean cross-entropy of each epoch."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = _axis(figure, xlabel="epoch", ylabel="cross-entropy (logarithmic)")
    epochs = lambda losses: range(1, len(losses) + 1)  # if stopped between the two, `validation` has one more
    axis.plot(epochs(train), train, "o-", color=BLUE, markersize=3, label="training")
    if len(validation):
        axis.plot(epochs(validation), validation, "s--", color=VERMILION, markersize=3, label="held out")
    if len(train):
        axis.set_yscale("log")
        (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
        axis.set_xlim(min(left, 0), max(right, 2))  # even one epoch gets wide axes
        if high < 5 * low:
            axis.set_ylim(low / 3, high * 3)
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter("{x:g}")
        axis.legend(frameon=False)
        name, losses = ("Held-out", validation) if len(validation) else ("Training", train)
        axis.set_title(f"{name} loss {losses[-1]:.4f} after {len(losses)} epoch{'s' if len(losses) > 1 else ''}")
    else:
        axis.set_title("No epoch was finished")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
    return figure


@default_style
def confusion(matrix, class_names):
    """How often each label (row) got each answer (column). The diagonal is muted.

    matrix: (classes, classes) counts.
    """
    matrix = np.asarray(matrix)
    n, classes = matrix.sum(), len(class_names)
    mistakes = matrix - np.diag(np.diag(matrix))
    size = 2.2 + 0.48 * classes
    figure = Figure(figsize=(size, size), layout="constrained")
    axis = _axis(figure, xlabel="the network's answer", ylabel="label")
    axis.imshow(mistakes, cmap=MISTAKES, vmin=0, vmax=max(mistakes.max(), 1))
    turned = max(map(len, class_names)) > 2
    axis.set_xticks(range(classes), class_names, rotation=45 if turned else 0, ha="right" if turned else "center")
    axis.set_yticks(range(classes), class_names)
    axis.tick_params(length=0)
    for row, column in np.ndindex(matrix.shape):
        count = matrix[row, column]
        if row == column:
            axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color="#F0F0F0"))
            axis.text(column, row, count, ha="center", va="center", color=GREY, fontsize=9)
        elif count:
            axis.text(column, row, count, ha="center", va="center", fontsize=11, fontweight="bold")
    title = f"{mistakes.sum():,} wrong of {n:,}"
    if mistakes.any():
        row, column = np.unravel_index(mistakes.argmax(), matrix.shape)
        often = mistakes[row, column]
        title += f"\nmost often {class_names[row]} as {class_names[column]}, {often} time{'s' if often > 1 else ''}"
    axis.set_title(title)
    return figure


@default_style
def reliability(confidence, right, counts):
    """The share of right answers against confidence (Guo et al. 2017), with 95% intervals of this share (Wilson 1927).

    All three (bins,): mean confidence of the answers in each bin, how many of them are right, how many there are.
    """
    confidence, right, counts = map(np.asarray, (confidence, right, counts))
    shares = right / counts
    error = (counts * np.abs(confidence - shares)).sum() / counts.sum()
    intervals = [binomtest(int(k), int(n)).proportion_ci(method="wilson") for k, n in zip(right, counts)]
    low, high = np.transpose(intervals)
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axis = _axis(figure, xlabel="probability of the answer", ylabel="share of right answers")
    axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    spans = np.maximum([shares - low, high - shares], 0)  # rounding may put a share just outside its interval
    axis.errorbar(confidence, shares, spans, fmt="o", color=BLUE, capsize=3, label="this network, 95% interval")
    for x, y, count in zip(confidence, low, counts):
        place = {"xytext": (0, -5), "textcoords": "offset points", "path_effects": HALO}
        axis.annotate(f"{count:,}", (x, y), fontsize=8, ha="center", va="top", **place)
    axis.set(xlim=(0, 1.05), ylim=(-0.1, 1.1), xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
    axis.legend(frameon=False, loc="lower right")
    axis.set_title(f"Expected calibration error {error:.2%}\nBelow each interval: the number of images")
    axis.grid(alpha=0.3)
    return figure


# --- How the network answers ---


@default_style
def probabilities(image, values, class_names, label=None, typicality=None):
    """One digit and the probability of each class. image: (28, 28) or (1, 28, 28); values: (classes,)."""
    figure = Figure(figsize=(7, 0.6 + 0.25 * max(len(values), 8)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.6])
    _image(left, image)
    values = np.asarray(values)
    answer = int(values.argmax())
    wrong = label is not None and answer != label
    given = "" if label is None else f", label {class_names[label]}{': wrong' if wrong else ''}"
    title = f"answer {class_names[answer]}{given}" + ("" if typicality is None else f"; typicality {typicality:.3f}")
    figure.suptitle(title, color=VERMILION if wrong else "black")
    bars = right.barh(class_names, values, color=[BLUE if k == answer else "#B8B8B8" for k in range(len(values))])
    right.bar_label(bars, [f"{value:.1%}" for value in values], padding=3, fontsize=9)
    right.set(xlim=(0, 1.18), xticks=[])
    right.invert_yaxis()
    right.spines[["top", "right", "bottom"]].set_visible(False)
    return figure


@default_style
def feature_maps(kernels, image, first=(), *others):
    """The feature maps of the convolutions: of many, 10 kernels and maps of the first one, and 20 maps of the others.

    kernels: (C, k, k), of the first one; image: (28, 28); first, others: (C, h, w) of each.
    """
    kernels, first, *others = map(np.asarray, (kernels, first, *others))
    figure = Figure(figsize=(7.5, 2.1 * (1 + len(others))), layout="constrained")
    top, *below = figure.subfigures(1 + len(others), 1, squeeze=False).flat
    grid = top.subplots(2, 1 + min(10, max(len(kernels), len(first))), squeeze=False, subplot_kw=BARE)
    limit = np.abs(kernels).max(initial=0)
    _image(grid[1, 0], image)
    grid[1, 0].set_frame_on(True)
    _pictures(grid[0, 1:], kernels, cmap="RdBu", vmin=-limit, vmax=limit)
    _pictures(grid[1, 1:], first, cmap=ACTIVATIONS, vmin=0, vmax=first.max(initial=0))
    few = lambda n, most, name: f"{most} of " * (n > most) + f"{n} {name}{'s' * (n != 1)}"
    title = f"Convolution 1: {few(len(kernels), 10, 'kernel')} (blue adds, red subtracts)"
    top.suptitle(title + ", and their feature maps" * bool(len(first)), fontsize=11)
    for number, (subfigure, maps) in enumerate(zip(below, others), start=2):
        grid = subfigure.subplots(2, math.ceil(min(20, len(maps)) / 2), squeeze=False, subplot_kw=BARE)
        _pictures(grid.ravel(), maps, cmap=ACTIVATIONS, vmin=0, vmax=maps.max())
        title = f"Convolution {number}: {few(len(maps), 20, 'feature map')} (dark is strong)"
        subfigure.suptitle(title, fontsize=11)
    return figure


def _pictures(axes, pictures, **look):
    """Draw pictures with a frame, with these options of imshow, on as many axes."""
    for axis, picture in zip(axes, pictures):
        axis.imshow(picture, **look)
        axis.set_frame_on(True)


@default_style
def attribution(image, maps, titles):
    """Which pixels count for a class (blue) and which against it (red). image: (28, 28); maps: (N, 28, 28)."""
    figure = Figure(figsize=(2.9 * (len(maps) + 1), 3.5), layout="constrained")
    figure.suptitle("Blue pixels count for the class, red ones against it")
    first, *others = figure.subplots(1, len(maps) + 1)
    image, maps = np.asarray(image), np.asarray(maps)
    _image(first, image)
    first.set_title("the digit")
    limit = np.abs(maps).max() or 1
    for axis, values, title in zip(others, maps, titles):
        axis.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit)
        axis.contour(image, levels=[image.max() / 2], colors=GREY, linewidths=0.7)
        axis.set(title=title, xticks=[], yticks=[])
    return figure


@default_style
def embedding(points, labels, wrong, class_names):
    """Digits as points in the plane, coloured by label, mistakes circled. points: (N, 2); labels: (N,); wrong: (N,)."""
    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    axis = figure.subplots(subplot_kw=BARE)
    colours = colormaps["tab10"].colors
    for label, name in enumerate(class_names):
        mine = points[labels == label]
        if len(mine) == 0:
            continue
        axis.scatter(*mine.T, s=6, color=colours[label % 10], linewidths=0)
        axis.text(
            *np.median(mine, axis=0), name, fontsize=16, fontweight="bold", ha="center", va="center", path_effects=HALO
        )
    axis.scatter(*points[wrong].T, s=60, facecolors="none", edgecolors="black", label="wrong answer")
    axis.legend(frameon=False)
    axis.set_title(f"{len(points):,} test images as the last layer sees them; {wrong.sum():,} wrong answers")
    return figure


@default_style
def architecture(steps):
    """The computation, from top to bottom. steps: (name, output shape, number of parameters) of each."""
    figure = Figure(figsize=(6.4, 0.56 * len(steps) + 0.6), layout="constrained")
    axis = figure.subplots()
    axis.set(xlim=(0, 10), ylim=(len(steps) - 0.6, -0.5))
    axis.axis("off")
    for row, (name, shape, parameters) in enumerate(steps):
        colour = "#CFE5F3" if parameters else "#F0F0F0"
        axis.add_patch(FancyBboxPatch((0.3, row - 0.22), 6, 0.44, boxstyle="round,pad=0.04", fc=colour, ec=GREY))
        axis.text(0.5, row, name, va="center")
        if parameters:
            axis.text(6.1, row, f"{parameters:,} parameters", va="center", ha="right", fontsize=9)
        axis.text(6.8, row, " × ".join(map(str, shape)), va="center")
        if row:
            axis.annotate("", (3.3, row - 0.26), (3.3, row - 0.74), arrowprops={"arrowstyle": "->", "color": GREY})
    total = sum(parameters for _, _, parameters in steps)
    axis.set_title(f"{total:,} parameters; on the right, the shape of each output")
    return figure


# --- Parts of figures ---


def _axis(figure, **labels):
    axis = figure.subplots()
    axis.set(**labels)
    axis.spines[["top", "right"]].set_visible(False)
    return axis


def _image(axis, image, cmap="gray_r"):
    image = np.asarray(image).reshape(28, 28)
    axis.imshow(image, cmap=cmap, vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    axis.set(xticks=[], yticks=[])


def _wrap(text, width):
    """Break each line of the text between words so that it has at most `width` letters."""
    lines = (textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) for line in text.split("\n"))
    return "\n".join(lines)

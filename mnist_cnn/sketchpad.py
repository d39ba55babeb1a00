"""The drawing pad: the network, in the reader's browser, on what the reader draws.

`html` is a notebook cell's output, `page` a whole web page, `still` a picture for where scripts are
stripped. sketchpad.js does the work; the weights travel inside, and nothing is ever fetched.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

from mnist_cnn import files
from mnist_cnn.figures import BLUE
from mnist_cnn.handwriting import center
from mnist_cnn.model import load_weights, predict

LIT = LinearSegmentedColormap.from_list("lit", ["#eef0f3", BLUE])
SAMPLE = [(0.3, 0.34), (0.36, 0.21), (0.53, 0.15), (0.67, 0.25), (0.62, 0.45), (0.45, 0.66), (0.27, 0.84), (0.34, 0.84)]
SAMPLE += [(0.55, 0.81), (0.75, 0.82)]  # a digit as one stroke: x to the right, y downwards, in units of the pad

DARK = """--ground: #1d2025; --text: #f1f3f5; --quiet: #b6bdc6; --line: #555d68; --fill: #7d8896;
  --best: #5cb8f0; --faint: #181b20; --lit: 1.8;"""

# The pad brings its own ground and text colours, so that it is readable whatever page it is on. It is dark where
# JupyterLab, VS Code or Colab say that they are, and, as a page of its own, where the reader's system is.
STYLE = """
.mnist-sketchpad { --ground: #fff; --text: #1b1e23; --quiet: #59616c; --line: #c3c9d1; --fill: #a9b3be;
  --best: #0072b2; --faint: #eef0f3; --lit: 1; box-sizing: border-box; max-width: 752px; padding: 16px;
  color: var(--text); background: var(--ground); font: 14px/1.4 system-ui, sans-serif; text-align: left; }
[data-jp-theme-light="false"] .mnist-sketchpad, .vscode-dark .mnist-sketchpad, [theme="dark"] .mnist-sketchpad,
  .vscode-high-contrast:not(.vscode-high-contrast-light) .mnist-sketchpad { DARK }
.mnist-sketchpad canvas { display: block; box-sizing: border-box; }
.mnist-sketchpad .pad-top { display: flex; flex-wrap: wrap; gap: 16px 24px; }
.mnist-sketchpad .pad-left { flex: 0 1 320px; }
.mnist-sketchpad .pad-right { flex: 1 1 280px; min-width: 0; display: flex; flex-direction: column; gap: 16px; }
.mnist-sketchpad .pad-paper { position: relative; background: #fff; border: 1px solid var(--line); }
.mnist-sketchpad .pad-paper canvas { width: 100%; aspect-ratio: 1; touch-action: none; cursor: crosshair; outline: 0;
  -webkit-user-select: none; user-select: none; -webkit-touch-callout: none; }
.mnist-sketchpad .pad-paper:focus-within, .mnist-sketchpad button:focus-visible { outline: 3px solid var(--best);
  outline-offset: 1px; }
.mnist-sketchpad .pad-hint { position: absolute; inset: 0; display: grid; place-items: center; pointer-events: none;
  color: #59616c; font-size: 18px; }
.mnist-sketchpad .pad-tools { display: flex; gap: 8px; margin-top: 12px; }
.mnist-sketchpad button { flex: 1; margin: 0; min-height: 44px; color: inherit; background: transparent; font: inherit;
  border: 1px solid var(--line); border-radius: 4px; cursor: pointer; }
.mnist-sketchpad button:hover { border-color: var(--text); }
.mnist-sketchpad .pad-says { display: flex; gap: 16px; align-items: center; }
.mnist-sketchpad .pad-picture { width: 100%; aspect-ratio: 1; background: var(--faint); image-rendering: pixelated;
  forced-color-adjust: none; }
.mnist-sketchpad .pad-black { background: #000; }
.mnist-sketchpad .pad-says .pad-picture { width: 112px; }
.mnist-sketchpad .pad-answer { min-height: 1.4em; font-size: 24px; font-weight: 600; line-height: 1.4; }
.mnist-sketchpad .pad-note { color: var(--quiet); font-size: 13px; }
.mnist-sketchpad > .pad-note, .mnist-sketchpad .pad-body > .pad-note { margin: 16px 0 6px; }
.mnist-sketchpad .pad-bars { display: grid; grid-template-columns: auto 1fr 4.2em; gap: 4px 10px; align-items: center; }
.mnist-sketchpad .pad-row { display: contents; }
.mnist-sketchpad .pad-track { height: 12px; }
.mnist-sketchpad .pad-fill { height: 100%; width: 0; min-width: 1px; background: var(--fill);
  forced-color-adjust: none; }
.mnist-sketchpad .pad-number { min-height: 1.4em; text-align: right; font-variant-numeric: tabular-nums; }
.mnist-sketchpad .pad-best { font-weight: 600; }
.mnist-sketchpad .pad-best .pad-fill { background: var(--best); }
.mnist-sketchpad .pad-maps canvas { filter: brightness(var(--lit)); }
.mnist-sketchpad .pad-maps { display: grid; grid-template-columns: repeat(10, 1fr); gap: 4px; }
@media (max-width: 480px) { .mnist-sketchpad .pad-maps { grid-template-columns: repeat(5, 1fr); }
  .mnist-sketchpad .pad-left { flex: 1 1 100%; } }
""".replace("DARK", DARK)

FRAGMENT = """<div class="mnist-sketchpad"><style>{style}</style>
<div class="pad-body" data-sketchpad="{key}">Run this cell, and here is a pad to draw on. (Its
script has not run yet; the still picture shows what it looks like.)</div>
<script>(() => {{
{script}
const config = {config};
for (const root of document.querySelectorAll('[data-sketchpad="{key}"]')) root.sketchpad || start(root, config);
}})();</script></div>"""

# The policy lets the browser itself refuse every request; the empty icon spares the one for /favicon.ico.
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline';
  style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>Draw a digit</title>
<style>
body {{ margin: 0; display: grid; justify-content: center; grid-template-columns: minmax(0, 752px); }}
@media (prefers-color-scheme: dark) {{ body {{ background: #1d2025; }} body .mnist-sketchpad {{ {dark} }} }}
</style>
</head>
<body>
{fragment}
</body>
</html>
"""


def html(model, class_names=None):
    """The pad as an HTML fragment for IPython.display.HTML; any number of them fits on one page.

    It is about 137 kB long, of which 116 are the weights.

    model: an MNIST_CNN on any device. class_names: one for each class; their numbers if None.
    Raises ValueError if there are more or fewer names than classes.
    """
    state = model.state_dict()
    names = _names(model, class_names)
    weights = np.concatenate([v.cpu().numpy().ravel() for k, v in state.items() if k not in ("mean", "std")])
    config = {
        "mean": state["mean"].item(),
        "std": state["std"].item(),
        "names": names,
        "weights": base64.b64encode(weights.astype("<f4").tobytes()).decode(),
    }
    config = json.dumps(config).replace("<", "\\u003c")  # no name can end the script
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    key = hashlib.sha256(config.encode()).hexdigest()[:12]  # by which the script finds the places that are its own
    return FRAGMENT.format(style=STYLE, key=key, script=script, config=config)


def page(model, class_names=None):
    """The pad as a whole HTML document, to be opened as a file or put on any web page. Arguments as for `html`."""
    return PAGE.format(dark=DARK, fragment=html(model, class_names))


@torch.inference_mode()
def still(model, class_names=None):
    """A picture of the pad with a sample digit in it, as a matplotlib Figure. Arguments as for `html`.

    Of more than ten classes it shows the ten most probable.
    """
    names = _names(model, class_names)
    stroke = CubicSpline(range(len(SAMPLE)), SAMPLE)(np.linspace(0, len(SAMPLE) - 1, 100))  # (100, 2)
    digit = center(_ink(stroke))  # (1, 28, 28)
    probabilities = predict(model, digit[None])[1][0].numpy()
    first = model.layers[:2](model.scaled(digit[None].to(model.mean.device)))  # (1, 10, 24, 24)
    second = model.layers[2:5](first)  # (1, 20, 8, 8)

    figure = Figure(figsize=(7.52, 6.4), dpi=100)
    axis = _place(figure, 16, 16, 320, 320)
    axis.plot(*stroke.T, color="#111", linewidth=13, solid_capstyle="round", solid_joinstyle="round")
    axis.set(xlim=(0, 1), ylim=(1, 0))
    _place(figure, 360, 16, 112, 112).imshow(digit[0].numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    best = probabilities.argmax()
    figure.text(488 / 752, 1 - 60 / 640, "The network sees and says", fontsize=9.5, color="#59616c")
    figure.text(488 / 752, 1 - 92 / 640, f"{names[best]}, {probabilities[best]:.0%}", fontsize=18, weight="bold")
    left = 366 + 8 * max(map(len, names))
    axis = _place(figure, left, 144, 664 - left, 192)
    axis.set_frame_on(False)
    axis.axvline(0, color="#a9b3be", linewidth=0.8)
    shown = sorted(probabilities.argsort()[-10:])
    axis.set(xlim=(0, 1), ylim=(len(shown) - 0.4, -0.6))
    for row, i in enumerate(shown):
        axis.barh(row, probabilities[i], 0.55, color=BLUE if i == best else "#a9b3be")
        style = {"ha": "right", "va": "center", "weight": "bold" if i == best else "normal"}
        axis.text(-6 / (664 - left), row, names[i], **style)
        axis.text((736 - left) / (664 - left), row, f"{probabilities[i]:.1%}", **style)
    for top, text, maps in ((352, "First layer, 10 maps", first[0]), (460, "Second layer, 20 maps", second[0])):
        figure.text(16 / 752, 1 - (top + 12) / 640, text, fontsize=9.5, color="#59616c")
        for i, values in enumerate(maps.cpu().numpy()):
            axis = _place(figure, 16 + i % 10 * 72.4, top + 20 + i // 10 * 72.4, 68.4, 68.4)
            axis.imshow(values, cmap=LIT, vmin=0, vmax=maps.max().item(), interpolation="nearest")
            axis.set_frame_on(False)
    return figure


def _place(figure, left, top, width, height):
    """An empty frame at a place given in pixels of the pad, from the top left corner."""
    axis = figure.add_axes((left / 752, 1 - (top + height) / 640, width / 752, height / 640))
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_color("#c3c9d1")
    return axis


def _ink(stroke):
    """One stroke (N, 2), N > 1, to uint8 ink (H, W) with MNIST's stroke width; twin of sketchpad.js's `rasterize`."""
    pen, detail = 2.4, 4
    radius = pen * detail / 2
    points = (stroke - stroke.min(0)) * (20 - pen) * detail / np.ptp(stroke, axis=0).max() + radius + 1
    width, height = np.ceil(np.ptp(points, axis=0) + 2 * radius + 2).astype(int)
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2)[:, :, None] + 0.5  # (H, W, 1, 2)
    lines = np.diff(points, axis=0)  # (N - 1, 2)
    from_start = pixels - points[:-1]
    along = ((from_start * lines).sum(3) / (lines**2).sum(1)).clip(0, 1)[..., None]
    distance = np.linalg.norm(from_start - along * lines, axis=3).min(2)
    return torch.from_numpy(((radius + 0.5 - distance).clip(0, 1) * 255).astype(np.uint8))


def _names(model, class_names):
    classes = len(model.state_dict()["layers.8.bias"])
    names = [str(name) for name in (range(classes) if class_names is None else class_names)]
    if len(names) != classes:
        raise ValueError(f"expected {classes} class names, one for each class of the network, found {len(names)}")
    return names


def main(weights="MNIST-MODEL.pth", output="sketchpad.html"):
    files.write(output, page(load_weights(weights)).encode())
    print(f"{output}: open it in a browser, or put it on any web page")


if __name__ == "__main__":
    main(*sys.argv[1:])

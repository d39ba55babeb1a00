// From strokes to an answer: strokes -> ink -> a 28x28 digit as in MNIST -> the network. Nothing here touches the page.

const SIDE = 28; // side of the network's input, in pixels
const FIT = 20; // MNIST's digits fit into 20x20 of these pixels
const DETAIL = 4; // pixels of ink for one of MNIST's pixels

/**
 * Strokes, lists of points [x, y] -> {ink, height, width}: Uint8Array (height, width), 0 is paper. The stroke width
 * becomes `pen` pixels of a digit 20 long, however large the digit was drawn. Returns null while all strokes together
 * are shorter than `shortest`, hardly more than a dot.
 *
 * The ink is computed, not taken from the canvas: some browsers falsify what scripts get from a canvas, to prevent
 * fingerprinting.
 */
function rasterize(strokes, pen, shortest) {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const stroke of strokes) {
    for (const [x, y] of stroke) {
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  const longest = Math.max(right - left, bottom - top);
  if (longest < shortest) return null;
  const scale = ((FIT - pen) * DETAIL) / longest;
  const radius = (pen * DETAIL) / 2;
  const margin = radius + 1;
  const width = Math.ceil((right - left) * scale + 2 * margin);
  const height = Math.ceil((bottom - top) * scale + 2 * margin);
  const ink = new Uint8Array(width * height);
  for (const stroke of strokes) {
    const points = stroke.map(([x, y]) => [(x - left) * scale + margin, (y - top) * scale + margin]);
    points.forEach((point, i) => addLine(ink, width, points[Math.max(0, i - 1)], point, radius));
  }
  return { ink, height, width };
}

/** Adds a line with round ends to the ink: each pixel is as dark as the line covers it. */
function addLine(ink, width, [x0, y0], [x1, y1], radius) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squared = dx * dx + dy * dy || 1;
  for (let y = Math.floor(Math.min(y0, y1) - radius); y < Math.max(y0, y1) + radius; y++) {
    for (let x = Math.floor(Math.min(x0, x1) - radius); x < Math.max(x0, x1) + radius; x++) {
      const px = x + 0.5 - x0;
      const py = y + 0.5 - y0;
      const along = Math.min(1, Math.max(0, (px * dx + py * dy) / squared));
      const covered = radius + 0.5 - Math.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2); // hypot is slow
      if (covered > 0) ink[y * width + x] = Math.max(ink[y * width + x], 255 * Math.min(1, covered));
    }
  }
}

/** The same as mnist_cnn.handwriting.center: ink (height, width), 0 to 255 -> pixels (784,), or null without ink. */
function center(ink, height, width) {
  const box = boxAround(ink, height, width);
  if (!box) return null;
  const scale = FIT / Math.max(box.height, box.width);
  const rows = Math.max(1, Math.floor(box.height * scale + 0.5));
  const columns = Math.max(1, Math.floor(box.width * scale + 0.5));
  return placeByMass(resample(ink, width, box, rows, columns), rows, columns);
}

/** The smallest box around all ink (height, width), or null if there is none. */
function boxAround(ink, height, width) {
  let [top, bottom, left, right] = [height, -1, width, -1];
  for (let i = 0, y = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (ink[i] === 0) continue;
      top = Math.min(top, y);
      bottom = y;
      left = Math.min(left, x);
      right = Math.max(right, x);
    }
  }
  return bottom < 0 ? null : { top, left, height: bottom + 1 - top, width: right + 1 - left };
}

/** The box of the ink -> Uint8Array (rows, columns), as PyTorch's antialiased bilinear interpolation does it. */
function resample(ink, width, box, rows, columns) {
  const across = filters(box.width, columns);
  const down = filters(box.height, rows);
  const narrow = new Float32Array(box.height * columns);
  for (let i = 0, y = 0; y < box.height; y++) {
    const row = (box.top + y) * width + box.left;
    for (let x = 0; x < columns; x++) narrow[i++] = weightedSum(ink, row + across[x].from, 1, across[x].weights);
  }
  const small = new Uint8Array(rows * columns);
  for (let i = 0, y = 0; y < rows; y++) {
    const { from, weights } = down[y];
    for (let x = 0; x < columns; x++) {
      small[i++] = Math.min(255, Math.floor(weightedSum(narrow, from * columns + x, columns, weights) + 0.5));
    }
  }
  return small;
}

/** For each of the outputs: the first input that it depends on, and the weights of this one and those after it. */
function filters(inputs, outputs) {
  const scale = inputs / outputs;
  const support = Math.max(1, scale);
  return Array.from({ length: outputs }, (_, i) => {
    const middle = scale * (i + 0.5);
    const from = Math.max(0, Math.trunc(middle - support + 0.5));
    const to = Math.min(inputs, Math.trunc(middle + support + 0.5));
    const triangle = (_, j) => Math.max(0, 1 - Math.abs(from + j + 0.5 - middle) / support);
    const weights = Float64Array.from({ length: to - from }, triangle);
    const total = weights.reduce((sum, weight) => sum + weight);
    return { from, weights: weights.map((weight) => weight / total) };
  });
}

function weightedSum(values, start, step, weights) {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i] * values[start + i * step];
  return sum;
}

/** A digit (rows, columns) -> pixels (784,) with its centre of mass in the middle of pixel 14, as in MNIST, or null. */
function placeByMass(small, rows, columns) {
  let [mass, massX, massY] = [0, 0, 0];
  for (let i = 0, y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, i++) {
      mass += small[i];
      massX += small[i] * (x + 0.5);
      massY += small[i] * (y + 0.5);
    }
  }
  if (mass === 0) return null;
  const left = Math.floor(SIDE / 2 + 0.5 - massX / mass + 0.5);
  const top = Math.floor(SIDE / 2 + 0.5 - massY / mass + 0.5);
  const digit = new Uint8Array(SIDE * SIDE);
  for (let y = Math.max(0, -top); y < Math.min(rows, SIDE - top); y++) {
    for (let x = Math.max(0, -left); x < Math.min(columns, SIDE - left); x++) {
      digit[(top + y) * SIDE + left + x] = small[y * columns + x];
    }
  }
  return digit;
}

/**
 * Layers as a function of pixels (784,): Uint8Array, or Float32Array in [0, 1]. It returns logits and maps: the outputs
 * (channels, height, width) of the layers with a `note`.
 *
 * layers: as _describe in __init__.py writes them, in their order. mean, std: of the training pixels in [0, 1].
 */
function network(layers, { mean, std }) {
  const kinds = { convolve, pool, rectify: (values) => values.map((value) => Math.max(0, value)) };
  const steps = layers.map((layer) => ({ ...layer, weight: decode(layer.weight), bias: decode(layer.bias) }));
  return (pixels) => {
    const white = pixels instanceof Uint8Array ? 255 : 1;
    let values = Float32Array.from(pixels, (pixel) => (pixel / white - mean) / std);
    const maps = [];
    for (const layer of steps) {
      values = kinds[layer.kind](values, layer);
      if (layer.note) maps.push(values);
    }
    return { maps, logits: values };
  };
}

/** Base64 of little-endian float32 -> Float32Array */
function decode(text = "") {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** Convolution: (channels, height, width) -> (maps, rows, columns). Beyond its border, the input is 0. */
function convolve(input, layer) {
  const { weight, bias, kernel } = layer;
  const [channels, height, width] = layer.from;
  const [down, across] = [windows(layer, 0), windows(layer, 1)];
  const output = new Float32Array(bias.length * down.length * across.length);
  for (let map = 0, at = 0; map < bias.length; map++) {
    for (const { start: top, from: y0, to: y1 } of down) {
      for (const { start: left, from: x0, to: x1 } of across) {
        let sum = bias[map];
        for (let channel = 0; channel < channels; channel++) {
          for (let y = y0; y < y1; y++) {
            const row = (channel * height + y) * width;
            const k = ((map * channels + channel) * kernel[0] + y - top) * kernel[1] - left;
            for (let x = x0; x < x1; x++) sum += input[row + x] * weight[k + x];
          }
        }
        output[at++] = sum;
      }
    }
  }
  return output;
}

/** Max pooling: (channels, height, width) -> (channels, rows, columns) */
function pool(input, layer) {
  const [channels, height, width] = layer.from;
  const [down, across] = [windows(layer, 0), windows(layer, 1)];
  const output = new Float32Array(channels * down.length * across.length).fill(-Infinity);
  for (let channel = 0, at = 0; channel < channels; channel++) {
    for (const { from: y0, to: y1 } of down) {
      for (const { from: x0, to: x1 } of across) {
        for (let y = y0; y < y1; y++) {
          const row = (channel * height + y) * width;
          for (let x = x0; x < x1; x++) output[at] = Math.max(output[at], input[row + x]);
        }
        at++;
      }
    }
  }
  return output;
}

/** The windows of all outputs along an axis: where each starts, perhaps outside, and its inputs from `from` to `to`. */
function windows({ from, to, kernel, stride, padding }, axis) {
  return Array.from({ length: to[axis + 1] }, (_, i) => {
    const start = i * stride[axis] - padding[axis];
    return { start, from: Math.max(0, start), to: Math.min(from[axis + 1], start + kernel[axis]) };
  });
}

/** Logits (classes,) -> probabilities (classes,) */
function softmax(logits) {
  const largest = Math.max(...logits);
  const exps = Array.from(logits, (logit) => Math.exp(logit - largest));
  const total = exps.reduce((sum, exp) => sum + exp);
  return exps.map((exp) => exp / total);
}

/** The same as mnist_cnn.model.typicality: the judge's logits (classes + 1,) -> the share of lower scores. */
function typicality(logits, scores) {
  const odds = logits.subarray(0, -1).reduce((sum, logit) => sum + Math.exp(logit - logits[logits.length - 1]), 0);
  return scores.filter((score) => score < Math.log(odds)).length / scores.length;
}

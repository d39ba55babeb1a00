// From strokes to an answer: strokes -> ink -> a 28x28 digit as in MNIST -> the network. Nothing here touches the page.

const SIDE = 28; // side of the network's input, in pixels
const FIT = 20; // MNIST's digits fit into 20x20 of these pixels
const DETAIL = 4; // pixels of ink for one of MNIST's pixels
const KERNEL = 5; // side of both convolutions' kernels
const FIRST_SIDE = SIDE - KERNEL + 1; // 24, side of the first layer's feature maps
const SECOND_SIDE = FIRST_SIDE / 2 - KERNEL + 1; // 8, after pooling

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
 * The network as a function of pixels (784,): Uint8Array, or Float32Array in [0, 1]. It returns firstMaps (10, 24, 24)
 * and secondMaps (20, 8, 8), after ReLU and before pooling, and logits (classes,).
 *
 * weights: all parameters in the order of PyTorch's state_dict, as base64 of little-endian float32.
 * shapes: of each layer's weight, outputs first. mean, std: of the training pixels in [0, 1].
 */
function network({ weights, shapes, mean, std }) {
  const bytes = Uint8Array.from(atob(weights), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const values = Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  let used = 0;
  const take = (count) => values.subarray(used, (used += count));
  const [first, second, hidden, last] = shapes.map((shape) => ({
    weight: take(shape.reduce((product, length) => product * length)),
    bias: take(shape[0]),
  }));

  return (pixels) => {
    const white = pixels instanceof Uint8Array ? 255 : 1;
    const normalized = Float32Array.from(pixels, (pixel) => (pixel / white - mean) / std);
    const firstMaps = convolve(normalized, SIDE, first);
    const secondMaps = convolve(halve(firstMaps, FIRST_SIDE), FIRST_SIDE / 2, second);
    const logits = linear(linear(halve(secondMaps, SECOND_SIDE), hidden), last); // (320,) -> (50,) -> (classes,)
    return { firstMaps, secondMaps, logits };
  };
}

/** Convolution without padding, then ReLU: (channels, side, side) -> (maps, side - 4, side - 4). */
function convolve(input, side, { weight, bias }) {
  const channels = input.length / side ** 2;
  const size = side - KERNEL + 1;
  const output = new Float32Array(bias.length * size * size);
  for (let map = 0, at = 0; map < bias.length; map++) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        let sum = bias[map];
        let k = map * channels * KERNEL * KERNEL;
        for (let channel = 0; channel < channels; channel++) {
          for (let dy = 0; dy < KERNEL; dy++) {
            const row = (channel * side + y + dy) * side + x;
            for (let dx = 0; dx < KERNEL; dx++) sum += input[row + dx] * weight[k++];
          }
        }
        output[at++] = Math.max(0, sum);
      }
    }
  }
  return output;
}

/** 2x2 max pooling: (maps, side, side) -> (maps, side / 2, side / 2), for an even side. */
function halve(maps, side) {
  const output = new Float32Array(maps.length / 4);
  for (let i = 0, at = 0; at < maps.length; at += side) {
    for (let x = 0; x < side; x += 2, at += 2) {
      output[i++] = Math.max(maps[at], maps[at + 1], maps[at + side], maps[at + side + 1]);
    }
  }
  return output;
}

/** (inputs,) -> (outputs,) */
function linear(input, { weight, bias }) {
  const output = new Float32Array(bias.length);
  for (let i = 0, k = 0; i < output.length; i++) {
    let sum = bias[i];
    for (let j = 0; j < input.length; j++) sum += input[j] * weight[k++];
    output[i] = sum;
  }
  return output;
}

/** Logits (classes,) -> probabilities (classes,) */
function softmax(logits) {
  const largest = Math.max(...logits);
  const exps = Array.from(logits, (logit) => Math.exp(logit - largest));
  const total = exps.reduce((sum, exp) => sum + exp);
  return exps.map((exp) => exp / total);
}

// From strokes to a number: strokes -> candidates for digits -> the network -> the best path. Nothing touches the page.

const SIDE = 28; // side of the network's input, in pixels

/**
 * The same as mnist_cnn.handwriting.read_strokes: strokes, lists of points [x, y] -> digits, from left to right. A digit
 * has its strokes, box and image, what `classify` returns for the image, and whether it is `refused`: left out.
 *
 * rules: the constants of path.py, reading.py, strokes.py and model.py.
 */
function readStrokes(strokes, classify, rules) {
  const sizes = strokes.map((stroke) => boxAround([stroke])).map((box) => Math.max(high(box), wide(box) / rules.WIDE));
  const long = heaviest(sizes);
  if (!long) return [];
  const pen = (rules.PEN / (rules.FIT - rules.PEN)) * long;
  const height = long + pen;
  const answer = (part) => {
    const image = drawStrokes(part, rules);
    return { strokes: part, box: boxAround(part, pen), image, ...classify(image) };
  };
  const parts = oneAboveTheOther(strokes, height, pen, rules);
  const digits = bestPath(parts, height, pen, answer, rules);
  if (digits.every(({ refused }) => refused)) return [answer(strokes)]; // all of it is one sign
  const typical = ({ refused, typical }) => !refused && typical >= rules.REFUSED;
  const kept = digits.filter(digits.some(typical) ? typical : ({ refused }) => !refused);
  const read = withoutWords(kept, rules);
  return digits.map((digit) => ({ ...digit, refused: !read.includes(digit) }));
}

/** The same as _without_words in reading.py. */
function withoutWords(digits, rules) {
  const line = numbers(digits, rules);
  const certain = (number) => sum(number.map(({ score }) => score - rules.POOR));
  const best = line.reduce((one, other) => (certain(other) > certain(one) ? other : one));
  const height = quantile(best.map(highOf), 0.5);
  const lower = (number) => sum(number.map((digit) => Math.max(0, rules.LOW - highOf(digit) / height)));
  const worth = (number) => certain(number) - rules.LOWER * lower(number);
  const words = sum(line.filter((number) => number !== best).map(worth)) < -rules.SLACK;
  return line.filter((number) => number === best || (worth(number) > -rules.SLACK && !words)).flat();
}

const wide = ([left, , right]) => right - left;
const high = ([, top, , bottom]) => bottom - top;
const highOf = ({ box }) => high(box);
const sum = (values) => values.reduce((total, value) => total + value, 0);

/** left, top, right, bottom of strokes drawn with a pen */
function boxAround(strokes, pen = 0) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of strokes.flat()) {
    box[0] = Math.min(box[0], x - pen / 2);
    box[1] = Math.min(box[1], y - pen / 2);
    box[2] = Math.max(box[2], x + pen / 2);
    box[3] = Math.max(box[3], y + pen / 2);
  }
  return box;
}

/** The value up to which the smaller values make up half of the sum. */
function heaviest(values) {
  const half = sum(values) / 2;
  let below = 0;
  return [...values].sort((a, b) => a - b).find((value) => (below += value) >= half);
}

/** Join strokes to those around, above or below them: a list of lists of strokes, from left to right. */
function oneAboveTheOther(strokes, height, pen, { ABOVE, INSIDE, LOW }) {
  const middle = (strokes) => (boxAround(strokes)[0] + boxAround(strokes)[2]) / 2;
  const parts = [];
  for (const stroke of [...strokes].sort((a, b) => middle([a]) - middle([b]))) {
    const last = parts[parts.length - 1] || [];
    const [box, before] = [boxAround([stroke], pen), boxAround(last, pen)];
    const [shared, widths] = [Math.min(box[2], before[2]) - Math.max(box[0], before[0]), [wide(box), wide(before)]];
    const inside = Math.abs(middle([stroke]) - middle(last)) < INSIDE * Math.max(...widths);
    const above = shared > ABOVE * Math.min(...widths) && Math.min(high(box), high(before)) < LOW * height;
    if (last.length && (inside || above)) last.push(stroke);
    else parts.push([stroke]);
  }
  return parts;
}

/** The same as mnist_cnn.handwriting.path.best_path: the digits of the path with the largest sum of scores. */
function bestPath(parts, height, pen, answer, rules) {
  const best = [{ score: 0, digits: [] }];
  for (let stop = 1; stop <= parts.length; stop++) {
    let found = { score: -Infinity };
    const consider = (score, digits) => {
      if (score > found.score) found = { score, digits };
    };
    for (let start = stop - 1; start >= Math.max(0, stop - rules.MOST); start--) {
      const [before, part] = [best[start], parts.slice(start, stop).flat()];
      const box = boxAround(part, pen);
      if (stop > start + 1 && breadth(box, height) > rules.WIDE) break;
      const leftOut = before.score - (rules.SKIP * high(box)) / height;
      if (Math.max(wide(box), high(box)) <= 2 * pen) {
        if (stop === start + 1) consider(leftOut, before.digits); // no more than a dot
        continue;
      }
      const digit = answer(part);
      consider(leftOut, [...before.digits, { ...digit, refused: true }]);
      digit.score = worth(digit, height, rules);
      consider(before.score + digit.score, [...before.digits, digit]);
    }
    best.push(found);
  }
  return best[parts.length].digits;
}

/** The width of a box, in heights of a digit, or in its own if it is higher. */
const breadth = (box, height) => wide(box) / Math.max(height, high(box));

/** The score of a candidate. */
function worth({ box, sure, judged }, height, rules) {
  const certain = Math.log(Math.max(1e-4, sure));
  const doubt = Math.log1p(Math.exp(rules.TRUSTED - judged));
  const broad = Math.min(rules.BROADEST, Math.max(rules.BROAD, breadth(box, height))) - rules.BROAD;
  const misfit = rules.LOWER * Math.max(0, rules.LOW - high(box) / height) + rules.BROADER * broad;
  return rules.DIGIT + rules.PROBABILITY * certain - rules.DOUBT * doubt - misfit;
}

/** The same as Reading.in_words in Python: of one digit "7, 98%", of more the number, with ? after doubtful ones. */
function inWords(digits, { names, none, rules }) {
  const read = digits.filter(({ refused }) => !refused);
  if (read.length !== 1) return text(read, (digit) => names[digit.best] + mark(digit, rules), rules);
  const [{ best, other, sure, typical }] = read;
  if (typical < rules.TYPICAL) return `${none} ${names[best]}`;
  if (sure < rules.SURE) return `not sure: ${names[best]} or ${names[other]}`;
  return `${names[best]}, ${Math.round(100 * sure)}%`;
}

/** The names of digits, with a space where two numbers are apart. */
const text = (digits, name, rules) =>
  numbers(digits, rules)
    .map((number) => number.map(name).join(""))
    .join(" ");

/** Digits, divided where there is a space. */
function numbers(digits, { SPACE, SPACES }) {
  const gaps = digits.slice(1).map(({ box }, i) => Math.max(0, box[0] - digits[i].box[2]));
  const least = SPACES * quantile(gaps, 0.25);
  const apart = (i) => Math.max(least, (SPACE * (highOf(digits[i]) + highOf(digits[i + 1]))) / 2);
  const starts = [...gaps.keys()].filter((i) => gaps[i] > apart(i)).map((i) => i + 1);
  return [0, ...starts].map((start, i) => digits.slice(start, starts[i]));
}

const mark = ({ sure, typical }, { SURE, TYPICAL }) => (typical < TYPICAL || sure < SURE ? "?" : "");

/** Interpolated as numpy does. */
function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (values.length - 1);
  const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return low + (place % 1) * (high - low);
}

/** The same as mnist_cnn.handwriting.draw_strokes: strokes -> pixels (784,) of a digit as in MNIST. */
function drawStrokes(strokes, { FIT, PEN }) {
  const box = boxAround(strokes);
  const scale = (FIT - PEN) / Math.max(wide(box), high(box));
  const [width, height] = [wide(box), high(box)].map((side) => Math.ceil(side * scale + PEN - 1e-6));
  const [left, top] = [(width - wide(box) * scale) / 2, (height - high(box) * scale) / 2];
  const ink = new Float32Array(width * height);
  for (const stroke of strokes) {
    const points = stroke.map(([x, y]) => [(x - box[0]) * scale + left, (y - box[1]) * scale + top]);
    points.forEach((point, i) => addLine(ink, width, points[Math.max(0, i - 1)], point, PEN / 2 + 0.5));
  }
  return placeByMass(Uint8Array.from(ink, (covered) => Math.floor(255 * Math.min(1, covered) + 0.5)), height, width);
}

/** Adds a line with round ends to the ink: each pixel is as dark as the line covers it. */
function addLine(ink, width, [x0, y0], [x1, y1], reach) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squared = dx * dx + dy * dy || 1;
  for (let i = 0; i < ink.length; i++) {
    const [px, py] = [(i % width) + 0.5 - x0, Math.floor(i / width) + 0.5 - y0];
    const along = Math.min(1, Math.max(0, (px * dx + py * dy) / squared));
    const covered = reach - Math.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2); // hypot is slow
    ink[i] = Math.max(ink[i], covered);
  }
}

/** A digit (rows, columns) -> pixels (784,) with its centre of mass in the middle of pixel 14, as in MNIST */
function placeByMass(small, rows, columns) {
  const place = (i) => [i % columns, Math.floor(i / columns)];
  const middle = (axis) => small.reduce((total, value, i) => total + value * (place(i)[axis] + 0.5), 0) / sum(small);
  const [left, top] = [0, 1].map((axis) => Math.floor(SIDE / 2 + 1 - middle(axis)));
  const digit = new Uint8Array(SIDE * SIDE);
  small.forEach((value, i) => {
    const [x, y] = [left + place(i)[0], top + place(i)[1]];
    if (Math.min(x, y) >= 0 && Math.max(x, y) < SIDE) digit[y * SIDE + x] = value;
  });
  return digit;
}

/**
 * Layers as a function of pixels (784,): Uint8Array, or Float32Array in [0, 1]. It returns logits and maps: the outputs
 * (channels, height, width) of the layers with a `note`.
 *
 * layers: as describe in layers.py returns them, in their order. mean, std: of the training pixels in [0, 1].
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
  return slide(layer, bias.length, (map, down, across) => {
    let sum = bias[map];
    for (let channel = 0; channel < channels; channel++) {
      for (let y = down.from; y < down.to; y++) {
        const row = (channel * height + y) * width;
        const k = ((map * channels + channel) * kernel[0] + y - down.start) * kernel[1] - across.start;
        for (let x = across.from; x < across.to; x++) sum += input[row + x] * weight[k + x];
      }
    }
    return sum;
  });
}

/** Max pooling: (channels, height, width) -> (channels, rows, columns) */
function pool(input, layer) {
  const [channels, height, width] = layer.from;
  return slide(layer, channels, (channel, down, across) => {
    let most = -Infinity;
    for (let y = down.from; y < down.to; y++) {
      const row = (channel * height + y) * width;
      for (let x = across.from; x < across.to; x++) most = Math.max(most, input[row + x]);
    }
    return most;
  });
}

/** The outputs (count, rows, columns) of a layer, each computed from its window. */
function slide(layer, count, compute) {
  const [down, across] = [windows(layer, 0), windows(layer, 1)];
  const outputs = (map) => down.flatMap((rows) => across.map((columns) => compute(map, rows, columns)));
  return Float32Array.from(Array.from({ length: count }, (_, map) => outputs(map)).flat());
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

/** The logarithm of the judge's odds that an image is a digit, from its logits (classes + 1,), as in Python. */
function judgeScore(logits) {
  const none = logits[logits.length - 1];
  return Math.log(logits.subarray(0, -1).reduce((odds, logit) => odds + Math.exp(logit - none), 0));
}

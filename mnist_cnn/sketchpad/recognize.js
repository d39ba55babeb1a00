// From strokes to a number: strokes -> candidates for digits -> the network -> the best path. Nothing touches the page.

/**
 * The same as mnist_cnn.handwriting.read_strokes: strokes, lists of points [x, y] -> digits, from left to right. A
 * digit has its strokes, box and image, what `classify` returns for the image, and whether it is `refused`: left out.
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
    const digit = { strokes: part, box: boxAround(part, pen), image, ...classify(image) };
    return { ...digit, ...inLine(digit, height, rules) };
  };
  const parts = oneAboveTheOther(strokes, height, pen, rules);
  const digits = bestPath(parts, height, pen, answer, rules);
  if (digits.every(({ refused }) => refused)) return [answer(strokes)]; // all of it is one sign
  const kept = withoutWords(digits.filter(({ refused }) => !refused), rules);
  const likely = kept.filter(({ typical }) => typical >= rules.REFUSED);
  const read = likely.length ? likely : kept;
  return digits.map((digit) => ({ ...digit, refused: !read.includes(digit) }));
}

/** The same as _without_words in reading.py. */
function withoutWords(digits, rules) {
  const line = numbers(digits, rules);
  const certain = (number) => sum(number.map(({ score }) => Math.max(score - rules.POOR, rules.LEAST)));
  const best = largest(line, certain);
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
/** The first of the items with the largest value. */
const largest = (items, value) => items.reduce((first, item) => (value(item) > value(first) ? item : first));

/** left, top, right, bottom of strokes drawn with a pen */
function boxAround(strokes, pen = 0) {
  const most = (axis, sign) => strokes.flat().reduce((most, point) => Math.max(most, sign * point[axis]), -Infinity);
  return [-most(0, -1) - pen / 2, -most(1, -1) - pen / 2, most(0, 1) + pen / 2, most(1, 1) + pen / 2];
}

/** The value up to which the smaller values make up half of the sum. */
function heaviest(values) {
  const half = sum(values) / 2;
  let below = 0;
  return [...values].sort((a, b) => a - b).find((value) => (below += value) >= half);
}

/** Join strokes to those around, above or below them: a list of lists of strokes, from left to right. */
function oneAboveTheOther(strokes, height, pen, { ABOVE, INSIDE, LOW }) {
  const middle = (strokes) => {
    const [left, , right] = boxAround(strokes);
    return (left + right) / 2;
  };
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
  const best = [{ score: 0, digits: [] }]; // of the parts before each place
  const boxes = parts.map((part) => boxAround(part, pen));
  for (let stop = 1; stop <= parts.length; stop++) {
    const paths = [];
    for (let start = stop - 1; start >= Math.max(0, stop - rules.MOST); start--) {
      const { score, digits } = best[start];
      const [part, single] = [parts.slice(start, stop).flat(), start === stop - 1];
      const box = boxAround(part, pen);
      if (!single && breadth(box, height) > rules.WIDE) break;
      const leftOut = score - (rules.SKIP * high(box)) / height;
      if (Math.max(wide(box), high(box)) > 2 * pen) {
        const digit = answer(part);
        const gap = Math.max(0, ...boxes.slice(start + 1, stop).map(([left], i) => left - boxes[start + i][2]));
        paths.push({ score: leftOut, digits: [...digits, { ...digit, refused: true }] });
        paths.push({ score: score + digit.score - (rules.GAP * gap) / height, digits: [...digits, digit] });
      } else if (single) paths.push({ score: leftOut, digits }); // no more than a dot
    }
    best.push(largest(paths, ({ score }) => score));
  }
  return best.at(-1).digits;
}

/** The width of a box, in heights of a digit, or in its own if it is higher. */
const breadth = (box, height) => wide(box) / Math.max(height, high(box));

/** The score of a candidate, and how typical it is, for its size in the line. A broad digit may be low. */
function inLine({ box, sure, judged, typicality }, height, rules) {
  const [own, size] = [high(box) / height, Math.max(high(box), wide(box) / rules.WIDE) / height];
  const misfit = Math.min(Math.max(0, rules.LOW - size, own - rules.HIGH), rules.WORST);
  const fitting = judged - rules.MISFIT * misfit;
  const broad = Math.min(rules.BROADEST, Math.max(rules.BROAD, breadth(box, height))) - rules.BROAD;
  const doubt = Math.log1p(Math.exp(rules.TRUSTED - fitting));
  const certain = rules.PROBABILITY * Math.log(Math.max(1e-4, sure)) - rules.DOUBT * doubt;
  return { score: rules.DIGIT + certain - rules.BROADER * broad, typical: typicality(fitting) };
}

/** The same as Reading.in_words in Python: of one digit "7, 98%", of more the number, with ? after doubtful ones. */
function inWords(digits, { names, none, rules }) {
  const read = digits.filter(({ refused }) => !refused);
  if (read.length !== 1) {
    const name = (digit) => names[digit.best] + mark(digit, rules);
    return numbers(read, rules).map((number) => number.map(name).join("")).join(" ");
  }
  const [{ best, other, sure, typical }] = read;
  if (typical < rules.TYPICAL) return `${none} ${names[best]}`;
  if (sure < rules.SURE) return `not sure: ${names[best]} or ${names[other]}`;
  return `${names[best]}, ${Math.round(100 * sure)}%`;
}

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
  return placeByMass(Uint8Array.from(ink, (covered) => Math.floor(255 * Math.min(1, covered) + 0.5)), width);
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

/** Rows of pixels -> pixels (784,) with the centre of mass in the middle of pixel 14, as in MNIST */
function placeByMass(small, width) {
  const [left, top] = [(i) => i % width, (i) => Math.floor(i / width)].map((place) => {
    const moment = small.reduce((total, value, i) => total + value * (place(i) + 0.5), 0);
    return Math.floor(SIDE / 2 + 1 - moment / sum(small));
  });
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [x, y] = [(i % SIDE) - left, Math.floor(i / SIDE) - top];
    return x >= 0 && x < width ? small[y * width + x] : 0; // beyond the rows: undefined, so 0
  });
}

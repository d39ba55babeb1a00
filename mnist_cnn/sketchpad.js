// The drawing pad: strokes -> ink -> the 28x28 digit that MNIST would have made of them -> the network -> the page.
// sketchpad.py puts this file and the weights into one <script>; nothing else is ever loaded.

const SIDE = 28; // of what the network sees
const FIT = 20; // MNIST's digits fit into 20x20, centred by their mass
const PEN = 2.4; // MNIST's stroke width, in the same pixels
const DETAIL = 4; // ink pixels to one of MNIST's
const PAD = 560; // the side of the drawing, in its own units; the page shows it at half that
const STEP = PAD / SIDE; // one press of an arrow key
const FINEST = 1; // nearer points are left out: some pens tell of a thousand in a second
const SURE = 0.75; // below this probability, the runner-up is named too
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LABEL = "Drawing pad. Arrow keys move the pen, space lowers or raises it, Control Z undoes, Escape clears.";
const [WHITE, BLUE] = [[255, 255, 255], [0, 114, 178]];
const NOTHING = { firstMaps: new Float32Array(10 * 24 * 24), secondMaps: new Float32Array(20 * 8 * 8) };

/** The 21,840 parameters, base64 of little-endian float32 in state_dict order, as a function of 784 pixels. */
function network({ weights, mean, std, names }) {
  const bytes = Uint8Array.from(atob(weights), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const values = Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  let used = 0;
  const take = (count) => values.subarray(used, (used += count));
  const layer = (inputs, outputs) => ({ weight: take(inputs * outputs), bias: take(outputs) });
  const [first, second] = [layer(25, 10), layer(250, 20)];
  const [hidden, last] = [layer(320, 50), layer(50, names.length)];

  // pixels: Uint8Array, or Float32Array in [0, 1], as in model.py. The maps are those after ReLU, before pooling.
  return (pixels) => {
    const top = pixels instanceof Uint8Array ? 255 : 1;
    const scaled = Float32Array.from(pixels, (pixel) => (pixel / top - mean) / std);
    const firstMaps = convolve(scaled, 1, 28, first); // (10, 24, 24)
    const secondMaps = convolve(halve(firstMaps, 24), 10, 12, second); // (20, 8, 8)
    const logits = linear(linear(halve(secondMaps, 8), hidden), last); // (320,) -> (50,) -> (classes,)
    return { firstMaps, secondMaps, logits };
  };
}

/** 5x5 convolution without padding, then ReLU: (channels, side, side) to (maps, side - 4, side - 4). */
function convolve(input, channels, side, { weight, bias }) {
  const size = side - 4;
  const output = new Float32Array(bias.length * size * size);
  for (let map = 0, at = 0; map < bias.length; map++) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        let sum = bias[map];
        let k = map * channels * 25;
        for (let channel = 0; channel < channels; channel++) {
          for (let dy = 0; dy < 5; dy++) {
            const row = (channel * side + y + dy) * side + x;
            for (let dx = 0; dx < 5; dx++) sum += input[row + dx] * weight[k++];
          }
        }
        output[at++] = Math.max(0, sum);
      }
    }
  }
  return output;
}

/** 2x2 max pooling. The maps lie one under the other, so that, their side being even, they are one tall picture. */
function halve(maps, side) {
  const width = side / 2;
  return Float32Array.from({ length: maps.length / 4 }, (_, i) => {
    const at = 2 * Math.floor(i / width) * side + 2 * (i % width);
    return Math.max(maps[at], maps[at + 1], maps[at + side], maps[at + side + 1]);
  });
}

function linear(input, { weight, bias }) {
  return bias.map((start, i) => input.reduce((sum, value, j) => sum + value * weight[i * input.length + j], start));
}

function softmax(logits) {
  const exps = Array.from(logits, (logit) => Math.exp(logit - Math.max(...logits)));
  const total = exps.reduce((a, b) => a + b);
  return exps.map((exp) => exp / total);
}

/**
 * Strokes, lists of [x, y], to {ink, height, width} with MNIST's stroke width however large they were drawn,
 * or null as long as there is hardly more than a dot. Coverage is computed, not read back from a canvas, which
 * some browsers falsify against fingerprinting.
 */
function rasterize(strokes) {
  let [left, right, top, bottom] = [PAD, 0, PAD, 0];
  for (const [x, y] of strokes.flat()) {
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  }
  const longest = Math.max(right - left, bottom - top);
  if (longest < STEP) return null;
  const scale = ((FIT - PEN) * DETAIL) / longest;
  const radius = (PEN * DETAIL) / 2;
  const margin = radius + 1;
  const [width, height] = [right - left, bottom - top].map((side) => Math.ceil(side * scale + 2 * margin));
  const ink = new Uint8Array(width * height);
  const place = ([x, y]) => [(x - left) * scale + margin, (y - top) * scale + margin];
  for (const stroke of strokes) {
    stroke.map(place).forEach((to, i, placed) => segment(ink, width, placed[Math.max(0, i - 1)], to, radius));
  }
  return { ink, height, width };
}

/** Draws one round-ended line into the ink, which has a margin about it: a pixel is as dark as the line covers it. */
function segment(ink, width, [x0, y0], [x1, y1], radius) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squared = dx * dx + dy * dy || 1;
  for (let y = Math.floor(Math.min(y0, y1) - radius); y < Math.max(y0, y1) + radius; y++) {
    for (let x = Math.floor(Math.min(x0, x1) - radius); x < Math.max(x0, x1) + radius; x++) {
      const [px, py] = [x + 0.5 - x0, y + 0.5 - y0];
      const along = Math.min(1, Math.max(0, (px * dx + py * dy) / squared));
      const covered = radius + 0.5 - Math.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2); // hypot is slow
      if (covered > 0) ink[y * width + x] = Math.max(ink[y * width + x], 255 * Math.min(1, covered));
    }
  }
}

/** Twin of handwriting.center: ink 0..255 (height, width) to the 28x28 pixels, or null if there is none. */
function center(ink, height, width) {
  let [top, bottom, left, right] = [height, -1, width, -1];
  ink.forEach((value, i) => {
    if (!(value > 0)) return;
    const [y, x] = [Math.floor(i / width), i % width];
    [top, bottom, left, right] = [Math.min(top, y), Math.max(bottom, y), Math.min(left, x), Math.max(right, x)];
  });
  if (bottom < 0) return null;
  const [tall, wide] = [bottom + 1 - top, right + 1 - left];
  const scale = FIT / Math.max(tall, wide);
  const [rows, columns] = [tall, wide].map((side) => Math.max(1, Math.floor(side * scale + 0.5)));
  const [down, across] = [filters(tall, rows), filters(wide, columns)];
  const weigh = ({ from, weights }, value) => weights.reduce((sum, weight, i) => sum + weight * value(from + i), 0);

  const narrow = new Float32Array(tall * columns).map((_, i) => {
    const row = (top + Math.floor(i / columns)) * width + left;
    return weigh(across[i % columns], (x) => ink[row + x]);
  });
  const small = new Uint8Array(rows * columns).map((_, i) =>
    Math.min(255, Math.floor(weigh(down[Math.floor(i / columns)], (y) => narrow[y * columns + (i % columns)]) + 0.5)),
  );

  let [mass, massX, massY] = [0, 0, 0];
  small.forEach((value, i) => {
    mass += value;
    massX += value * ((i % columns) + 0.5);
    massY += value * (Math.floor(i / columns) + 0.5);
  });
  const [x0, y0] = [massX, massY].map((sum) => Math.floor(SIDE / 2 + 0.5 - sum / Math.max(mass, 1e-9) + 0.5));
  const digit = new Uint8Array(SIDE * SIDE);
  small.forEach((value, i) => {
    const [y, x] = [y0 + Math.floor(i / columns), x0 + (i % columns)];
    if (y >= 0 && y < SIDE && x >= 0 && x < SIDE) digit[y * SIDE + x] = value;
  });
  return digit;
}

/** PyTorch's antialiased bilinear resampling: for each output, the first input pixel and the weights from there on. */
function filters(inputs, outputs) {
  const scale = inputs / outputs;
  const support = Math.max(1, scale);
  return Array.from({ length: outputs }, (_, i) => {
    const middle = scale * (i + 0.5);
    const from = Math.max(0, Math.trunc(middle - support + 0.5));
    const to = Math.min(inputs, Math.trunc(middle + support + 0.5));
    const raw = Array.from({ length: to - from }, (_, j) =>
      Math.max(0, 1 - Math.abs(from + j + 0.5 - middle) / support),
    );
    const total = raw.reduce((a, b) => a + b);
    return { from, weights: raw.map((weight) => weight / total) };
  });
}

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const div = (name, ...children) => element("div", { class: `pad-${name}` }, ...children);
const note = (text) => div("note", text);
const picture = (side) => element("canvas", { width: side, height: side, class: "pad-picture", "aria-hidden": "true" });

/** Maps, one after the other, on as many square canvases: the greatest of all values opaque, 0 transparent. */
function paint(canvases, maps, colour) {
  const most = Math.max(1e-9, ...maps);
  canvases.forEach((canvas, i) => {
    const pixels = new ImageData(canvas.width, canvas.height);
    const from = i * canvas.width * canvas.height;
    pixels.data.forEach((_, j, data) => {
      if (j % 4 === 0) data.set([...colour, (255 * maps[from + j / 4]) / most], j);
    });
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  });
}

function verdict(probabilities, names) {
  const [best, next] = [...probabilities.keys()].sort((i, j) => probabilities[j] - probabilities[i]);
  if (probabilities[best] < SURE) return `not sure: ${names[best]} or ${names[next]}`;
  return `${names[best]}, ${Math.round(100 * probabilities[best])}%`;
}

/** Builds the pad inside `root`, shows in it what the network says, and lets one draw. */
function start(root, config) {
  const run = network(config);
  const canvas = element("canvas", { width: PAD, height: PAD, tabindex: 0, role: "application", "aria-label": LABEL });
  const [undo, clear] = ["Undo", "Clear"].map((text) => element("button", { type: "button" }, text));
  const [hint, answer] = [div("hint"), element("div", { class: "pad-answer", role: "status" })];
  const bars = config.names.map((name) => ({ name: div("name", name), fill: div("fill"), number: div("number") }));
  const rows = bars.map(({ name, fill, number }) => div("row", name, div("track", fill), number));
  const seen = picture(SIDE);
  const first = Array.from({ length: 10 }, () => picture(24));
  const second = Array.from({ length: 20 }, () => picture(8));
  root.replaceChildren(
    div(
      "top",
      div("left", div("paper", canvas, hint), div("tools", undo, clear)),
      div("right", div("says", seen, div("text", note("The network sees and says"), answer)), div("bars", ...rows)),
    ),
    note("First layer, 10 maps"),
    div("maps", ...first),
    note("Second layer, 20 maps"),
    div("maps", ...second),
    note("Without a mouse: arrow keys move the pen, space lowers and raises it, Ctrl+Z undoes, Escape clears."),
  );
  root.sketchpad = { forward: (pixels) => run(pixels).logits, center }; // for whoever wants to check them

  let strokes = []; // each a list of [x, y]
  let past = []; // what `strokes` was before each change, for undo
  let pointer = null; // the one that draws
  let pen = null; // the keyboard's: {x, y, down}
  let frame = 0;

  function show() {
    frame = 0;
    draw(canvas, strokes, document.activeElement === canvas ? pen : null);
    const ink = rasterize(strokes);
    const digit = ink && center(ink.ink, ink.height, ink.width);
    const { firstMaps, secondMaps, logits } = digit ? run(digit) : NOTHING;
    const probabilities = digit ? softmax(logits) : config.names.map(() => 0);
    const said = digit ? verdict(probabilities, config.names) : "";
    if (answer.textContent !== said) answer.textContent = said; // a screen reader hears of changes only
    seen.classList.toggle("pad-black", digit !== null);
    hint.textContent = strokes.length ? "" : "Draw here";
    bars.forEach(({ fill, number }, i) => {
      fill.style.width = `${100 * probabilities[i]}%`;
      number.textContent = digit ? `${(100 * probabilities[i]).toFixed(1)}%` : "";
      rows[i].classList.toggle("pad-best", digit && probabilities[i] === Math.max(...probabilities));
    });
    paint([seen], digit || new Uint8Array(SIDE * SIDE), WHITE);
    paint(first, firstMaps, BLUE);
    paint(second, secondMaps, BLUE);
  }

  const refresh = () => (frame = frame || requestAnimationFrame(show)); // however many moves, once a frame
  const change = (next) => {
    past.push(strokes);
    strokes = next;
  };
  const begin = (point) => change([...strokes, [point]]);
  function extend([x, y]) {
    const stroke = strokes[strokes.length - 1];
    const [lastX, lastY] = stroke[stroke.length - 1];
    if (Math.hypot(x - lastX, y - lastY) >= FINEST) stroke.push([x, y]);
  }
  function lift() {
    [pointer, pen] = [null, pen && { ...pen, down: false }];
  }
  function erase() {
    lift();
    if (strokes.length) change([]);
  }
  function back() {
    lift();
    strokes = past.pop() || [];
  }
  const inside = (value) => Math.min(PAD, Math.max(0, value));
  const at = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    return [inside(((clientX - box.left) * PAD) / box.width), inside(((clientY - box.top) * PAD) / box.height)];
  };
  function press(key) {
    const [dx, dy] = ARROWS[key] || [0, 0];
    pen = pen || { x: PAD / 2, y: PAD / 2, down: false };
    pen = { x: inside(pen.x + STEP * dx), y: inside(pen.y + STEP * dy), down: key === " " ? !pen.down : pen.down };
    if (pen.down) (key === " " ? begin : extend)([pen.x, pen.y]);
  }

  // What returns false has changed nothing.
  const on = (target, type, handle) => target.addEventListener(type, (event) => handle(event) !== false && refresh());
  on(canvas, "pointerdown", (event) => {
    if (event.button !== 0 || canvas.hasPointerCapture(pointer)) return false; // nor does a palm beside the pen draw
    event.preventDefault(); // no text is selected, no notebook takes the focus
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    [pointer, pen] = [event.pointerId, null];
    begin(at(event));
  });
  on(canvas, "pointermove", (event) => {
    if (event.pointerId !== pointer) return false;
    const merged = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const move of merged.length ? merged : [event]) extend(at(move));
  });
  for (const type of ["pointerup", "pointercancel"]) on(canvas, type, (event) => event.pointerId === pointer && lift());
  on(canvas, "blur", lift);
  on(canvas, "focus", () => (pen = pen || { x: PAD / 2, y: PAD / 2, down: false }));
  on(undo, "click", back);
  on(clear, "click", erase);
  // JupyterLab would take single keys for its own shortcuts ("d d" deletes the cell) before the pad hears of them.
  // Those with Ctrl, Cmd or Shift it may have, so that one can save, or run the next cell.
  const guard = ({ target, ctrlKey, metaKey, shiftKey }) =>
    target.toggleAttribute("data-lm-suppress-shortcuts", !(ctrlKey || metaKey || shiftKey));
  for (const type of ["focusin", "keydown", "keyup"]) root.addEventListener(type, guard);
  on(root, "keydown", (event) => {
    const control = event.ctrlKey || event.metaKey;
    const drawing = event.target === canvas && (event.key in ARROWS || event.key === " ");
    if (control && event.key === "z") back();
    else if (!control && ["Escape", "Delete", "Backspace"].includes(event.key)) erase();
    else if (!control && drawing) press(event.key);
    else return false;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation(); // and the notebook does not take it for one of its own shortcuts
  });
  refresh();
}

/** The strokes as they were drawn and, if given, the keyboard's pen: a ring, filled while it is down. */
function draw(canvas, strokes, pen) {
  const brush = canvas.getContext("2d");
  brush.clearRect(0, 0, PAD, PAD);
  Object.assign(brush, { lineWidth: 30, lineCap: "round", lineJoin: "round", strokeStyle: "#111" });
  for (const stroke of strokes) {
    brush.beginPath();
    brush.moveTo(stroke[0][0], stroke[0][1] + 0.01); // so that a single point is a dot
    for (const [x, y] of stroke) brush.lineTo(x, y);
    brush.stroke();
  }
  if (!pen) return;
  brush.beginPath();
  brush.arc(pen.x, pen.y, 15, 0, 2 * Math.PI);
  Object.assign(brush, { lineWidth: 4, strokeStyle: "#0072b2", fillStyle: "#0072b2" });
  brush.stroke();
  if (pen.down) brush.fill();
}

// The drawing pad: the strokes, and the page that shows what the network makes of them.
// __init__.py puts all scripts into one <script>, before a call of `start`.

const [WIDTH, HEIGHT] = [1120, 560]; // of the drawing in its own units; the page shows it at about half this size
const STEP = HEIGHT / SIDE; // how far an arrow key moves the pen
const FINEST = 1; // points closer to the last one are left out: some pens report a thousand per second
const KEYS = "arrow keys move the pen, space lowers and raises it, Ctrl+Z undoes, Escape clears.";
const KNOWN = 1000; // images whose answers are kept: only the last digit of a number changes while it is drawn

/**
 * Puts a pad into the element `root`.
 *
 * config: {names, none, layers, judge, scores, mean, std, rules}, as __init__.py writes it: the classes' names and
 * mnist_cnn.model.none_of them, both networks (see `network`), the judge's scores of digits, and the constants of the
 * reading (see `readStrokes`).
 */
function start(root, config) {
  const [run, judge, scores] = [network(config.layers, config), network(config.judge, config), decode(config.scores)];
  const typicality = (judged) => scores.filter((score) => score < judged).length / scores.length;
  const known = new Map();
  const classify = (image) => {
    const key = String.fromCharCode(...image);
    if (known.size > KNOWN) known.clear();
    if (!known.has(key)) {
      const [{ logits, maps }, judged] = [run(image), judgeScore(judge(image).logits)];
      const probabilities = softmax(logits);
      const [best, other] = [...probabilities.keys()].sort((i, j) => probabilities[j] - probabilities[i]);
      known.set(key, { logits, maps, judged, probabilities, best, other, sure: probabilities[best], typicality });
    }
    return known.get(key);
  };
  const read = (strokes) => {
    const box = boxAround(strokes);
    return Math.max(wide(box), high(box)) < STEP ? [] : readStrokes(strokes, classify, config.rules); // hardly a dot
  };
  const view = build(root, config);
  const drawing = new Drawing();
  let frame = 0;
  const refresh = () => {
    cancelAnimationFrame(frame); // however many events come, the pad is rendered once per frame
    frame = requestAnimationFrame(() => render(view, drawing, read(drawing.strokes), config, refresh));
  };
  listenToPointer(view.paper, drawing, refresh);
  listenToButtonsAndKeys(root, view, drawing, refresh);
  listenToKeep(view, drawing, read, refresh);
  keepKeysFromJupyterLab(root);
  root.sketchpad = { classify, read, words: (digits) => inWords(digits, config) }; // for tests
  refresh();
}

// --- The drawing ---

const inside = (value, end) => Math.min(end, Math.max(0, value));

/** The strokes and what draws them. */
class Drawing {
  strokes = []; // lists of points [x, y]
  earlier = []; // `strokes` before each change, for undo
  pointer = null; // the id of the mouse, finger or stylus that is drawing
  pen = null; // the keyboard's pen: {x, y, down}
  chosen = null; // a stroke of the digit whose probabilities are shown, if it is not the last one

  change(strokes) {
    this.earlier.push(this.strokes);
    this.strokes = strokes;
    this.chosen = null;
  }

  begin(point) {
    this.change([...this.strokes, [point]]);
  }

  extend([x, y]) {
    const stroke = this.strokes.at(-1);
    const [lastX, lastY] = stroke.at(-1);
    if (Math.hypot(x - lastX, y - lastY) >= FINEST) stroke.push([x, y]);
  }

  /** Ends the stroke, whether a pointer or the keyboard draws it. */
  lift() {
    this.pointer = null;
    if (this.pen) this.pen.down = false;
  }

  clear() {
    this.lift();
    if (this.strokes.length) this.change([]);
  }

  undo() {
    this.lift();
    this.strokes = this.earlier.pop() || [];
    this.chosen = null;
  }

  takePen() {
    this.pen = this.pen || { x: WIDTH / 2, y: HEIGHT / 2, down: false };
  }

  movePen([dx, dy]) {
    this.takePen();
    this.pen.x = inside(this.pen.x + STEP * dx, WIDTH);
    this.pen.y = inside(this.pen.y + STEP * dy, HEIGHT);
    if (this.pen.down) this.extend([this.pen.x, this.pen.y]);
  }

  togglePen() {
    this.takePen();
    this.pen.down = !this.pen.down;
    if (this.pen.down) this.begin([this.pen.x, this.pen.y]);
  }
}

// --- The page ---

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const div = (name, ...children) => element("div", { class: `pad-${name}` }, ...children);
const button = (...children) => element("button", { type: "button" }, ...children);
const picture = (height, width) => element("canvas", { width, height, class: "pad-picture", "aria-hidden": "true" });

/** Fills `root` with the pad. Returns those of its elements that change or react. */
function build(root, { names, layers }) {
  const size = { width: WIDTH, height: HEIGHT };
  const paper = element("canvas", { ...size, tabindex: 0, role: "application", "aria-label": `Drawing pad: ${KEYS}` });
  const [hint, undo, clear, keep] = [div("hint"), button("Undo"), button("Clear"), button("Keep")];
  const label = element("input", { "aria-label": "What you drew", placeholder: "What you drew" });
  const [digits, download] = [div("digits"), element("a", { download: "drawings.json" })];
  const answer = element("div", { class: "pad-answer", role: "status" });
  const bars = names.map((name) => {
    const [fill, number] = [div("fill"), div("number")];
    return { fill, number, row: div("row", div("name", name), div("track", fill), number) };
  });
  const noted = layers.filter(({ note }) => note);
  const maps = noted.map(({ shown: [count, ...sides] }) => Array.from({ length: count }, () => picture(...sides)));
  root.replaceChildren(
    div("paper", paper, hint),
    div("tools", undo, clear, label, keep),
    download,
    div(
      "says",
      div("left", div("note", "The network says"), answer, div("note", "and sees"), digits),
      div("bars", ...bars.map(({ row }) => row)),
    ),
    ...noted.flatMap(({ note }, i) => [div("note", note), div("maps", ...maps[i])]),
    div("note", `Without a mouse: ${KEYS}`),
  );
  return { paper, hint, undo, clear, label, keep, download, digits, answer, bars, maps };
}

/** Shows the drawing, the answer, the digits and, of one of them, the feature maps and probabilities. */
function render(view, drawing, digits, config, refresh) {
  const { strokes, pen, chosen } = drawing;
  const blue = getComputedStyle(view.paper).getPropertyValue("--blue");
  drawPaper(view.paper, strokes, config.rules);
  if (pen && document.activeElement === view.paper) drawPen(view.paper, pen, blue, config.rules);
  view.hint.textContent = strokes.length ? "" : "Draw a digit or a number here";
  const answer = digits.length ? inWords(digits, config) : "";
  if (view.answer.textContent !== answer) view.answer.textContent = answer; // screen readers announce each new text
  const stroke = chosen || strokes[strokes.length - 1];
  const shown = digits.find((digit) => digit.strokes.includes(stroke)) || digits[digits.length - 1];
  showDigits(view.digits, digits, shown, config, (digit) => {
    drawing.chosen = digit.strokes[0];
    refresh();
  });
  const { maps, probabilities } = shown || {};
  view.maps.forEach((canvases, i) => paint(canvases, maps && maps[i], blue));
  view.bars.forEach(({ row, fill, number }, i) => {
    const percent = probabilities ? 100 * probabilities[i] : 0;
    fill.style.width = `${percent}%`;
    number.textContent = probabilities ? `${percent.toFixed(1)}%` : "";
    row.classList.toggle("pad-best", Boolean(shown) && i === shown.best);
  });
}

/** Shows the network's input for each digit, on a button with its answer. The one of the digit `shown` is pressed. */
function showDigits(list, digits, shown, { names, none, rules }, choose) {
  const count = Math.max(1, digits.length);
  while (list.children.length < count) list.append(button(picture(SIDE, SIDE), ""));
  while (list.children.length > count) list.lastChild.remove();
  [...list.children].forEach((child, i) => {
    const digit = digits[i];
    child.firstChild.classList.toggle("pad-black", Boolean(digit));
    paint([child.firstChild], digit && digit.image, "white");
    child.lastChild.textContent = !digit ? "" : digit.refused ? none : names[digit.best] + mark(digit, rules);
    child.setAttribute("aria-pressed", Boolean(digit) && digit === shown);
    child.disabled = digits.length < 2;
    child.onclick = () => choose(digit);
  });
}

/** Paints the first maps (count, height, width) >= 0 on canvases: the largest value opaque, 0 or none transparent. */
function paint(canvases, maps, colour) {
  const most = maps ? maps.reduce((most, value) => Math.max(most, value)) || 1 : 0; // too many for Math.max(...maps)
  canvases.forEach((canvas, index) => {
    const brush = canvas.getContext("2d");
    const pixels = new ImageData(canvas.width, canvas.height);
    const size = canvas.width * canvas.height;
    for (let i = 0; most && i < size; i++) pixels.data[4 * i + 3] = (255 * maps[index * size + i]) / most;
    brush.putImageData(pixels, 0, 0);
    brush.globalCompositeOperation = "source-in"; // fill what is opaque
    brush.fillStyle = colour;
    brush.fillRect(0, 0, canvas.width, canvas.height);
  });
}

function drawPaper(canvas, strokes, { NIB }) {
  const brush = canvas.getContext("2d");
  brush.clearRect(0, 0, WIDTH, HEIGHT);
  Object.assign(brush, { lineWidth: NIB, lineCap: "round", lineJoin: "round", strokeStyle: "#111" });
  for (const stroke of strokes) {
    brush.beginPath();
    brush.moveTo(stroke[0][0], stroke[0][1] + 0.01); // so that a single point becomes a dot
    for (const [x, y] of stroke) brush.lineTo(x, y);
    brush.stroke();
  }
}

/** Draws the keyboard's pen: a ring, filled while the pen is down. */
function drawPen(canvas, { x, y, down }, colour, { NIB }) {
  const brush = canvas.getContext("2d");
  Object.assign(brush, { lineWidth: 4, strokeStyle: colour, fillStyle: colour });
  brush.beginPath();
  brush.arc(x, y, NIB / 2, 0, 2 * Math.PI);
  brush.stroke();
  if (down) brush.fill();
}

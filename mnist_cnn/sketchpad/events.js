// Events: mouse, finger, stylus, keyboard and buttons -> changes of the drawing.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ERASERS = ["Escape", "Delete", "Backspace"];

/** A mouse, finger or stylus draws while it is pressed. */
function listenToPointer(paper, drawing, refresh) {
  const at = ({ clientX, clientY }) => {
    const box = paper.getBoundingClientRect();
    const along = (place, start, length, end) => inside(((place - start) * end) / length, end);
    return [along(clientX, box.left, box.width, WIDTH), along(clientY, box.top, box.height, HEIGHT)];
  };
  paper.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (paper.hasPointerCapture(drawing.pointer)) {
      if (event.pointerType !== "pen") return; // no palm draws beside the stylus
      drawing.undo(); // what the palm drew before
    }
    event.preventDefault(); // no text gets selected, and a notebook does not take the focus
    paper.focus({ preventScroll: true });
    paper.setPointerCapture(event.pointerId);
    drawing.pointer = event.pointerId;
    drawing.pen = null;
    drawing.begin(at(event));
    refresh();
  });
  paper.addEventListener("pointermove", (event) => {
    if (event.pointerId !== drawing.pointer) return;
    const merged = event.getCoalescedEvents?.() ?? [];
    for (const move of merged.length ? merged : [event]) drawing.extend(at(move));
    refresh();
  });
  paper.addEventListener("lostpointercapture", ({ pointerId }) => pointerId === drawing.pointer && drawing.lift());
}

/** The buttons undo and clear; the keyboard draws with a pen that is visible while the paper has the focus. */
function listenToButtonsAndKeys(root, { paper, undo, clear, label }, drawing, refresh) {
  const on = (target, type, act) => target.addEventListener(type, () => (act(), refresh()));
  on(undo, "click", () => drawing.undo());
  on(clear, "click", () => drawing.clear());
  on(paper, "focus", () => drawing.takePen());
  on(paper, "blur", () => drawing.lift());
  root.addEventListener("keydown", (event) => {
    if (event.target === label) return;
    const control = event.ctrlKey || event.metaKey;
    const onPaper = !control && event.target === paper;
    if (control && event.key === "z") drawing.undo();
    else if (!control && ERASERS.includes(event.key)) drawing.clear();
    else if (onPaper && event.key in ARROWS) drawing.movePen(ARROWS[event.key]);
    else if (onPaper && event.key === " ") drawing.togglePen();
    else return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation(); // and the notebook does not take the key for one of its own shortcuts
    refresh();
  });
}

/** Drawings that are kept with what they say become one file: [{"label": "7", "strokes": [[[x, y], ...], ...]}, ...] */
function listenToKeep({ label, keep, download }, drawing, read, refresh) {
  const kept = [];
  label.addEventListener("keydown", ({ key }) => key === "Enter" && keep.click());
  keep.addEventListener("click", () => {
    if (!label.value.trim() || !read(drawing.strokes).length) return label.focus();
    kept.push({ label: label.value.trim(), strokes: drawing.strokes });
    const rounded = (key, value) => (typeof value === "number" ? Math.round(value) : value);
    download.href = `data:application/json,${encodeURIComponent(JSON.stringify(kept, rounded))}`;
    download.textContent = `Save the drawings (${kept.length})`;
    drawing.clear();
    refresh();
  });
}

/**
 * JupyterLab would take single keys for its own shortcuts ("d d" deletes the cell) before the pad gets them. It may
 * have keys with Ctrl, Cmd or Shift, so that one can save or run the next cell.
 */
function keepKeysFromJupyterLab(root) {
  const guard = ({ target, ctrlKey, metaKey, shiftKey }) =>
    target.toggleAttribute("data-lm-suppress-shortcuts", !(ctrlKey || metaKey || shiftKey));
  for (const type of ["focusin", "keydown", "keyup"]) root.addEventListener(type, guard);
}

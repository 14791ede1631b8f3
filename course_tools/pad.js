// A pad to draw a character on, by mouse, touch or pen; and its drawing as the course's networks see it.
// The notebooks (pad.py, through anywidget) and the page to play with share this file. It needs no other.

const CANVAS = 105, SIDE = 28, PEN = 5;     // pixels: Omniglot's canvas, the course's images, the width of a line
const PAPER = "#ffffff", INK = "#101828";   // the same in light and dark pages, as the figures have it

const STYLE = `
  .course-pad {display: inline-block; width: 100%; min-width: 140px; user-select: none; -webkit-user-select: none;}
  .course-pad canvas {display: block; box-sizing: border-box; width: 100%; aspect-ratio: 1; border: 1px solid #808691;
    border-radius: 6px; background: ${PAPER}; cursor: crosshair; touch-action: none;}
  .course-pad div {display: flex; gap: 6px; margin-top: 6px;}
  .course-pad button {flex: 1; min-height: 32px; padding: 0 4px; border: 1px solid #808691; border-radius: 6px;
    background: transparent; color: inherit; font: inherit; font-size: 14px; cursor: pointer;}
  .course-pad button:enabled:hover {border-color: currentColor;}
  .course-pad button:disabled {opacity: 0.5; cursor: default;}
  .course-pad :focus-visible {outline: 2px solid #0072b2; outline-offset: 2px;}
  .course-pad [role=status] {position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);}`;

// Puts a pad into the element `host`. label: what a screen reader calls it. onChange(strokes): called after every
// finished stroke, undo and clear; not after `set`. A stroke is a list of points [x, y] in 0..105: x right, y down.
export function createPad(host, {label, onChange = () => {}}) {
  const root = make("div", {className: "course-pad"}), canvas = make("canvas", {tabIndex: -1}), row = make("div");
  const status = make("span"), ink = canvas.getContext("2d");
  let strokes = [], current = null, pointer = null;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  status.setAttribute("role", "status");
  row.append(button("Undo", () => strokes.slice(0, -1)), button("Clear", () => []));
  root.append(make("style", {textContent: STYLE}), canvas, row, status);
  host.append(root);

  function button(text, left) {
    const made = make("button", {type: "button", textContent: text, onclick: () => change(left())});
    made.setAttribute("aria-label", `${text}: ${label}`);
    return made;
  }

  function change(next) {
    strokes = next;
    draw();
    status.textContent = `${label}: ${strokes.length} stroke${strokes.length === 1 ? "" : "s"}`;
    onChange(copy(strokes));
  }

  function place(event) {                   // beyond the border, the pen goes on along it
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
      .map((part) => Math.round(100 * CANVAS * Math.min(1, Math.max(0, part))) / 100);
  }

  function draw() {
    for (const one of row.children) one.disabled = !strokes.length;
    const width = canvas.clientWidth, sharp = Math.round(width * (window.devicePixelRatio || 1));
    if (canvas.width !== sharp) canvas.width = canvas.height = sharp;
    ink.setTransform(sharp / CANVAS, 0, 0, sharp / CANVAS, 0, 0);
    ink.clearRect(0, 0, CANVAS, CANVAS);
    Object.assign(ink, {lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: INK, fillStyle: INK});
    for (const stroke of current ? [...strokes, current] : strokes) {
      ink.beginPath();
      ink.arc(...stroke[0], PEN / 2, 0, 2 * Math.PI);       // a tap leaves a dot
      ink.fill();
      ink.beginPath();
      for (const point of stroke) ink.lineTo(...point);
      ink.stroke();
    }
  }

  function finish(event) {
    if (event.pointerId !== pointer) return;
    const done = current;
    pointer = current = null;
    if (done) change([...strokes, done]);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;     // a second finger, or another button of the mouse
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    current = [place(event)];
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer || !current) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const point of (passed.length ? passed : [event]).map(place)) {
      const last = current[current.length - 1];
      if (Math.hypot(point[0] - last[0], point[1] - last[1]) >= 0.5) current.push(point);
    }
    draw();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(end, finish);
  new ResizeObserver(draw).observe(canvas);

  return {
    get strokes() { return copy(strokes); },
    set(next) { strokes = copy(next); current = null; status.textContent = ""; draw(); },
    clear() { change([]); },
    undo() { change(strokes.slice(0, -1)); },
    focus() { canvas.focus(); },
  };
}

// Strokes as an image [28 * 28], 0 empty to 1 ink, row by row: what `raster` of course_files/drawings.py makes.
export function raster(strokes) {
  const fine = new Uint8Array(CANVAS * CANVAS);
  for (const stroke of strokes) stroke.forEach((b, i) => line(fine, stroke[Math.max(0, i - 1)], b));
  const weights = Array.from({length: SIDE}, (_, i) => shrinking(i)), image = new Float32Array(SIDE * SIDE);
  for (let r = 0; r < SIDE; r++) {
    for (let c = 0; c < SIDE; c++) {
      let sum = 0;
      for (const [y, down] of weights[r]) {
        for (const [x, across] of weights[c]) sum += down * across * fine[y * CANVAS + x];
      }
      image[r * SIDE + c] = Math.round(255 * sum) / 255;
    }
  }
  return image;
}

function line(fine, a, b) {
  const steps = Math.max(1, Math.ceil(Math.max(Math.abs(b[0] - a[0]), Math.abs(b[1] - a[1]))));
  for (let i = 0; i <= steps; i++) {
    const [column, row] = [0, 1].map((k) => inside(Math.floor(a[k] + (b[k] - a[k]) * i / steps + 0.5)));
    for (let y = -2; y <= 2; y++) {         // the pen: 5 x 5 pixels without the corners
      for (let x = -2; x <= 2; x++) {
        const [r, c] = [row + y, column + x];
        if (Math.abs(x * y) < 4 && r === inside(r) && c === inside(c)) fine[r * CANVAS + c] = 1;
      }
    }
  }
}

const inside = (pixel) => Math.min(CANVAS - 1, Math.max(0, pixel));

// Which pixels of the canvas, with which weights, make pixel i of the image: a triangle as wide as two of its pixels.
function shrinking(i) {
  const scale = CANVAS / SIDE, found = [];
  for (let pixel = 0; pixel < CANVAS; pixel++) {
    const weight = 1 - Math.abs(pixel + 0.5 - scale * (i + 0.5)) / scale;
    if (weight > 0) found.push([pixel, weight]);
  }
  const sum = found.reduce((total, [, weight]) => total + weight, 0);
  return found.map(([pixel, weight]) => [pixel, weight / sum]);
}

const copy = (strokes) => strokes.map((stroke) => stroke.map((point) => [...point]));
const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);

// The widget of pad.py: a pad for each of `labels`, the strokes of all in `strokes`.
function render({model, el}) {
  const page = make("div"), labels = model.get("labels");
  page.style.cssText = "display: flex; flex-wrap: wrap; gap: 16px; padding: 4px;";
  page.dataset.lmSuppressShortcuts = "true";        // in JupyterLab, Enter on a button is not "edit the cell"
  const pads = labels.map((label, i) => {
    const host = make("div");
    host.style.cssText = "flex: 0 1 160px; min-width: 140px;";
    host.append(make("div", {textContent: label, style: "margin-bottom: 4px; font-size: 14px;"}));
    page.append(host);
    return createPad(host, {label, onChange: (drawn) => {
      model.set("strokes", model.get("strokes").map((before, k) => (k === i ? drawn : before)));
      model.save_changes();
    }});
  });
  const show = () => model.get("strokes").forEach((drawn, i) => {       // a pad that has them already goes on drawing
    if (JSON.stringify(drawn) !== JSON.stringify(pads[i].strokes)) pads[i].set(drawn);
  });
  el.append(page);
  show();
  model.on("change:strokes", show);
  return () => model.off("change:strokes", show);
}

export default {render};

// The page to play with. The mathematics is in four ONNX graphs, which course_tools/play.py exports; here are only their
// inputs, means, squared distances, a softmax, and what is shown. window.play.last holds the numbers of the last answer.

import * as ort from "./ort.wasm.bundle.min.mjs";
import {createPad, raster} from "./pad.js";

const SIDE = 28, PIXELS = SIDE * SIDE, MOST = 5, SHOWN = 9;
const LITTLE = 5;                           // less ink, in pixels of the image, is a dot (1.5) or a slip of the hand
const TIE = 0.02;                           // the two best shares are this near: a method does not decide
const HANDS = [2, 0, 4, 1, 3];              // in which order the second drawings of a ready-made alphabet are offered
const $ = (id) => document.getElementById(id);
const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);

ort.env.wasm.numThreads = 1;                // more would need headers that few web servers send
ort.env.wasm.wasmPaths = {wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href};
window.play = {ready: false, last: null, milliseconds: null};

const page = await (await fetch("page.json")).json();       // copies, z_dim, methods, alphabets: see play.py
const networks = {};
const texts = Object.fromEntries(Object.entries({       // {id: [the page's own text, that for ready-made characters]}
  "first-step": "<b>Here are five ready-made characters</b>, each drawn once by one simulated person.",
  "last-step": "<b>Choose a drawing by another person</b>, and see which character each method chooses.",
  "first-title": "one drawing of each character",
  "again-title": "Choose a drawing by another person",
  "must-choose": "Each method must choose one of the five characters.",
}).map(([id, readyMade]) => [id, [$(id).innerHTML, readyMade]]));
const pads = [], cards = [], drawings = Array(MOST + 1).fill(null);         // the last one is the one to recognise
let given = null, next = 0;                 // the ready-made alphabet, while it is shown; the one to show next
let wanted = false, busy = false;           // a round of answers is wanted; one is on its way

async function run(name, ...inputs) {
  const network = networks[name];
  const found = await network.run(Object.fromEntries(network.inputNames.map((input, i) => [input, inputs[i]])));
  return found[network.outputNames[0]].data;
}

const images = (data) => new ort.Tensor("float32", data, [data.length / PIXELS, 1, SIDE, SIDE]);
const rows = (data, n) => Array.from({length: n}, (_, i) => data.slice(i * data.length / n, (i + 1) * data.length / n));

function joined(parts) {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) all.set(part, (end += part.length) - part.length);
  return all;
}

// Standard normal numbers for all copies of the drawing on pad `seed`, always the same: mulberry32, then Box & Muller.
function noise(seed) {
  let state = seed + 1;
  const uniform = () => {
    state = (state + 0x6D2B79F5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return Float32Array.from({length: page.copies * page.z_dim},
                           () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

async function copiesOf(drawing, task, seed) {              // Float32Array [copies * PIXELS]
  const z = new ort.Tensor("float32", noise(seed), [page.copies, page.z_dim]);
  return run("generator", z, images(drawing), images(joined(task)));
}

// The drawings normalised, each with its copies. seeds: the numbers of their pads. paint(i, copies) is called as soon as
// those of drawing i are there.
async function redraw(support, seeds, paint = () => {}) {
  const task = rows(await run("normaliser", images(joined(support))), support.length), copies = [];
  for (const [i, drawing] of task.entries()) {
    copies.push(await copiesOf(drawing, task, seeds[i]));
    paint(i, copies[i]);
  }
  return {task, copies};
}

async function described(drawing, copies) {                 // features of the drawing, and their mean with its copies'
  const features = rows(await run("learner", images(joined([drawing, copies]))), 1 + page.copies);
  return [features[0], features[0].map((_, k) => features.reduce((sum, row) => sum + row[k], 0) / features.length)];
}

const distance = (a, b) => a.reduce((sum, value, k) => sum + (value - b[k]) ** 2, 0);

function softmax(logits) {
  const most = Math.max(...logits), powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

// The shares of the characters in `asked`, one list for each of page.methods.
async function recognise({task, copies}, asked) {
  const drawing = await run("normaliser", images(asked)), its = await copiesOf(drawing, task, MOST);
  const query = await described(drawing, its), support = [];
  for (const [i, one] of task.entries()) support.push(await described(one, copies[i]));
  const costs = Array.from(await run("matcher", images(drawing), images(joined(task))));
  const shares = [0, 1].map((kind) => softmax(support.map((features) => -distance(query[kind], features[kind]))));
  return {shares: [...shares, softmax(costs.map((cost) => -cost))], copies: [...copies, its]};
}

async function refresh() {                  // one at a time; what was drawn meanwhile is looked at in the next round
  wanted = true;
  if (busy || !window.play.ready) return;
  busy = true;
  while (wanted) {
    wanted = false;
    try {
      await answer();
    } catch (error) {
      $("load").disabled = true;
      $("result").textContent = `The networks stopped (${error.message}). Reload the page.`;
      throw error;
    }
  }
  busy = false;
}

async function answer() {
  const start = performance.now(), shown = drawings.slice(0, MOST).map((d, i) => d && i).filter((i) => i !== null);
  const support = shown.map((i) => drawings[i]), asked = drawings[MOST];
  cards.forEach((card, i) => drawings[i] || card.copies.forEach((canvas) => paint(canvas, null)));
  const drawn = support.length ? await redraw(support, shown, (k, copies) => {
    const small = rows(copies, page.copies);
    cards[shown[k]].copies.forEach((canvas, c) => paint(canvas, small[c]));
  }) : null;
  window.play.milliseconds = performance.now() - start;
  if (wanted) return;
  if (shown.length < 2 || !asked) {
    const n = shown.length;
    say(n < 2 ? `Draw ${n ? "one more character" : "two or more characters"} first.`
      : given ? "Choose one of the drawings by another person."
      : pads[MOST].strokes.length ? "Draw a little more on the last pad."
      : "Now draw one of them again.");
    bars(shown, null);
    window.play.last = null;
    return;
  }
  const {shares, copies} = await recognise(drawn, asked);
  if (wanted) return;
  bars(shown, shares);
  say(sentence(shown, shares));
  window.play.last = {support, asked, shares, copies, noise: [...shown, MOST].map(noise)};
}

function sentence(shown, shares) {          // which characters the methods choose; the numbers are beside the bars
  const chosen = shares.map((row) => {
    const order = [...row.keys()].sort((a, b) => row[b] - row[a]);
    return order.slice(0, row[order[0]] - row[order[1]] <= TIE ? 2 : 1).map((k) => shown[k] + 1).sort();
  });
  const says = (m, word = "") => chosen[m].length === 1 ? `chooses ${word && `${word} `}${chosen[m][0]}`
    : `cannot decide between ${word && `${word}s `}${chosen[m].join(" and ")}`;
  const truth = given ? ` It is character ${given.second.indexOf(drawings[MOST]) + 1}.` : "";
  const agreed = chosen.every((one) => one.length === 1 && one[0] === chosen[0][0]);
  return (agreed ? `All three choose character ${chosen[0][0]}.` : `The learner alone ${says(0, "character")}; ` +
    `with the generator’s drawings it ${says(1)}; the matcher ${says(2)}.`) + truth;
}

function percent(share) {                   // never 0 or 100: nobody is so sure
  const text = share < 0.005 ? "<1" : share > 0.995 ? ">99" : String(Math.round(100 * share));
  return `${text}\u00a0%`;
}

const say = (text) => { if ($("result").textContent !== text) $("result").textContent = text; };

function paint(canvas, image) {             // bright ink on dark becomes ink on paper; without image, empty
  const ink = canvas.getContext("2d"), pixels = ink.createImageData(SIDE, SIDE);
  ink.clearRect(0, 0, SIDE, SIDE);
  canvas.toggleAttribute("data-empty", !image);
  if (!image) return;
  for (let i = 0; i < PIXELS; i++) {
    const dark = Math.min(1, Math.max(0, image[i]));
    pixels.data.set([16, 24, 40].map((ink) => 255 - dark * (255 - ink)).concat(255), 4 * i);
  }
  ink.putImageData(pixels, 0, 0);
}

const sheet = () => make("canvas", {className: "drawing", width: SIDE, height: SIDE});

function bars(shown, shares) {
  $("methods").replaceChildren(...(shown.length < 2 ? [] : page.methods.map((method, m) => {
    const part = make("section"), list = make("ol", {className: "bars"});
    part.style.setProperty("--method", method.colour);
    part.append(make("h3", {textContent: method.name}), list);
    shown.forEach((i, k) => {
      const share = shares ? shares[m][k] : null, row = make("li"), bar = make("span", {className: "bar"}), thumb = sheet();
      paint(thumb, drawings[i]);
      row.classList.toggle("most", shares !== null && share === Math.max(...shares[m]));
      bar.append(make("i"));
      bar.firstChild.style.width = `${100 * (share ?? 0)}%`;
      row.append(make("span", {textContent: i + 1}), thumb, bar, make("b", {textContent: shares ? percent(share) : ""}));
      list.append(row);
    });
    return part;
  })));
}

function build() {
  for (let i = 0; i < MOST; i++) {
    const card = make("section", {className: "card"}), host = make("div"), copies = make("div", {className: "copies"});
    const picture = sheet(), more = make("p");
    picture.hidden = true;
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `Character ${i + 1}, drawn by one person`);
    more.setAttribute("role", "status");
    copies.setAttribute("role", "group");
    copies.setAttribute("aria-label", `The generator’s drawings of character ${i + 1}`);
    const sheets = Array.from({length: SHOWN}, () => sheet());
    copies.append(...sheets, more);
    card.append(make("h3", {textContent: `Character ${i + 1}`}), host, picture, copies);
    $("cards").append(card);
    cards.push({host, picture, more, copies: sheets});
    pads.push(createPad(host, {label: `Character ${i + 1}`, onChange: (strokes) => draw(i, strokes)}));
  }
  pads.push(createPad($("last-pad"), {label: "One of them again", onChange: (strokes) => draw(MOST, strokes)}));
  $("load").onclick = load;
  $("restart").onclick = () => show(null);
  cards.forEach((card) => card.copies.forEach((canvas) => paint(canvas, null)));
}

function draw(i, strokes) {
  const image = raster(strokes), enough = image.reduce((sum, ink) => sum + ink, 0) >= LITTLE;
  drawings[i] = enough ? image : null;
  if (i < MOST) cards[i].more.textContent = strokes.length && !enough ? "Draw a little more" : "";
  refresh();
}

function show(alphabet) {                   // a ready-made alphabet in place of the pads; null: the pads again
  given = alphabet;
  drawings.fill(null);
  pads.forEach((pad) => pad.set([]));
  cards.forEach((card, i) => {
    card.host.hidden = Boolean(given);
    card.picture.hidden = !given;
    card.more.textContent = "";
    if (given) paint(card.picture, drawings[i] = given.first[i]);
  });
  $("last-pad").hidden = Boolean(given);
  for (const [id, [own, readyMade]] of Object.entries(texts)) $(id).innerHTML = given ? readyMade : own;
  if (given) $("first-title").prepend(`${given.name}: `);
  $("given").replaceChildren(...(given ? HANDS.map((c, k) => {
    const button = make("button", {type: "button", className: "asked", onclick: () => ask(button, given.second[c])});
    const picture = sheet();
    paint(picture, given.second[c]);
    button.append(picture);
    button.setAttribute("aria-label", `Drawing ${k + 1} of ${MOST} by another person`);
    button.setAttribute("aria-pressed", "false");
    return button;
  }) : []));
  refresh();
}

function ask(chosen, image) {
  for (const button of $("given").children) button.setAttribute("aria-pressed", String(button === chosen));
  drawings[MOST] = image;
  refresh();
}

function load() {
  const image = (levels) => Float32Array.from(levels, (level) => level / 255);
  const {name, first, second} = page.alphabets[next++ % page.alphabets.length];
  show({name, first: first.map(image), second: second.map(image)});
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  $("exam").scrollIntoView({block: "nearest", behavior: still ? "instant" : "smooth"});
}

build();
try {
  for (const name of ["normaliser", "generator", "learner", "matcher"]) {
    networks[name] = await ort.InferenceSession.create(`${name}.onnx`, {executionProviders: ["wasm"]});
  }
  const dot = new Float32Array(PIXELS).fill(1, 300, 305);
  await recognise(await redraw([dot, dot], [0, 1]), dot);           // the first run of a graph is slow: not while somebody waits
  window.play.ready = true;
  $("waiting").classList.add("ready");
  $("load").disabled = false;
  refresh();
} catch (error) {
  $("waiting").textContent = `The networks cannot be loaded (${error.message}). Reload the page, or try another browser.`;
}

// Explains a reading: the sketch, blue where its ink speaks for the digit and orange where it speaks against it.

import { SIDE } from "./ink.js";
import { article } from "./words.js";

const [FOR, AGAINST, NEUTRAL] = [[90, 169, 255], [255, 150, 50], "#55546a"]; // distinguishable with red-green colour blindness
const SEEN = 28;
const INKED = 40; // of 255

export class Why {
  // `ask(digit)`: the backend's explanation; `fail(error)`
  constructor(root, button, { ask, fail }) {
    Object.assign(this, { root, button, ask, fail });
    this.canvas = root.querySelector("canvas");
    this.other = root.querySelector(".other");
    this.other.addEventListener("click", () => this.open(this.rival, this.digit));
  }

  get isOpen() {
    return this.button.getAttribute("aria-pressed") === "true";
  }

  // Explains `digit`, with a button for `rival`. `sketch`: a canvas, white on black, or null for a picture.
  async open(digit, rival, sketch = this.sketch) {
    Object.assign(this, { digit, rival, sketch });
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.#announce({ pressed: true, busy: true });
    try {
      const { preview, relevance } = await this.ask(digit);
      const seen = await pixels(preview);
      if (turn === this.turn) this.#show(seen, relevance);
    } catch (error) {
      if (turn !== this.turn) return;
      this.close();
      this.fail(error);
    }
  }

  close() {
    this.turn = (this.turn ?? 0) + 1;
    this.root.hidden = true;
    this.#announce({ pressed: false, busy: false });
  }

  #show(seen, relevance) {
    const { digit, rival, sketch } = this;
    paint(this.canvas, sketch ?? enlarged(seen), sketch ? fit(seen, sketch) : [0, 0, SIDE, SIDE, 0, 0, SEEN, SEEN], relevance);
    this.root.querySelector(".for").textContent = `for ${article(digit)}`;
    this.canvas.setAttribute("aria-label", `the sketch; blue speaks for ${article(digit)}, orange against`);
    this.other.textContent = `Why not ${article(rival)}?`;
    this.root.hidden = false;
    this.#announce({ pressed: true, busy: false });
  }

  #announce({ pressed, busy }) {
    this.button.setAttribute("aria-pressed", pressed);
    for (const element of [this.button, this.root]) element.setAttribute("aria-busy", busy);
  }
}

function paint(canvas, sketch, [x, y, width, height, left, top, columns, rows], relevance) {
  const colours = tint(relevance);
  const coloured = layer(SIDE);
  coloured.imageSmoothingQuality = "high";
  coloured.drawImage(colours, left, top, columns, rows, x, y, width, height);
  const page = canvas.getContext("2d");
  page.globalCompositeOperation = "source-over";
  page.clearRect(0, 0, SIDE, SIDE);
  page.fillStyle = NEUTRAL;
  page.fillRect(0, 0, SIDE, SIDE);
  page.drawImage(coloured.canvas, 0, 0);
  page.globalCompositeOperation = "destination-in";
  page.drawImage(cutOut(sketch), 0, 0, SIDE, SIDE);
}

// 28×28, from −1 to 1 → a canvas of that size
function tint(relevance) {
  const small = layer(SEEN);
  const data = small.createImageData(SEEN, SEEN);
  relevance.flat().forEach((value, i) => data.data.set([...(value > 0 ? FOR : AGAINST), 255 * Math.sqrt(Math.abs(value))], 4 * i));
  small.putImageData(data, 0, 0);
  return small.canvas;
}

// White on black → white on transparent.
function cutOut(sketch) {
  const page = layer(sketch.width);
  page.drawImage(sketch, 0, 0);
  const data = page.getImageData(0, 0, sketch.width, sketch.height);
  for (let i = 0; i < data.data.length; i += 4) data.data[i + 3] = data.data[i];
  page.putImageData(data, 0, 0);
  return page.canvas;
}

// The rectangles of the ink in the sketch and in `seen`, which was scaled and centred.
function fit(seen, sketch) {
  const there = extent(sketch.getContext("2d").getImageData(0, 0, sketch.width, sketch.height), SIDE / sketch.width);
  return [...there, ...extent(seen.getContext("2d").getImageData(0, 0, SEEN, SEEN), 1)];
}

function extent({ data, width, height }, scale) {
  const [xs, ys] = [[], []];
  for (let i = 0; i < width * height; i++) {
    if (data[4 * i] < INKED) continue;
    xs.push(i % width);
    ys.push(Math.floor(i / width));
  }
  const ends = (list) => list.reduce(([low, high], each) => [Math.min(low, each), Math.max(high, each)], [Infinity, 0]);
  const [[left, right], [top, bottom]] = [ends(xs), ends(ys)];
  return [left, top, right - left + 1, bottom - top + 1].map((each) => each * scale);
}

async function pixels(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const page = layer(SEEN);
  page.drawImage(image, 0, 0);
  return page.canvas;
}

function enlarged(seen) {
  const page = layer(SIDE);
  page.imageSmoothingQuality = "high";
  page.drawImage(seen, 0, 0, SIDE, SIDE);
  return page.canvas;
}

function layer(side) {
  return Object.assign(document.createElement("canvas"), { width: side, height: side }).getContext("2d", { willReadFrequently: true });
}

// The drawing on the canvas component (streamlit-drawable-canvas), with undo, redo and pictures of it at any time. The only
// file that knows the component. It is in a shadow root of its own and gets here the messages that Streamlit would send it,
// so that a stroke does not rerun the server's script.

import mountCanvas from "./canvas.js";

export const SIDE = 400; // pixels; scaled to the screen
const SENT_SIDE = 280; // the largest that the backend stores
const [INK, PAPER] = ["#ffffff", "#000000"];
const EXPORT = 'button[aria-label="Update the app with this drawing"]'; // of the component's toolbar
const HTML = `<style>
  div { position: relative; width: 100% !important; height: 100% !important; }
  canvas { position: absolute; top: 0; left: 0; width: 100% !important; height: 100% !important; touch-action: none; }
  .dc-toolbar { display: none !important; }
  .dc-textarea-host { position: absolute; width: 0; height: 0; overflow: hidden; }
</style><div class="canvas-root"></div>`;

export class Ink {
  // `host`: an element; `onInk(final)`: the ink has changed; `onSteps()`: what undo and redo would do has changed
  constructor(host, { onInk, onSteps, penWidth }) {
    Object.assign(this, { onInk, onSteps, penWidth });
    this.root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    this.root.innerHTML = HTML;
    this.steps = [[]]; // the objects on the canvas, step by step
    this.position = 0;
    this.loads = 0;
    this.sheet = context(SENT_SIDE);
    this.lifted = context(SIDE); // a stroke that has ended and is not painted yet
    this.#mount();
    this.upper = this.root.querySelector(".upper-canvas");
    this.lower = this.root.querySelector(".dc-canvas.lower-canvas");
    this.upper.setAttribute("role", "img");
    this.upper.setAttribute("aria-label", "Drawing area: draw a digit here with mouse, finger or pen");
    this.#listen();
  }

  get isEmpty() {
    return !this.drawing && this.objects.length === 0;
  }

  get objects() {
    return this.steps[this.position];
  }

  get canUndo() {
    return this.position > 0 || this.drawing;
  }

  get canRedo() {
    return this.position < this.steps.length - 1;
  }

  undo() {
    this.lift();
    if (this.position > 0) this.#go(this.position - 1);
  }

  redo() {
    this.lift();
    if (this.canRedo) this.#go(this.position + 1);
  }

  // As a step that can be undone.
  replace(objects) {
    this.lift();
    this.#push(objects);
    this.#go(this.position);
  }

  // An empty sheet without undo steps.
  reset(objects = []) {
    this.lift();
    this.steps = objects.length ? [[], objects] : [[]];
    this.#go(this.steps.length - 1);
  }

  setPen(width) {
    this.lift();
    this.penWidth = width;
    this.#mount();
  }

  // The canvas as a PNG's bytes, including a stroke in progress.
  picture() {
    this.#paint();
    const url = this.sheet.canvas.toDataURL("image/png");
    const bytes = Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
    return { bytes, url, type: "image/png" };
  }

  // The same as { grey, side }, one byte per pixel.
  pixels() {
    this.#paint();
    const { data } = this.sheet.getImageData(0, 0, SENT_SIDE, SENT_SIDE);
    const grey = new Uint8Array(SENT_SIDE ** 2);
    for (let at = 0; at < grey.length; at++) grey[at] = data[4 * at];
    return { grey, side: SENT_SIDE };
  }

  // End the stroke in progress, as if the pen had been lifted.
  lift() {
    if (!this.drawing) return;
    const { touch, clientX, clientY } = this.drawing;
    const options = { bubbles: true, clientX, clientY, button: 0 };
    if (touch === null) return void document.dispatchEvent(new MouseEvent("mouseup", options));
    const point = new Touch({ identifier: touch, target: this.upper, clientX, clientY });
    document.dispatchEvent(new TouchEvent("touchend", { bubbles: true, touches: [], changedTouches: [point] }));
  }

  stop() {
    this.lift(); // so that the stroke is kept
    this.onInk = () => {};
    this.listening.abort();
    this.unmount?.();
  }

  #paint() {
    for (const canvas of [this.lower, this.unpainted && this.lifted.canvas, this.upper]) {
      if (canvas) this.sheet.drawImage(canvas, 0, 0, SENT_SIDE, SENT_SIDE);
    }
  }

  #mount() {
    const drawing = { objects: this.objects, background: PAPER, load: this.loads }; // another load is another drawing
    const data = {
      drawingMode: "freedraw", strokeWidth: this.penWidth, strokeColor: INK, fillColor: INK, backgroundColor: PAPER,
      canvasWidth: SIDE, canvasHeight: SIDE, initialDrawing: drawing, realtimeUpdateStreamlit: false,
      returnImageData: false, disabled: false, backgroundImageURL: null, backgroundImageFit: "stretch",
      maxDisplayHeight: null, displayRadius: 3, fontSize: 20, label: "",
    }; // prettier-ignore
    const setStateValue = (name, value) => {
      if (name === "drawing") this.exported = value.raw.objects;
    };
    this.unmount = mountCanvas({ data, parentElement: this.root, setStateValue });
  }

  #go(position) {
    this.position = position;
    this.unpainted = false;
    this.loads += 1;
    this.#mount();
    this.onSteps();
    queueMicrotask(() => requestAnimationFrame(() => this.onInk(true)));
  }

  #push(objects) {
    this.steps.splice(++this.position, Infinity, objects);
  }

  #listen() {
    this.listening = new AbortController();
    const listen = (target, types, handler, capture = true) => {
      for (const type of types.split(" ")) {
        target.addEventListener(type, handler, { capture, passive: true, signal: this.listening.signal });
      }
    };
    listen(this.upper, "mousedown touchstart", (event) => this.#down(event));
    listen(window, "mousemove touchmove", (event) => this.#move(event), false);
    // the component listens on the document, so these run before and after it
    listen(window, "mouseup touchend", (event) => this.#ends(event) && this.#beforeUp());
    listen(window, "mouseup touchend", (event) => this.#ends(event) && this.#up(event), false);
    listen(window, "touchcancel pagehide", () => this.lift());
    listen(window, "blur", () => this.lift(), false); // not that of a link or button, which the pen takes the focus from
  }

  #down(event) {
    if (this.drawing || event.button > 0) return;
    const touch = event.changedTouches?.[0];
    const { clientX, clientY } = touch ?? event;
    this.drawing = { touch: touch ? touch.identifier : null, clientX, clientY };
    this.onSteps();
    requestAnimationFrame(() => this.onInk(false)); // when the component has drawn its first dot
  }

  #move(event) {
    if (!this.drawing) return;
    const { touch } = this.drawing;
    const point = touch === null ? event : [...(event.touches ?? [])].find(({ identifier }) => identifier === touch);
    if (!point) return;
    Object.assign(this.drawing, { clientX: point.clientX, clientY: point.clientY });
    this.onInk(false);
  }

  #ends(event) {
    if (!this.drawing) return false;
    const { touch } = this.drawing;
    if (touch === null) return event.type === "mouseup" && event.button === 0;
    return event.type === "touchend" && [...event.changedTouches].some(({ identifier }) => identifier === touch);
  }

  #beforeUp() {
    this.lifted.clearRect(0, 0, SIDE, SIDE);
    this.lifted.drawImage(this.upper, 0, 0);
  }

  #up(event) {
    if (event.touches?.length) return this.lift(); // another finger is down: the component would wait for it
    this.drawing = null;
    this.unpainted = true; // the component paints it in the next frame; it asked for that before we do
    requestAnimationFrame(() => {
      this.unpainted = false;
      this.onInk(true);
    });
    this.root.querySelector(EXPORT).click();
    this.#push(this.exported);
    this.onSteps();
  }
}

function context(side) {
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  return canvas.getContext("2d", { alpha: side === SIDE, willReadFrequently: side !== SIDE });
}

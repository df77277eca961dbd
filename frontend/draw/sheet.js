// The sheet: a drawing or a picture, the pen, and the tools.

import { Ink } from "./ink.js";
import { Pen } from "./pen.js";
import { Photo } from "./photo.js";
import { encode } from "./png.js";
import { forget, keep, recall } from "./session.js";

export class Sheet {
  // `onInk(final)`: the ink has changed; `onPhoto()`: a picture was chosen; `onRefuse(reason)`: it cannot be used
  constructor(root, { onInk, onPhoto, onRefuse }) {
    Object.assign(this, { root, onInk, onPhoto });
    this.pen = new Pen(this.#tool("pen"));
    this.ink = new Ink(root.querySelector(".ink"), {
      onInk: (final) => this.#inked(final), onSteps: () => this.show(), penWidth: this.pen.width,
    }); // prettier-ignore
    this.photo = new Photo(root, { onTake: () => this.#took(), onRefuse });
    this.photos = new Map(); // labelled ones, by key
    this.aside = []; // what was on the sheet when a labelled sketch was taken back
  }

  // Restores the drawing after a reload.
  recall() {
    const drawing = recall("drawing", []);
    if (drawing.length) this.ink.reset(drawing);
  }

  get isEmpty() {
    return !this.photo.file && this.ink.isEmpty;
  }

  get isDrawing() {
    return !this.photo.file && !this.ink.isEmpty;
  }

  picture() {
    if (this.photo.file) return this.photo.file;
    return this.ink.isEmpty ? null : this.ink.picture();
  }

  // A promise of the picture to read, as it is now, or null if there is no ink yet, as when a finger has not moved. A drawing is
  // packed as grey if the browser can do it.
  reading() {
    if (!this.isDrawing || !("CompressionStream" in window)) return this.picture();
    const { grey, side } = this.ink.pixels();
    if (!grey.some(Boolean)) return null;
    return encode(grey, side).then((bytes) => ({ bytes, type: "image/png" }));
  }

  // A copy of the drawing, or null.
  copy() {
    if (this.photo.file) return null;
    const { canvas } = this.ink.sheet;
    const other = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
    other.getContext("2d").drawImage(canvas, 0, 0);
    return other;
  }

  clear() {
    const { file } = this.photo;
    this.photo.drop();
    if (!file && !this.ink.isEmpty) this.ink.replace([]);
    this.show();
  }

  // Forgets what was put away, except for these.
  keepOriginals(keys) {
    forget("original.", keys);
    for (const key of this.photos.keys()) if (!keys.has(key)) this.photos.delete(key);
  }

  // Clears the sheet; `restore` brings its content back.
  putAway(key) {
    if (this.photo.file) this.photos.set(key, this.photo.file);
    else keep(`original.${key}`, this.ink.objects);
    this.photo.drop();
    this.ink.reset();
  }

  // Puts a labelled sketch back on the sheet; `resume` brings back what was there. Returns whether it is still known: a reload
  // forgets pictures.
  restore(key) {
    const file = this.photos.get(key);
    const drawing = recall(`original.${key}`, []);
    keep(`original.${key}`, null);
    if (!file && !drawing.length) return false;
    if (!this.isEmpty) {
      this.ink.lift();
      this.aside.push({ file: this.photo.file, drawing: this.ink.objects });
    }
    this.photo.drop();
    this.#fill({ file, drawing });
    return true;
  }

  resume() {
    if (this.aside.length) this.#fill(this.aside.pop());
  }

  #fill({ file, drawing }) {
    if (file) {
      this.photo.show(file);
      this.#took();
    } else {
      this.ink.isEmpty ? this.ink.reset(drawing) : this.ink.replace(drawing);
    }
  }

  // There is a picture or a drawing on the sheet, never both.
  #took() {
    if (!this.ink.isEmpty) this.ink.replace([]);
    this.onPhoto();
  }

  changePen() {
    this.pen.change();
    this.ink.setPen(this.pen.width);
  }

  // Enables the tools that can be used now.
  show() {
    const { file } = this.photo;
    this.disable({ undo: file || !this.ink.canUndo, redo: file || !this.ink.canRedo, clear: this.isEmpty });
    this.root.classList.toggle("inked", !this.isEmpty);
    if (!this.ink.drawing) keep("drawing", this.ink.objects.length ? this.ink.objects : null);
  }

  disable(tools) {
    for (const [name, disabled] of Object.entries(tools)) this.#tool(name).ariaDisabled = Boolean(disabled);
  }

  stop() {
    this.ink.stop();
    this.photo.stop();
  }

  #tool(name) {
    return this.root.querySelector(`.tools [data-do="${name}"]`);
  }

  #inked(final) {
    if (this.ink.drawing) this.photo.drop(); // drawing on a picture replaces it
    this.root.classList.toggle("inked", !this.isEmpty);
    this.onInk(final);
  }
}

// A round of ten: the page asks for the ten digits in random order; only the digit asked for is a label.

import { figure } from "./mine.js";
import { keep, recall } from "./session.js";
import { article, plain } from "./words.js";

const FOCUS_AFTER_MS = 700;

export class Round {
  // `find(key)`: a labelled sketch; `onChange()`: the digit asked for has changed
  constructor(result, { find, onChange }) {
    Object.assign(this, { result, find, onChange });
    const { order = [], keys = [] } = recall("round", {});
    Object.assign(this, { order, keys });
    result.querySelector('[data-do="again"]').addEventListener("click", () => this.start());
    result.querySelector('[data-do="close"]').addEventListener("click", () => this.stop());
    result.addEventListener("close", () => this.isOver && this.stop()); // by Escape
  }

  // The label of the digit asked for, or null.
  get asked() {
    return this.order[this.keys.length] ?? null;
  }

  get place() {
    return `${this.keys.length + 1} of ${this.order.length}`;
  }

  get isOver() {
    return this.order.length > 0 && this.asked === null;
  }

  start() {
    const shuffled = [..."0123456789"].map((digit) => [Math.random(), digit]).sort();
    this.#set(shuffled.map(([, digit]) => digit), []);
  }

  stop() {
    this.#set([], []);
  }

  add(key) {
    this.#set(this.order, [...this.keys, key]);
  }

  // If the last sketch of the round was taken back, ask for it again.
  remove(key) {
    if (this.keys.at(-1) === key) this.#set(this.order, this.keys.slice(0, -1));
  }

  show() {
    if (!this.isOver) return this.result.close();
    const entries = this.keys.map(this.find).filter(Boolean);
    const fooled = entries.filter(({ label, read }) => read !== null && read !== label);
    const open = entries.filter(({ read }) => read === null).length;
    this.result.querySelector("h2").textContent = `${entries.length - fooled.length - open} of ${entries.length} correct`;
    this.result.querySelector("p").textContent = summary(fooled, open);
    this.result.querySelector(".gallery").replaceChildren(...entries.map(figure));
    if (this.result.open) return;
    this.result.showModal();
    // not at once: Enter may be pressed once more by a fast user
    setTimeout(() => this.result.querySelector(".primary").focus(), FOCUS_AFTER_MS);
  }

  #set(order, keys) {
    Object.assign(this, { order, keys });
    keep("round", order.length ? { order, keys } : null);
    this.show();
    this.onChange();
  }
}

function summary(fooled, open) {
  const waiting = open ? ` ${open} ${open === 1 ? "is" : "are"} still on the way.` : "";
  if (!fooled.length) return (open ? "" : "Nothing fooled the model this time.") + waiting;
  const list = fooled.map(({ label, read }) => `your ${plain(label)} looked like ${read === "none" ? "no digit" : article(read)}`);
  return `What fooled the model: ${list.join(", ")}.${waiting}`;
}

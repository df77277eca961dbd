// The pen's width; this tab remembers it.

import { keep, recall } from "./session.js";

const PENS = [["fine", 14], ["medium", 26], ["bold", 40]]; // prettier-ignore

export class Pen {
  constructor(button) {
    this.button = button;
    this.choice = recall("pen", 1);
    if (!PENS[this.choice]) this.choice = 1;
    this.#show();
  }

  get width() {
    return PENS[this.choice][1];
  }

  change() {
    this.choice = (this.choice + 1) % PENS.length;
    keep("pen", this.choice);
    this.#show();
  }

  #show() {
    this.button.title = `Pen: ${PENS[this.choice][0]}`;
    this.button.setAttribute("aria-label", this.button.title);
    this.button.querySelector("circle").setAttribute("r", this.width / 5);
  }
}

// The keypad: a key for each digit, "Not a digit", and Undo. Each key also shows its digit's probability as a bar. The guess,
// which Enter confirms, is marked.

import { percent } from "./words.js";

const KEYS = ["0", "1", "2", "3", "4", "none", "5", "6", "7", "8", "9", "undo"];
const TYPED_IN = "input, textarea, select, [contenteditable]";
const PRESSED_WITH_ENTER = "button, a, summary, [role=button]";

export class Keypad {
  // `onLabel(label)`, `onYes()`, `onUndo()`
  constructor(root, { onLabel, onYes, onUndo }) {
    Object.assign(this, { onLabel, onYes, onUndo });
    root.replaceChildren(...KEYS.map((key) => this.#key(key)));
    this.keys = Object.fromEntries([...root.children].map((element) => [element.dataset.key, element]));
    // no focus by mouse, or Enter would press the last clicked key
    root.addEventListener("mousedown", (event) => event.preventDefault());
    this.listening = new AbortController();
    addEventListener("keydown", (event) => this.#typed(event), { signal: this.listening.signal });
  }

  // `shares`: ten probabilities, or null; `guess`: the marked label, or null; `rival`: another likely one, or null
  show(shares, guess = null, rival = null) {
    for (const [key, element] of Object.entries(this.keys)) {
      if (key === "undo") continue;
      const share = shares?.[Number(key)] ?? 0;
      element.classList.toggle("guess", key === guess);
      element.classList.toggle("maybe", key === rival);
      element.setAttribute("aria-description", key === guess ? "the guess; Enter says yes" : "");
      if (key === "none") continue;
      element.style.setProperty("--share", share.toFixed(3));
      element.querySelector("i").textContent = shares && share >= 0.005 ? percent(share) : "";
    }
  }

  set undoable(on) {
    this.keys.undo.ariaDisabled = !on;
  }

  // The digit that a round asks for, or null.
  set asked(label) {
    this.keys.none.ariaDisabled = label !== null;
    for (const [key, element] of Object.entries(this.keys)) element.classList.toggle("asked", key === label);
  }

  // A short animation: it confirms the press, or "nudged" says that this is the key to press.
  flash(label, kind) {
    const element = this.keys[label];
    element.classList.remove("right", "wrong", "stored", "nudged");
    void element.offsetWidth; // restarts the animation
    element.classList.add(kind);
  }

  stop() {
    this.listening.abort();
  }

  #key(key) {
    const element = document.createElement("button");
    element.type = "button";
    element.dataset.key = key;
    if (key === "undo") element.append("Undo");
    else if (key === "none") element.append("Not a digit");
    else element.innerHTML = `${key}<i aria-hidden="true"></i>`;
    element.ariaDisabled = key === "undo"; // not `disabled`: it would lose the focus
    element.addEventListener("click", () => (key === "undo" ? this.onUndo() : this.onLabel(key)));
    return element;
  }

  #typed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
    const focused = event.target instanceof Element ? event.target : document.body;
    if (focused.closest(TYPED_IN) && focused.type !== "file") return;
    if (/^[0-9]$/.test(event.key)) this.onLabel(event.key);
    else if (event.key === "n" || event.key === "N") this.onLabel("none");
    else if (event.key === "Enter" && !focused.closest(PRESSED_WITH_ENTER)) this.onYes();
    else return;
    event.preventDefault();
  }
}

// The sketches that this tab has labelled, their readings, the score, and what was refused.

import { keep, recall } from "./session.js";
import { plain, verdict } from "./words.js";

const SHOWN = 12;
const KEPT = 60; // sketches shown; the score counts all
const UNDO_FOR_MS = 10 * 60 * 1000; // as long as the backend allows

export class Mine {
  constructor({ section, score, refused, onDismiss }) {
    Object.assign(this, { section, scoreboard: score, list: refused, onDismiss });
    this.entries = recall("mine", []);
    this.score = recall("score", { right: 0, total: 0 });
  }

  // The sketch that Undo would take back.
  get last() {
    return this.undoable.at(-1);
  }

  // Those that Undo can take back, one after the other.
  get undoable() {
    return this.entries.filter((entry) => Date.now() - entry.at < UNDO_FOR_MS);
  }

  find(key) {
    return this.entries.find((entry) => entry.key === key);
  }

  add(entry) {
    this.entries.push(entry);
    this.entries.splice(0, this.entries.length - KEPT);
    this.#count(entry, 1);
    this.#changed();
  }

  remove(key) {
    const entry = this.find(key);
    if (!entry) return;
    this.entries = this.entries.filter((each) => each !== entry);
    this.#count(entry, -1);
    this.#changed();
  }

  // The backend's reading when it stores the sketch replaces the page's.
  settle(key, reading) {
    const entry = this.find(key);
    if (!entry) return;
    this.#count(entry, -1);
    Object.assign(entry, { state: "stored", read: verdict(reading).guess });
    this.#count(entry, 1);
    this.#changed();
  }

  // Sketches that left the queue without an outcome for this tab were stored.
  waiting(keys) {
    const settled = this.entries.filter(({ key, state, at }) => state === "waiting" && !keys.has(key) && Date.now() - at > 5000);
    for (const entry of settled) entry.state = "stored";
    if (settled.length) this.#changed();
  }

  #count({ label, read }, one) {
    if (read === null) return;
    this.score.total += one;
    if (read === label) this.score.right += one;
  }

  #changed() {
    keep("mine", this.entries);
    keep("score", this.score);
    this.show();
  }

  show() {
    const latest = this.entries.slice(-SHOWN).reverse();
    this.section.hidden = !latest.length;
    this.section.querySelector(".gallery").replaceChildren(...latest.map(figure));
    const { right, total } = this.score;
    this.scoreboard.innerHTML = total ? `<b>${right}</b> of <b>${total}</b> correct` : "";
  }

  refused(records) {
    this.list.replaceChildren(...records.map((record) => this.#refusal(record)));
  }

  #refusal(record) {
    const item = document.createElement("li");
    const words = record.undo ? `Not taken back. ${record.reason}` : `Not stored as ${plain(record.label)}. ${record.reason}`;
    item.innerHTML = `${record.bytes ? '<img alt="the refused picture">' : ""}<span></span><button type="button">Dismiss</button>`;
    item.querySelector("span").textContent = words;
    if (record.bytes) item.querySelector("img").src = URL.createObjectURL(new Blob([record.bytes], { type: record.type }));
    item.querySelector("button").addEventListener("click", () => this.onDismiss(record));
    return item;
  }
}

export function figure({ picture, label, read, state }) {
  const element = document.createElement("figure");
  const said = read === null ? (state === "waiting" ? "waiting" : "stored") : `read <b>${plain(read)}</b>`;
  element.className = read !== null && read !== label ? "wrong" : "";
  element.innerHTML = `<div class="sketch"><img></div><figcaption>meant <b>${plain(label)}</b><br>${said}</figcaption>`;
  const image = element.querySelector("img");
  image.alt = `your sketch of ${label === "none" ? "no digit" : label}`;
  image.src = picture;
  return element;
}

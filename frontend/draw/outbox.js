// The page's side of the queue: starts it, shows how many sketches wait and why, and receives each one's outcome.

import { Queue } from "./queue.js";
import { store, takeBack } from "./server.js";
import { visit } from "./session.js";
import { open } from "./store.js";

const SHOW_AFTER_MS = 700; // shorter waits are not shown
const IN_MEMORY = "Keep this page open: your browser lets it store nothing, so a reload loses what waits.";

const records = open();
let queue = null; // kept while other views are open, so that sending continues

export class Outbox {
  // `line`: the element that shows how many wait; `onStored(key, outcome)`; `onQueue(words)`: null if nothing waits;
  // `onRefused(records)`: this tab's, when there is another one
  constructor(line, { mine, onStored, onQueue, onRefused }) {
    Object.assign(this, { line, mine, onStored, onQueue, onRefused });
    this.told = 0; // refused sketches
    this.ready = this.#start();
  }

  async #start() {
    const kept = (this.kept = await records);
    queue ??= new Queue({ store: kept, tab: visit(), send: store, takeBack });
    queue.onOutcome = (key, outcome) => outcome && this.onStored(key, outcome);
    queue.onChange = (state) => this.#changed(state);
    await queue.start();
  }

  async send(record) {
    await this.ready;
    await queue.add(record);
  }

  async undo(key) {
    await this.ready;
    await queue.undo(key);
  }

  async dismiss({ place }) {
    await queue.dismiss(place);
  }

  wake() {
    queue?.wake();
  }

  #changed({ waiting, refused, trouble }) {
    clearTimeout(this.showing);
    const show = () => this.#show(waiting.length, trouble);
    if (waiting.length && !trouble) this.showing = setTimeout(show, SHOW_AFTER_MS);
    else show();
    this.mine.waiting(new Set(waiting.map(({ key }) => key)));
    this.mine.refused(refused);
    for (const { key, undo } of refused) if (!undo) this.mine.remove(key);
    const own = refused.filter(({ tab }) => tab === visit());
    if (own.length > this.told) this.onRefused(own);
    this.told = own.length;
  }

  #show(count, trouble) {
    this.line.replaceChildren();
    if (!count) return this.onQueue(null);
    const many = count === 1 ? "1 sketch is waiting." : `${count} sketches are waiting.`;
    this.#add("b", many);
    if (trouble) this.#add("span", ` ${trouble}`);
    if (!this.kept.lasts) this.#add("em", ` ${IN_MEMORY}`);
    this.onQueue([many, trouble].filter(Boolean).join(" "));
  }

  #add(tag, words) {
    this.line.append(Object.assign(document.createElement(tag), { textContent: words }));
  }
}

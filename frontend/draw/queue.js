// Sends labelled sketches to the server in order, each exactly once, even if the network, the backend or the page fails. All
// tabs share one queue; one of them sends.

import { Away, Refused } from "./server.js";
import { keep, recall, uuid } from "./session.js";

const LEASE_MS = 15_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
const MAX_STUMBLES = 8; // a sketch that makes the server fail must not block the queue
const JUST_ADDED = "just-added"; // sketches that may not have reached the store yet

export class Queue {
  // `send` and `takeBack` as in server.js; `onOutcome(key, outcome)`; `onChange({waiting, refused, trouble})`: records, and why they wait
  constructor({ store, tab, send, takeBack, onOutcome, onChange, pause = FIRST_PAUSE_MS, channel = "digit-recogniser" }) {
    Object.assign(this, { store, tab, send, takeBack, onOutcome, onChange });
    this.page = uuid();
    this.firstPause = this.pause = pause;
    this.trouble = null;
    this.stumbles = new Map(); // how often the server failed on a sketch, by key
    this.channel = new BroadcastChannel(channel);
    this.channel.onmessage = () => this.#look().then(() => this.#pump());
    this.onOnline = () => this.wake();
    addEventListener("online", this.onOnline);
    addEventListener("pagehide", (this.onHide = () => this.store.release(this.page)));
  }

  async start() {
    const before = recall("page");
    keep("page", this.page);
    if (before && before !== this.page) await this.store.release(before); // this tab's lease from before it was reloaded
    for (const { bytes, ...record } of recall(JUST_ADDED, [])) await this.store.add({ ...record, bytes: decode(bytes) });
    keep(JUST_ADDED, null);
    await this.#look();
    this.#pump();
  }

  stop() {
    clearTimeout(this.timer);
    this.channel.close();
    removeEventListener("online", this.onOnline);
    removeEventListener("pagehide", this.onHide);
    this.stopped = true;
  }

  // Saved in sessionStorage before this returns, in the store a moment later.
  async add(record) {
    const small = record.bytes.length < 200_000;
    if (small) keep(JUST_ADDED, [...recall(JUST_ADDED, []), { ...record, tab: this.tab, bytes: encode(record.bytes) }]);
    await this.store.add({ ...record, tab: this.tab });
    keep(JUST_ADDED, recall(JUST_ADDED, []).filter(({ key }) => key !== record.key));
    await this.#changed();
    this.#pump();
  }

  // Takes a sketch back, sent or not; resolves to whether it was never sent.
  async undo(key) {
    keep(JUST_ADDED, recall(JUST_ADDED, []).filter((record) => record.key !== key));
    const unsent = await this.store.undo(key, this.tab);
    await this.#changed();
    this.#pump();
    return unsent;
  }

  async dismiss(place) {
    await this.store.remove(place);
    await this.#changed();
  }

  // Called when the server seems to be back.
  wake() {
    if (!this.trouble || this.scheduled) return; // the server said when to retry
    clearTimeout(this.timer);
    this.pause = this.firstPause;
    this.#pump();
  }

  #changed() {
    if (!this.stopped) this.channel.postMessage("changed");
    return this.#look();
  }

  async #look() {
    if (this.stopped) return;
    for (const { key, outcome } of await this.store.outcomes(this.tab)) this.onOutcome(key, outcome);
    const records = await this.store.all();
    const [waiting, refused] = ["waiting", "refused"].map((wanted) => records.filter(({ state }) => state === wanted));
    this.onChange({ waiting, refused, trouble: this.trouble });
  }

  async #pump() {
    if (this.pumping || this.stopped) return;
    this.pumping = true;
    clearTimeout(this.timer);
    this.timer = null;
    try {
      while (!this.stopped) {
        if (!(await this.store.lease(this.page, LEASE_MS))) return this.#later(1000);
        const record = await this.store.next();
        if (!record) return;
        const renewing = setInterval(() => this.store.lease(this.page, LEASE_MS), LEASE_MS / 3);
        const outcome = await this.#try(record).finally(() => clearInterval(renewing));
        if (outcome.away) return this.#rest(outcome.away);
        this.pause = this.firstPause;
        this.trouble = null;
        await this.store.finish(record, outcome);
        await this.#changed();
      }
    } finally {
      this.pumping = false;
      await this.store.release(this.page);
      // a sketch may have been added since the last look
      if (!this.timer && (await this.store.all()).some(({ state }) => state === "waiting" || state === "undo")) this.#pump();
    }
  }

  async #try(record) {
    try {
      return { stored: record.state === "undo" ? await this.takeBack(record) : await this.send(record) };
    } catch (error) {
      if (error instanceof Refused) return { refused: error.message };
      if (!(error instanceof Away)) throw error;
      if (error.stumbled) this.stumbles.set(record.key, (this.stumbles.get(record.key) ?? 0) + 1);
      return this.stumbles.get(record.key) >= MAX_STUMBLES ? { refused: error.message } : { away: error };
    }
  }

  #rest(away) {
    this.trouble = away.message;
    this.scheduled = away.seconds !== null;
    this.#look();
    this.#later(this.scheduled ? away.seconds * 1000 : this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }

  #later(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.#pump();
    }, milliseconds);
  }
}

const encode = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
const decode = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// Reading along: asks for the newest ink while the pen moves. One request at a time, at most 8 in a second and fewer when
// answers take long; the end of a stroke does not wait for its turn.

import { Away } from "./server.js";

const [MOST, SPAN_MS] = [8, 1000];
const PACE_MS = 130; // between two while the pen moves: keeps one in hand for the end of the stroke
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

export class Reader {
  // `take()`: the picture to be read, or null; `ask(picture)`; `show(answer, picture)`; `fail(error)`
  constructor({ take, ask, show, fail }) {
    Object.assign(this, { take, ask, show, fail });
    this.starts = []; // of the last second
    this.took = 0; // what the last answer took
    this.pause = FIRST_PAUSE_MS;
    this.notBefore = 0;
    this.subject = 0; // counts drawings: an answer to an earlier one is dropped
  }

  // There is new ink; `final`: the stroke is finished.
  ink(final = false) {
    this.wanted = true;
    this.final ||= final;
    this.#schedule();
  }

  // The drawing is gone: what is on its way is about nothing any more.
  forget() {
    this.subject += 1;
    this.wanted = this.final = false;
    clearTimeout(this.timer);
  }

  // Whether the newest ink has been read, or need not be.
  get settled() {
    return !this.wanted && !this.busy;
  }

  #schedule() {
    clearTimeout(this.timer);
    if (this.busy || !this.wanted) return;
    const wait = this.#due() - performance.now();
    if (wait > 0) this.timer = setTimeout(() => this.#schedule(), wait);
    else this.#read();
  }

  #due() {
    const now = performance.now();
    this.starts = this.starts.filter((start) => start > now - SPAN_MS);
    const full = this.starts.length < MOST ? 0 : this.starts[0] + SPAN_MS;
    const turn = this.final ? 0 : (this.starts.at(-1) ?? 0) + Math.max(PACE_MS, 1.5 * this.took);
    return Math.max(full, turn, this.notBefore);
  }

  async #read() {
    const picture = this.take();
    this.wanted = this.final = false;
    if (!picture) return;
    const [subject, start] = [this.subject, performance.now()];
    this.busy = true;
    this.starts.push(start);
    let answer, error;
    try {
      answer = await this.ask(picture);
      this.took = performance.now() - start;
      this.pause = FIRST_PAUSE_MS;
    } catch (failure) {
      error = failure;
      if (error instanceof Away) this.#rest(error, subject);
    }
    this.busy = false;
    if (subject === this.subject) error ? this.fail(error) : this.show(answer, picture);
    this.#schedule();
  }

  #rest(away, subject) {
    const pause = away.seconds === null ? this.pause : away.seconds * 1000;
    this.notBefore = performance.now() + pause;
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
    if (subject === this.subject) this.wanted = true;
  }
}

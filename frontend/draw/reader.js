// Has the latest ink read while the pen moves: one request at a time, at most 8 a second, and fewer if responses are slow. The
// end of a stroke is sent without waiting for the pace.

import { Away } from "./server.js";

const [MAX_REQUESTS, WINDOW_MS] = [8, 1000];
const PACE_MS = 130; // between requests while the pen moves: leaves one for the end of the stroke
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

export class Reader {
  // `take()`: a promise of the picture to be read, or null; `ask(picture)`; `show(answer)`; `fail(error)`
  constructor({ take, ask, show, fail }) {
    Object.assign(this, { take, ask, show, fail });
    this.starts = []; // times of the last second's requests
    this.pause = FIRST_PAUSE_MS;
    this.notBefore = 0;
    this.drawing = 0; // a counter: readings of earlier drawings are dropped
  }

  // The ink has changed; `final`: the stroke is finished.
  ink(final = false) {
    this.wanted = true;
    this.final ||= final;
    this.#schedule();
  }

  // The drawing was removed: drop the reading that is on its way.
  forget() {
    this.drawing += 1;
    this.wanted = this.final = false;
    clearTimeout(this.timer);
  }

  // Whether the latest ink has been read, or need not be.
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
    this.starts = this.starts.filter((start) => start > now - WINDOW_MS);
    const full = this.starts.length < MAX_REQUESTS ? 0 : this.starts[0] + WINDOW_MS;
    const turn = this.final ? 0 : (this.starts.at(-1) ?? 0) + PACE_MS;
    return Math.max(full, turn, this.notBefore);
  }

  async #read() {
    const taken = this.take();
    this.wanted = this.final = false;
    if (!taken) return;
    const { drawing } = this;
    this.busy = true;
    let answer, error;
    try {
      const picture = await taken;
      this.starts.push(performance.now());
      answer = await this.ask(picture);
      this.pause = FIRST_PAUSE_MS;
    } catch (failure) {
      error = failure;
      if (error instanceof Away) this.#rest(error, drawing);
    }
    this.busy = false;
    if (drawing === this.drawing) error ? this.fail(error) : this.show(answer);
    this.#schedule();
  }

  #rest(away, drawing) {
    const pause = away.seconds === null ? this.pause : away.seconds * 1000;
    this.notBefore = performance.now() + pause;
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
    if (drawing === this.drawing) this.wanted = true;
  }
}

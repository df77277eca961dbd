// What the card and the keypad show: the reading while the pen moves, the reaction to a label, and what to draw next.

import { Refused } from "./server.js";
import { article, plain, punctuated, reaction, verdict } from "./words.js";

const INVITATION = { kind: "waiting", sign: "?", sentence: "Draw a digit", detail: "I read along while you draw." };
const WAITING = { kind: "waiting", sign: "…", sentence: "One moment", detail: "I’m reading it." };
const TOO_LITTLE = { kind: "waiting", sign: "…", sentence: "Go on", detail: "There is too little ink to read yet." };
const LATE_MS = 700;
const DONE = matchMedia("(pointer: coarse)").matches ? "Tap the marked key when done." : "Enter when you are done.";

export class Reply {
  // `asks()`: the digit that a round asks for, and its place there
  constructor(answer, keypad, asks) {
    Object.assign(this, { answer, keypad, asks });
    this.reading = null; // see verdict() in words.js
    this.reacting = false; // the reaction to a label stays until there is new ink
  }

  invite() {
    this.answer.say(this.#invitation());
  }

  // There is new ink. If its reading takes long, the card says so, or fades if it shows the reading of earlier ink.
  expect() {
    this.late ??= setTimeout(() => this.#late(), LATE_MS);
  }

  #late() {
    const { kind } = this.answer.said;
    if (this.reading) this.answer.say({ ...this.answer.said, kind: `${kind} late` });
    else if (kind !== "failed") this.wait();
  }

  #expected() {
    clearTimeout(this.late);
    this.late = null;
  }

  // The sheet is empty.
  empty() {
    this.#expected();
    this.reading = null;
    if (!this.reacting) this.invite();
    this.answer.saw(null);
    this.keypad.show(null);
  }

  read(answer) {
    this.#expected();
    this.reacting = false;
    this.reading = verdict(answer);
    const { kind, guess, rival } = this.reading;
    this.answer.say(this.asks().asked ? this.#inRound() : this.reading);
    this.answer.saw(answer.preview);
    // no probabilities for what is not a digit
    const shares = kind === "none" ? null : answer.probabilities;
    this.keypad.show(shares, guess, rival);
  }

  // Whether the sketch could not be read.
  get failed() {
    return this.reading === null && this.answer.said.kind === "failed";
  }

  // It will be labelled with its reading.
  promise() {
    this.answer.say({ ...this.answer.said, detail: "I’ll store it as soon as I have read it." });
  }

  // Why a press did nothing.
  hint(isEmpty) {
    if (isEmpty) this.answer.say({ ...this.#invitation(), detail: "Draw a digit first." });
    else if (this.failed) this.answer.say({ ...this.answer.said, detail: "I can’t read it now. Which digit is it?" });
  }

  remind() {
    const { asked } = this.asks();
    this.answer.say({ ...this.#invitation(), detail: `This round asks for ${article(asked)} now.` });
  }

  // A picture that this tab no longer has.
  tookBack(label) {
    if (!this.asks().asked) this.answer.say({ kind: "waiting", sign: "↶", sentence: "Taken back", detail: `It is no longer stored as ${plain(label)}.` });
  }

  // `drawing`: whether more ink may help
  fail(error, drawing) {
    this.#expected();
    this.reading = null;
    this.keypad.show(null);
    if (!(error instanceof Refused)) {
      this.answer.say({ kind: "failed", sign: "…", sentence: "One moment", detail: `${error.message} Nothing is lost.` });
    } else if (drawing) {
      this.answer.say(TOO_LITTLE);
    } else {
      this.answer.say({ kind: "failed", sign: "–", sentence: "I can’t read this", detail: error.message });
    }
  }

  // For the first reading.
  wait() {
    this.reacting = false;
    this.answer.say(this.asks().asked ? { ...this.#invitation(), detail: WAITING.detail } : WAITING);
  }

  refuseFile(reason) {
    this.answer.say({ kind: "failed", sign: "–", sentence: "I can’t take this file", detail: reason });
  }

  notStored(records) {
    this.reacting = false;
    const sentence = records.length === 1 ? "Not stored" : `${records.length} sketches not stored`;
    this.answer.say({ kind: "failed", sign: "–", sentence, detail: records.at(-1).reason });
  }

  // Too many requests: keep showing the last reading; the reader continues.
  pause(detail) {
    this.answer.say({ ...this.answer.said, detail });
  }

  // The reaction to a label; `guess`: the reading, or null.
  react(label, guess) {
    const said = reaction(label, guess);
    this.reacting = true;
    this.keypad.flash(label, said.kind);
    this.#react(said);
  }

  // The reading arrived after the label.
  settle({ label, read }) {
    this.#react(reaction(label, read));
  }

  // In a round, together with the next digit to draw.
  #react(said) {
    this.said = punctuated(said.sentence);
    this.answer.say(this.asks().asked ? this.#invitation() : said);
  }

  #invitation() {
    const { asked, place } = this.asks();
    if (!asked) return INVITATION;
    const before = this.reacting && this.said ? `${this.said} ` : "";
    const detail = `${before}${place}. ${DONE}`;
    return { kind: "asked", sign: asked, sentence: `Draw ${article(asked)}`, detail };
  }

  #inRound() {
    const { kind, guess } = this.reading;
    const { place } = this.asks();
    const detail = `${place}. ${kind === "sure" ? `I read ${article(guess)}.` : "I’m not sure yet."} ${DONE}`;
    return { ...this.#invitation(), detail };
  }
}

// The Draw page: puts its parts together. What is drawn and labelled never waits for the server.

import { Answer } from "./answer.js";
import { Ink } from "./ink.js";
import { Keypad } from "./keypad.js";
import { Mine } from "./mine.js";
import { Photo } from "./photo.js";
import { Queue } from "./queue.js";
import { Reader } from "./reader.js";
import { Round } from "./round.js";
import { Refused, explain, read, store, takeBack } from "./server.js";
import { keep, recall, uuid, visit } from "./session.js";
import { open } from "./store.js";
import { Why } from "./why.js";
import { article, named, reaction, verdict } from "./words.js";

const PENS = [["fine", 14], ["medium", 26], ["bold", 40]]; // prettier-ignore
const INVITATION = { kind: "waiting", sign: "?", sentence: "Draw a digit", detail: "I read along while you draw." };
const TOLD_AFTER_MS = 700; // a sketch that waits shorter than that is not worth a word

const records = open();
let queue = null; // one for all visits to this view: it goes on while another one is looked at

export function mount(root) {
  const page = new Page(root.querySelector(".draw"));
  return () => page.stop();
}

class Page {
  constructor(root) {
    this.root = root;
    const $ = (selector) => root.querySelector(selector);
    this.pen = recall("pen", 1);
    this.answer = new Answer($(".answer"));
    this.keypad = new Keypad($(".keypad"), {
      onLabel: (label) => this.label(label), onYes: () => this.yes(), onUndo: () => this.undo(),
    }); // prettier-ignore
    this.ink = new Ink($(".ink"), {
      onInk: (final) => this.inked(final), onSteps: () => this.stepped(), penWidth: PENS[this.pen][1],
    }); // prettier-ignore
    this.photo = new Photo(root, { onTake: () => this.took(), onRefuse: (reason) => this.fail(new Refused(reason)) });
    this.reader = new Reader({
      take: () => this.picture(), ask: read, show: (...answer) => this.show(...answer), fail: (error) => this.fail(error),
    }); // prettier-ignore
    this.why = new Why($(".why"), $('[data-do="why"]'), (digit) => explain(this.picture(), digit));
    this.mine = new Mine({
      section: $(".mine"), score: $(".score"), refused: $(".refused"), onDismiss: (record) => this.dismiss(record),
    }); // prettier-ignore
    this.round = new Round($(".result"), { find: (key) => this.mine.find(key), onChange: () => this.asked() });
    for (const button of root.querySelectorAll("button[data-do]")) {
      button.addEventListener("click", () => this.does[button.dataset.do]?.());
      button.addEventListener("mousedown", (event) => event.preventDefault()); // no focus by mouse: see keypad.js
    }
    this.listening = new AbortController();
    addEventListener("keydown", (event) => this.shortcut(event), { signal: this.listening.signal });
    this.showPen();
    this.mine.show();
    this.round.show();
    this.asked();
    this.queueReady = records.then((store) => this.startQueue(store));
    const drawing = recall("drawing", []);
    if (drawing.length) this.ink.reset(drawing);
    root.dataset.ready = "true";
  }

  does = {
    undo: () => this.ink.undo(),
    redo: () => this.ink.redo(),
    clear: () => this.clear(),
    pen: () => this.changePen(),
    why: () => this.toggleWhy(),
    round: () => (this.round.asked ? this.round.stop() : this.round.start()),
  };

  stop() {
    this.listening.abort();
    for (const part of [this.keypad, this.ink, this.photo]) part.stop();
    this.reader.forget();
  }

  // --- the sheet ---------------------------------------------------------------------------------

  get isEmpty() {
    return !this.photo.file && this.ink.isEmpty;
  }

  picture() {
    if (this.photo.file) return this.photo.file;
    return this.ink.isEmpty ? null : this.ink.picture();
  }

  inked(final) {
    if (this.photo.file && this.ink.drawing) this.photo.drop(); // drawn over: the drawing counts
    if (!final || this.isEmpty) this.why.close();
    if (this.photo.file) return;
    if (this.ink.isEmpty) return this.emptied();
    this.root.classList.add("inked");
    this.reader.ink(final);
  }

  stepped() {
    this.setDisabled({ undo: !this.ink.canUndo, redo: !this.ink.canRedo, clear: this.isEmpty });
    this.root.classList.toggle("inked", !this.isEmpty);
    if (!this.ink.drawing) keep("drawing", this.ink.objects.length ? this.ink.objects : null);
  }

  emptied() {
    this.reader.forget();
    this.reading = this.yesTo = null;
    if (!this.reacting) this.answer.say(this.invitation());
    this.answer.saw(null);
    this.keypad.show(null);
    this.setDisabled({ why: true, clear: true });
  }

  clear() {
    this.reacting = false;
    if (this.photo.file) this.photo.drop();
    else if (!this.ink.isEmpty) this.ink.replace([]);
    this.stepped();
    this.emptied();
  }

  took() {
    this.reader.forget();
    this.emptied();
    this.reacting = false;
    this.stepped();
    this.reader.ink(true);
  }

  // --- reading along -----------------------------------------------------------------------------

  show(answer, picture) {
    this.reacting = false;
    this.reading = { ...verdict(answer), picture };
    const { kind, guess, first, second } = this.reading;
    this.answer.say(this.round.asked ? this.inRound(this.reading) : this.reading);
    this.answer.saw(answer.preview);
    // what is no digit gets no guesses
    const shares = kind === "none" ? null : answer.probabilities;
    this.keypad.show(shares, guess, kind === "either" ? [String(first), String(second)] : []);
    this.setDisabled({ why: false });
    this.queue?.wake();
    if (this.yesTo && this.reader.settled) this.label(guess);
  }

  fail(error) {
    this.reading = this.yesTo = null;
    this.keypad.show(null);
    this.setDisabled({ why: true });
    if (error instanceof Refused && !this.photo.file && !this.isEmpty) {
      this.answer.say({ ...this.invitation(), kind: "waiting", sign: "…", sentence: "Go on", detail: "There is too little ink to read yet." });
    } else if (error instanceof Refused) {
      if (this.photo.file) this.photo.refusal = error.message;
      this.answer.say({ kind: "failed", sign: "–", sentence: "I can’t read this", detail: error.message });
    } else {
      const detail = `${error.message} Nothing is lost.`;
      this.answer.say({ kind: "failed", sign: "…", sentence: "One moment", detail });
    }
  }

  invitation() {
    if (!this.round.asked) return INVITATION;
    const before = this.reacting && this.said ? `${this.said} ` : "";
    const detail = `${before}${this.round.place}. Enter when you are done.`;
    return { kind: "asked", sign: this.round.asked, sentence: `Draw ${article(Number(this.round.asked))}`, detail };
  }

  inRound({ kind, guess }) {
    const detail = kind === "sure" ? `I read ${named(guess)}. Enter when you are done.` : "I’m not sure yet. Enter when you are done.";
    return { ...this.invitation(), detail };
  }

  // --- labels ------------------------------------------------------------------------------------

  // Takes what is on the canvas at this moment; the next stroke may begin at once.
  label(pressed) {
    this.yesTo = null;
    if (this.isEmpty) return this.nudge();
    if (this.photo.refusal) return this.nudge();
    const label = this.round.asked ?? pressed;
    this.ink.lift();
    const { photo, reading } = this;
    const picture = this.picture();
    const fresh = reading && this.reader.settled;
    const thumbnail = photo.file ? photo.thumbnail() : picture.url;
    const original = photo.file ? { photo: photo.file } : { drawing: this.ink.objects };
    const guess = !fresh ? null : reading.kind === "none" ? "none" : String(reading.first);
    const entry = { key: uuid(), label, read: guess, picture: thumbnail, state: "waiting", at: Date.now() };
    this.send({ key: entry.key, label, visit: visit(), bytes: picture.bytes, type: picture.type, at: entry.at });
    (this.originals ??= new Map()).set(entry.key, original);
    keep(`original.${entry.key}`, original.drawing ?? null);
    this.mine.add(entry);
    this.react(label, guess);
    photo.drop();
    this.ink.reset();
    this.emptied();
    this.stepped();
    if (this.round.asked) this.round.add(entry.key);
    this.undoable();
  }

  // Enter: the guess is right. Where the newest ink has not been read yet, as soon as it has.
  yes() {
    if (this.isEmpty) return this.nudge();
    if (this.round.asked) return this.label(this.round.asked);
    if (this.reading && this.reader.settled && !this.ink.drawing) return this.label(this.reading.guess);
    this.ink.lift();
    this.yesTo = true;
  }

  react(label, guess) {
    const said = reaction(label, guess);
    this.reacting = true;
    this.keypad.flash(label, said.kind);
    this.tell(said);
  }

  // What was made of the last sketch: in a round, beside what is asked for next.
  tell(said) {
    this.said = /[.!?]$/.test(said.sentence) ? said.sentence : `${said.sentence}.`;
    this.answer.say(this.round.asked ? this.invitation() : said);
  }

  nudge() {
    this.root.classList.remove("nudged");
    void this.root.offsetWidth; // starts the animation anew
    this.root.classList.add("nudged");
  }

  async undo() {
    const { last } = this.mine;
    if (!last) return;
    this.mine.remove(last.key);
    this.round.remove(last.key);
    const drawing = recall(`original.${last.key}`, []);
    const original = this.originals?.get(last.key);
    keep(`original.${last.key}`, null);
    this.reacting = false;
    if (original?.photo) this.photo.show(original.photo);
    else if (drawing.length) this.ink.isEmpty ? this.ink.reset(drawing) : this.ink.replace(drawing);
    if (original?.photo) this.took();
    this.undoable();
    await this.queueReady;
    await this.queue.undo(last.key);
  }

  undoable() {
    this.keypad.undoable = Boolean(this.mine.last);
    clearTimeout(this.tooLate);
    this.tooLate = setTimeout(() => this.undoable(), 30_000);
  }

  // --- the queue ---------------------------------------------------------------------------------

  async startQueue(store_) {
    queue ??= new Queue({ store: store_, tab: visit(), send: store, takeBack });
    queue.onOutcome = (key, outcome) => this.stored(key, outcome);
    queue.onChange = (state) => this.told(state);
    this.queue = queue;
    await queue.start();
    this.undoable();
  }

  async send(record) {
    await this.queueReady;
    await this.queue.add(record);
  }

  stored(key, outcome) {
    if (!outcome) return;
    const before = this.mine.find(key)?.read;
    this.mine.settle(key, outcome);
    if (before === null && this.reacting && this.mine.last?.key === key) {
      const entry = this.mine.find(key);
      this.tell(reaction(entry.label, entry.read));
    }
    this.round.show();
  }

  told({ waiting, refused, trouble }) {
    clearTimeout(this.telling);
    const tell = () => {
      const many = waiting.length === 1 ? "1 sketch waits" : `${waiting.length} sketches wait`;
      const [words, reason] = [`${many}.`, trouble ? ` ${trouble}` : ""];
      this.root.querySelector(".queue").innerHTML = waiting.length ? "<b></b><span></span>" : "";
      if (waiting.length) this.root.querySelector(".queue b").textContent = words;
      if (waiting.length) this.root.querySelector(".queue span").textContent = reason;
      // where the eye is, too: on a small screen the line below the keypad is out of sight
      const told = waiting.length ? words + reason : this.toldOnCard ? "All is stored." : null;
      if (told && this.isEmpty) this.answer.say({ ...this.answer.said, detail: told });
      this.toldOnCard = waiting.length > 0;
    };
    if (waiting.length && !trouble) this.telling = setTimeout(tell, TOLD_AFTER_MS);
    else tell();
    this.mine.waiting(new Set(waiting.map(({ key }) => key)));
    this.mine.refused(refused);
    for (const { key, undo } of refused) if (!undo) this.mine.remove(key);
  }

  async dismiss({ place }) {
    await this.queue.dismiss(place);
  }

  // --- the round, the pen, why -------------------------------------------------------------------

  asked() {
    const { asked } = this.round;
    this.root.classList.toggle("in-round", asked !== null);
    this.keypad.asked = asked;
    const button = this.root.querySelector('.status [data-do="round"]');
    button.textContent = asked === null ? "Round of ten" : "Stop the round";
    if (this.isEmpty) this.answer.say(this.invitation());
  }

  changePen() {
    this.pen = (this.pen + 1) % PENS.length;
    keep("pen", this.pen);
    this.ink.setPen(PENS[this.pen][1]);
    this.showPen();
  }

  showPen() {
    const button = this.root.querySelector('[data-do="pen"]');
    const [name, width] = PENS[this.pen];
    button.title = `Pen: ${name}`;
    button.setAttribute("aria-label", button.title);
    button.querySelector("circle").setAttribute("r", width / 5);
  }

  toggleWhy() {
    if (this.why.isOpen || !this.reading) return this.why.close();
    const { first, second } = this.reading;
    const sketch = this.photo.file ? null : copy(this.ink.sheet.canvas);
    this.why.open(first, second, sketch).catch((error) => this.fail(error));
  }

  setDisabled(buttons) {
    for (const [name, disabled] of Object.entries(buttons)) {
      this.root.querySelector(`.tools [data-do="${name}"]`).disabled = Boolean(disabled);
    }
  }

  shortcut(event) {
    const [ctrl, key] = [event.ctrlKey || event.metaKey, event.key.toLowerCase()];
    if (key === "escape") this.round.isOver ? this.round.stop() : this.why.close();
    else if (ctrl && key === "z" && !event.shiftKey) this.ink.canUndo ? this.ink.undo() : this.undo();
    else if (ctrl && (key === "y" || key === "z")) this.ink.redo();
    else return;
    if (ctrl) event.preventDefault();
  }
}

function copy(canvas) {
  const other = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
  other.getContext("2d").drawImage(canvas, 0, 0);
  return other;
}

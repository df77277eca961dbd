// The Draw page: connects its parts. Drawing and labelling never wait for the server.

import { Answer } from "./answer.js";
import { Connection } from "./connection.js";
import { Keypad } from "./keypad.js";
import { tellWhatIsLearned } from "./learned.js";
import { Mine } from "./mine.js";
import { Outbox } from "./outbox.js";
import { Reader } from "./reader.js";
import { Reply } from "./reply.js";
import { Round } from "./round.js";
import { Refused, explain, read } from "./server.js";
import { uuid, visit } from "./session.js";
import { Sheet } from "./sheet.js";
import { Why } from "./why.js";

const UNDO_IS_CHECKED_MS = 30_000;

export function mount(root) {
  const page = new Page(root.querySelector(".draw"));
  return () => page.stop();
}

class Page {
  constructor(root) {
    this.root = root;
    const $ = (selector) => root.querySelector(selector);
    this.keypad = new Keypad($(".keypad"), {
      onLabel: (label) => this.label(label), onYes: () => this.yes(), onUndo: () => this.undo(),
    }); // prettier-ignore
    this.answer = new Answer($(".answer"));
    this.reply = new Reply(this.answer, this.keypad, () => this.round);
    this.sheet = new Sheet(root, {
      onInk: (final) => this.inked(final), onPhoto: () => this.took(), onRefuse: (reason) => this.refuse(reason),
    }); // prettier-ignore
    this.reader = new Reader({
      take: () => this.sheet.reading(), ask: read, show: (answer) => this.show(answer), fail: (error) => this.fail(error),
    }); // prettier-ignore
    this.why = new Why($(".why"), $('[data-do="why"]'), {
      ask: (digit) => explain(this.sheet.picture(), digit), fail: (error) => this.fail(error),
    }); // prettier-ignore
    this.mine = new Mine({
      section: $(".mine"), score: $(".score"), refused: $(".refused"), onDismiss: (record) => this.outbox.dismiss(record),
    }); // prettier-ignore
    this.round = new Round($(".result"), { find: (key) => this.mine.find(key), onChange: () => this.asked() });
    this.connection = new Connection();
    this.#listen();
    this.mine.show();
    this.round.show();
    this.asked();
    this.outbox = new Outbox($(".queue"), {
      mine: this.mine, onStored: (...outcome) => this.stored(...outcome), onQueue: (words) => this.showQueue(words),
      onRefused: (records) => this.tellRefused(records),
    }); // prettier-ignore
    this.outbox.ready.then(() => this.undoable());
    this.sheet.recall();
    tellWhatIsLearned($(".learned"));
    root.dataset.ready = "true";
  }

  does = {
    undo: () => this.step("undo"),
    redo: () => this.step("redo"),
    clear: () => this.clear(),
    pen: () => this.sheet.changePen(),
    why: () => this.toggleWhy(),
    round: () => this.toggleRound(),
  };

  #listen() {
    for (const button of this.root.querySelectorAll("button[data-do]")) {
      button.addEventListener("click", () => button.ariaDisabled !== "true" && this.does[button.dataset.do]?.());
      button.addEventListener("mousedown", (event) => event.preventDefault()); // no focus by mouse: see keypad.js
    }
    this.listening = new AbortController();
    addEventListener("keydown", (event) => this.shortcut(event), { signal: this.listening.signal });
  }

  stop() {
    this.listening.abort();
    for (const part of [this.keypad, this.sheet, this.connection]) part.stop();
    this.reader.forget();
  }

  // --- the sheet ---------------------------------------------------------------------------------

  inked(final) {
    if (!final || this.sheet.isEmpty) this.why.close();
    if (this.sheet.photo.file) return;
    if (this.sheet.isEmpty) return this.emptied();
    if (this.sheet.ink.drawing) this.yesTo = null; // Enter was for the ink before
    this.reader.ink(final);
    this.reply.expect();
  }

  // Undoes or redoes a stroke.
  step(name) {
    if (this.sheet.photo.file) return;
    this.yesTo = null;
    this.sheet.ink[name]();
  }

  emptied() {
    this.reader.forget();
    this.yesTo = null;
    this.reply.empty();
    this.sheet.disable({ why: true });
  }

  clear() {
    this.reply.reacting = false;
    this.sheet.clear();
    this.emptied();
    this.sheet.resume();
  }

  took() {
    document.activeElement?.closest("a")?.blur(); // Enter is for the picture, not for the link that led here
    this.why.close();
    this.emptied();
    this.reply.wait();
    this.sheet.show();
    this.reader.ink(true);
  }

  // A file that is not taken: what is on the sheet stays, with its reading.
  refuse(reason) {
    this.why.close();
    this.reply.refuseFile(reason);
  }

  // --- reading -----------------------------------------------------------------------------------

  show(answer) {
    this.reply.read(answer);
    if (!this.reader.settled) this.reply.expect();
    this.sheet.disable({ why: this.reply.reading.kind === "none" }); // there is no digit to ask about
    this.outbox.wake();
    if (this.yesTo && this.reader.settled) this.label(this.reply.reading.guess);
  }

  fail(error) {
    if (error.tooMany && this.reply.reading) return this.reply.pause(error.message);
    if (error instanceof Refused && !this.reader.settled) return; // as for a first dot; newer ink is read next
    if (this.yesTo) this.nudge();
    this.yesTo = null;
    this.why.close();
    this.sheet.disable({ why: true });
    const { photo, isDrawing } = this.sheet;
    if (error instanceof Refused && photo.file) photo.refusal = error.message;
    this.reply.fail(error, isDrawing);
  }

  toggleWhy() {
    const { reading } = this.reply;
    if (this.why.isOpen || !reading) return this.why.close();
    this.why.open(reading.first, reading.second, this.sheet.copy());
  }

  // --- labels ------------------------------------------------------------------------------------

  // Labels what is on the canvas now; the next stroke may begin at once.
  label(label) {
    this.yesTo = null;
    const { ink, photo } = this.sheet;
    const { asked } = this.round;
    if (this.sheet.isEmpty || photo.refusal) return this.nudge();
    if (asked && label !== asked) return this.remind(asked);
    ink.lift();
    const { reading } = this.reply;
    const picture = this.sheet.picture();
    const guess = reading && this.reader.settled ? reading.guess : null;
    const thumbnail = photo.file ? photo.thumbnail() : picture.url;
    const entry = { key: uuid(), label, read: guess, picture: thumbnail, state: "waiting", at: Date.now() };
    this.outbox.send({ key: entry.key, label, visit: visit(), bytes: picture.bytes, type: picture.type, at: entry.at });
    this.mine.add(entry);
    this.reply.react(label, guess);
    this.sheet.putAway(entry.key);
    this.emptied();
    this.sheet.resume();
    this.sheet.show();
    if (asked) this.round.add(entry.key);
    this.undoable();
  }

  // Enter confirms the guess; if the latest ink has not been read yet, as soon as it has, unless there is more ink before.
  yes() {
    if (this.sheet.isEmpty || this.sheet.photo.refusal) return this.nudge();
    if (this.round.asked) return this.label(this.round.asked);
    const { reading, failed } = this.reply;
    const settled = this.reader.settled && !this.sheet.ink.drawing;
    if (reading && settled) return this.label(reading.guess);
    if (failed || settled) return this.nudge(); // no reading is on its way
    this.sheet.ink.lift();
    this.yesTo = true;
    this.reply.promise();
  }

  // In a round, only the digit asked for is a label.
  remind(asked) {
    this.keypad.flash(asked, "nudged");
    this.reply.remind();
  }

  nudge() {
    if (!this.sheet.photo.refusal) this.reply.hint(this.sheet.isEmpty);
    this.root.classList.remove("nudged");
    void this.root.offsetWidth; // restarts the animation
    this.root.classList.add("nudged");
  }

  async undo() {
    const { last } = this.mine;
    if (!last) return;
    this.mine.remove(last.key);
    this.round.remove(last.key);
    this.reply.reacting = false;
    if (!this.sheet.restore(last.key)) this.reply.tookBack(last.label);
    this.undoable();
    await this.outbox.undo(last.key);
  }

  undoable() {
    this.keypad.undoable = Boolean(this.mine.last);
    this.sheet.keepOriginals(new Set(this.mine.undoable.map((entry) => entry.key)));
    clearTimeout(this.tooLate);
    this.tooLate = setTimeout(() => this.undoable(), UNDO_IS_CHECKED_MS);
  }

  // --- stored sketches ---------------------------------------------------------------------------

  stored(key, outcome) {
    const before = this.mine.find(key)?.read;
    this.mine.settle(key, outcome);
    if (before === null && this.reply.reacting && this.mine.last?.key === key) this.reply.settle(this.mine.find(key));
    this.round.show();
  }

  // On the card, too: on a small screen the line below the keypad is out of view.
  showQueue(words) {
    const detail = words ?? (this.queueOnCard ? "All is stored." : null);
    if (detail && this.sheet.isEmpty) this.answer.say({ ...this.answer.said, detail });
    this.queueOnCard = words !== null;
  }

  // Sketches of this tab that the server will never store; below the keypad, each is shown with its reason.
  tellRefused(records) {
    this.queueOnCard = false;
    if (this.sheet.isEmpty) this.reply.notStored(records);
  }

  toggleRound() {
    this.reply.reacting = false;
    if (this.round.asked) return this.round.stop();
    this.clear(); // what is drawn is not the digit that the round will ask for
    this.round.start();
  }

  asked() {
    const { asked } = this.round;
    this.root.classList.toggle("in-round", asked !== null);
    this.keypad.asked = asked;
    const button = this.root.querySelector('.status [data-do="round"]');
    button.textContent = asked === null ? "Round of ten" : "Stop the round";
    if (this.sheet.isEmpty) this.reply.invite();
  }

  shortcut(event) {
    const { ink } = this.sheet;
    const [ctrl, key] = [event.ctrlKey || event.metaKey, event.key.toLowerCase()];
    if (key === "escape") this.why.close();
    else if (ctrl && key === "z" && !event.shiftKey) ink.canUndo ? this.step("undo") : this.undo();
    else if (ctrl && (key === "y" || key === "z")) this.step("redo");
    else return;
    if (ctrl) event.preventDefault();
  }
}

// The card that shows the reading. Its size never changes. Screen readers hear what it says once it rests: while the pen moves,
// it changes several times a second.

import { punctuated } from "./words.js";

const RESTS_MS = 600;

export class Answer {
  constructor(root) {
    this.root = root;
    this.parts = Object.fromEntries([".sign", ".sentence", ".detail", ".seen img", ".seen", ".spoken"].map((name) => [name, root.querySelector(name)]));
  }

  say({ kind, sign, sentence, detail }) {
    this.said = { kind, sign, sentence, detail };
    this.root.className = `answer ${kind}`;
    for (const [name, text] of Object.entries({ ".sign": sign, ".sentence": sentence, ".detail": detail })) {
      if (this.parts[name].textContent !== text) this.parts[name].textContent = text;
    }
    clearTimeout(this.resting);
    this.resting = setTimeout(() => (this.parts[".spoken"].textContent = `${punctuated(sentence)} ${detail}`), RESTS_MS);
  }

  // What the model saw, or null.
  saw(preview) {
    const image = this.parts[".seen img"];
    image.hidden = !preview;
    if (preview) image.src = preview;
  }
}

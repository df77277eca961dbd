// Sentences about readings.

const MAYBE = 0.5; // if the two likeliest digits have less probability than this together, it is not a digit
const RIVAL = 0.25; // a second digit is named if it has at least this share of the likeliest one's probability

export const article = (digit) => (Number(digit) === 8 ? "an 8" : `a ${digit}`);

export const punctuated = (words) => (/[.!?]$/.test(words) ? words : `${words}.`);

// Never 100%: no reading is certain, even if the float is 1.0.
export const percent = (share) => (share < 0.005 ? "<1%" : `${Math.min(Math.round(share * 100), 99)}%`);

export const plain = (label) => (label === "none" ? "not a digit" : label);

// {kind: "sure" | "unsure" | "none", guess: the label that was read, which Enter stands for, rival: another likely label or null,
// first, second: the likeliest digits, sign, sentence, detail}
export function verdict({ probabilities, unsure }) {
  const [first, second] = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const [p, q] = [probabilities[first], probabilities[second]];
  const reading = { guess: String(first), rival: null, first, second };
  if (!unsure) {
    return { ...reading, kind: "sure", sign: String(first), sentence: `That’s ${article(first)}`, detail: `${percent(p)} sure` };
  }
  if (p + q < MAYBE) {
    return { ...reading, kind: "none", guess: "none", sign: "∅", sentence: "Not a digit?", detail: "I see no single digit in this." };
  }
  if (q < p * RIVAL) {
    return { ...reading, kind: "unsure", sign: "?", sentence: `Perhaps ${article(first)}?`, detail: `Only ${percent(p)} sure` };
  }
  const sentence = `A${article(first).slice(1)} or ${article(second)}?`;
  const detail = `I’m not sure: ${percent(p)} ${first}, ${percent(q)} ${second}`;
  return { ...reading, kind: "unsure", rival: String(second), sign: "?", sentence, detail };
}

// `meant` and `guess` are labels; `guess` is null if nothing was read before the label.
export function reaction(meant, guess) {
  if (guess === null) return { kind: "stored", sign: "✓", sentence: `Noted: ${plain(meant)}`, detail: "Draw the next one." };
  if (guess === meant) {
    const sentence = meant === "none" ? "Right, not a digit" : `Right, ${article(meant)}!`;
    return { kind: "right", sign: "✓", sentence, detail: "Draw the next one." };
  }
  const sentence = meant === "none" ? "Ah, not a digit" : `Ah, ${article(meant)}`;
  const read = guess === "none" ? "I saw no digit in it." : `I read ${article(guess)}.`;
  return { kind: "wrong", sign: meant === "none" ? "∅" : meant, sentence, detail: `${read} Thanks, that helps me learn.` };
}

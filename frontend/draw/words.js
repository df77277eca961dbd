// Sentences about readings.

const MAYBE = 0.5; // if the two likeliest digits have less probability than this together, it is not a digit

export const article = (digit) => (Number(digit) === 8 ? "an 8" : `a ${digit}`);

// Never 100%: no reading is certain, even if the float is 1.0.
export const percent = (share) => (share < 0.005 ? "<1%" : `${Math.min(Math.round(share * 100), 99)}%`);

export const plain = (label) => (label === "none" ? "not a digit" : label);

// {kind: "sure" | "either" | "none", guess: the label that was read, which Enter stands for, others, sign, sentence, detail}
export function verdict({ probabilities, unsure }) {
  const [first, second] = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const [p, q] = [probabilities[first], probabilities[second]];
  if (!unsure) {
    const text = { sign: String(first), sentence: `That’s ${article(first)}`, detail: `${percent(p)} sure` };
    return { kind: "sure", guess: String(first), first, second, ...text };
  }
  if (p + q < MAYBE) {
    const text = { sign: "∅", sentence: "Not a digit?", detail: "I see no single digit in this." };
    return { kind: "none", guess: "none", first, second, ...text };
  }
  const detail = `I’m not sure: ${percent(p)} ${first}, ${percent(q)} ${second}`;
  return { kind: "either", guess: String(first), first, second, sign: "?", sentence: `A${article(first).slice(1)} or ${article(second)}?`, detail };
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

// Sentences about readings.

const MAYBE = 0.5; // if the two likeliest digits have less probability than this together, it is not a digit

const article = (digit) => (digit === 8 ? "an 8" : `a ${digit}`);

// Never 100%: no reading is certain, even if the float is 1.0.
export const percent = (share) => (share < 0.005 ? "<1%" : `${Math.min(Math.round(share * 100), 99)}%`);

const plain = (label) => (label === "none" ? "not a digit" : label);
const named = (label) => (label === "none" ? "not a digit" : article(Number(label)));

// {kind: "sure" | "either" | "none", guess: the label that Enter stands for, others, sign, sentence, detail}
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
  return { kind: "either", guess: String(first), first, second, sign: "?", sentence: `${named(String(first))[0].toUpperCase()}${named(String(first)).slice(1)} or ${article(second)}?`, detail };
}

// `meant` and `guess` are labels; `guess` is null if nothing was read before the label.
export function reaction(meant, guess) {
  if (guess === null) return { kind: "stored", sign: "✓", sentence: `Noted: ${plain(meant)}`, detail: "Draw the next one." };
  if (guess === meant) {
    const sentence = meant === "none" ? "Right, not a digit" : `Right, ${article(Number(meant))}!`;
    return { kind: "right", sign: "✓", sentence, detail: "Draw the next one." };
  }
  const sentence = meant === "none" ? "Ah, not a digit" : `Ah, ${article(Number(meant))}`;
  return { kind: "wrong", sign: plain(meant).length > 1 ? "∅" : meant, sentence, detail: `I read ${named(guess)}. Thanks, that helps me learn.` };
}

export { article, named, plain };

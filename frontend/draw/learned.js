// A sentence on what the serving model has learned from people's sketches, if it has.

import { serving } from "./server.js";

export async function tellWhatIsLearned(place) {
  let learned;
  try {
    ({ learned } = await serving());
  } catch {
    return; // not needed for drawing, which reports its own errors
  }
  if (!learned) return;
  place.textContent = sentence(learned);
  place.hidden = false;
}

function sentence({ sketches, points }) {
  const from = `This model has learned from ${sketches.toLocaleString("en")} sketch${sketches === 1 ? "" : "es"} that people drew here`;
  const gain = points?.toFixed(1);
  const more = `${gain} ${gain === "1.0" ? "point" : "points"}`;
  return gain > 0 ? `${from}; it reads others ${more} more accurately than the model before.` : `${from}.`;
}

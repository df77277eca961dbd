// What this tab keeps when it is reloaded. Other tabs do not see it: computers are shared.

export function recall(name, fallback = null) {
  try {
    return JSON.parse(sessionStorage.getItem(`draw.${name}`)) ?? fallback;
  } catch {
    return fallback;
  }
}

export function keep(name, value) {
  try {
    if (value === null) sessionStorage.removeItem(`draw.${name}`);
    else sessionStorage.setItem(`draw.${name}`, JSON.stringify(value));
  } catch {
    // full or forbidden: the value lasts as long as the page
  }
}

// crypto.randomUUID is missing where the page is not served over HTTPS, as on a phone in the same network
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [8, 4, 4, 4, 12].map((length, i, all) => hex.substr(sum(all.slice(0, i)), length)).join("-");
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

export function visit() {
  const id = recall("visit") ?? uuid();
  keep("visit", id);
  return id;
}

// What this tab keeps when it is reloaded. Other tabs do not see it: computers are shared.

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

// What is not like `fallback`, as from another release, counts as absent; in a list, so do null and the like.
export function recall(name, fallback = null) {
  try {
    const value = JSON.parse(sessionStorage.getItem(`draw.${name}`)) ?? fallback;
    if (fallback === null) return value;
    if (typeof value !== typeof fallback || Array.isArray(value) !== Array.isArray(fallback)) return fallback;
    return Array.isArray(value) ? value.filter(Boolean) : value;
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

// Removes the values whose names begin with `prefix`, except those that end in one of `endings`, a Set.
export function forget(prefix, endings) {
  const start = `draw.${prefix}`;
  try {
    for (const name of Object.keys(sessionStorage)) {
      if (name.startsWith(start) && !endings.has(name.slice(start.length))) sessionStorage.removeItem(name);
    }
  } catch {
    // forbidden: there are none
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
  const kept = recall("visit", "");
  const id = UUID.test(kept) ? kept : uuid();
  keep("visit", id);
  return id;
}

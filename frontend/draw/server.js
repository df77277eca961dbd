// Calls to the page's own server, which passes them on to the backend.

import { visit } from "./session.js";

export class Refused extends Error {} // do not retry; the message says why

export class Away extends Error {
  // retry later; `seconds`: when, if the server said so; `stumbled`: the server failed on this request; `tooMany`: it was
  // asked too often
  constructor(message, seconds = null, stumbled = false, tooMany = false) {
    super(message);
    Object.assign(this, { seconds, stumbled, tooMany });
  }
}

const PATIENCE_MS = 10_000; // for a reading
const LONG_PATIENCE_MS = 60_000; // to send a picture
const LONGEST_WAIT_S = 60; // a server may be wrong about when it is back
const AWAY = "The recogniser does not answer right now.";
const BUSY = 429;

export function read(picture) {
  return call("POST", "read", { body: picture.bytes, headers: { "Content-Type": picture.type } });
}

export function explain(picture, digit) {
  const options = { body: picture.bytes, headers: { "Content-Type": picture.type } };
  return call("POST", `explain?digit=${digit}`, options);
}

export function store({ key, label, visit: drawnIn, bytes, type }) {
  const form = new FormData();
  form.append("file", new Blob([bytes], { type }), "picture");
  form.append("true_label", label);
  form.append("visit", drawnIn);
  return call("POST", "submissions", { body: form, headers: { "Idempotency-Key": key } }, LONG_PATIENCE_MS);
}

export function takeBack({ key }) {
  return call("DELETE", "submissions", { headers: { "Idempotency-Key": key } });
}

export function serving() {
  return call("GET", "serving", {});
}

async function call(method, path, options, patience = PATIENCE_MS) {
  let answer, body;
  try {
    const headers = { ...options.headers, "X-Visit": visit() }; // so that limits are per visit, not per school
    answer = await fetch(`/page/${path}`, { method, ...options, headers, signal: AbortSignal.timeout(patience) });
    body = answer.status === 204 ? null : await answer.json();
  } catch {
    throw new Away(AWAY);
  }
  if (answer.ok) return body;
  if (answer.status >= 500 || answer.status === BUSY || answer.status === 408) {
    const seconds = Math.min(parseFloat(answer.headers.get("Retry-After")), LONGEST_WAIT_S);
    const known = ["DatabaseUnavailable", "TooManyRequests", "StorageFull"].includes(body.error);
    const words = known ? body.detail.replace("Try again", "I’ll try again") : AWAY;
    throw new Away(words, Number.isFinite(seconds) ? seconds : null, answer.status === 500, answer.status === BUSY);
  }
  throw new Refused(body.detail ?? "This was not accepted.");
}

// Calls to the page's own server, which passes them on to the backend.

export class Refused extends Error {} // for good: the message says why

export class Away extends Error {
  // for the moment; `seconds`: when to try again, if the server said so; `stumbled`: it is there, but failed over this one
  constructor(message, seconds = null, stumbled = false) {
    super(message);
    Object.assign(this, { seconds, stumbled });
  }
}

const PATIENCE_MS = 10_000; // for a reading
const LONG_PATIENCE_MS = 60_000; // for a picture to be sent
const AWAY = "The recogniser does not answer right now.";
const BUSY = 429;

export function read(picture) {
  return call("POST", "read", { body: picture.bytes, headers: { "Content-Type": picture.type } });
}

export function explain(picture, digit) {
  const options = { body: picture.bytes, headers: { "Content-Type": picture.type } };
  return call("POST", `explain?digit=${digit}`, options);
}

export function store({ key, label, visit, bytes, type }) {
  const form = new FormData();
  form.append("file", new Blob([bytes], { type }), "picture");
  form.append("true_label", label);
  form.append("visit", visit);
  return call("POST", "submissions", { body: form, headers: { "Idempotency-Key": key } }, LONG_PATIENCE_MS);
}

export function takeBack({ key }) {
  return call("DELETE", "submissions", { headers: { "Idempotency-Key": key } });
}

async function call(method, path, options, patience = PATIENCE_MS) {
  let answer, body;
  try {
    answer = await fetch(`/page/${path}`, { method, ...options, signal: AbortSignal.timeout(patience) });
    body = answer.status === 204 ? null : await answer.json();
  } catch {
    throw new Away(AWAY);
  }
  if (answer.ok) return body;
  if (answer.status >= 500 || answer.status === BUSY || answer.status === 408) {
    const seconds = parseFloat(answer.headers.get("Retry-After"));
    const known = ["DatabaseUnavailable", "TooManyRequests"].includes(body.error);
    throw new Away(known ? body.detail : AWAY, Number.isFinite(seconds) ? seconds : null, answer.status === 500);
  }
  throw new Refused(body.detail ?? "This was not accepted.");
}

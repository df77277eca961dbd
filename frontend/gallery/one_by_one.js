// Shows one sketch at a time. A key or a click decides, and the next sketch is shown at once. Decisions stay in `log` until the
// server has applied them; they are numbered, so that one that is sent twice is applied once.

const WORDS = { approve: "approved", reject: "rejected", none: "labelled “not a digit” and approved", skip: "skipped" };
const KEYS = { a: "approve", x: "reject", n: "none", ArrowRight: "skip", ArrowLeft: "back", Backspace: "back" };
const RETRY_MS = 3000;
const kept = new WeakMap(); // state by element

export default function ({ data, parentElement, setStateValue }) {
  let queue = kept.get(parentElement);
  if (!queue) kept.set(parentElement, (queue = create(parentElement)));
  queue.tell = () => {
    const { epoch, place, log, tries } = queue;
    setStateValue("decisions", { epoch, place, log, tries });
  };
  if (queue.epoch !== data.epoch) {
    Object.assign(queue, { epoch: data.epoch, place: data.place, log: [], number: data.done, acts: [], sketches: [], tries: 0 });
  }
  data.sketches.forEach((sketch, i) => (queue.sketches[data.first + i] = sketch));
  queue.data = data;
  queue.log = queue.log.filter((entry) => entry.n > data.done);
  clearInterval(queue.timer);
  // repeatedly, since Streamlit sends no update if nothing has changed
  if (data.trouble) queue.timer = setInterval(() => (queue.tries++, queue.tell()), RETRY_MS);
  show(queue);
  return () => {
    clearInterval(queue.timer);
    document.removeEventListener("keydown", queue.onKey, true);
    window.removeEventListener("beforeunload", queue.onLeave);
    kept.delete(parentElement);
  };
}

function create(parent) {
  const queue = { root: parent.querySelector(".one"), acts: [], log: [] };
  queue.root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button) decide(queue, button.dataset.act);
  });
  queue.onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, [role=listbox]")) return;
    if (event.key.startsWith("Arrow") && event.target.closest("[role=radiogroup]")) return; // which they belong to
    const act = /^\d$/.test(event.key) ? event.key : KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.repeat) return;
    event.preventDefault();
    event.stopPropagation();
    decide(queue, act);
  };
  queue.onLeave = (event) => queue.log.length && event.preventDefault(); // the browser asks
  document.addEventListener("keydown", queue.onKey, true);
  window.addEventListener("beforeunload", queue.onLeave);
  queue.root.focus(); // not where the arrow keys choose what to do
  return queue;
}

function decide(queue, act) {
  const at = act === "back" ? queue.place - 1 : queue.place;
  const sketch = queue.sketches[at];
  if (!sketch || !(sketch.picture || ["skip", "back"].includes(act))) return;
  // a skipped sketch was not changed, so there is nothing to undo
  if (act !== "skip" && !(act === "back" && queue.acts[at] === "skip")) {
    queue.log.push({ n: ++queue.number, id: sketch.id, act });
  }
  queue.acts[at] = act === "back" ? null : act;
  queue.place = act === "back" ? at : at + 1;
  show(queue);
  queue.tell();
}

function show(queue) {
  const { root, data, place, log, acts, sketches } = queue;
  const [sketch, last] = [sketches[place], acts[place - 1]];
  const find = (name) => root.querySelector(name);
  const picture = find("img");
  root.classList.toggle("empty", !sketch?.picture);
  if (sketch?.picture) {
    if (picture.src !== sketch.picture) picture.src = sketch.picture;
    picture.alt = sketch.name;
  }
  find(".facts").replaceChildren(...(sketch?.picture ? facts(sketch) : [note(data, place)]));
  const left = Math.max(data.total - place, sketch ? 1 : 0);
  find(".count").textContent = left === 1 ? "1 sketch to go" : `${left.toLocaleString("en")} sketches to go`;
  const what = last && (WORDS[last] ?? `labelled ${last} and approved`);
  const waits = data.trouble && log.length ? ` ${log.length} not stored yet.` : "";
  const [lastGone, gone] = [data.gone.includes(sketches[place - 1]?.id), data.gone.length];
  const before = what && !lastGone ? `The one before was ${what}. ` : "";
  const meanwhile = gone ? `${gone} ${gone === 1 ? "was" : "were"} deleted meanwhile.` : "";
  find(".done").textContent = data.trouble ? data.trouble + waits : before + meanwhile;
  for (const button of root.querySelectorAll("[data-act]")) {
    const needed = { back: sketches[place - 1], skip: sketch }; // to judge one, its picture
    button.disabled = !(button.dataset.act in needed ? needed[button.dataset.act] : sketch?.picture);
  }
}

function note(data, place) {
  const text = document.createElement("b");
  text.textContent = data.ended && place >= data.known ? "That was the last one. Thank you!" : "One moment …";
  return text;
}

function facts(sketch) {
  const line = (className, text) => Object.assign(document.createElement("div"), { className, textContent: text });
  const right = sketch.meant === sketch.read;
  const meant = /^\d$/.test(sketch.meant) ? `Meant as ${sketch.meant}` : "Not a digit, they said";
  const read = sketch.read
    ? `read as ${sketch.read}, ${sketch.share} sure${sketch.unsure ? ", but unsure" : ""}`
    : "two models differ on it; what each reads is not told";
  return [line("meant", meant), line(right || !sketch.read ? "read" : "read wrong", read), line("when", `${sketch.when}, ${sketch.status}`)];
}

// The same as store.js, in memory, for browsers without IndexedDB, such as some private windows. It lasts as long as the page,
// and other tabs do not see it.

export class MemoryStore {
  lasts = false;
  #records = [];
  #places = 0;

  async all() {
    return this.#records.map((record) => ({ ...record }));
  }

  async add(record) {
    if (!this.#find(record.key)) this.#put({ ...record, state: "waiting", attempts: 0 });
  }

  async next() {
    const record = this.#records.find(({ state }) => state === "waiting" || state === "undo");
    if (record) record.attempts += 1;
    return record && { ...record };
  }

  async finish({ place }, outcome) {
    const record = this.#records.find((each) => each.place === place);
    if (!record) return;
    const undo = record.state === "undo";
    if (outcome.refused) Object.assign(record, { state: "refused", undo, reason: outcome.refused });
    else if (undo) this.remove(place);
    else Object.assign(record, { state: "done", outcome: outcome.stored, bytes: null });
  }

  async undo(key, tab) {
    const record = this.#find(key);
    if (record) this.remove(record.place);
    if (record?.state === "refused" || (record?.state === "waiting" && !record.attempts)) return true;
    this.#put({ key, tab, state: "undo", attempts: 0 });
    return false;
  }

  async outcomes() {
    const done = this.#records.filter(({ state }) => state === "done");
    this.#records = this.#records.filter(({ state }) => state !== "done");
    return done;
  }

  async remove(place) {
    this.#records = this.#records.filter((each) => each.place !== place);
  }

  async lease() {
    return true;
  }

  async release() {}

  #find(key) {
    return this.#records.find((each) => each.key === key);
  }

  #put(record) {
    this.#records.push({ ...record, place: ++this.#places, at: Date.now() });
  }
}

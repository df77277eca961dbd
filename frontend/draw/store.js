// Where labelled sketches wait: IndexedDB, which all tabs share and which survives a reload. Each method is one
// transaction, so that tabs do not get into each other's way.
//
// A record: {place, key, state, tab, ...}; state is "waiting", "undo" (to be taken back), "done" (with its outcome, until
// its tab has seen it) or "refused" (with the reason, until somebody has seen it).

const [NAME, RECORDS, LEASE] = ["digit-recogniser", "labelled", "sender"];
const KEPT_MS = 24 * 3600 * 1000; // an outcome whose tab never came for it

export async function open(name = NAME) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(RECORDS, { keyPath: "place", autoIncrement: true }).createIndex("key", "key");
    request.result.createObjectStore(LEASE);
  };
  const database = await result(request);
  database.onversionchange = () => database.close();
  return new Store(database);
}

const result = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

class Store {
  constructor(database) {
    this.database = database;
  }

  async #change(stores, change) {
    const transaction = this.database.transaction(stores, "readwrite");
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const value = await change(...[stores].flat().map((each) => transaction.objectStore(each)));
    await done;
    return value;
  }

  all() {
    return result(this.database.transaction(RECORDS).objectStore(RECORDS).getAll());
  }

  // Twice the same key is once.
  add(record) {
    return this.#change(RECORDS, async (records) => {
      if (await result(records.index("key").get(record.key))) return;
      await result(records.add({ ...record, state: "waiting", attempts: 0, at: Date.now() }));
    });
  }

  // The next one to be sent, which counts as attempted from now on.
  next() {
    return this.#change(RECORDS, async (records) => {
      const record = (await result(records.getAll())).find(({ state }) => state === "waiting" || state === "undo");
      if (!record) return undefined;
      record.attempts += 1;
      await result(records.put(record));
      return record;
    });
  }

  // What became of a record, unless it was taken back meanwhile; the picture goes, except where it was refused.
  finish({ place, key, tab }, outcome) {
    return this.#change(RECORDS, async (records) => {
      const record = await result(records.get(place));
      if (record?.state === "undo" && !outcome.refused) return result(records.delete(place));
      if (!record) return;
      if (outcome.refused) await result(records.put({ ...record, state: "refused", undo: record.state === "undo", reason: outcome.refused }));
      else await result(records.put({ place, key, tab, state: "done", outcome: outcome.stored, at: Date.now() }));
    });
  }

  // Whether it was never sent; else it is noted that it must be taken back.
  undo(key, tab) {
    return this.#change(RECORDS, async (records) => {
      const record = await result(records.index("key").get(key));
      if (record) await result(records.delete(record.place));
      if (record?.state === "refused" || (record?.state === "waiting" && !record.attempts)) return true;
      await result(records.add({ key, tab, state: "undo", attempts: 0, at: Date.now() }));
      return false;
    });
  }

  // What this tab has not seen yet of what became of its own; it is forgotten here.
  outcomes(tab) {
    return this.#change(RECORDS, async (records) => {
      const done = (await result(records.getAll())).filter(({ state }) => state === "done");
      const own = done.filter((record) => record.tab === tab);
      const old = done.filter((record) => record.at < Date.now() - KEPT_MS);
      for (const { place } of [...own, ...old]) await result(records.delete(place));
      return own;
    });
  }

  remove(place) {
    return this.#change(RECORDS, (records) => result(records.delete(place)));
  }

  // One page sends for all: whether this one may, for the next `milliseconds`.
  lease(holder, milliseconds) {
    return this.#change(LEASE, async (leases) => {
      const held = await result(leases.get(LEASE));
      if (held && held.holder !== holder && held.until > Date.now()) return false;
      await result(leases.put({ holder, until: Date.now() + milliseconds }, LEASE));
      return true;
    });
  }

  release(holder) {
    return this.#change(LEASE, async (leases) => {
      if ((await result(leases.get(LEASE)))?.holder === holder) await result(leases.delete(LEASE));
    });
  }
}

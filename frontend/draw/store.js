// Labelled sketches that wait to be sent, in IndexedDB, which all tabs share and which survives a reload. Each method is one
// transaction, so that tabs do not interfere with each other.
//
// A record: {place, key, state, tab, ...}; state is "waiting", "undo" (to be taken back), "done" (with its outcome, until
// its tab has seen it) or "refused" (with the reason, until it is dismissed).

import { MemoryStore } from "./memory.js";

const [NAME, RECORDS, LEASE] = ["digit-recogniser", "labelled", "sender"];
const KEPT_MS = 24 * 3600 * 1000; // how long an outcome is kept that its tab has not read

export async function open(name = NAME) {
  const store = new SafeStore(name);
  await store.open();
  return store;
}

// IndexedDB, or memory where there is none or it stops working: the disk is full, or the browser has deleted its data. `lasts`:
// whether it survives a reload.
class SafeStore {
  #own = new Map(); // records that this page has added and not finished, by key

  constructor(name) {
    this.name = name;
    for (const method of ["all", "next", "outcomes", "lease", "release"]) this[method] = (...given) => this.#call(method, ...given);
  }

  get lasts() {
    return this.store instanceof Store;
  }

  async open() {
    try {
      this.store = await openDatabase(this.name);
    } catch {
      this.store = new MemoryStore();
    }
  }

  add(record) {
    this.#own.set(record.key, record);
    return this.#call("add", record);
  }

  async finish(record, outcome) {
    await this.#call("finish", record, outcome);
    this.#own.delete(record.key);
  }

  undo(key, tab) {
    this.#own.delete(key);
    return this.#call("undo", key, tab);
  }

  remove(place) {
    return this.#call("remove", place);
  }

  // Tries again in a database that is opened again, then in memory.
  async #call(method, ...given) {
    for (const recover of [() => this.#reopen(), () => this.#giveUp()]) {
      const { store } = this;
      try {
        return await store[method](...given);
      } catch {
        if (store === this.store) await (this.recovering ??= recover().finally(() => (this.recovering = null)));
      }
    }
    return this.store[method](...given);
  }

  async #reopen() {
    await this.open();
    try {
      for (const record of this.#own.values()) await this.store.add(record);
    } catch {
      await this.#giveUp();
    }
  }

  async #giveUp() {
    const left = await this.store.all().catch(() => []);
    const memory = new MemoryStore();
    for (const record of [...left, ...this.#own.values()]) {
      if (record.state === "undo") await memory.undo(record.key, record.tab);
      else if (record.state === "waiting" || !record.state) await memory.add(record);
    }
    this.store = memory;
  }
}

async function openDatabase(name) {
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
  lasts = true;

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

  async all() {
    return result(this.database.transaction(RECORDS).objectStore(RECORDS).getAll());
  }

  // Adding the same key twice adds it once.
  add(record) {
    return this.#change(RECORDS, async (records) => {
      if (await result(records.index("key").get(record.key))) return;
      await result(records.add({ ...record, state: "waiting", attempts: 0, at: Date.now() }));
    });
  }

  // The next record to send; its attempt is counted.
  next() {
    return this.#change(RECORDS, async (records) => {
      const record = (await result(records.getAll())).find(({ state }) => state === "waiting" || state === "undo");
      if (!record) return undefined;
      record.attempts += 1;
      await result(records.put(record));
      return record;
    });
  }

  // Saves a record's outcome, unless it was taken back meanwhile. The picture is kept only if it was refused.
  finish({ place, key, tab }, outcome) {
    return this.#change(RECORDS, async (records) => {
      const record = await result(records.get(place));
      if (record?.state === "undo" && !outcome.refused) return result(records.delete(place));
      if (!record) return;
      if (outcome.refused) await result(records.put({ ...record, state: "refused", undo: record.state === "undo", reason: outcome.refused }));
      else await result(records.put({ place, key, tab, state: "done", outcome: outcome.stored, at: Date.now() }));
    });
  }

  // Resolves to whether it was never sent; otherwise marks it to be taken back.
  undo(key, tab) {
    return this.#change(RECORDS, async (records) => {
      const record = await result(records.index("key").get(key));
      if (record) await result(records.delete(record.place));
      if (record?.state === "refused" || (record?.state === "waiting" && !record.attempts)) return true;
      await result(records.add({ key, tab, state: "undo", attempts: 0, at: Date.now() }));
      return false;
    });
  }

  // The outcomes of this tab's sketches that it has not seen yet; they are removed here.
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

  // One page sends for all. Resolves to whether this one may, for the next `milliseconds`.
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

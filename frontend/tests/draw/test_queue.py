"""The queue of labelled sketches by itself, in Chromium, with a server that the tests control."""

import pytest
from playwright.sync_api import Page

# `answers`: what the server does, call by call, then "ok"; the log says what it was asked
HARNESS = """
async () => {
  const [{ Queue }, { open }, { Away, Refused }] = await Promise.all(
    ["queue", "store", "server"].map((name) => import(`/page/script/${name}.js`)));
  const name = `test-${Math.random()}`;
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const log = [], outcomes = {}, states = [], answers = [];
  const running = { now: 0, most: 0 };
  const ask = (what) => async ({ key }) => {
    log.push(`${what} ${key}`);
    running.most = Math.max(running.most, ++running.now);
    await sleep(20);
    running.now -= 1;
    const answer = answers.shift() ?? "ok";
    if (answer === "away") throw new Away("Away.");
    if (answer === "later") throw new Away("Later.", 0.6);
    if (answer === "stumbled") throw new Away("Oh.", null, true);
    if (answer === "refused") throw new Refused("No.");
    return what === "send" ? { prediction: 7, unsure: false } : null;
  };
  const kept = async () => (await open(name)).all();
  const make = async (tab) => {
    sessionStorage.clear(); // another tab
    const queue = new Queue({
      store: await open(name), tab, send: ask("send"), takeBack: ask("undo"), pause: 20, channel: name,
      onOutcome: (key, outcome) => (outcomes[key] = [tab, outcome]), onChange: (state) => states.push(state),
    });
    await queue.start();
    return queue;
  };
  const add = (queue, key) => queue.add({ key, label: "7", bytes: new Uint8Array([1, 2, 3]), type: "image/png" });
  const until = async (true_) => {
    for (let i = 0; i < 500 && !true_(); i++) await sleep(20);
  };
  const last = () => states.at(-1);
  const done = () => until(() => log.length && !last().waiting.length && !running.now);
  const tools = { name, open, make, add, until, done, sleep, log, outcomes, states, answers, running, last, kept };
  return await (SCENARIO)(tools);
}
"""


@pytest.fixture
def run(visit):
    page: Page = visit()
    return lambda scenario: page.evaluate(HARNESS.replace("SCENARIO", scenario))


def test_all_are_sent_in_order_one_at_a_time(run):
    found = run("""async ({ make, add, done, log, running, outcomes }) => {
      const queue = await make("a");
      for (const key of ["1", "2", "3", "4"]) add(queue, key);
      await done();
      return [log, running.most, Object.keys(outcomes)];
    }""")
    assert found == [["send 1", "send 2", "send 3", "send 4"], 1, ["1", "2", "3", "4"]]


def test_server_that_is_away_is_asked_again_and_the_order_stays(run):
    found = run("""async ({ make, add, done, log, answers, states }) => {
      answers.push("away", "away", "stumbled");
      const queue = await make("a");
      for (const key of ["1", "2"]) await add(queue, key);
      await done();
      return [log, states.some(({ trouble, waiting }) => trouble === "Away." && waiting.length === 2)];
    }""")
    assert found == [["send 1"] * 4 + ["send 2"], True]


@pytest.mark.slow
def test_pauses_grow(run):
    found = run("""async ({ make, add, done, log, answers }) => {
      answers.push(...Array(5).fill("away"));
      const times = [], queue = await make("a");
      queue.pause = 100;
      const { send } = queue;
      queue.send = (record) => (times.push(performance.now()), send(record));
      await add(queue, "1");
      await done();
      return times.slice(1).map((time, i) => time - times[i]);
    }""")
    assert len(found) == 5
    assert found[4] > 3 * found[0]


@pytest.mark.slow
def test_server_that_says_when_is_not_asked_before(run):
    found = run("""async ({ make, add, done, log, answers }) => {
      answers.push("later");
      const queue = await make("a"), start = performance.now();
      await add(queue, "1");
      await new Promise((resolve) => setTimeout(resolve, 100));
      queue.wake();
      await done();
      return [log, performance.now() - start];
    }""")
    assert found[0] == ["send 1", "send 1"]
    assert found[1] >= 600


def test_refused_one_is_set_aside_with_its_reason_and_the_next_one_goes(run):
    found = run("""async ({ make, add, done, log, answers, last }) => {
      answers.push("refused");
      const queue = await make("a");
      for (const key of ["1", "2"]) await add(queue, key);
      await done();
      const [{ place, key, reason, bytes }] = last().refused;
      await queue.dismiss(place);
      return [log, key, reason, [...bytes], last().refused];
    }""")
    assert found == [["send 1", "send 2"], "1", "No.", [1, 2, 3], []]


@pytest.mark.slow
def test_one_that_the_server_stumbles_over_holds_up_nobody_for_ever(run):
    found = run("""async ({ make, add, done, log, answers, last }) => {
      answers.push(...Array(8).fill("stumbled"));
      const queue = await make("a");
      queue.firstPause = queue.pause = 1;
      for (const key of ["1", "2"]) await add(queue, key);
      await done();
      return [log.filter((each) => each === "send 1").length, log.at(-1), last().refused.length];
    }""")
    assert found == [8, "send 2", 1]


def test_undone_before_it_was_sent_is_never_sent(run):
    found = run("""async ({ make, add, done, log, answers, sleep }) => {
      answers.push("later");
      const queue = await make("a");
      for (const key of ["1", "2"]) await add(queue, key);
      const unsent = await queue.undo("2");
      await done();
      await sleep(100);
      return [log, unsent];
    }""")
    assert found == [["send 1", "send 1"], True]


@pytest.mark.parametrize("wait", [0, 200], ids=["while it is on its way", "afterwards"])
def test_undone_when_it_was_sent_is_taken_back(run, wait):
    found = run(f"""async ({{ make, add, until, log, sleep, kept }}) => {{
      const queue = await make("a");
      await add(queue, "1");
      await until(() => log.length);
      await sleep({wait});
      const unsent = await queue.undo("1");
      await until(() => log.length === 2);
      await sleep(100);
      return [log, unsent, await kept()];
    }}""")
    assert found == [["send 1", "undo 1"], False, []]


def test_undone_after_an_answer_was_lost_is_taken_back_and_not_sent_again(run):
    found = run("""async ({ make, add, until, log, answers, sleep }) => {
      answers.push("later");
      const queue = await make("a");
      await add(queue, "1");
      await until(() => queue.trouble);
      await queue.undo("1");
      await until(() => log.length === 2);
      await sleep(100);
      return log;
    }""")
    assert found == ["send 1", "undo 1"]


def test_what_waits_survives_the_page(run):
    found = run("""async ({ make, add, done, log, answers, until, outcomes }) => {
      answers.push("later");
      const first = await make("a");
      for (const key of ["1", "2"]) await add(first, key);
      await until(() => first.trouble);
      first.stop();
      const second = await make("a");
      await done();
      return [log, Object.keys(outcomes)];
    }""")
    assert found == [["send 1", "send 1", "send 2"], ["1", "2"]]


def test_two_tabs_send_each_once_and_each_hears_of_its_own(run):
    found = run("""async ({ make, add, until, log, outcomes, running }) => {
      const [a, b] = [await make("a"), await make("b")];
      for (let i = 0; i < 6; i++) add(i % 2 ? a : b, String(i));
      await until(() => Object.keys(outcomes).length === 6);
      return [[...log].sort(), running.most, Object.entries(outcomes).map(([key, [tab]]) => key + tab).sort()];
    }""")
    assert found == [[f"send {i}" for i in range(6)], 1, [f"{i}{'ab'[i % 2 == 0]}" for i in range(6)]]


def test_same_key_twice_is_once(run):
    found = run("""async ({ make, add, done, log, answers, sleep }) => {
      answers.push("later");
      const queue = await make("a");
      for (const key of ["1", "2", "2"]) await add(queue, key);
      await done();
      return log;
    }""")
    assert found == ["send 1", "send 1", "send 2"]


# --- a browser that stops storing -------------------------------------------------------------------


def test_deleted_database_is_made_again_and_nothing_is_lost(run):
    found = run("""async ({ make, add, done, until, answers, log, kept, name, last }) => {
      const queue = await make("a");
      answers.push("away", "away", "away", "away");
      await add(queue, "1");
      await new Promise((resolve) => (indexedDB.deleteDatabase(name).onsuccess = resolve));
      await add(queue, "2");
      const before = (await kept()).map(({ key }) => key).sort();
      await done();
      return [before, [...new Set(log)].sort(), queue.store.lasts, last().refused.length];
    }""")
    assert found == [["1", "2"], ["send 1", "send 2"], True, 0]


def test_full_disk_leaves_what_waits_in_memory(run):
    found = run("""async ({ make, add, done, answers, log, kept }) => {
      const queue = await make("a");
      answers.push("away", "away");
      await add(queue, "1");
      IDBObjectStore.prototype.add = () => { throw new DOMException("full", "QuotaExceededError"); };
      await add(queue, "2");
      await add(queue, "3");
      await done();
      return [[...new Set(log)].sort(), queue.store.lasts];
    }""")
    assert found == [["send 1", "send 2", "send 3"], False]


def test_database_that_fails_from_the_start_does_not_matter(run):
    found = run("""async ({ make, add, done, log }) => {
      IDBDatabase.prototype.transaction = () => { throw new DOMException("no", "UnknownError"); };
      const queue = await make("a");
      await add(queue, "1");
      await done();
      return [log, queue.store.lasts];
    }""")
    assert found == [["send 1"], False]


def test_failures_before_an_outage_and_after_it_are_not_added_up(run):
    found = run("""async ({ make, add, done, answers, last, outcomes }) => {
      answers.push(...Array(10).fill("away"), "stumbled", "ok");
      const queue = await make("a");
      queue.pause = queue.firstPause = 1;
      add(queue, "1");
      await done();
      return [last().refused.length, Object.keys(outcomes)];
    }""")
    assert found == [0, ["1"]]

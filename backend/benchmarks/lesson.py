"""One run of crowd.py: visitors, a hostile client, a promotion, and a restart of the database."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
from gevent.pool import Group
from locust.env import Environment

from app.config import BACKEND
from benchmarks import sketches, stack, visitors
from benchmarks.outcome import Outcome, Tally
from benchmarks.stack import Memory, Stack
from tests.models import candidate, promote, store_model
from training.cli import Unusable

SKETCHES = 60  # of each kind
ARRIVALS_S = 10  # in which all visitors come
PATIENCE_S = 90  # at the end, for sketches that are not stored yet
AFTERMATH_S = 1.0  # of the restart, once the backend is ready again
ELSEWHERE = {"X-Forwarded-For": "10.1.0.1"}  # the hostile client has used up the guesses at the token from here
CALM_S = 5.0  # after all of it, before memory is looked at once more
LOOK_S = 1.0  # between two looks at memory


def run(number: int, seconds: float) -> Outcome:
    secret, tally, pending = secrets.token_hex(16), Tally(), Group()
    drawings = [sketches.make(SKETCHES, mode, seed) for seed, mode in enumerate(("RGBA", "L"))]
    with stack.running(secret) as running, hostile_client(running) as attacks:
        outcome = Outcome(number, seconds, tally, Memory(running))
        common = {"tally": tally, "pending": pending, "secret": secret, "sketches": drawings}
        environment = Environment(user_classes=visitors.kinds(running.api, running.page, **common))
        people = environment.create_local_runner()
        people.start(number, spawn_rate=number / min(ARRIVALS_S, seconds / 4))
        events = [
            gevent.spawn(_watch, outcome.memory),
            gevent.spawn_later(seconds / 3, _promote, running, secret, outcome),
            gevent.spawn_later(2 * seconds / 3, _restart, running, outcome),
        ]
        gevent.sleep(seconds)
        people.stop()  # reading; what they labelled is still sent
        tally.deadline = time.time() + PATIENCE_S
        pending.join(PATIENCE_S + 30)
        gevent.joinall(events[1:], raise_error=True)
        people.quit()
        gevent.killall(events)
        outcome.attacks = attacks()
        gevent.sleep(CALM_S)
        outcome.memory.look()
        _read_rows(running, outcome)
        outcome.logs = {"backend": running.backend.log, "page": running.page_log.read_text()}
    return outcome


@contextmanager
def hostile_client(running: Stack) -> Iterator:
    """Once its pictures are made. Yields what ends it, and returns what it did."""
    ports = [url.rpartition(":")[2] for url in (running.api, running.page)]
    command = [sys.executable, "-m", "benchmarks.hostile", *ports]
    process = subprocess.Popen(command, cwd=BACKEND, stdout=subprocess.PIPE, text=True)

    def end() -> list[dict]:
        process.terminate()
        said, _ = process.communicate(timeout=60)
        return json.loads(said.splitlines()[-1])

    try:
        if process.stdout.readline().strip() != "ready":
            raise Unusable("The hostile client did not start; the reason is above")
        yield end
    finally:
        process.kill()
        process.wait()


def _watch(memory: Memory) -> None:
    while True:
        memory.look()
        gevent.sleep(LOOK_S)


def _promote(running: Stack, secret: str, outcome: Outcome) -> None:
    with running.postgres.connect() as connection:
        outcome.version = store_model(connection, candidate(1))
    client = running.backend.client
    client.headers.update(ELSEWHERE | {"X-Proxy-Secret": secret})
    answer = promote(client, outcome.version)
    if answer.status_code != 201:
        raise Unusable(f"The other model was not promoted: {answer.text}")
    outcome.promoted = time.time()


def _restart(running: Stack, outcome: Outcome) -> None:
    start = time.time()
    running.postgres.stop()
    running.postgres.start()
    while not stack.answers(f"{running.api}/health/ready"):
        gevent.sleep(0.1)
    outcome.restart = (start, time.time() + AFTERMATH_S)


ROWS = "SELECT id, idempotency_key, coalesce(true_label::text, 'none') AS label, image FROM submissions"


def _read_rows(running: Stack, outcome: Outcome) -> None:
    with running.postgres.connect() as connection:
        for row in connection.execute(ROWS):
            if row["idempotency_key"] in outcome.tally.sent:
                outcome.rows[row["idempotency_key"]] = (str(row["id"]), row["label"], row["image"])
            else:
                outcome.others += 1

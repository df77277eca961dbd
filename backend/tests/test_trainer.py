"""trainer.py on a real Postgres: asked for over HTTP, done by processes that are stopped, killed and cut off."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

import trainer as script
from app.config import BACKEND
from tests.conftest import SHIPPED, TOKEN
from tests.test_retrain import SMALL, mnist_like, sketch, submit  # noqa: F401 (a fixture)

ADMIN = {"Authorization": f"Bearer {TOKEN}"}
PATIENCE_S = 120
LONG = ("--epochs", "50")
pytestmark = pytest.mark.long


class Trainer:
    """A process of trainer.py with a small MNIST."""

    def __init__(self, settings: dict[str, str], *options: str) -> None:
        # all of them said, since what is empty would come from somebody's .env
        own = {"OMP_NUM_THREADS": "1", "MODEL_PATH": SHIPPED, "PYTHONUNBUFFERED": "1", "RETRAIN_AFTER": "0"}
        environment = os.environ | own | settings
        self.process = subprocess.Popen(
            [sys.executable, "trainer.py", *SMALL, *options],
            cwd=BACKEND,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill(self) -> None:
        """The trainer alone, as kill -9 does: retrain.py must notice on its own."""
        self.process.kill()

    def stop(self) -> str:
        """As `docker stop` does; what it said."""
        self.process.terminate()
        return self.process.communicate(timeout=PATIENCE_S)[1]

    def children(self) -> list[int]:
        """Linux alone."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def start(postgres, mnist_like) -> Iterator[Callable[..., Trainer]]:  # noqa: F811
    started: list[Trainer] = []

    def call(*options: str, **settings: str) -> Trainer:
        started.append(Trainer(postgres.environment | {"MNIST_DIR": str(mnist_like)} | settings, *options))
        return started[-1]

    yield call
    for trainer in started:
        if trainer.process.poll() is None:
            trainer.process.send_signal(signal.SIGCONT)
            trainer.stop()


@pytest.fixture
def approved(database: psycopg.Connection) -> psycopg.Connection:
    for number in range(30):
        submit(database, number % 10, sketch(number % 10, number))
    return database


def latest(client) -> dict[str, Any]:
    return client.get("/retrainings", headers=ADMIN).raise_for_status().json()["items"][0]


def wait_until(client, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while not reached(now := latest(client)):
        assert time.monotonic() < deadline, now
        time.sleep(0.2)
    return now


def ask(client) -> dict[str, Any]:
    answer = client.post("/retrainings", headers=ADMIN)
    assert answer.status_code == 201, answer.text
    return answer.json()


def left_over(database: psycopg.Connection) -> int:
    return database.execute(
        "SELECT count(*) AS n FROM retrainings WHERE checkpoint IS NOT NULL OR sketches IS NOT NULL"
    ).fetchone()["n"]


def test_killed_trainers_job_is_taken_up_from_its_last_checkpoint_and_judged(client, approved, start):
    asked = ask(client)
    assert (asked["state"], asked["sketches"], asked["curve"]) == ("waiting", 30, [])
    first = start("--epochs", "4")
    before = wait_until(client, lambda now: len(now["curve"]) >= 2)
    assert before["state"] == "running"
    assert before["epochs"] == 4
    first.kill()
    submit(approved, 3, sketch(3, 99))  # the next continues with what the first began with
    killed_at = time.monotonic()
    start("--epochs", "4")
    went_on = wait_until(client, lambda now: now["taken_up_again"] == 1 and now["state"] == "running")
    assert time.monotonic() - killed_at < 60
    assert len(went_on["curve"]) >= 2
    done = wait_until(client, lambda now: now["state"] not in ("waiting", "running", "lost"))
    assert done["state"] == "done", done
    assert "going on after epoch" in done["log"]
    assert done["curve"][:2] == before["curve"][:2]  # not learned a second time
    assert [epoch["epoch"] for epoch in done["curve"]] == [1, 2, 3, 4]
    (candidate,) = [each for each in client.get("/models").json() if each["version"] == done["model"]]
    assert candidate["verdict"]["passed"] is False
    assert sum(candidate["card"]["sketches"].values()) == 30
    assert not left_over(approved)
    assert len(client.get("/models").json()) == 2  # the killed one's process has stored nothing


@pytest.mark.slow
def test_stopped_trainer_hands_its_job_back_at_once(client, approved, start):
    ask(client)
    first = start(*LONG)
    wait_until(client, lambda now: len(now["curve"]) >= 1)
    first.stop()
    assert first.process.returncode == 0
    assert latest(client)["state"] == "waiting"
    assert client.get("/retrainings", headers=ADMIN).json()["trainers"] == 0
    start(*LONG)
    wait_until(client, lambda now: now["state"] == "running" and "going on after epoch" in now["log"])


def test_cancelled_one_stops_within_seconds_and_leaves_nothing(client, approved, start):
    number = ask(client)["id"]
    start(*LONG)
    wait_until(client, lambda now: len(now["curve"]) >= 1)
    answer = client.post(f"/retrainings/{number}/cancel", headers=ADMIN)
    assert answer.json()["state"] == "cancelling"
    cancelled = wait_until(client, lambda now: now["state"] == "cancelled")
    assert cancelled["ended_at"]
    deadline = time.monotonic() + 2 * 15
    while left_over(approved):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert len(client.get("/models").json()) == 1
    ask(client)  # the way is free


@pytest.mark.slow
def test_trainer_that_was_considered_lost_keeps_away_from_what_another_does(client, approved, start):
    """As one on a laptop that slept."""
    ask(client)
    first = start(*LONG)
    wait_until(client, lambda now: len(now["curve"]) >= 1)
    (learning,) = first.children()
    for pid in (first.process.pid, learning):
        os.kill(pid, signal.SIGSTOP)
    wait_until(client, lambda now: now["state"] == "lost")
    start(*LONG)
    wait_until(client, lambda now: now["state"] == "running" and "going on after epoch" in now["log"])
    for pid in (first.process.pid, learning):
        os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + PATIENCE_S
    while client.get("/retrainings", headers=ADMIN).json()["trainers"] < 2 or first.children() == [learning]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert first.process.poll() is None  # it started over, and waits
    reached = len(latest(client)["curve"])
    went_on = wait_until(client, lambda now: len(now["curve"]) > reached)
    assert (went_on["state"], went_on["taken_up_again"]) == ("running", 1)
    assert [epoch["epoch"] for epoch in went_on["curve"]] == list(range(1, len(went_on["curve"]) + 1))


@pytest.mark.slow
def test_one_that_is_always_killed_before_an_epoch_is_finished_fails(client, approved, start):
    ask(client)
    trainer, killed = start("--synthetic-digits", "20000"), set()
    deadline = time.monotonic() + PATIENCE_S
    while latest(client)["state"] != "failed":
        for pid in set(trainer.children()) - killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        assert time.monotonic() < deadline, latest(client)
        time.sleep(0.2)
    assert len(killed) == 3
    assert latest(client)["error"] == "3 times in a row it was ended before it had finished an epoch."


@pytest.mark.slow
def test_what_retrain_py_cannot_do_is_told_in_its_own_words(client, approved, start):
    ask(client)
    start("--batch-size", "100000")
    failed = wait_until(client, lambda now: now["state"] == "failed")
    assert failed["error"].endswith("pictures an epoch do not fill a batch of 100000")
    assert failed["taken_up_again"] == 0
    assert not left_over(approved)


def test_what_the_trainer_itself_cannot_do_is_told_too(monkeypatch):
    written: dict[str, Any] = {}

    async def attempt(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/checkpoint.pt")

    async def write(job: int, worker: int, **columns: Any) -> None:
        written.update(columns)

    trainer = script.Trainer([])
    monkeypatch.setattr(trainer, "_try", attempt)
    monkeypatch.setattr(trainer, "_write", write)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(trainer.retrain(SimpleNamespace(job=SimpleNamespace(id=1, worker_id=2))))
    assert written["error"].startswith("The trainer itself failed: ")
    assert "No space left on device" in written["error"]


@pytest.mark.slow
def test_so_many_newly_approved_sketches_start_one_by_themselves_and_only_once(client, approved, start):
    start(*LONG, RETRAIN_AFTER="31")
    time.sleep(15)  # longer than between two looks
    assert client.get("/retrainings", headers=ADMIN).json() == {"trainers": 1, "items": []}
    submit(approved, 3, sketch(3, 99))
    begun = wait_until_any(client)
    assert (begun["automatic"], begun["sketches"]) == (True, 31)
    client.post(f"/retrainings/{begun['id']}/cancel", headers=ADMIN)
    wait_until(client, lambda now: now["state"] == "cancelled")
    time.sleep(15)
    assert len(client.get("/retrainings", headers=ADMIN).json()["items"]) == 1


def wait_until_any(client) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while not client.get("/retrainings", headers=ADMIN).json()["items"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return latest(client)


@pytest.mark.slow
def test_trainer_outlives_a_restart_of_the_database_and_goes_on(client, approved, postgres, start):
    ask(client)
    trainer = start(*LONG)
    reached = len(wait_until(client, lambda now: len(now["curve"]) >= 1)["curve"])
    postgres.stop()
    time.sleep(2)
    postgres.start()
    deadline = time.monotonic() + PATIENCE_S
    while client.get("/retrainings", headers=ADMIN).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    wait_until(client, lambda now: len(now["curve"]) > reached and now["state"] == "running")
    assert trainer.process.poll() is None

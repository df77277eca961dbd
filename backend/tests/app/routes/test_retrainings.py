"""Requesting and cancelling retrainings over HTTP. test_trainer.py tests the trainer."""

import asyncio

import psycopg
import pytest

from app import store
from tests.calls import submit
from tests.conftest import TOKEN
from tests.drawings import draw, encode

ADMIN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def approved(client, database: psycopg.Connection) -> psycopg.Connection:
    submit(client)
    database.execute("UPDATE submissions SET status = 'approved'")
    return database


def ask(client):
    return client.post("/retrainings", headers=ADMIN)


def latest(client) -> dict:
    return client.get("/retrainings", headers=ADMIN).json()["items"][0]


def take_up(database: psycopg.Connection, seconds_ago: float) -> None:
    """As a trainer whose last heartbeat was so long ago."""
    row = database.execute(
        "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s)) RETURNING id",
        [seconds_ago],
    ).fetchone()
    database.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", [row["id"]])
    database.execute("UPDATE retrainings SET checkpoint = 'weights'")


def begin(database: psycopg.Connection, job: int) -> None:
    """As a trainer does first."""

    async def call() -> None:
        connection = await psycopg.AsyncConnection.connect(database.info.dsn, password=database.info.password)
        async with connection:
            await store.retrainings.begin(connection, job)

    asyncio.run(call())


def left(database: psycopg.Connection) -> int:
    return database.execute("SELECT count(checkpoint) AS n FROM retrainings").fetchone()["n"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/retrainings"), ("POST", "/retrainings"), ("POST", "/retrainings/1/cancel")]
)
def test_visitors_are_refused(client, method: str, path: str):
    assert client.request(method, path).json()["error"] == "TokenMissing"


def test_it_waits_for_a_trainer_and_says_that_none_runs(client, approved):
    answer = ask(client)
    assert answer.status_code == 201
    asked = answer.json()
    assert (asked["state"], asked["sketches"], asked["automatic"], asked["started_at"]) == ("waiting", 1, False, None)
    assert client.get("/retrainings", headers=ADMIN).json() == {"trainers": 0, "items": [asked]}


def test_without_an_approved_sketch_there_is_nothing_to_learn(client, database):
    submit(client)
    answer = ask(client)
    assert (answer.status_code, answer.json()["error"]) == (409, "NothingToLearn")


@pytest.mark.parametrize("begun", [False, True])
def test_only_one_runs_at_a_time(client, approved, begun: bool):
    ask(client)
    if begun:
        take_up(approved, 0)
    answer = ask(client)
    assert (answer.status_code, answer.json()["error"]) == (409, "AlreadyRetraining")
    assert len(client.get("/retrainings", headers=ADMIN).json()["items"]) == 1


def test_waiting_retraining_is_cancelled_at_once_and_another_may_be_requested(client, approved):
    number = ask(client).json()["id"]
    cancelled = client.post(f"/retrainings/{number}/cancel", headers=ADMIN).json()
    assert cancelled["state"] == "cancelled"
    assert cancelled["ended_at"]
    assert ask(client).status_code == 201


def test_running_retraining_is_cancelled_by_its_trainer(client, approved):
    number = ask(client).json()["id"]
    take_up(approved, 1)
    assert latest(client)["state"] == "running"
    assert client.get("/retrainings", headers=ADMIN).json()["trainers"] == 1
    assert client.post(f"/retrainings/{number}/cancel", headers=ADMIN).json()["state"] == "cancelling"


def test_retraining_of_a_lost_trainer_is_cancelled_at_once(client, approved):
    number = ask(client).json()["id"]
    take_up(approved, 60)
    assert latest(client)["state"] == "lost"
    assert client.get("/retrainings", headers=ADMIN).json()["trainers"] == 0
    assert left(approved) == 1
    assert client.post(f"/retrainings/{number}/cancel", headers=ADMIN).json()["state"] == "cancelled"
    assert left(approved) == 0
    assert ask(client).status_code == 201


def test_ended_or_unknown_retraining_cannot_be_cancelled(client, approved):
    number = ask(client).json()["id"]
    client.post(f"/retrainings/{number}/cancel", headers=ADMIN)
    again = client.post(f"/retrainings/{number}/cancel", headers=ADMIN)
    assert (again.status_code, again.json()["error"]) == (409, "RetrainingEnded")
    unknown = client.post(f"/retrainings/{number + 1}/cancel", headers=ADMIN)
    assert (unknown.status_code, unknown.json()["error"]) == (404, "RetrainingNotFound")


def test_what_was_approved_while_it_waited_is_learned_from_and_counts_as_such(client, approved):
    number = ask(client).json()["id"]
    submit(client, encode(draw(3)), "3")
    approved.execute("UPDATE submissions SET status = 'approved'")
    begin(approved, number)
    assert latest(client)["sketches"] == 2
    take_up(approved, 60)
    client.post(f"/retrainings/{number}/cancel", headers=ADMIN)
    assert latest(client)["sketches"] == 2
    row = approved.execute("SELECT approved, sketches FROM retrainings").fetchone()
    assert row == {"approved": 2, "sketches": None}

"""A candidate that could not be told apart races with the champion: over HTTP, on a real Postgres.

The challenger is the network that ships with the answers 1 and 7 exchanged: of a seven that is labelled 1 it is right.
"""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from app import evidence, races, registry
from app.config import BACKEND
from app.held_out import HeldOut
from app.store.models import NewModel
from tests.calls import ADMIN, submit
from tests.conftest import SHIPPED, serving
from tests.drawings import draw, encode
from tests.models import UNDECIDED, candidate, promote, store_model

PATIENCE_S = 60  # the machine may be busy training
SOON = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(scope="module")
def application(postgres):
    """An application that looks for races more often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "POLL_S", 0.1)
        patch.setattr(races, "EVERY_S", 0.05)
        patch.setattr(races, "PAUSE_S", 0.01)
        with serving(postgres.environment) as client:
            yield client


@pytest.fixture(scope="module")
def challenger() -> NewModel:
    network = onnx.load(BACKEND / SHIPPED)
    order = np.array([0, 7, 2, 3, 4, 5, 6, 1, 8, 9])
    for weights in network.graph.initializer:
        if weights.name in network.graph.node[-1].input:
            weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights)[order], weights.name))
    data = network.SerializeToString()
    sha256 = hashlib.sha256(data)
    card = candidate(1).card.model_copy(update={"sha256": sha256.hexdigest(), "version": "swapped"})
    return NewModel("swapped", data, None, sha256.digest(), card, UNDECIDED)


@pytest.fixture
def start(client, database, model, challenger) -> Callable[..., int]:
    """Starts the race; returns its id. `changes`: of the challenger's card."""

    def begin(**changes: Any) -> int:
        store_model(database, challenger, card=challenger.card.as_json() | changes)
        query = "INSERT INTO races (challenger, champion) VALUES ('swapped', %s) RETURNING id"
        return database.execute(query, [model.version]).fetchone()["id"]

    yield begin
    # else a step that has begun would write while the next test empties the tables
    database.execute("UPDATE races SET outcome = 'void', ended_at = now() WHERE outcome IS NULL")


def sketch(client, label: str, number: int, digit: int = 7) -> str:
    picture = encode(draw(digit, 140, size=0.6 + number / 100))
    return submit(client, picture, label).json()["id"]


def review(client, ids: list[str], **change: str) -> None:
    assert client.patch("/submissions", json={"ids": ids, **change}, headers=ADMIN).status_code == 200


def race(client) -> dict:
    return {entry["version"]: entry["race"] for entry in client.get("/models").json()}["swapped"]


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def score(client) -> tuple[int, int, int]:
    return tuple(race(client)[name] for name in ("won", "lost", "to_review"))


def contested(client, **filters: str) -> set[str]:
    page = client.get("/submissions", params={"contested": True, **filters}, headers=ADMIN).json()
    return {item["id"] for item in page["items"]}


def test_race_goes_from_the_first_sketch_to_promotion(client, start, model):
    start()
    decisive = [sketch(client, "1", number) for number in range(7)]
    sketch(client, "3", 0, digit=3)  # both read the same
    wait_for(lambda: score(client) == (0, 0, 7))
    wait_for(lambda: race(client)["read"] == 8)
    assert contested(client, status="pending") == set(decisive)
    listed = client.get("/submissions", headers=ADMIN).json()["items"]
    assert {item["id"] for item in listed if item["contested"]} == set(decisive)
    assert client.get("/submissions/count", params={"contested": False}).json() == {"submissions": 1}
    assert promote(client, "swapped").status_code == 409

    review(client, decisive[:6], status="approved")
    wait_for(lambda: score(client) == (6, 0, 1))
    assert 18 < race(client)["evidence"] < evidence.ENOUGH
    assert race(client)["outcome"] is None
    review(client, decisive[6:], status="approved")
    wait_for(lambda: race(client)["outcome"] == "won")
    assert contested(client) == set()

    verdict = {entry["version"]: entry["verdict"] for entry in client.get("/models").json()}["swapped"]
    assert (verdict["passed"], verdict["champion"], verdict["outcome"]) == (True, model.version, "passed")
    assert "In the race it read 7 sketches right that the champion misread" in verdict["reasons"][0]
    assert promote(client, "swapped").json()["overruled"] is False


def test_worse_challenger_soon_loses(client, start):
    start()
    review(client, [sketch(client, "7", number) for number in range(7)], status="approved")
    wait_for(lambda: race(client)["outcome"] == "lost")
    assert race(client)["evidence_against"] > evidence.ENOUGH
    assert promote(client, "swapped").status_code == 409


def test_undecided_race_is_given_up_in_the_end(client, start, monkeypatch):
    monkeypatch.setattr(evidence, "TOO_MANY", 4)
    start()
    for label in ("1", "7"):
        review(client, [sketch(client, label, number) for number in range(2)], status="approved")
    wait_for(lambda: race(client)["outcome"] == "given up")


def test_labels_count_as_they_are_and_rejected_ones_do_not(client, start):
    start()
    ids = [sketch(client, "1", number) for number in range(4)]
    review(client, ids[:3], status="approved")
    wait_for(lambda: score(client) == (3, 0, 1))
    review(client, ids[:1], status="rejected")
    review(client, ids[1:2], true_label="7", status="approved")
    review(client, ids[3:], true_label="none", status="approved")
    wait_for(lambda: score(client) == (1, 1, 0))
    client.delete(f"/submissions/{ids[2]}", headers=ADMIN)
    wait_for(lambda: score(client) == (0, 1, 0))


def test_copies_of_a_sketch_count_once(client, start):
    start()
    copies = [sketch(client, "1", 0) for _ in range(5)]
    review(client, [*copies, sketch(client, "1", 1)], status="approved")
    wait_for(lambda: race(client)["read"] == 6)
    wait_for(lambda: score(client) == (2, 0, 0))


def test_what_may_have_been_learned_from_does_not_count(client, start, database):
    start(held_out=HeldOut(until_by_id=SOON, until_by_visit=SOON).model_dump(mode="json"))
    ids = [sketch(client, "1", number) for number in range(8)]
    wait_for(lambda: race(client)["read"] == 8)
    rows = database.execute("SELECT submission::text AS id FROM race_readings WHERE counts").fetchall()
    assert contested(client) == {row["id"] for row in rows} < set(ids)


def test_what_was_pending_when_it_began_is_read_too_and_what_was_approved_is_not(client, start):
    pending, approved = (sketch(client, "1", number) for number in range(2))
    review(client, [approved], status="approved")
    start()
    wait_for(lambda: score(client) == (0, 0, 1))
    assert contested(client) == {pending}
    assert race(client)["read"] == 1


def test_race_is_void_when_the_champion_changes(client, start, database):
    start()
    sketch(client, "1", 0)
    wait_for(lambda: score(client) == (0, 0, 1))
    promote(client, store_model(database, candidate(1)))
    wait_for(lambda: race(client)["outcome"] == "void")
    assert contested(client) == set()


def test_challenger_that_is_damaged_does_not_race(client, start, database, challenger):
    start(temperature="warm")
    wait_for(lambda: race(client)["outcome"] == "void")


def test_unreadable_picture_does_not_stop_a_race(client, start, database):
    start()
    first = sketch(client, "1", 0)
    database.execute("UPDATE submissions SET image = '\\x89504e47' WHERE id = %s", [first])
    database.execute("DELETE FROM race_readings; UPDATE races SET read_until = 'epoch'")
    sketch(client, "1", 1)
    wait_for(lambda: score(client) == (0, 0, 1))


def test_sketches_dated_in_the_future_do_not_stop_a_race(client, start, database):
    ids = [sketch(client, "1", number) for number in range(races.BATCH)]
    database.execute("UPDATE submissions SET created_at = '2099-01-01' WHERE id = ANY(%s)", [ids])
    start()
    wait_for(lambda: race(client)["read"] == races.BATCH)
    sketch(client, "1", races.BATCH)
    wait_for(lambda: race(client)["read"] == races.BATCH + 1)


def test_two_backends_read_each_sketch_once(client, start, database, postgres):
    """They take turns: the one that holds the race's row reads, and the other one goes on without waiting."""
    with postgres.connect() as other, other.transaction():
        started = start()
        other.execute("SELECT FROM races WHERE id = %s FOR UPDATE", [started])
        sketch(client, "1", 0)
        time.sleep(0.5)
        assert race(client)["read"] == 0
    wait_for(lambda: race(client)["read"] == 1)

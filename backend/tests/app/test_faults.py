"""The service while its database is frozen, read-only, full or killed: words instead of waiting, and nothing lost."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from uuid import UUID

import numpy as np
import pytest
from httpx2 import Client, Response
from psycopg import Connection

from app.turns import KEPT_S
from tests.calls import ADMIN, assert_problem, count, insert, predict, submit
from tests.conftest import Postgres
from tests.drawings import encode, seven
from tests.faults import Crowd, enlarge, frozen, kill, small_disk
from tests.models import candidate, store_model
from tests.service import Service
from tests.waiting import all_at_once, eventually, timed

pytestmark = pytest.mark.long

# with room for a busy machine; without time limits of ours, all of these would wait forever
ANSWER_WITHIN_S = 6  # while nothing of the database moves; it is 2.5 s at most where nothing else runs
STATEMENT_WITHIN_S = 10  # what had begun before: its time limit is 6 s
RECOVERED_WITHIN_S = 30
PREDICT_S = 0.5  # usually
SOMEWHERE = "/submissions/00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres of this module's own."""
    victim = Postgres(tmp_path_factory.mktemp("victim"))
    victim.start()
    yield victim
    victim.stop()


@pytest.fixture(scope="module")
def service(victim: Postgres) -> Iterator[Service]:
    with Service(victim.environment) as service:
        assert eventually(lambda: service.client.get("/health/ready").status_code == 200)
        yield service


def reads(client: Client) -> list[Callable[[], Response]]:
    return [
        lambda: client.get("/submissions"),
        lambda: client.get("/statistics"),
        lambda: client.get("/promotions"),
        lambda: client.get(SOMEWHERE),
        lambda: client.get("/submissions/export", headers=ADMIN),
    ]


def writes(client: Client, submission_id: UUID, version: str, archive: bytes) -> list[Callable[[], Response]]:
    """Every call that changes something."""
    at, one = f"/submissions/{submission_id}", {"ids": [str(submission_id)]}
    return [
        lambda: submit(client),
        lambda: client.patch(at, json={"status": "approved"}, headers=ADMIN),
        lambda: client.patch("/submissions", json=one | {"status": "approved"}, headers=ADMIN),
        lambda: client.delete(at, headers=ADMIN),
        lambda: client.post("/submissions/delete", json=one, headers=ADMIN),
        lambda: client.post("/submissions/import", content=archive, headers=ADMIN),
        lambda: client.post(f"/models/{version}/promote", headers=ADMIN),
    ]


def state(client: Client) -> dict:
    return client.get("/health/ready").json()["database"]


def is_ready(client: Client) -> bool:
    return client.get("/health/ready").status_code == 200


def answers_logged(postgres: Postgres) -> int:
    with postgres.connect() as connection:
        return connection.execute("SELECT count(*) AS n FROM predictions").fetchone()["n"]


# --- frozen -----------------------------------------------------------------------------------------


def test_frozen_database_delays_no_request_and_is_used_again_when_it_resumes(victim, service):
    client = service.client
    all_at_once(reads(client) * 3)  # so that there are connections to find dead
    time.sleep(KEPT_S)  # else there are still statistics
    with victim.connect() as connection:
        before, logged = count(connection), answers_logged(victim)
    with frozen(victim):
        for _ in range(2):  # with the connections that were there, and without any
            calls = [lambda: client.get("/health/ready"), lambda: submit(client), *reads(client)]
            found = all_at_once(calls * 2)
            assert {answer.status_code for answer, _ in found} == {503}
            assert max(seconds for _, seconds in found) < ANSWER_WITHIN_S
        predicted = [timed(lambda: predict(client, seven())) for _ in range(20)]
        assert {answer.status_code for answer, _ in predicted} == {200}
        assert median(seconds for _, seconds in predicted) < PREDICT_S
        assert state(client) == {"ready": False, "detail": "The database cannot be reached."}
        assert 'database_errors_total{kind="away"}' in client.get("/metrics").text
        assert eventually(lambda: "database_ready 0.0" in client.get("/metrics").text)
    assert eventually(lambda: is_ready(client))
    assert submit(client).status_code == 201
    assert eventually(lambda: answers_logged(victim) == logged + 20)
    assert eventually(lambda: "database_ready 1.0" in client.get("/metrics").text)
    with victim.connect() as connection:
        assert count(connection) == before + 1


def test_requests_that_began_before_the_freeze_end_too(victim, service):
    client = service.client
    with victim.connect() as other, ThreadPoolExecutor(3) as people:
        with other.transaction():
            other.execute("LOCK TABLE submissions IN ACCESS EXCLUSIVE MODE")
            begun = [people.submit(timed, call) for call in (lambda: submit(client), *reads(client)[:2])]
            time.sleep(1)
            with frozen(victim):
                found = [call.result() for call in begun]
        for answer, seconds in found:
            assert_problem(answer, 503)
            assert seconds < STATEMENT_WITHIN_S
    assert eventually(lambda: is_ready(client))
    assert submit(client).status_code == 201


def test_service_that_is_stopped_while_the_database_is_frozen_stops_soon(victim):
    with Service(victim.environment) as service:
        assert eventually(lambda: is_ready(service.client))
        predict(service.client, seven())
        with frozen(victim):
            time.sleep(0.5)
            assert service.stop() < 9.5  # Docker kills it after 10
        assert "Traceback" not in service.log


# --- read-only --------------------------------------------------------------------------------------


@contextmanager
def read_only(postgres: Postgres) -> Iterator[None]:
    """As a standby is."""
    with postgres.connect() as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


def test_read_only_database_refuses_writes_in_words_and_readiness_says_so(victim, service):
    client = service.client
    with victim.connect() as connection:
        submission_id, version = insert(connection), store_model(connection, candidate(1))
    archive = client.get("/submissions/export", headers=ADMIN).content
    logged = answers_logged(victim)
    with read_only(victim):
        assert eventually(lambda: not is_ready(client), seconds=3)
        assert "read-only" in state(client)["detail"]
        for call in writes(client, submission_id, version, archive):
            answer = call()
            assert_problem(answer, 503, "DatabaseUnavailable")
            assert "read-only" in answer.json()["detail"]
        for call in reads(client):
            assert call().status_code in (200, 404)
        assert predict(client, seven()).status_code == 200
        assert 'database_errors_total{kind="read_only"}' in client.get("/metrics").text
        assert eventually(lambda: "The database is not ready. The database is read-only" in service.log)
    assert eventually(lambda: is_ready(client))
    assert submit(client).status_code == 201
    assert eventually(lambda: answers_logged(victim) > logged)  # what was answered meanwhile
    assert eventually(lambda: "The database is ready again." in service.log)
    assert "Traceback" not in service.log


# --- full -------------------------------------------------------------------------------------------


def noise(seed: int) -> bytes:
    """A sketch that takes much room."""
    picture = np.zeros((280, 280), np.uint8)
    picture[90:190, 90:190] = np.random.default_rng(seed).integers(100, 256, (100, 100))
    return encode(picture)


@pytest.fixture
def disk(victim: Postgres) -> Iterator[Path]:
    """A small one, that Postgres may write to."""
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    with tempfile.TemporaryDirectory() as folder, small_disk(Path(folder), victim.data / "cluster") as disk:
        yield disk


@contextmanager
def submissions_on(disk: Path, connection: Connection) -> Iterator[None]:
    connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
    connection.execute("DELETE FROM submissions")
    connection.execute("ALTER TABLE submissions SET TABLESPACE small")
    try:
        yield
    finally:
        connection.execute("ALTER TABLE submissions SET TABLESPACE pg_default")
        connection.execute("DROP TABLESPACE small")


def test_full_disk_is_reported_until_there_is_space_again(victim, service, disk):
    client = service.client
    with victim.connect() as connection, submissions_on(disk, connection):
        stored = fill(client)
        assert_told(client, service)
        assert count(connection) == stored
        enlarge(disk)
        assert eventually(lambda: is_ready(client))
        assert submit(client, noise(stored)).status_code == 201
        assert eventually(lambda: "The database is ready again." in service.log.rsplit("disk is full", 1)[1])
        assert count(connection) == stored + 1


def fill(client: Client) -> int:
    """Submits until the disk is full; how many were stored."""
    for stored in range(1000):
        answer = submit(client, noise(stored))
        if answer.status_code == 503:
            assert_problem(answer, 503, "DatabaseUnavailable")
            assert "disk is full" in answer.json()["detail"]
            return stored
        assert answer.status_code == 201, answer.text
    raise AssertionError("it is never full")


def assert_told(client: Client, service: Service) -> None:
    """By readiness, at once and still after a while, in the log, and by a metric; lists still work."""
    for _ in range(3):
        assert "disk is full" in state(client)["detail"]
        assert not is_ready(client)
        time.sleep(3)
    assert client.get("/submissions").status_code == 200
    assert predict(client, seven()).status_code == 200
    assert "No space left on device" in service.log
    assert "Traceback" not in service.log
    assert 'database_errors_total{kind="disk_full"}' in client.get("/metrics").text


# --- killed -----------------------------------------------------------------------------------------


def test_killed_database_is_away_until_it_is_started(victim, service):
    client = service.client
    assert submit(client).status_code == 201
    kill(victim)
    try:
        found = all_at_once([lambda: submit(client), lambda: client.get("/health/ready"), *reads(client)])
        assert {answer.status_code for answer, _ in found} == {503}
        assert max(seconds for _, seconds in found) < ANSWER_WITHIN_S
    finally:
        victim.start()
    assert eventually(lambda: is_ready(client))
    assert submit(client).status_code == 201


def assert_each_stored_once(crowd: Crowd) -> None:
    assert len(crowd.stored) == len(crowd.keys)
    with crowd.postgres.connect() as connection:
        query = "SELECT id::text, idempotency_key FROM submissions WHERE idempotency_key = ANY(%s)"
        rows = connection.execute(query, [crowd.keys]).fetchall()
    found = {row["idempotency_key"]: row["id"] for row in rows}
    lost = [place for place, key in enumerate(crowd.stored) if key not in found]
    assert not lost, f"of {len(crowd.stored)}, in the order of their answers; kills after {crowd.killed_after}"
    assert found == crowd.stored
    assert len(rows) == len(crowd.keys)


def test_every_submission_is_stored_once_though_backend_and_database_are_killed(victim):
    crowd = Crowd(victim, submissions=200)
    crowd.submit_while_killing(every=40)
    assert (crowd.backends_killed, crowd.databases_killed) == (2, 2)
    assert_each_stored_once(crowd)


@pytest.mark.slow
def test_every_one_of_3000_submissions_is_stored_once_though_backend_and_database_are_killed(victim):
    crowd = Crowd(victim, submissions=3000)
    crowd.submit_while_killing(every=150)
    assert (crowd.backends_killed, crowd.databases_killed) == (10, 9)
    assert_each_stored_once(crowd)

"""The service while its database is away, comes, and goes."""

import io
import socket
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from app import store
from tests.calls import ADMIN, assert_problem, predict, submit
from tests.conftest import free_port, serving
from tests.drawings import seven
from tests.service import Service
from tests.waiting import all_at_once, eventually, timed

WITHIN_S = 3  # for an answer, even if it is a refusal


def pictures() -> bytes:
    """A ZIP of one, for an import."""
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("7.png", seven())
    return file.getvalue()


def assert_works_without_database(client) -> None:
    assert predict(client, seven()).json()["digit"] == 7
    assert client.get("/health/live").status_code == 200
    assert client.get("/models").status_code == 200
    somewhere = "/submissions/00000000-0000-0000-0000-000000000000"
    calls = [
        lambda: client.get("/health/ready"),
        lambda: submit(client),
        lambda: client.get("/submissions"),
        lambda: client.get("/statistics"),
        lambda: client.get("/promotions"),
        lambda: client.get(somewhere),
        lambda: client.get(f"{somewhere}/image"),
        lambda: client.delete(somewhere),
        lambda: client.patch(somewhere, json={"status": "approved"}, headers=ADMIN),
        lambda: client.get("/submissions/export", headers=ADMIN),
        lambda: client.post("/submissions/import", content=pictures(), headers=ADMIN),
    ]
    (ready, _), *refused = answers = all_at_once(calls)
    assert max(seconds for _, seconds in answers) < WITHIN_S
    for answer, _ in refused:
        assert_problem(answer, 503, "DatabaseUnavailable")
    assert ready.status_code == 503
    assert ready.json()["ready"] is ready.json()["database"]["ready"] is False
    assert ready.json()["model"]["ready"] is True
    assert not any(secret in ready.text for secret in ("127.0.0.1", "irrelevant", "tester", "Traceback"))


# --- away -------------------------------------------------------------------------------------------


@contextmanager
def mute() -> Iterator[int]:
    """A port that accepts and then says nothing, as a database that hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


def test_without_a_database_it_predicts_and_says_what_is_missing(offline_client):
    assert_works_without_database(offline_client)


def test_while_the_database_is_away_predictions_do_not_wait(offline_client):
    with ThreadPoolExecutor(8) as people:
        waiting = [people.submit(offline_client.get, "/statistics") for _ in range(8)]
        answer, seconds = timed(lambda: predict(offline_client, seven()))
        assert answer.status_code == 200
        assert seconds < 1
        assert {call.result().status_code for call in waiting} == {503}


@pytest.mark.long
def test_with_a_database_that_hangs_it_predicts_and_says_what_is_missing():
    with (
        mute() as port,
        serving({"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_PASSWORD": "irrelevant"}) as client,
    ):
        assert_works_without_database(client)


@pytest.mark.slow
def test_with_a_host_that_is_not_there_it_predicts_and_says_what_is_missing():
    with serving({"DB_HOST": "no-such-host.invalid", "DB_PASSWORD": "irrelevant"}) as client:
        assert_works_without_database(client)


@pytest.mark.slow
def test_with_a_wrong_password_it_predicts_and_says_what_is_missing(postgres):
    with serving(postgres.environment | {"DB_PASSWORD": "irrelevant"}) as client:
        assert_works_without_database(client)


# --- comes and goes ---------------------------------------------------------------------------------


@pytest.mark.long
def test_database_that_comes_is_used_without_a_restart(postgres):
    postgres.stop()
    try:
        with Service(postgres.environment) as service:
            assert_works_without_database(service.client)
            postgres.start()
            assert eventually(lambda: service.client.get("/health/ready").status_code == 200, seconds=10)
            assert submit(service.client).status_code == 201
    finally:
        postgres.start()


@pytest.mark.long
def test_database_that_goes_and_comes_back_is_used_again(postgres):
    with serving(postgres.environment) as client:
        assert submit(client).status_code == 201
        postgres.stop()
        try:
            assert predict(client, seven()).json()["digit"] == 7
            assert_problem(client.get("/statistics"), 503, "DatabaseUnavailable")
        finally:
            postgres.start()
        assert eventually(lambda: client.get("/health/ready").status_code == 200, seconds=10)
        assert submit(client).status_code == 201


@pytest.mark.long
def test_restarted_database_costs_no_request(postgres):
    with serving(postgres.environment) as client:
        assert client.get("/statistics").status_code == 200
        postgres.stop()
        postgres.start()
        assert client.get("/statistics").status_code == 200
        assert submit(client).status_code == 201


def test_connections_killed_by_the_administrator_cost_no_request(postgres, database):
    with serving(postgres.environment) as client:
        assert client.get("/statistics").status_code == 200
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'digit-recogniser'"
        )
        for _ in range(5):
            assert client.get("/statistics").status_code == 200


@pytest.mark.long
def test_lock_on_the_table_ends_in_an_answer(postgres, database):
    with serving(postgres.environment) as client, postgres.connect() as other, other.transaction():
        other.execute("LOCK TABLE submissions IN ACCESS EXCLUSIVE MODE")
        answer, seconds = timed(lambda: client.get("/statistics"))
        assert_problem(answer, 503, "Busy")
        assert seconds < 5


# --- busy -------------------------------------------------------------------------------------------


def slow_count(monkeypatch, seconds: float) -> None:
    async def count(connection, *_, **__) -> int:
        await connection.execute("SELECT pg_sleep(%s)", [seconds])
        return 0

    monkeypatch.setattr(store.pages, "count", count)


def test_strangers_who_count_leave_a_connection_to_those_who_store(postgres, database, monkeypatch):
    slow_count(monkeypatch, 0.5)
    environment = postgres.environment | {"PROXY_SECRET": "ours", "WORKERS": "8"}  # 3 connections

    def count(number: int) -> int:
        sent = {"X-Proxy-Secret": "ours", "X-Forwarded-For": f"203.0.113.{number}"}
        return client.get("/submissions/count", headers=sent).status_code

    with serving(environment) as client, ThreadPoolExecutor(20) as strangers:
        waiting = [strangers.submit(count, number) for number in range(20)]
        for _ in range(3):
            answer, seconds = timed(lambda: submit(client))
            assert answer.status_code == 201
            assert seconds < 0.4
        assert {call.result() for call in waiting} == {200, 503}


def test_what_takes_too_long_is_given_up(postgres, database, monkeypatch):
    slow_count(monkeypatch, 4)
    monkeypatch.setattr("app.database.ANSWER_S", 0.3)
    with serving(postgres.environment) as client:
        answer, seconds = timed(lambda: client.get("/submissions/count"))
        assert_problem(answer, 503, "Busy")
        assert seconds < 1
        assert client.get("/promotions").status_code == 200
    running = "SELECT FROM pg_stat_activity WHERE query LIKE %s AND state = 'active'"
    assert database.execute(running, ["SELECT pg_sleep%"]).rowcount == 0


# --- stop -------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("away", [False, True])
def test_service_stops_quickly_and_never_logs_the_password(postgres, away):
    environment = postgres.environment | {"LOG_LEVEL": "debug"} | ({"DB_PORT": str(free_port())} if away else {})
    with Service(environment) as service:
        assert service.client.get("/health/ready").status_code == (503 if away else 200)
        assert service.stop() < 5
        assert service.process.returncode in (0, -15)
        assert "/health/ready" in service.log
        assert "Traceback" not in service.log
        assert environment["DB_PASSWORD"] not in service.log

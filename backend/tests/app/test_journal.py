"""The log of predictions, with a real database and without one."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg_pool import AsyncConnectionPool

from app import background, journal
from app.config import Settings
from app.database import create_pool
from app.journal import BATCH, CAPACITY, DROPPED, Journal
from app.schemas.predictions import Prediction
from tests.calls import predict, submit
from tests.conftest import free_port, serving
from tests.drawings import seven
from tests.models import candidate, store_model
from tests.service import Service


def answer(confidence: float = 0.95, model: str = "test-model") -> Prediction:
    probabilities = [0.0] * 7 + [confidence, 0.0, 1 - confidence]
    return Prediction(digit=7, confidence=confidence, unsure=confidence < 0.5, probabilities=probabilities, model=model)


def settings(postgres, **changes: str) -> Settings:
    return Settings(**{name.lower(): value for name, value in (postgres.environment | changes).items()})


@asynccontextmanager
async def pool_of(given: Settings) -> AsyncIterator[AsyncConnectionPool]:
    pool = create_pool(given)
    await pool.open(wait=False)
    yield pool
    await pool.close()


def rows(database, model: str = "test-model") -> list[dict]:
    return database.execute("SELECT * FROM predictions WHERE model = %s ORDER BY id", [model]).fetchall()


def insert_old(database, count: int, days: float, model: str = "test-model", confidence: float = 0.95) -> None:
    database.execute(
        "INSERT INTO predictions (created_at, model, digit, confidence, unsure, milliseconds)"
        " SELECT %s, %s, 7, %s, false, 1 FROM generate_series(1, %s)",
        [datetime.now(UTC) - timedelta(days=days), model, confidence, count],
    )


async def until(true: Callable[[], Awaitable[bool] | bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        await asyncio.sleep(0.05)
    return False


def dropped() -> float:
    return DROPPED._value.get()


@pytest.fixture
def quick(monkeypatch):
    """With shorter pauses than in production."""
    monkeypatch.setattr(journal, "EVERY_S", 0.05)


# --- written ----------------------------------------------------------------------------------------


@pytest.mark.long
def test_every_answer_of_predict_leaves_a_row_and_shutdown_loses_none(postgres, database):
    before = datetime.now(UTC)
    with Service(postgres.environment) as service:
        answers = [predict(service.client, seven()).json() for _ in range(7)]
        service.client.post("/explain", content=seven(), headers={"Content-Type": "image/png"})
        predict(service.client, b"no picture")
        assert service.stop() < 5
    found = database.execute("SELECT * FROM predictions ORDER BY id").fetchall()
    assert len(found) == 7
    for row, said in zip(found, answers, strict=True):
        assert (row["digit"], row["model"], row["unsure"]) == (said["digit"], said["model"], said["unsure"])
        assert row["confidence"] == pytest.approx(said["confidence"], abs=1e-6)
        assert before <= row["created_at"] <= datetime.now(UTC)
        assert 0 < row["milliseconds"] < 1000
    assert [row["created_at"] for row in found] == sorted(row["created_at"] for row in found)


def test_sketch_that_is_read_while_it_is_drawn_is_logged_once_when_it_is_labelled(postgres, database):
    with Service(postgres.environment) as service:
        for _ in range(3):
            assert predict(service.client, seven(), log="false").status_code == 200
        for _ in range(2):  # the second is a repetition
            files, headers = {"file": ("a.png", seven(), "image/png")}, {"Idempotency-Key": str(UUID(int=1))}
            options = {"files": files, "data": {"true_label": "7"}, "headers": headers, "params": {"log": "true"}}
            assert service.client.post("/submissions", **options).status_code == 201
        submit(service.client)  # a client that does not ask for the log
        service.stop()
    [row] = database.execute("SELECT digit, unsure FROM predictions").fetchall()
    assert row == {"digit": 7, "unsure": False}


def test_row_is_there_within_seconds(postgres, database):
    with serving(postgres.environment) as client:
        predict(client, seven())
        deadline = time.monotonic() + 4
        while not (found := database.execute("SELECT * FROM predictions").fetchall()) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert len(found) == 1


def test_full_batch_does_not_wait_and_a_smaller_one_does(postgres, database, monkeypatch):
    monkeypatch.setattr(journal, "EVERY_S", 60)

    async def run():
        async with pool_of(settings(postgres)) as pool:
            kept = Journal(90)
            async with kept.writing(pool):
                for _ in range(BATCH):
                    kept.record(answer(), 1.0)
                assert await until(lambda: len(rows(database)) == BATCH)
                await asyncio.sleep(0.5)  # it checks whether there are more
                kept.record(answer(), 1.0)
                await asyncio.sleep(0.3)
                assert len(rows(database)) == BATCH
            assert len(rows(database)) == BATCH + 1

    asyncio.run(run())


def test_rows_go_in_batches(postgres, database):
    """A batch is one transaction: all its rows have the same xmin."""

    async def run():
        async with pool_of(settings(postgres)) as pool:
            kept = Journal(90)
            for _ in range(3 * BATCH + 1):
                kept.record(answer(), 1.0)
            async with kept.writing(pool):
                assert await until(lambda: len(rows(database)) == 3 * BATCH + 1)

    asyncio.run(run())
    sizes = database.execute("SELECT count(*) AS n FROM predictions GROUP BY xmin::text ORDER BY n").fetchall()
    assert [size["n"] for size in sizes] == [1, BATCH, BATCH, BATCH]


# --- while the database is away ---------------------------------------------------------------------


@pytest.mark.long
def test_oldest_are_dropped_and_counted_while_the_database_is_away(postgres, database, quick):
    """When it is back, the rows that were kept are written in order."""

    async def run():
        before = dropped()
        kept = Journal(90)
        async with pool_of(settings(postgres, DB_PORT=str(free_port()))) as nowhere:
            async with kept.writing(nowhere):
                for number in range(CAPACITY + 30):
                    kept.record(answer(), float(number))
                    if number % 2000 == 0:
                        await asyncio.sleep(0.2)  # meanwhile it tries, and puts back the rows
                await asyncio.sleep(2)
            assert len(kept._rows) == CAPACITY
            assert dropped() - before == 30
        kept._stopping = False
        async with pool_of(settings(postgres)) as pool, kept.writing(pool):
            assert await until(lambda: len(rows(database)) == CAPACITY)

    asyncio.run(run())
    assert [row["milliseconds"] for row in rows(database)] == list(range(30, CAPACITY + 30))


@pytest.mark.long
def test_database_that_goes_and_comes_back_costs_no_row(postgres, database):
    with serving(postgres.environment) as client:
        predict(client, seven())
        postgres.stop()
        try:
            start = time.monotonic()
            for _ in range(20):
                assert predict(client, seven()).status_code == 200
            assert time.monotonic() - start < 2
        finally:
            postgres.start()
        with postgres.connect() as again:
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                if (found := again.execute("SELECT count(*) AS n FROM predictions").fetchone()["n"]) == 21:
                    break
                time.sleep(0.2)
        assert found == 21


def test_rows_that_the_table_refuses_are_dropped_and_block_no_others(postgres, database, quick, monkeypatch):
    monkeypatch.setattr(background, "AFTER_ERROR_S", 0.05)

    async def run():
        before = dropped()
        async with pool_of(settings(postgres)) as pool:
            kept = Journal(90)
            async with kept.writing(pool):
                kept.record(answer(), -1.0)
                assert await until(lambda: dropped() - before == 1)
                kept.record(answer(), 1.0)
                assert await until(lambda: len(rows(database)) == 1)

    asyncio.run(run())


def test_dropped_answers_are_a_metric(client):
    assert "predictions_dropped_total" in client.get("/metrics").text


def test_recording_takes_microseconds():
    async def run():
        kept, given = Journal(90), answer()
        start = time.perf_counter()
        for _ in range(20_000):
            kept.record(given, 1.0)
        return (time.perf_counter() - start) / 20_000

    assert asyncio.run(run()) < 50e-6  # about 1 µs; a prediction takes a thousand


# --- kept for a time --------------------------------------------------------------------------------


def test_rows_are_deleted_when_they_are_too_old(postgres, database, quick, monkeypatch):
    monkeypatch.setattr(journal, "CLEAN_AT_ONCE", 10)
    insert_old(database, 25, days=31, model="too old")
    insert_old(database, 3, days=29)

    async def run():
        async with pool_of(settings(postgres)) as pool, Journal(30).writing(pool):
            assert await until(lambda: not rows(database, "too old"))

    asyncio.run(run())
    assert len(rows(database)) == 3


def test_oldest_rows_are_deleted_when_there_are_too_many(postgres, database, quick, monkeypatch):
    monkeypatch.setattr(journal, "MOST", 20)
    monkeypatch.setattr(journal, "CLEAN_AT_ONCE", 10)
    insert_old(database, 35, days=1, model="too many")
    insert_old(database, 20, days=0)

    async def run():
        async with pool_of(settings(postgres)) as pool, Journal(30).writing(pool):
            assert await until(lambda: not rows(database, "too many"))

    asyncio.run(run())
    assert len(rows(database)) == 20


@pytest.mark.long
def test_days_are_a_setting(postgres, database):
    insert_old(database, 2, days=3)
    insert_old(database, 2, days=1.5)
    with serving(postgres.environment | {"PREDICTION_DAYS": "2"}):
        deadline = time.monotonic() + 6
        while len(rows(database)) > 2 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert len(rows(database)) == 2


# --- the reference ----------------------------------------------------------------------------------


def test_reference_is_filled_by_the_first_500_answers_and_stays(postgres, database, quick):
    version = store_model(database, candidate(1))

    def reference() -> dict:
        return database.execute("SELECT reference, reference_end FROM models WHERE version = %s", [version]).fetchone()

    async def run():
        async with pool_of(settings(postgres)) as pool:
            kept = Journal(90)
            async with kept.writing(pool):
                for number in range(499):
                    kept.record(answer(0.95 if number < 400 else 0.42, version), 1.0)
                    kept.record(answer(0.15, "another"), 1.0)
                assert await until(lambda: len(rows(database, version)) == 499)
                await asyncio.sleep(0.2)
                assert reference()["reference"] is None
                for _ in range(40):  # the first of them completes it
                    kept.record(answer(1.0, version), 1.0)
                assert await until(lambda: reference()["reference"] is not None)
                first = reference()
                for _ in range(600):
                    kept.record(answer(0.05, version), 1.0)
                assert await until(lambda: len(rows(database, version)) == 499 + 40 + 600)
        return first

    first = asyncio.run(run())
    assert first["reference"] == [0, 0, 0, 0, 99, 0, 0, 0, 0, 401]
    assert first["reference_end"] == rows(database, version)[499]["id"]
    assert reference() == first


def test_reference_is_filled_again_in_a_database_that_takes_the_place_of_another(postgres, database, quick):
    version = store_model(database, candidate(1))
    filled = "SELECT FROM models WHERE version = %s AND reference IS NOT NULL"

    def is_filled() -> bool:
        return database.execute(filled, [version]).rowcount == 1

    async def run():
        async with pool_of(settings(postgres)) as pool:
            kept = Journal(90)
            async with kept.writing(pool):
                for _ in range(2):
                    for _ in range(500):
                        kept.record(answer(0.95, version), 1.0)
                    assert await until(is_filled)
                    database.execute(
                        "DELETE FROM predictions; UPDATE models SET reference = NULL, reference_end = NULL"
                    )

    asyncio.run(run())

"""Finding what a race has not read stays fast with 200,000 rows."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from app import store
from tests.app.store.test_pages import ROWS, many  # noqa: F401
from tests.models import candidate, store_model

pytestmark = pytest.mark.long

READ = """
    INSERT INTO race_readings (race, submission, challenger, champion, counts)
    SELECT %(race)s, id, 1, CASE WHEN random() < 0.01 THEN 2 ELSE 1 END, true
    FROM submissions
    WHERE created_at > '2026-02-20'
"""


@pytest.fixture
def race(many) -> Iterator[int]:  # noqa: F811
    many.execute("DELETE FROM races; DELETE FROM promotions")
    version = store_model(many, candidate(1))
    query = "INSERT INTO races (challenger, champion, started_at, read_until) VALUES (%s, 'x', %s, %s) RETURNING id"
    race = many.execute(query, [version, "2026-02-20", "2026-03-11 10:35+00"]).fetchone()["id"]
    many.execute(READ, {"race": race})
    many.execute("VACUUM ANALYZE race_readings, races")
    yield race
    many.execute("DELETE FROM races")
    many.execute("DELETE FROM models WHERE version = %s", [version])


LOOKED_AT = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables"


def test_step_of_a_long_race_reads_few_rows(many, race):  # noqa: F811
    async def turn() -> tuple[int, int]:
        connection = await psycopg.AsyncConnection.connect(many.info.dsn, password=many.info.password)
        async with connection:
            running = await store.races.lock_running(connection)
            assert await store.races.find_unread(connection, running, 10) == []
            score = await store.races.count_score(connection, race)
            looked_at = await (await connection.execute(LOOKED_AT)).fetchone()
            return score.to_review, looked_at[0]

    to_review, looked_at = asyncio.run(turn())
    assert to_review > 100
    assert 2 * to_review < looked_at < 0.03 * ROWS


def test_contested_submissions_are_found_by_filter(many, race):  # noqa: F811
    async def find() -> tuple[int, int]:
        connection = await psycopg.AsyncConnection.connect(many.info.dsn, password=many.info.password)
        async with connection:
            page = await store.pages.list_page(connection, 21, contested=True, status="pending")
            counts = [await store.pages.count(connection, **{name: True}) for name in ("contested", "uncontested")]
            return len(page), sum(counts)

    assert asyncio.run(find()) == (21, ROWS)

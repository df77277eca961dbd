"""Paging stays fast with 200,000 rows, according to Postgres' plans."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from itertools import combinations
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app import store

pytestmark = pytest.mark.long

ROWS = 200_000
# the model changed half-way, the older ones were reviewed; 2% of the digits are wrong, 4% are no digits
FILL = """
    INSERT INTO submissions (created_at, request_sha256, image, prediction, confidence, unsure, probabilities, model,
                             true_label, status)
    SELECT '2026-01-01'::timestamptz + n * interval '30 seconds', sha256(n::text::bytea), '\\x89504e47', n % 10,
           (0.5 + random() / 2)::real, random() < 0.03, array_fill(0.1::real, ARRAY[10]),
           CASE WHEN n % 5000 = 0 THEN 'rare' WHEN n <= %(rows)s / 2 THEN 'old' ELSE 'new' END,
           CASE WHEN random() < 0.04 THEN NULL WHEN random() < 0.02 THEN (n + 1) % 10 ELSE n % 10 END,
           CASE WHEN n > %(rows)s * 0.6 THEN 'pending' WHEN random() < 0.02 THEN 'rejected' ELSE 'approved' END
    FROM generate_series(1, %(rows)s) AS n
""".replace(" % ", " %% ")
# of a row that is looked at; a bitmap takes it from the index, many at a time
COSTS = {"Index Scan": 1, "Index Only Scan": 1, "Bitmap Heap Scan": 1, "Bitmap Index Scan": 0.1}
ONES = [
    {"digit": 3},
    {"not_a_digit": True},
    {"predicted": 8},
    {"correct": True},
    {"correct": False},
    {"unsure": True},
    {"unsure": False},
    {"status": "pending"},
    {"status": "approved"},
    {"status": "rejected"},
    {"approved_only": True},
    {"model": "old"},
    {"model": "new"},
    {"model": "rare"},
    {"model": "unknown"},
    {"rejected": False},
]
TWOS = [one | other for one, other in combinations(ONES, 2) if not one.keys() & other.keys()]
PLACES = {  # none: the first page
    "newest": [None, (datetime.fromisoformat("2026-02-01T00:00:00Z"), UUID(int=0))],
    "mislabelled": [None, (0.75, UUID(int=0))],
}


@pytest.fixture(scope="module")
def many(postgres) -> Iterator[psycopg.Connection]:
    with postgres.connect() as connection:
        connection.execute("TRUNCATE submissions, race_readings")
        connection.execute(FILL, {"rows": ROWS})
        connection.execute("VACUUM ANALYZE submissions")
        yield connection
        connection.execute("TRUNCATE submissions, race_readings")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def explain(connection: psycopg.Connection, order: str, place: tuple | None, filters: dict) -> list[dict[str, Any]]:
    query, values = store.pages.page_query(21, order, place, **filters)
    done = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", values, prepare=False).fetchone()
    return list(nodes(done["QUERY PLAN"][0]["Plan"]))


def assert_light(plan: list[dict[str, Any]], most: float) -> None:
    """By an index, never the whole table, and nothing large is sorted. `most`: rows that may be looked at."""
    assert "Seq Scan" not in {node["Node Type"] for node in plan}
    looked_at = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] * COSTS[node["Node Type"]]
        for node in plan
        if node["Node Type"] in COSTS
    )
    assert looked_at <= most
    for node in plan:
        if node["Node Type"] == "Sort":
            assert sum(part["Actual Rows"] for part in node["Plans"]) <= 1000


@pytest.mark.parametrize("filters", [{}, *ONES], ids=str)
@pytest.mark.parametrize("order", store.pages.ORDERS)
def test_one_filter_is_answered_by_an_index(many, order, filters):
    for place in PLACES[order]:
        plan = explain(many, order, place, filters)
        assert_light(plan, most=0.01 * ROWS)
        if order == "newest" and filters != {"model": "unknown"}:
            assert [node["Index Name"] for node in plan if node["Node Type"] == "Index Scan"]
            assert "Sort" not in {node["Node Type"] for node in plan}


@pytest.mark.parametrize("order", store.pages.ORDERS)
def test_two_filters_read_few_rows(many, order):
    for filters in TWOS:
        for place in PLACES[order]:
            assert_light(explain(many, order, place, filters), most=0.03 * ROWS)


def test_contradictory_filters_read_no_rows(many):
    for filters in (
        {"not_a_digit": True, "correct": True},
        {"digit": 3, "predicted": 8, "correct": True},
        {"digit": 3, "predicted": 3, "correct": False},
    ):
        assert_light(explain(many, "newest", None, filters), most=0)
    for filters in ({"correct": True}, {"not_a_digit": True}, {"digit": 3, "predicted": 3}):
        assert_light(explain(many, "mislabelled", None, filters), most=0)


def test_test_would_notice_a_sort(many):
    """Without its index."""
    with many.transaction(force_rollback=True):
        many.execute("DROP INDEX submissions_mislabelled")
        with pytest.raises(AssertionError):
            assert_light(explain(many, "mislabelled", None, {}), most=0.01 * ROWS)


def test_pages_are_planned_for_their_own_values(many, postgres):
    """Postgres prepares what comes often, and then plans it for any value: no partial index would be used."""

    async def run() -> int:
        connection = await psycopg.AsyncConnection.connect(many.info.dsn, password=many.info.password)
        async with connection:
            for _ in range(12):
                assert len(await store.pages.list_page(connection, 21, correct=False)) == 21
            cursor = await connection.execute("SELECT count(*) FROM pg_prepared_statements")
            return (await cursor.fetchone())[0]

    assert asyncio.run(run()) == 0

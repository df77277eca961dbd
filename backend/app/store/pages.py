"""Submissions by the page, filtered and sorted."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, scalar_row

from app.schemas.submissions import ListedSubmission, Order
from app.store.conditions import CONDITIONS, CONTESTED, SELECT_SUBMISSION, build_where
from app.store.rows import fetch_one

# how pages are sorted, and the condition for what comes after a given place
ORDERS = {
    "newest": ("created_at DESC, id DESC", "(created_at, id) < (%(place)s, %(place_id)s)"),
    # ::real, the type of the column: 0.9::real is not 0.9
    "mislabelled": ("confidence DESC, id DESC", "(confidence, id) < (%(place)s::real, %(place_id)s)"),
}

# Filters whose rows lie close together in time: a model serves for some weeks, and most reviewed sketches are old. The
# planner assumes that they are spread evenly, and would read all newer rows to find the first of them.
CLUSTERED = ("model", "status", "approved_only")

# So such a query also says when its oldest and newest rows were created, which an index knows at once. The indexes
# alone are not enough: without this, some of tests/app/store/test_pages.py fails.
# The lower bound is a pair: the planner takes two plain bounds that it does not know yet for a narrow range, and would
# sort all rows in it.
TIME_RANGE = """created_at <= (SELECT max(created_at) FROM submissions WHERE {0})
    AND (created_at, id) >= ((SELECT min(created_at) FROM submissions WHERE {0}),
                             uuid '00000000-0000-0000-0000-000000000000')"""


async def list_page(
    connection: AsyncConnection,
    limit: int,
    order: Order = "newest",
    after: tuple[datetime | float, UUID] | None = None,
    **filters: Any,
) -> list[ListedSubmission]:
    """A page. `after`: the place (created_at, or confidence if that is the order) and id of the last one before it."""
    query, values = page_query(limit, order, after, **filters)
    async with connection.cursor(row_factory=class_row(ListedSubmission)) as cursor:
        # not prepared, so planned for these values: a generic plan could not use partial indexes
        await cursor.execute(query, values, prepare=False)
        page = await cursor.fetchall()
    contested = await _find_contested(connection, [submission.id for submission in page])
    for submission in page:
        submission.contested = submission.id in contested
    return page


async def _find_contested(connection: AsyncConnection, ids: list[UUID]) -> set[UUID]:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(f"{CONTESTED} AND submission = ANY(%(ids)s)", {"ids": ids}, prepare=False)
        return set(await cursor.fetchall())


def page_query(
    limit: int, order: Order, after: tuple[datetime | float, UUID] | None = None, **filters: Any
) -> tuple[str, dict[str, Any]]:
    """The query of list_page, with its parameters."""
    where, values = build_where(filters | _correctness(filters, order))
    sorting, rest = ORDERS[order]
    if after:
        where += f" AND {rest}"
        values |= {"place": after[0], "place_id": after[1]}
    if order == "newest":
        where += "".join(f" AND {TIME_RANGE.format(CONDITIONS[name])}" for name in CLUSTERED if name in values)
    query = f"{SELECT_SUBMISSION} WHERE {where} ORDER BY {sorting} LIMIT %(limit)s"
    return query, values | {"limit": limit}


async def count(connection: AsyncConnection, order: Order = "newest", **filters: Any) -> int:
    """The number of submissions on all pages of list_page."""
    where, values = build_where(filters | _correctness(filters, order))
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(f"SELECT count(*) FROM submissions WHERE {where}", values, prepare=False)
        return int(await fetch_one(cursor))


def _correctness(filters: dict[str, Any], order: Order) -> dict[str, Any]:
    """Whether the model was right, where the filters imply it: as a filter of its own, it can use an index.

    Filters that contradict each other find nothing.
    """
    digit, predicted = filters.get("digit"), filters.get("predicted")
    implied = {filters.get("correct"), False if order == "mislabelled" else None}
    implied |= {digit == predicted if None not in (digit, predicted) else None}
    implied -= {None}
    if len(implied) > 1 or (implied and filters.get("not_a_digit")):
        return {"nothing": True}
    return {"correct": implied.pop()} if implied else {}

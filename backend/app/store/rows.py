"""Reading the results of queries."""

from typing import TypeVar

from psycopg import AsyncCursor

Row = TypeVar("Row")


async def fetch_one(cursor: AsyncCursor[Row]) -> Row:
    """The row of a query that always returns one, such as a count."""
    row = await cursor.fetchone()
    assert row is not None
    return row

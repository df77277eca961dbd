"""Promotions: the model of the newest one serves."""

from psycopg import AsyncConnection
from psycopg.rows import class_row, scalar_row

from app.schemas.models import Promotion
from app.store.rows import fetch_one


async def lock(connection: AsyncConnection) -> None:
    """Blocks other promotions, but not reading, until the transaction ends."""
    await connection.execute("LOCK TABLE promotions IN SHARE ROW EXCLUSIVE MODE")


async def insert(connection: AsyncConnection, model: str, previous: str, overruled: bool, reason: str) -> Promotion:
    async with connection.cursor(row_factory=class_row(Promotion)) as cursor:
        await cursor.execute(
            """
            INSERT INTO promotions (model, previous, overruled, reason)
            VALUES (%(model)s, %(previous)s, %(overruled)s, %(reason)s)
            RETURNING id, created_at, model, previous, overruled, reason
            """,
            {"model": model, "previous": previous, "overruled": overruled, "reason": reason},
        )
        return await fetch_one(cursor)


async def list_latest(connection: AsyncConnection, limit: int) -> list[Promotion]:
    """Newest first."""
    async with connection.cursor(row_factory=class_row(Promotion)) as cursor:
        await cursor.execute(
            """
            SELECT id, created_at, model, previous, overruled, reason
            FROM promotions
            ORDER BY id DESC
            LIMIT %(limit)s
            """,
            {"limit": limit},
        )
        return await cursor.fetchall()


async def find_newest(connection: AsyncConnection) -> Promotion | None:
    """The promotion that decides which model serves; None if there was none."""
    newest = await list_latest(connection, limit=1)
    return newest[0] if newest else None


async def has_served(connection: AsyncConnection, version: str) -> bool:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            "SELECT EXISTS (SELECT FROM promotions WHERE %(version)s IN (model, previous))", {"version": version}
        )
        return bool(await fetch_one(cursor))

"""Whether the database can be used."""

import os

from psycopg import AsyncConnection
from psycopg.rows import scalar_row

from app.store.rows import fetch_one

SCHEMA_VERSION = 6  # of the newest migration in db/migrations


async def find_schema_version(connection: AsyncConnection) -> int | None:
    """The newest migration that has run; None without tables, or with those of a release before migrations."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT to_regclass('schema_migrations') IS NOT NULL")
        if not await cursor.fetchone():
            return None
        await cursor.execute("SELECT max(version) FROM schema_migrations")
        return await cursor.fetchone()


async def is_read_only(connection: AsyncConnection) -> bool:
    """True on a standby, and on a server that is configured so."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT current_setting('transaction_read_only')::boolean")
        return bool(await fetch_one(cursor))


async def try_to_write(connection: AsyncConnection) -> None:
    """Inserts a row as large as a detailed sketch, and rolls it back. Raises psycopg.Error."""
    async with connection.transaction(force_rollback=True):
        await connection.execute(
            """
            INSERT INTO submissions (request_sha256, image, prediction, confidence, unsure, probabilities, model)
            VALUES (%(sha256)s, %(image)s, 0, 0, true, array_fill(0, ARRAY[10]), 'none')
            """,
            # random, so that it cannot be compressed
            {"sha256": bytes(32), "image": b"\x89PNG" + os.urandom(16_384)},
        )

"""Rate limits that all backends share."""

from psycopg import AsyncConnection

from app.store.rows import fetch_one


async def take_from_buckets(connection: AsyncConnection, periods: dict[bytes, float]) -> dict[bytes, float]:
    """Takes one from each bucket. Returns in how many seconds each will be full again.

    `periods`: by key, the seconds after which one more may be taken; always in the same order, since each row is locked
    until the transaction ends. If it was one too many, the caller rolls back.
    """
    cursor = await connection.execute(
        """
        INSERT INTO rate_limits AS bucket (key, full_at)
        SELECT key, now() + make_interval(secs => period)
        FROM unnest(%(keys)s::bytea[], %(periods)s::float8[]) WITH ORDINALITY AS asked (key, period, place)
        ORDER BY place
        ON CONFLICT (key) DO UPDATE
        SET full_at = greatest(bucket.full_at, clock_timestamp()) + (EXCLUDED.full_at - now())
        RETURNING key, extract(epoch FROM full_at - clock_timestamp())::float8
        """,
        {"keys": list(periods), "periods": list(periods.values())},
    )
    return dict(await cursor.fetchall())


async def delete_full_buckets(connection: AsyncConnection) -> None:
    """Full buckets need no row. Skips locked rows."""
    await connection.execute(
        """
        DELETE FROM rate_limits
        WHERE key IN (SELECT key FROM rate_limits WHERE full_at < now() FOR UPDATE SKIP LOCKED)
        """
    )


async def renew_salt(connection: AsyncConnection, proposed: bytes) -> tuple[bytes, float]:
    """Today's salt (UTC), shared by all backends, and the seconds until it expires. Deletes earlier ones."""
    await connection.execute("DELETE FROM rate_limit_salts WHERE day < (now() AT TIME ZONE 'UTC')::date")
    await connection.execute(
        """
        INSERT INTO rate_limit_salts (day, salt) VALUES ((now() AT TIME ZONE 'UTC')::date, %(proposed)s)
        ON CONFLICT (day) DO NOTHING
        """,
        {"proposed": proposed},
    )
    cursor = await connection.execute(
        """
        SELECT salt, extract(epoch FROM (day + 1)::timestamp - now() AT TIME ZONE 'UTC')::float8
        FROM rate_limit_salts
        WHERE day = (now() AT TIME ZONE 'UTC')::date
        """
    )
    return await fetch_one(cursor)

"""Rate limits that all backends share."""

from typing import NamedTuple, Self

from psycopg import AsyncConnection

from app.config import Limit
from app.store.rows import fetch_one


class Taking(NamedTuple):
    """What is taken from a bucket, and what it holds when it is full: both as the seconds of refilling them."""

    cost: float
    size: float

    @classmethod
    def of(cls, limit: Limit, cost: int) -> Self:
        """A cost above the bucket's size counts as its size."""
        return cls(min(cost, limit.requests) * limit.seconds / limit.requests, limit.seconds)


async def take_from_buckets(connection: AsyncConnection, takings: dict[bytes, Taking]) -> dict[bytes, float]:
    """Takes from the bucket of each key. Returns in how many seconds each will be full again.

    Always in the same order, since each row is locked until the transaction ends. If it was too much, the caller rolls
    back. A bucket that takes longer to fill than an empty one was written before the clock was set back.
    """
    cursor = await connection.execute(
        """
        WITH asked AS (
            SELECT key, make_interval(secs => cost) AS cost, make_interval(secs => size) AS size
            FROM unnest(%(keys)s::bytea[], %(costs)s::float8[], %(sizes)s::float8[]) WITH ORDINALITY
                 AS asked (key, cost, size, place)
            ORDER BY place
        )
        INSERT INTO rate_limits AS bucket (key, full_at)
        SELECT key, now() + cost FROM asked
        ON CONFLICT (key) DO UPDATE
        SET full_at = (SELECT least(greatest(bucket.full_at, clock_timestamp()), clock_timestamp() + size) + cost
                       FROM asked WHERE asked.key = bucket.key)
        RETURNING key, extract(epoch FROM full_at - clock_timestamp())::float8
        """,
        {
            "keys": list(takings),
            "costs": [taking.cost for taking in takings.values()],
            "sizes": [taking.size for taking in takings.values()],
        },
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

"""The connection pool."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import psycopg
from fastapi import Depends, Request
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from app.config import Settings
from app.errors import DatabaseUnavailable


def create_pool(settings: Settings) -> AsyncConnectionPool:
    """A pool that is still closed. Its limits are short: whoever waits for an absent database waits in vain."""
    return AsyncConnectionPool(
        settings.conninfo,
        open=False,
        min_size=1,
        max_size=8,
        timeout=1.5,  # seconds that a request waits for a connection
        max_waiting=64,
        reconnect_timeout=3,  # then the next request tries anew, so that a database that comes back is soon seen
        check=AsyncConnectionPool.check_connection,  # a restarted database leaves dead connections behind
        kwargs={"connect_timeout": 2, "options": "-c statement_timeout=5000", "application_name": "digit-recogniser"},
    )


@asynccontextmanager
async def connect(pool: AsyncConnectionPool) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection in a transaction, which is committed at the end. Raises DatabaseUnavailable."""
    try:
        async with pool.connection() as connection:
            yield connection
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as e:
        raise DatabaseUnavailable("The database is not set up: db/init.sql has to run on it.") from e
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, TooManyRequests) as e:
        raise DatabaseUnavailable from e


def _pool(request: Request) -> AsyncConnectionPool:
    return request.app.state.pool


Pool = Annotated[AsyncConnectionPool, Depends(_pool)]


async def _connection(pool: Pool) -> AsyncIterator[psycopg.AsyncConnection]:
    async with connect(pool) as connection:
        yield connection


# scope: committed before the response is sent, so that a 201 is not said of what then fails
Connection = Annotated[psycopg.AsyncConnection, Depends(_connection, scope="function")]

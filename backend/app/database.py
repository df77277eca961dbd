"""The connection pool."""

import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import psycopg
from fastapi import Depends, Request
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from app.config import Settings
from app.errors import DatabaseUnavailable

AGAIN_AFTER_S = 600


class Seldom(logging.Filter):
    """The same warning once in ten minutes: background tasks ask an absent database every few seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, message = time.monotonic(), record.getMessage()
        self._said = {said: when for said, when in self._said.items() if now - when < AGAIN_AFTER_S}
        return self._said.setdefault(message, now) == now


SELDOM = Seldom()


def create_pool(settings: Settings) -> AsyncConnectionPool:
    """A pool that is still closed. Its limits are short: whoever waits for an absent database waits in vain."""
    logging.getLogger("psycopg.pool").addFilter(SELDOM)
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
    with _translated():
        async with pool.connection() as connection:
            yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as e:
        raise DatabaseUnavailable("The database is not set up: db/migrate.sh has to run on it.") from e
    except psycopg.errors.InsufficientPrivilege as e:
        raise DatabaseUnavailable("The database's role may not do this: db/migrate.sh has to run on it.") from e
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, TooManyRequests) as e:
        raise DatabaseUnavailable from e


async def _pool(request: Request) -> AsyncConnectionPool:
    return request.app.state.pool


Pool = Annotated[AsyncConnectionPool, Depends(_pool)]


async def _connection(pool: Pool) -> AsyncIterator[psycopg.AsyncConnection]:
    async with connect(pool) as connection:
        yield connection


# scope: committed before the response is sent, so that a 201 is not said of what then fails
Connection = Annotated[psycopg.AsyncConnection, Depends(_connection, scope="function")]


# of one statement, and of the client between two: an export must not be held up for ever, nor hold up vacuum
SNAPSHOT_OPTIONS = "-c statement_timeout=60000 -c idle_in_transaction_session_timeout=60000"


async def _snapshot(pool: Pool) -> AsyncIterator[psycopg.AsyncConnection]:
    with _translated():
        options = pool.kwargs | {"options": SNAPSHOT_OPTIONS}
        async with await psycopg.AsyncConnection.connect(pool.conninfo, **options) as connection:
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            yield connection


# reads one state of the database for as long as the response takes; beside the pool, of which it would take a part
Snapshot = Annotated[psycopg.AsyncConnection, Depends(_snapshot, scope="request")]

"""The connection pool, and what is said of a database that does not do what it should."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Annotated, Any, NamedTuple

import psycopg
from fastapi import Depends, Request
from prometheus_client import Counter
from psycopg_pool import AsyncConnectionPool

from app.config import Settings
from app.errors import DatabaseUnavailable

AGAIN_AFTER_S = 600
STATEMENT_S = 5  # that a statement may take; the server ends it then
SNAPSHOT_STATEMENT_S = 60
GRACE_S = 1  # after which the server is taken to be frozen
LOOK_AGAIN_S = 0.1
CHECK_S = 1  # for a connection of the pool to show that it still works
CONNECT_S = 2

ERRORS = Counter("database_errors", "Times that the database could not be used", ["kind"])


class Trouble(NamedTuple):
    """What is wrong with the database: a label for Prometheus, and words for clients."""

    kind: str
    words: str


AWAY = Trouble("away", DatabaseUnavailable.__doc__)
BUSY = Trouble("busy", "The database is too busy to answer; predictions still work. Try again in a moment.")
DISK_FULL = Trouble("disk_full", "The database's disk is full: nothing can be stored. Predictions still work.")
READ_ONLY = Trouble("read_only", "The database is read-only: nothing can be stored. Predictions still work.")
NOT_SET_UP = Trouble("not_set_up", "The database is not set up: db/migrate.sh has to run on it.")
NOT_ALLOWED = Trouble("not_allowed", "The database's role may not do this: db/migrate.sh has to run on it.")

# by SQLSTATE, or by the class that its first two characters are
TROUBLES = {
    "25006": READ_ONLY,
    "25P03": BUSY,  # idle in a transaction for too long
    "40": BUSY,  # a deadlock
    "42501": NOT_ALLOWED,
    "42P01": NOT_SET_UP,  # no such table
    "42703": NOT_SET_UP,  # no such column
    "53": BUSY,  # out of memory, or of connections
    "53100": DISK_FULL,
    "55P03": BUSY,  # a lock that is not to be waited for
    "57014": BUSY,  # statement_timeout
}


for trouble in (AWAY, *TROUBLES.values()):
    ERRORS.labels(trouble.kind)  # at 0 from the start: Prometheus sees no increase in a series that just appeared


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


class LimitedConnection(psycopg.AsyncConnection):
    """Hangs up on a server that does not answer. Its own statement_timeout stands still while it is frozen."""

    patience_s: float = STATEMENT_S + GRACE_S

    async def wait(self, *args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(self.patience_s, self._look_again, loop)
        try:
            return await super().wait(*args, **kwargs)
        finally:
            self._limit.cancel()

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        """The answer may have come while something else held up this process."""
        self._limit = loop.call_later(LOOK_AGAIN_S, self._hang_up)

    def _hang_up(self) -> None:
        """To whoever waits for the server it then looks as if the server had gone: an OperationalError.

        By asyncio.timeout it would take ten seconds more, in which psycopg asks the server to cancel the statement.
        """
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)


class DatabasePool(AsyncConnectionPool[LimitedConnection]):
    """A pool that remembers whether the disk was full when something was last written."""

    disk_is_full = False


def create_pool(settings: Settings) -> DatabasePool:
    """A pool that is still closed. Its limits are short: whoever waits for an absent database waits in vain."""
    logging.getLogger("psycopg.pool").addFilter(SELDOM)
    pool = DatabasePool(
        settings.conninfo,
        connection_class=LimitedConnection,
        open=False,
        min_size=1,
        max_size=8,
        timeout=1.5,  # seconds that a request waits for a connection
        max_waiting=64,
        reconnect_timeout=3,  # then the next request tries anew, so that a database that comes back is soon seen
        check=lambda connection: _check(connection, pool),  # a restarted database leaves dead connections behind
        kwargs={
            "connect_timeout": CONNECT_S,
            "options": f"-c statement_timeout={STATEMENT_S}s",
            "application_name": "digit-recogniser",
        },
    )
    return pool


async def _check(connection: LimitedConnection, pool: DatabasePool) -> None:
    connection.patience_s = CHECK_S
    try:
        await AsyncConnectionPool.check_connection(connection)
    except psycopg.Error:
        await pool.drain()  # the others are as dead: each would cost the request another second
        raise
    finally:
        connection.patience_s = LimitedConnection.patience_s


@asynccontextmanager
async def connect(pool: DatabasePool) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection in a transaction, which is committed at the end. Raises DatabaseUnavailable."""
    with _translated(pool):
        async with pool.connection() as connection:
            yield connection


@contextmanager
def _translated(pool: DatabasePool) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as e:
        trouble = _trouble(e)
        if trouble is None:  # a bug of ours
            raise
        pool.disk_is_full |= trouble is DISK_FULL
        ERRORS.labels(trouble.kind).inc()
        raise DatabaseUnavailable(trouble.words) from e


def _trouble(error: psycopg.Error) -> Trouble | None:
    """What is wrong with the database; None where it is in order."""
    state = error.sqlstate or ""
    absent = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)  # also what the pool raises
    return TROUBLES.get(state) or TROUBLES.get(state[:2]) or (AWAY if absent else None)


async def _pool(request: Request) -> DatabasePool:
    return request.app.state.pool


Pool = Annotated[DatabasePool, Depends(_pool)]


async def _connection(pool: Pool) -> AsyncIterator[psycopg.AsyncConnection]:
    async with connect(pool) as connection:
        yield connection


# scope: committed before the response is sent, so that a 201 is not said of what then fails
Connection = Annotated[psycopg.AsyncConnection, Depends(_connection, scope="function")]


# of one statement, and of the client between two: an export must not be held up for ever, nor hold up vacuum
SNAPSHOT_OPTIONS = f"-c statement_timeout={SNAPSHOT_STATEMENT_S}s -c idle_in_transaction_session_timeout=60s"


async def _snapshot(pool: Pool) -> AsyncIterator[psycopg.AsyncConnection]:
    with _translated(pool):
        options = pool.kwargs | {"options": SNAPSHOT_OPTIONS}
        async with await LimitedConnection.connect(pool.conninfo, **options) as connection:
            connection.patience_s = SNAPSHOT_STATEMENT_S + GRACE_S
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            yield connection


# reads one state of the database for as long as the response takes; beside the pool, of which it would take a part
Snapshot = Annotated[psycopg.AsyncConnection, Depends(_snapshot, scope="request")]

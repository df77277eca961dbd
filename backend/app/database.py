"""The connection pool, and how errors of the database are reported."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Annotated, Any, NamedTuple, TypeVar

import psycopg
from fastapi import Depends, Request
from prometheus_client import Counter
from psycopg_pool import AsyncConnectionPool

from app.client import Client, CurrentClient
from app.config import Settings, get_settings
from app.errors import Busy, DatabaseUnavailable
from app.turns import ANSWER_S, Shared, Shares, Turns

AGAIN_AFTER_S = 600
STATEMENT_S = 5  # after which the server cancels a statement
OPTIONS = f"-c statement_timeout={STATEMENT_S}s"
SNAPSHOT_STATEMENT_S = 60
# limits on a statement, and on the client between two: an export must not hang forever, nor hold up vacuum
SNAPSHOT_OPTIONS = f"-c statement_timeout={SNAPSHOT_STATEMENT_S}s -c idle_in_transaction_session_timeout=60s"
GRACE_S = 1  # after which the server counts as frozen
LOOK_AGAIN_S = 0.1
CHECK_S = 1  # that checking a connection of the pool may take
CONNECT_S = 2
WAITING = 128  # requests that wait for a connection
SHARE = WAITING // 2  # of one address
CONNECTIONS = 8  # of all workers together; Postgres accepts 100 by default
MIN_CONNECTIONS = 3  # of each worker: three backends with 8 workers have 72

# those that may take long; the other connections are for people who store something
QUERIES = Turns(at_once=MIN_CONNECTIONS - 1, waiting=WAITING)
EVERYBODY = Client("everybody")  # whom shared figures are counted for

T = TypeVar("T")

ERRORS = Counter("database_errors", "Times that the database could not be used", ["kind"])


class Trouble(NamedTuple):
    """What is wrong with the database: a label for Prometheus, and a sentence for clients."""

    kind: str
    words: str


AWAY = Trouble("away", DatabaseUnavailable().detail)
BUSY = Trouble("busy", "The database is too busy to answer; predictions still work. Try again in a moment.")
DISK_FULL = Trouble("disk_full", "The database's disk is full: nothing can be stored. Predictions still work.")
READ_ONLY = Trouble("read_only", "The database is read-only: nothing can be stored. Predictions still work.")
NOT_SET_UP = Trouble("not_set_up", "The database is not set up: db/migrate.sh has to run on it.")
NOT_ALLOWED = Trouble("not_allowed", "The database's role may not do this: db/migrate.sh has to run on it.")

# by SQLSTATE, or by its first two characters, its class
TROUBLES = {
    "0A000": READ_ONLY,  # on a standby, from the unlogged tables of rate limits
    "25006": READ_ONLY,
    "25P03": BUSY,  # idle in a transaction for too long
    "40": BUSY,  # a deadlock
    "42501": NOT_ALLOWED,
    "42P01": NOT_SET_UP,  # no such table
    "42703": NOT_SET_UP,  # no such column
    "53": BUSY,  # out of memory, or of connections
    "53100": DISK_FULL,
    "55P03": BUSY,  # a lock with NOWAIT, or lock_timeout
    "57014": BUSY,  # statement_timeout
}


for trouble in (AWAY, *TROUBLES.values()):
    ERRORS.labels(trouble.kind)  # start at 0: Prometheus sees no increase in a new series


class NoRepeats(logging.Filter):
    """Drops a message that was logged within the last ten minutes: the pool retries every few seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, message = time.monotonic(), record.getMessage()
        self._said = {said: when for said, when in self._said.items() if now - when < AGAIN_AFTER_S}
        return self._said.setdefault(message, now) == now


NO_REPEATS = NoRepeats()


class LimitedConnection(psycopg.AsyncConnection):
    """Closes the connection to a server that does not answer: while it is frozen, so is its statement_timeout."""

    patience_s: float = STATEMENT_S + GRACE_S

    async def wait(self, *args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(self.patience_s, self._look_again, loop)
        try:
            return await super().wait(*args, **kwargs)
        finally:
            self._limit.cancel()

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        """Waits a little longer: the answer may have arrived while this process was busy."""
        self._limit = loop.call_later(LOOK_AGAIN_S, self._hang_up)

    def _hang_up(self) -> None:
        """Makes the waiting call raise OperationalError, as if the server had closed the connection.

        asyncio.timeout would take ten seconds longer, during which psycopg asks the server to cancel the statement.
        """
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)


class DatabasePool(AsyncConnectionPool[LimitedConnection]):
    """A pool that remembers whether the last write found the disk full."""

    disk_is_full = False
    examination: asyncio.Task[Any] | None = None  # of watch.py

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.shares = Shares(SHARE)
        self.figures = Shared()


def create_pool(settings: Settings) -> DatabasePool:
    """A pool that is not opened yet. Its timeouts are short, so that requests fail fast without a database."""
    logging.getLogger("psycopg.pool").addFilter(NO_REPEATS)
    pool: DatabasePool = DatabasePool(
        settings.conninfo,
        connection_class=LimitedConnection,
        open=False,
        min_size=1,
        max_size=max(CONNECTIONS // settings.worker_count, MIN_CONNECTIONS),
        timeout=1.5,  # seconds that a request waits for a connection
        max_waiting=WAITING,
        reconnect_timeout=3,  # then the next request tries again, so that a database that is back is noticed soon
        check=lambda connection: _check(connection, pool),  # a restart of the database leaves dead connections
        kwargs=_parameters(OPTIONS),
    )
    return pool


def _parameters(options: str) -> dict[str, Any]:
    return {"connect_timeout": CONNECT_S, "options": options, "application_name": "digit-recogniser"}


async def _check(connection: LimitedConnection, pool: DatabasePool) -> None:
    connection.patience_s = CHECK_S
    try:
        await AsyncConnectionPool.check_connection(connection)
    except psycopg.Error:
        await pool.drain()  # the others are dead too, and each would cost the request another second
        raise
    finally:
        connection.patience_s = LimitedConnection.patience_s


@asynccontextmanager
async def connect(pool: DatabasePool) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection in a transaction that is committed at the end. Raises DatabaseUnavailable."""
    with _translated(pool):
        async with pool.connection() as connection:
            yield connection


@asynccontextmanager
async def connect_for(pool: DatabasePool, client: Client) -> AsyncIterator[psycopg.AsyncConnection]:
    """As `connect`, for what a client asks. Raises Busy too."""
    with pool.shares.take(client.address):
        async with connect(pool) as connection:
            yield connection


@asynccontextmanager
async def query_for(pool: DatabasePool, client: Client) -> AsyncIterator[psycopg.AsyncConnection]:
    """As `connect_for`, for what may take long."""
    async with QUERIES.take(client), connect(pool) as connection:
        yield connection


async def count_for_everybody(
    pool: DatabasePool, key: Hashable, count: Callable[[psycopg.AsyncConnection], Awaitable[T]], latest: bool
) -> T:
    """What `count` finds, as Shared.get does."""

    async def count_on_connection() -> T:
        async with query_for(pool, EVERYBODY) as connection:
            return await count(connection)

    return await pool.figures.get(key, count_on_connection, latest)


@contextmanager
def _translated(pool: DatabasePool) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as e:
        trouble = _trouble(e)
        if trouble is None:  # a bug
            raise
        pool.disk_is_full |= trouble is DISK_FULL
        ERRORS.labels(trouble.kind).inc()
        raise DatabaseUnavailable(trouble.words) from e


def _trouble(error: psycopg.Error) -> Trouble | None:
    """What is wrong with the database; None if nothing is."""
    state = error.sqlstate or ""
    absent = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)  # also those of the pool
    return TROUBLES.get(state) or TROUBLES.get(state[:2]) or (AWAY if absent else None)


async def _pool(request: Request) -> DatabasePool:
    pool: DatabasePool = request.app.state.pool
    return pool


Pool = Annotated[DatabasePool, Depends(_pool)]


async def _connection(pool: Pool, client: CurrentClient) -> AsyncIterator[psycopg.AsyncConnection]:
    async with connect_for(pool, client) as connection:
        yield connection


async def _query(pool: Pool, client: CurrentClient) -> AsyncIterator[psycopg.AsyncConnection]:
    try:
        async with asyncio.timeout(ANSWER_S), query_for(pool, client) as connection:
            yield connection
    except TimeoutError as e:
        raise Busy from e


# scope: committed before the response is sent, so that a 201 is not followed by a failed commit
Connection = Annotated[psycopg.AsyncConnection, Depends(_connection, scope="function")]
QueryConnection = Annotated[psycopg.AsyncConnection, Depends(_query, scope="function")]


async def _snapshot(pool: Pool) -> AsyncIterator[psycopg.AsyncConnection]:
    with _translated(pool):
        conninfo = get_settings().conninfo
        async with await LimitedConnection.connect(conninfo, **_parameters(SNAPSHOT_OPTIONS)) as connection:
            connection.patience_s = SNAPSHOT_STATEMENT_S + GRACE_S
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            yield connection


# a consistent snapshot for as long as the response takes; not from the pool, where it would block other requests
Snapshot = Annotated[psycopg.AsyncConnection, Depends(_snapshot, scope="request")]

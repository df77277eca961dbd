"""Whether the database does its part: for health checks, Prometheus and the log."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import Gauge

from app import store
from app.database import AWAY, DISK_FULL, READ_ONLY, DatabasePool, connect
from app.errors import DatabaseUnavailable
from app.schemas import Part

log = logging.getLogger("app")

EVERY_S = 5.0

READY = Gauge("database_ready", "Whether the database can be used, for reading and writing: 1 or 0")


async def examine(pool: DatabasePool) -> Part:
    """The state of the database, in words. Writes nothing: everybody may ask."""
    try:
        async with connect(pool) as connection:
            version = await store.find_schema_version(connection)
            is_read_only = await store.is_read_only(connection)
    except DatabaseUnavailable as e:  # why is in the log: a client need not know where the database is
        return Part(ready=False, detail="The database cannot be reached." if e.detail == AWAY.words else e.detail)
    if trouble := _schema_trouble(version):
        return Part(ready=False, detail=trouble)
    if is_read_only:
        return Part(ready=False, detail=READ_ONLY.words)
    if pool.disk_is_full:
        return Part(ready=False, detail=DISK_FULL.words)
    return Part(ready=True, detail="ok")


def _schema_trouble(version: int | None) -> str | None:
    """Why this release does not fit a database of this version; None where it does."""
    needed = store.SCHEMA_VERSION
    if version is None:
        return "The database is not set up: run db/migrate.sh (./up.sh does)."
    if version < needed:
        return f"The database is at version {version}, this release needs {needed}: run db/migrate.sh (./up.sh does)."
    if version > needed:
        return f"The database is at version {version}, of a newer release; this one needs {needed}: use the newer one."
    return None


@asynccontextmanager
async def watching(pool: DatabasePool) -> AsyncIterator[None]:
    """Meanwhile, the log says when the database ceases to be ready and when it is ready again."""
    task = asyncio.create_task(_keep_watching(pool))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_watching(pool: DatabasePool) -> None:
    before = Part(ready=True, detail="ok")
    while True:
        try:
            if pool.disk_is_full:
                await _try_to_write(pool)
            now = await examine(pool)
        except Exception:  # a bug; the answers must go on, and so must this
            log.exception("The database could not be examined.")
            now = Part(ready=False, detail="The database could not be examined.")
        READY.set(now.ready)
        if now != before:
            _tell(now)
        before = now
        await asyncio.sleep(EVERY_S)


def _tell(now: Part) -> None:
    if now.ready:
        log.info("The database is ready again.")
    else:
        log.warning("The database is not ready. %s", now.detail)


async def _try_to_write(pool: DatabasePool) -> None:
    """Finds out whether there is room again; nobody may be submitting anything while the service is not ready."""
    with suppress(DatabaseUnavailable):
        async with connect(pool) as connection:
            await store.try_to_write(connection)
        pool.disk_is_full = False

"""The state of the database, for health checks, Prometheus and the log."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import Gauge

from app import store
from app.background import running
from app.database import AWAY, DISK_FULL, READ_ONLY, DatabasePool, connect
from app.errors import DatabaseUnavailable
from app.schemas.health import Part
from app.workers import is_first

log = logging.getLogger("app")

EVERY_S = 5.0

READY = Gauge(
    "database_ready", "Whether the database can be used, for reading and writing: 1 or 0", multiprocess_mode="livemin"
)


async def examine(pool: DatabasePool) -> Part:
    """The state of the database, in words. Anyone may call it: it writes nothing, and concurrent calls share a look."""
    if pool.examination is None or pool.examination.done():
        pool.examination = asyncio.create_task(_examine(pool))
    found: Part = await asyncio.shield(pool.examination)
    return found.model_copy()


async def _examine(pool: DatabasePool) -> Part:
    try:
        async with connect(pool) as connection:
            version = await store.health.find_schema_version(connection)
            is_read_only = await store.health.is_read_only(connection)
    except DatabaseUnavailable as e:  # the cause is only logged: clients must not learn the database's address
        return Part(ready=False, detail="The database cannot be reached." if e.detail == AWAY.words else e.detail)
    if trouble := _schema_trouble(version):
        return Part(ready=False, detail=trouble)
    if is_read_only:
        return Part(ready=False, detail=READ_ONLY.words)
    if pool.disk_is_full:
        return Part(ready=False, detail=DISK_FULL.words)
    return Part(ready=True, detail="ok")


def _schema_trouble(version: int | None) -> str | None:
    """Why this release does not match the version of the database; None if it does."""
    needed = store.health.SCHEMA_VERSION
    if version is None:
        return "The database is not set up: run db/migrate.sh (./up.sh does)."
    if version < needed:
        return f"The database is at version {version}, this release needs {needed}: run db/migrate.sh (./up.sh does)."
    if version > needed:
        return f"The database is at version {version}, of a newer release; this one needs {needed}: use the newer one."
    return None


@asynccontextmanager
async def watching(pool: DatabasePool) -> AsyncIterator[None]:
    """Logs when the database becomes unavailable or available again, in the background."""
    async with running(_keep_watching(pool)):
        yield


async def _keep_watching(pool: DatabasePool) -> None:
    before = Part(ready=True, detail="ok")
    while True:
        try:
            if pool.disk_is_full:
                await _try_to_write(pool)
            now = await examine(pool)
        except Exception:  # a bug, which must not stop this task
            log.exception("The database could not be examined.")
            now = Part(ready=False, detail="The database could not be examined.")
        READY.set(now.ready)
        if now != before and is_first():
            _log_change(now)
        before = now
        await asyncio.sleep(EVERY_S)


def _log_change(now: Part) -> None:
    if now.ready:
        log.info("The database is ready again.")
    else:
        log.warning("The database is not ready. %s", now.detail)


async def _try_to_write(pool: DatabasePool) -> None:
    """Finds out whether there is space again: while the service is not ready, there may be no other writes."""
    with suppress(DatabaseUnavailable):
        async with connect(pool) as connection:
            await store.health.try_to_write(connection)
        pool.disk_is_full = False

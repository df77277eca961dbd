"""The log of predictions: a small row for each, collected in memory and written in the background."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import psycopg
from fastapi import Depends, Request
from prometheus_client import Counter

from app import store
from app.background import attempt
from app.database import DatabasePool, connect
from app.drift import REFERENCE
from app.errors import DatabaseUnavailable
from app.schemas.predictions import Prediction
from app.schemas.submissions import Submission
from app.workers import is_first

log = logging.getLogger("app")

CAPACITY = 10_000  # rows kept in memory while the database is unavailable; then the oldest are dropped
BATCH = 500
EVERY_S = 2.0
MOST = 2_000_000  # rows in the database, about 350 MB; counting them by day takes a quarter of a second
CLEAN_EVERY_S = 60
CLEAN_AT_ONCE = 10_000  # rows; deleting a month's in one statement could exceed its time limit
LAST_S = 2.0  # to write what is left at shutdown

DROPPED = Counter("predictions_dropped", "Answers whose row was lost: the database was away too long, or refused them")


class Journal:
    """The latest predictions, on their way to the database."""

    def __init__(self, days: int) -> None:
        """`days`: how long rows are kept."""
        self._days = days
        self._rows: deque[store.predictions.NewPrediction] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._clean_at = time.monotonic()

    def record(self, answer: Prediction | Submission, milliseconds: float) -> None:
        """Never waits, never fails."""
        if len(self._rows) >= CAPACITY:
            self._rows.popleft()
            DROPPED.inc()
        digit = answer.digit if isinstance(answer, Prediction) else answer.prediction
        row = (datetime.now(UTC), answer.model, digit, answer.confidence, answer.unsure, milliseconds)
        self._rows.append(store.predictions.NewPrediction(*row))
        if len(self._rows) == BATCH:  # once, not for every row while the database is unavailable
            self._wake.set()

    @asynccontextmanager
    async def writing(self, pool: DatabasePool) -> AsyncIterator[None]:
        """Writes rows in the background, and at the end those that are left."""
        task = asyncio.create_task(self._keep_writing(pool))
        try:
            yield
        finally:
            self._stopping = True
            self._wake.set()
            await asyncio.wait({task}, timeout=LAST_S)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            if self._rows:
                log.warning("%d answers could not be written to the database", len(self._rows))

    async def _keep_writing(self, pool: DatabasePool) -> None:
        pause = EVERY_S
        while not self._stopping:  # not background.repeat: the last rows are still to be written
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            self._wake.clear()
            message = "Writing predictions failed; retrying in a minute."
            pause = await attempt(partial(self._write_and_clean, pool), EVERY_S, message)

    async def _write_and_clean(self, pool: DatabasePool) -> None:
        await self._write(pool)
        await self._clean(pool)

    async def _write(self, pool: DatabasePool) -> None:
        while self._rows:
            batch = [self._rows.popleft() for _ in range(min(BATCH, len(self._rows)))]
            try:
                async with connect(pool) as connection:
                    await store.predictions.insert(connection, batch)
            except (DatabaseUnavailable, asyncio.CancelledError):
                self._put_back(batch)
                raise
            except psycopg.Error:  # the table would refuse these rows again
                DROPPED.inc(len(batch))
                raise
            await self._store_references(pool, {row.model for row in batch})

    async def _store_references(self, pool: DatabasePool, models: set[str]) -> None:
        """Stores the reference of each model that has enough predictions now, if it has none.

        Not remembered in memory: another database may have taken this one's place.
        """
        for model in models:
            async with connect(pool) as connection:
                if await store.predictions.find_reference(connection, model) is None:
                    await store.predictions.fill_reference(connection, model, REFERENCE)

    async def _clean(self, pool: DatabasePool) -> None:
        """Deletes some rows that are too old or too many; once none are left, only every minute."""
        if time.monotonic() < self._clean_at or self._stopping or not is_first():
            return
        async with connect(pool) as connection:
            deleted = await store.predictions.delete_old(connection, self._days, MOST, CLEAN_AT_ONCE)
        if deleted < CLEAN_AT_ONCE:
            self._clean_at = time.monotonic() + CLEAN_EVERY_S

    def _put_back(self, batch: list[store.predictions.NewPrediction]) -> None:
        """Keeps the newest of them, as many as fit."""
        room = CAPACITY - len(self._rows)
        kept = batch[max(len(batch) - room, 0) :]
        self._rows.extendleft(reversed(kept))
        DROPPED.inc(len(batch) - len(kept))


async def _journal(request: Request) -> Journal:
    journal: Journal = request.app.state.journal
    return journal


Log = Annotated[Journal, Depends(_journal)]

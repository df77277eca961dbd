"""A light row for each answer, gathered without waiting and written in the background."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Annotated

import psycopg
from fastapi import Depends, Request
from prometheus_client import Counter
from psycopg_pool import AsyncConnectionPool

from app import store
from app.database import connect
from app.drift import REFERENCE
from app.errors import DatabaseUnavailable
from app.schemas import Prediction, Submission

log = logging.getLogger("app")

CAPACITY = 10_000  # rows kept while the database is away; then the oldest go
BATCH = 500
EVERY_S = 2.0
CLEAN_EVERY_S = 3600
CLEAN_AT_ONCE = 10_000  # rows; a whole month's in one statement could outlast its time limit
AFTER_TROUBLE_S = 60.0  # between two complaints about what nobody foresaw
LAST_S = 2.0  # for what is left at shutdown

DROPPED = Counter("predictions_dropped", "Answers whose row was lost: the database was away too long, or refused them")


class Journal:
    """What `/predict` answered lately, on its way to the database."""

    def __init__(self, days: int) -> None:
        """`days`: how long rows are kept."""
        self._days = days
        self._rows: deque[store.NewPrediction] = deque()
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
        self._rows.append(store.NewPrediction(*row))
        if len(self._rows) == BATCH:  # once, not for each further one while the database is away
            self._wake.set()

    @asynccontextmanager
    async def writing(self, pool: AsyncConnectionPool) -> AsyncIterator[None]:
        """Writes meanwhile, and at the end what is left."""
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

    async def _keep_writing(self, pool: AsyncConnectionPool) -> None:
        pause = EVERY_S
        while not self._stopping:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            self._wake.clear()
            pause = EVERY_S
            try:
                await self._write(pool)
                await self._clean(pool)
            except DatabaseUnavailable:
                pass  # it may come back
            except Exception:  # a bug or a missing right; the answers must go on, and so must this
                log.exception("The log of answers is in trouble; it goes on in a minute.")
                pause = AFTER_TROUBLE_S

    async def _write(self, pool: AsyncConnectionPool) -> None:
        while self._rows:
            batch = [self._rows.popleft() for _ in range(min(BATCH, len(self._rows)))]
            try:
                async with connect(pool) as connection:
                    await store.insert_predictions(connection, batch)
            except (DatabaseUnavailable, asyncio.CancelledError):
                self._put_back(batch)
                raise
            except psycopg.Error:  # what the table refuses now, it would refuse again
                DROPPED.inc(len(batch))
                raise
            await self._refer(pool, {row.model for row in batch})

    async def _refer(self, pool: AsyncConnectionPool, models: set[str]) -> None:
        """Counts the first answers of those models that have enough of them by now, where that was not done.

        The database is asked each time: what holds for one may not hold for the one that takes its place.
        """
        for model in models:
            async with connect(pool) as connection:
                if await store.find_reference(connection, model) is None:
                    await store.fill_reference(connection, model, REFERENCE)

    async def _clean(self, pool: AsyncConnectionPool) -> None:
        """Deletes some that are too old; when none is left, rests for an hour."""
        if time.monotonic() < self._clean_at or self._stopping:
            return
        async with connect(pool) as connection:
            deleted = await store.delete_old_predictions(connection, self._days, CLEAN_AT_ONCE)
        if deleted < CLEAN_AT_ONCE:
            self._clean_at = time.monotonic() + CLEAN_EVERY_S

    def _put_back(self, batch: list[store.NewPrediction]) -> None:
        """The newest of them, as many as there is room for."""
        room = CAPACITY - len(self._rows)
        kept = batch[max(len(batch) - room, 0) :]
        self._rows.extendleft(reversed(kept))
        DROPPED.inc(len(batch) - len(kept))


async def _journal(request: Request) -> Journal:
    return request.app.state.journal


Log = Annotated[Journal, Depends(_journal)]

"""The model that serves: the one that was promoted last, or the one in the image if none was."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated

import numpy as np
import psycopg
from fastapi import Depends, Request
from prometheus_client import Gauge

from app import promotion, store
from app.background import repeat, running
from app.config import Settings
from app.database import DatabasePool, connect
from app.errors import ModelRefused
from app.imaging import SIDE
from app.recognizer import Recognizer
from app.schemas.models import Promotion

log = logging.getLogger("app")

POLL_S = 2.0  # a promotion by another backend takes effect within 5 s, loading included
FIRST_LOOK_S = 1.0  # for which the start waits for the database at most

REFUSED = Gauge(
    "model_refused",
    "Whether the model that was promoted last is refused, and another serves: 1 or 0",
    multiprocess_mode="livemax",
)


class Registry:
    """The model that serves is `current`; a request that began with another one keeps it."""

    def __init__(self, settings: Settings) -> None:
        """Raises ModelFileError if the model in the image does not load."""
        self._settings = settings
        self._shipped = Recognizer.load(settings.model_file)
        self._shipped.read(np.zeros((SIDE, SIDE), np.float32))  # the first prediction takes longest
        self.current = self._shipped
        self._followed: Promotion | None = None  # the last one that was handled
        self._is_registered = False
        self._refusal = ""
        self._lock = asyncio.Lock()

    @property
    def shipped(self) -> str:
        """The version that serves if nothing was ever promoted."""
        return self._shipped.version

    @property
    def state(self) -> str:
        """In words, for operators."""
        return self.current.version + self._refusal

    @asynccontextmanager
    async def following(self, pool: DatabasePool) -> AsyncIterator[None]:
        """Serves what is promoted, in the background; before the first request if the database answers at once."""
        await self._look_at_once()
        message = "Promotions cannot be followed; the next try is in a minute."
        async with running(repeat(partial(self._follow, pool), POLL_S, message)):
            yield

    async def promote(self, pool: DatabasePool, version: str, reason: str, overrule: bool) -> Promotion:
        """As promotion.promote. The model serves at once in this process, and within seconds in all others."""
        async with self._lock:
            async with connect(pool) as connection:
                new, model = await promotion.promote(connection, version, self._shipped.version, reason, overrule)
            # after the commit
            log.info("promotion %d: %s, overruled: %s, reason: %r", new.id, version, new.overruled, reason)
            self._serve(new, self._shipped if version == self._shipped.version else model)
        return new

    async def _look_at_once(self) -> None:
        """Without the pool, which keeps retrying if nothing listens."""
        with suppress(TimeoutError, psycopg.Error):
            async with (
                asyncio.timeout(FIRST_LOOK_S),
                await psycopg.AsyncConnection.connect(self._settings.conninfo) as connection,
            ):
                await self._look(connection)

    async def _follow(self, pool: DatabasePool) -> None:
        async with connect(pool) as connection:
            await self._look(connection)
            await self._register(connection)

    async def _look(self, connection: psycopg.AsyncConnection) -> None:
        """Handles the newest promotion, if it has not been handled yet."""
        async with self._lock:
            newest = await store.promotions.find_newest(connection)
            if newest is None:
                self._serve(None, self._shipped)
            elif newest != self._followed:  # not only the id: the database may have been replaced
                await self._handle(newest, connection)

    async def _handle(self, newest: Promotion, connection: psycopg.AsyncConnection) -> None:
        known = {model.version: model for model in (self._shipped, self.current)}
        try:
            self._serve(newest, known.get(newest.model) or await self._load(newest.model, connection))
        except ModelRefused as e:
            self._followed = newest  # not tried again until another promotion
            REFUSED.set(1)
            self._refusal = f"; {newest.model} was promoted, but is refused: {e}"
            log.error("%s%s %s", self.current.version, self._refusal, e.__cause__ or "")

    async def _load(self, version: str, connection: psycopg.AsyncConnection) -> Recognizer:
        stored = await store.models.find(connection, version)
        if stored is None:
            raise ModelRefused("It is not in the database.")
        return await promotion.load_in_time(stored)

    def _serve(self, followed: Promotion | None, model: Recognizer) -> None:
        if model is not self.current:
            log.info("serving %s in place of %s", model.version, self.current.version)
        self.current, self._followed, self._refusal = model, followed, ""
        REFUSED.set(0)

    async def _register(self, connection: psycopg.AsyncConnection) -> None:
        """Stores the model in the image in the database, so that it can be promoted again."""
        if await store.models.is_known(connection, self._shipped.version):
            if not self._is_registered:  # its card may have been edited since it was stored
                await store.models.update_card(connection, self._shipped.version, self._shipped.card)
                self._is_registered = True
            return
        onnx, weights = self._settings.model_file, self._settings.model_file.with_name("model.pt")
        new = store.models.NewModel(
            version=self._shipped.version,
            onnx=onnx.read_bytes(),
            weights=weights.read_bytes() if weights.exists() else None,
            sha256=bytes.fromhex(self._shipped.card.sha256),
            card=self._shipped.card,
        )
        if hashlib.sha256(new.onnx).digest() == new.sha256:  # it was not retrained since the start
            await store.models.insert(connection, new)


async def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry


async def _current(request: Request) -> Recognizer:
    registry: Registry = request.app.state.registry
    return registry.current


CurrentRegistry = Annotated[Registry, Depends(_registry)]
Serving = Annotated[Recognizer, Depends(_current)]

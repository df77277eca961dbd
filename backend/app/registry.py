"""Which model serves: the one that was promoted last; where none was, the one in the image."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

import numpy as np
import psycopg
from anyio import to_thread
from fastapi import Depends, Request
from prometheus_client import Gauge
from psycopg_pool import AsyncConnectionPool

from app import promotion, store
from app.config import Settings
from app.database import connect
from app.errors import DatabaseUnavailable, ModelRefused
from app.imaging import SIDE
from app.recognizer import Recognizer
from app.schemas import Promotion

log = logging.getLogger("app")

POLL_S = 2.0  # a promotion elsewhere is to be noticed within 5 s, loading included
FIRST_LOOK_S = 1.0  # that the start waits for the database at most
AFTER_TROUBLE_S = 60.0  # between two complaints about what nobody foresaw


REFUSED = Gauge("model_refused", "Whether the model that was promoted last is refused, and another serves: 1 or 0")


class Registry:
    """The model that serves is `current`; a request keeps the one it began with when another takes its place."""

    def __init__(self, settings: Settings) -> None:
        """Raises ModelFileError where the model in the image does not load."""
        self._settings = settings
        self._shipped = Recognizer.load(settings.model_file)
        self._shipped.read(np.zeros((SIDE, SIDE), np.float32))  # the first answer takes longest
        self.current = self._shipped
        self._followed: Promotion | None = None  # that was acted upon last
        self._refusal = ""
        self._turn = asyncio.Lock()

    @property
    def state(self) -> str:
        """In words, for whoever runs this."""
        return self.current.version + self._refusal

    @asynccontextmanager
    async def following(self, pool: AsyncConnectionPool) -> AsyncIterator[None]:
        """Serves whatever is promoted meanwhile; from the start, if the database answers at once."""
        await self._look_at_once()
        task = asyncio.create_task(self._follow(pool))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def promote(self, pool: AsyncConnectionPool, version: str, reason: str, overrule: bool) -> Promotion:
        """As promotion.promote; here the model serves at once, elsewhere within seconds."""
        async with self._turn:
            async with connect(pool) as connection:
                new, model = await promotion.promote(connection, version, self._shipped.version, reason, overrule)
            # not before it is committed
            log.info("promotion %d: %s, overruled: %s, reason: %r", new.id, version, new.overruled, reason)
            self._serve(new, model)
        return new

    async def _look_at_once(self) -> None:
        """Not through the pool, which goes on trying where nothing listens."""
        with suppress(TimeoutError, psycopg.Error):
            async with (
                asyncio.timeout(FIRST_LOOK_S),
                await psycopg.AsyncConnection.connect(self._settings.conninfo) as connection,
            ):
                await self._look(connection)

    async def _follow(self, pool: AsyncConnectionPool) -> None:
        while True:
            pause = POLL_S
            try:
                async with connect(pool) as connection:
                    await self._look(connection)
                    await self._register(connection)
            except DatabaseUnavailable:
                pass  # it may come back
            except Exception:  # a bug or a missing right; the answers must go on, and so must this
                log.exception("Promotions cannot be followed; the next try is in a minute.")
                pause = AFTER_TROUBLE_S
            await asyncio.sleep(pause)

    async def _look(self, connection: psycopg.AsyncConnection) -> None:
        """Acts upon the newest promotion, if that is another than before."""
        async with self._turn:
            newest = await store.find_newest_promotion(connection)
            if newest is None:
                self._serve(None, self._shipped)
            elif newest != self._followed:  # not by its id alone: another database may have taken this one's place
                await self._act_upon(newest, connection)

    async def _act_upon(self, newest: Promotion, connection: psycopg.AsyncConnection) -> None:
        known = {model.version: model for model in (self._shipped, self.current)}
        try:
            self._serve(newest, known.get(newest.model) or await self._load(newest.model, connection))
        except ModelRefused as e:
            self._followed = newest  # it is tried again when another promotion comes
            REFUSED.set(1)
            self._refusal = f"; {newest.model} was promoted, but is refused: {e}"
            log.error("%s%s %s", self.current.version, self._refusal, e.__cause__ or "")

    async def _load(self, version: str, connection: psycopg.AsyncConnection) -> Recognizer:
        stored = await store.find_model(connection, version)
        if stored is None:
            raise ModelRefused("It is not in the database.")
        return await to_thread.run_sync(promotion.revive, stored)

    def _serve(self, followed: Promotion | None, model: Recognizer) -> None:
        if model is not self.current:
            log.info("serving %s in place of %s", model.version, self.current.version)
        self.current, self._followed, self._refusal = model, followed, ""
        REFUSED.set(0)

    async def _register(self, connection: psycopg.AsyncConnection) -> None:
        """The model in the image, so that it can be promoted again."""
        if await store.is_model_known(connection, self._shipped.version):
            return
        onnx, weights = self._settings.model_file, self._settings.model_file.with_name("model.pt")
        new = store.NewModel(
            version=self._shipped.version,
            onnx=onnx.read_bytes(),
            weights=weights.read_bytes() if weights.exists() else None,
            sha256=bytes.fromhex(self._shipped.card["sha256"]),
            card=self._shipped.card,
        )
        if hashlib.sha256(new.onnx).digest() == new.sha256:  # it was not trained anew since the start
            await store.insert_model(connection, new)


async def _registry(request: Request) -> Registry:
    return request.app.state.registry


async def _current(request: Request) -> Recognizer:
    return request.app.state.registry.current


CurrentRegistry = Annotated[Registry, Depends(_registry)]
Serving = Annotated[Recognizer, Depends(_current)]

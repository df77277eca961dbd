"""Rate limits, and the limit on storage.

Requests are counted in memory, by each worker on its own: that costs microseconds and is accurate enough. Writes and
guesses at the admin token are counted in Postgres, exactly, over all workers and backends. Addresses are not stored:
rows have a keyed hash, whose key changes at midnight (UTC), when the old one is deleted.
"""

import hmac
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import Counter, Gauge
from psycopg import AsyncConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app import store
from app.background import repeat, running
from app.client import Client, find_client
from app.config import Limit, Settings
from app.database import DatabasePool, connect
from app.errors import StorageFull, TooManyRequests
from app.middleware import route_path
from app.turns import LightTurns

EVERY_S = 30.0
SALT_S = 120.0  # after which it is read again: the database may have been replaced
DAY_S = 86_400.0
DAILY_SHARE = 0.15  # of all that may be stored: what one address may store at once, and again in the course of a day
MAX_BUCKETS = 20_000  # in memory, of each kind
ROUNDING_S = 1e-6
COSTS = {"/explain": 10}  # it runs the model on 576 pictures
FREE = ("/health/", "/metrics")  # monitoring is not limited

NETWORK = "at once from your network"
KINDS = {  # of limits, with the words for clients
    "visit_requests": "at once",
    "address_requests": NETWORK,
    "visit_writes": "at once",
    "address_writes": NETWORK,
    "address_bytes": "sketches from your network today",
    "token_guesses": "wrong tokens from your network",
    "storage": "",
}
REFUSED = Counter("refused_by_limits", "Requests refused because a client asked, or all stored, too much", ["kind"])
STORED = Gauge("submissions_bytes", "What the submissions take on the database's disk", multiprocess_mode="livemax")
FULL = Gauge(
    "storage_full", "Whether sketches are refused because of MAX_STORED_MB: 1 or 0", multiprocess_mode="livemax"
)

for kind in KINDS:
    REFUSED.labels(kind)  # start at 0: Prometheus sees no increase in a new series


class Buckets:
    """The token buckets of one limit, by key; an empty bucket is full again after `limit.seconds`."""

    def __init__(self, limit: Limit) -> None:
        self._limit, self._period = limit, limit.seconds / limit.requests
        self._full_at: dict[object, float] = {}
        self._tidy_at = MAX_BUCKETS

    def wait(self, key: object, now: float, cost: int = 1) -> float:
        """The seconds until `cost` may be taken; 0 or less: now."""
        return self._after(key, now, cost) - now - self._limit.seconds - ROUNDING_S

    def take(self, key: object, now: float, cost: int = 1) -> None:
        self._full_at[key] = self._after(key, now, cost)
        if len(self._full_at) > self._tidy_at:
            self._tidy(now)

    def _after(self, key: object, now: float, cost: int) -> float:
        """When the bucket would be full again. A cost above its size counts as its size."""
        return max(self._full_at.get(key, 0.0), now) + min(cost, self._limit.requests) * self._period

    def _tidy(self, now: float) -> None:
        """Forgets full buckets, and the oldest ones if there are too many."""
        left = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        self._full_at = dict(list(left.items())[-MAX_BUCKETS:])
        self._tidy_at = max(MAX_BUCKETS, 2 * len(self._full_at))


class Limits:
    """The limits of one worker: its own buckets, and those in the database."""

    def __init__(self, settings: Settings) -> None:
        self.on = settings.rate_limits == "on"
        self.storage_is_full = False
        self.turns = LightTurns()
        self._shared = {
            "visit_writes": settings.limit_visit_writes,
            "address_writes": settings.limit_address_writes,
            "token_guesses": settings.limit_token_guesses,
            "address_bytes": Limit(int(DAILY_SHARE * settings.max_stored_mb * 1_000_000), DAY_S),
        }
        self._of_visits = Buckets(settings.limit_visit_requests)
        self._of_addresses = Buckets(settings.limit_address_requests)
        self._most_bytes = settings.max_stored_mb * 1_000_000
        self._salt, self._salt_until = b"", 0.0
        self._stored = 0  # the bytes of all sketches; 0: not counted yet, or few

    def count_request(self, client: Client, cost: int = 1) -> None:
        """Raises TooManyRequests, in which case nothing is taken."""
        now = time.monotonic()
        if client.visit and (wait := self._of_visits.wait(client, now, cost)) > 0:
            raise _refused("visit_requests", wait)
        if (wait := self._of_addresses.wait(client.address, now, cost)) > 0:
            raise _refused("address_requests", wait)
        if client.visit:
            self._of_visits.take(client, now, cost)
        self._of_addresses.take(client.address, now, cost)

    @asynccontextmanager
    async def writing(self, pool: DatabasePool, client: Client) -> AsyncIterator[AsyncConnection]:
        """As `connect`, for what a visitor stores or deletes. Raises TooManyRequests and Busy too."""
        with pool.shares.take(client.address):
            salt = await self._todays_salt(pool)
            async with connect(pool) as connection:
                await self._take(connection, salt, client, {"visit_writes": 1, "address_writes": 1})
                yield connection

    async def count_guess(self, pool: DatabasePool, client: Client, right: bool) -> None:
        """Counts a wrong token. Raises TooManyRequests after too many, then also for the right token, and Busy."""
        if not self.on:
            return
        with pool.shares.take(client.address):
            salt = await self._todays_salt(pool)
            async with connect(pool) as connection:
                await self._take(connection, salt, client, {"token_guesses": 1})
                if right:
                    await connection.rollback()  # the right token does not count

    async def check_room(self, connection: AsyncConnection, client: Client, added: int) -> None:
        """To be called where `writing` stored `added` bytes of sketches. Raises StorageFull and TooManyRequests."""
        self._note(await self._is_too_much(connection, added))
        if self.storage_is_full:
            raise _full()
        await self._take(connection, self._salt, client, {"address_bytes": added})
        self._stored += added

    async def check_room_for_import(self, connection: AsyncConnection, added: int) -> None:
        """To be called when an import has stored `added` bytes of sketches so far. Raises StorageFull.

        They do not count for others before it has been committed, and all are counted again.
        """
        if not self._stored:
            await self._count(connection)
            self._stored = max(self._stored - added, 0)
        if await self._is_too_much(connection, added):
            raise _full()

    @asynccontextmanager
    async def tidying(self, pool: DatabasePool) -> AsyncIterator[None]:
        """Deletes old rows in the background."""
        message = "Updating the limits failed; retrying in a moment."
        async with running(repeat(partial(self._tidy, pool), EVERY_S, message, after_error_s=EVERY_S)):
            yield

    async def _take(self, connection: AsyncConnection, salt: bytes, client: Client, costs: dict[str, int]) -> None:
        """Takes from the bucket of each kind. Raises TooManyRequests; then the transaction must be rolled back."""
        if not self.on:
            return
        keys = {_key(salt, kind, client): kind for kind in costs if client.visit or not kind.startswith("visit")}
        takings = {key: store.rate_limits.Taking.of(self._shared[kind], costs[kind]) for key, kind in keys.items()}
        full_in = await store.rate_limits.take_from_buckets(connection, takings)
        waits = {kind: full_in[key] - self._shared[kind].seconds for key, kind in keys.items()}
        kind, wait = max(waits.items(), key=lambda each: each[1])
        if wait > 0:
            raise _refused(kind, wait)

    async def _todays_salt(self, pool: DatabasePool) -> bytes:
        if self.on and time.monotonic() > self._salt_until:
            await self._renew_salt(pool)
        return self._salt

    async def _renew_salt(self, pool: DatabasePool) -> None:
        """In a separate transaction, so that others see it at once."""
        asked_at = time.monotonic()
        async with connect(pool) as connection:
            self._salt, lasts_s = await store.rate_limits.renew_salt(connection, os.urandom(32))
        self._salt_until = asked_at + min(lasts_s, SALT_S)

    async def _is_too_much(self, connection: AsyncConnection, added: int) -> bool:
        """The sketches alone are even less than they and all else take on the disk."""
        return await self._measure(connection) > self._most_bytes and self._stored + added > self._most_bytes

    async def _measure(self, connection: AsyncConnection) -> int:
        on_disk = await store.submissions.measure(connection)
        STORED.set(on_disk)
        return on_disk

    async def _count(self, connection: AsyncConnection) -> None:
        """May take seconds."""
        many = await self._measure(connection) > self._most_bytes
        self._stored = await store.submissions.sum_images(connection) if many else 0

    def _note(self, full: bool) -> None:
        self.storage_is_full = full
        FULL.set(full)

    async def _tidy(self, pool: DatabasePool) -> None:
        await self._renew_salt(pool)
        async with connect(pool) as connection:
            await store.rate_limits.delete_full_buckets(connection)
            await store.submissions.delete_old_undone(connection)
        async with connect(pool) as connection:
            await self._count(connection)
        self._note(self._stored > self._most_bytes)


def _key(salt: bytes, kind: str, client: Client) -> bytes:
    """A visit counts only together with its address: a visit's id is not secret."""
    name = f"{kind} {client.address}" + (f" {client.visit}" if kind.startswith("visit") else "")
    return hmac.digest(salt, name.encode(), "sha256")[:16]


def _full() -> StorageFull:
    REFUSED.labels("storage").inc()
    return StorageFull()


def _refused(kind: str, wait: float) -> TooManyRequests:
    REFUSED.labels(kind).inc()
    return TooManyRequests(wait, KINDS[kind])


class LimitRequests:
    """Refuses requests over the limit before any work is done for them; clients take turns with the others."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["app"].state.limits.on:
            limits: Limits = scope["app"].state.limits
            client = find_client(scope)
            try:
                if not (path := route_path(scope)).startswith(FREE):
                    limits.count_request(client, COSTS.get(path, 1))
                await limits.turns.take(client.key)
            except TooManyRequests as error:
                name = type(error).__name__
                scope.setdefault("state", {})["problem"] = f"{name}: {error.detail}"
                answer = JSONResponse({"error": name, "detail": error.detail}, error.status, error.headers)
                return await answer(scope, receive, send)
        await self.app(scope, receive, send)


async def _limits(request: Request) -> Limits:
    limits: Limits = request.app.state.limits
    return limits


CurrentLimits = Annotated[Limits, Depends(_limits)]

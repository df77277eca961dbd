"""Limits how much heavy work runs at once, and how much of it is for one client; the rest waits.

A client is a visit, or an address where no visit is known. All visits from one address are limited, too: their ids are
made up by the browser, so that a single one could send any number.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, fail_after

from app.client import Client
from app.errors import Busy

WAIT_S = 3.0  # at most, for a place
ANSWER_S = 4.5  # at most, from a request to its answer: the page's server waits for 5 seconds
KEPT_S = 5.0  # for which figures are the same for everybody

T = TypeVar("T")


class Turns:
    def __init__(self, at_once: int, waiting: int) -> None:
        """`waiting`: how many may wait, at most half of them from one address, and half of those from one visit.

        Each client runs one at a time. Places go to addresses in turn, so that one is soon free for another address.
        """
        self._all = CapacityLimiter(at_once)
        self._of_clients: WeakValueDictionary[Client, CapacityLimiter] = WeakValueDictionary()
        self._next_of_address: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._waiting: Counter[object] = Counter()
        self._most = waiting

    @asynccontextmanager
    async def take(self, client: Client) -> AsyncIterator[None]:
        """Raises Busy if too many wait already, and after WAIT_S."""
        own = self._of_clients.setdefault(client, CapacityLimiter(1))
        next_of_address = self._next_of_address.setdefault(client.address, asyncio.Lock())
        async with AsyncExitStack() as held:
            with self._wait(client):
                await held.enter_async_context(own)
                async with next_of_address:
                    await held.enter_async_context(self._all)
            yield

    @contextmanager
    def _wait(self, client: Client) -> Iterator[None]:
        most: dict[object, int] = {None: self._most, client.address: self._most // 2}
        if client.visit:
            most[client] = self._most // 4
        if any(self._waiting[who] >= number for who, number in most.items()):
            raise Busy
        self._waiting.update(most.keys())
        try:
            with fail_after(WAIT_S):
                yield
        except TimeoutError as e:
            raise Busy from e
        finally:
            self._waiting.subtract(most.keys())
            self._waiting = +self._waiting  # without those that have none

    @property
    def wanted(self) -> bool:
        """Whether another client is waiting."""
        return self._all.statistics().tasks_waiting > 0


class Shares:
    """Limits how many requests of one client are under way, without letting any wait."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Raises Busy."""
        if self._under_way[client] >= self._most:
            raise Busy
        self._under_way[client] += 1
        try:
            yield
        finally:
            self._under_way[client] -= 1
            if not self._under_way[client]:
                del self._under_way[client]


class Shared:
    """Figures that take long to count: counted once at a time, and kept for everybody for KEPT_S."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(self, key: Hashable, count: Callable[[], Awaitable[T]], latest: bool = False) -> T:
        """What `count` returns or raises; `latest`: not what was kept. Raises Busy after ANSWER_S; `count` goes on."""
        task = self._tasks.get(key)
        if task is None or (latest and task.done()):
            task = self._tasks[key] = asyncio.ensure_future(count())
            task.add_done_callback(lambda done: self._keep(key, done))
        try:
            async with asyncio.timeout(ANSWER_S):
                found: T = await asyncio.shield(task)
        except TimeoutError as e:
            raise Busy from e
        return found

    def _keep(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        failed = task.cancelled() or task.exception()
        asyncio.get_running_loop().call_later(0 if failed else KEPT_S, self._forget, key, task)

    def _forget(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]


class LightTurns:
    """For work in the event loop: lets no client begin two pieces of it in a row while others wait.

    So a client that sends hundreds of requests at once waits for itself, and others hardly wait for it.
    """

    def __init__(self) -> None:
        self._by_client: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def take(self, client: str) -> None:
        """Returns at once, or when the event loop has run everything else since this client's last turn."""
        turn = self._by_client.setdefault(client, asyncio.Lock())
        await turn.acquire()
        asyncio.get_running_loop().call_soon(turn.release)

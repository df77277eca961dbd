"""Limits how much heavy work runs at once, and how much of it is for one client; the rest waits."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, fail_after

from app.errors import Busy

WAIT_S = 3.0  # at most


class Turns:
    def __init__(self, at_once: int, waiting: int) -> None:
        """`waiting`: how many may wait, at most half of them from one client. Each client runs one at a time."""
        self._all = CapacityLimiter(at_once)
        self._by_client: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()
        self._waiting, self._most = 0, waiting

    @asynccontextmanager
    async def take(self, client: str) -> AsyncIterator[None]:
        """Raises Busy if too many wait already, and after WAIT_S."""
        own = self._by_client.setdefault(client, CapacityLimiter(1))
        if self._waiting >= self._most or own.statistics().tasks_waiting >= self._most // 2:
            raise Busy
        async with AsyncExitStack() as held:
            self._waiting += 1
            try:
                with fail_after(WAIT_S):
                    await held.enter_async_context(own)
                    await held.enter_async_context(self._all)
            except TimeoutError as e:
                raise Busy from e
            finally:
                self._waiting -= 1
            yield

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

"""The limits on bodies, tested on the middleware alone; test_server.py tests the whole server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.requests import Request
from starlette.types import Message

from app import bodies
from app.bodies import LimitBody, Refused
from app.client import Client

Outcome = int | Refused


class Readers:
    """Requests whose bodies are read at once, through one middleware."""

    def __init__(self) -> None:
        self.limit = LimitBody(self._read)
        self.finish = asyncio.Event()  # until then, a request that was read goes on

    async def read(
        self, pieces: AsyncIterator[bytes], path: str = "/predict", sender: str = "10.0.0.1", **headers: str
    ) -> Outcome:
        """The bytes that were read, or the error."""
        self.size = 0
        headers = headers or {"transfer-encoding": "chunked"}
        scope = {"type": "http", "method": "POST", "path": path, "client": (sender, 1), "read": []}
        scope["headers"] = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        try:
            await self.limit(scope, receiving(pieces), None)
        except Refused as e:
            return e
        return sum(scope["read"])

    async def _read(self, scope, receive, send) -> None:
        async for piece in Request(scope, receive).stream():
            scope["read"].append(len(piece))
        await self.finish.wait()


def receiving(pieces: AsyncIterator[bytes]) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        piece = await anext(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    return receive


async def come(*sizes: int, then_s: float = 0) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)
    await asyncio.sleep(then_s)


def test_body_of_the_announced_length_is_complete_without_waiting_for_its_end():
    async def main() -> Outcome:
        readers = Readers()
        readers.finish.set()
        return await asyncio.wait_for(readers.read(come(6, 4, then_s=60), content_length="10"), 1)

    assert asyncio.run(main()) == 10


def test_body_that_does_not_arrive_in_time_is_refused(monkeypatch):
    monkeypatch.setattr(bodies, "GRACE_S", 0.1)

    async def main() -> Outcome:
        return await Readers().read(come(10, then_s=60))

    refused = asyncio.run(main())
    assert (refused.status_code, refused.name) == (408, "BodyTooSlow")


def test_body_that_arrives_steadily_has_more_time_within_limits(monkeypatch):
    monkeypatch.setattr(bodies, "GRACE_S", 0.1)
    monkeypatch.setattr(bodies, "BODY_S", 0.5)

    async def drip(times: int) -> AsyncIterator[bytes]:
        for _ in range(times):
            await asyncio.sleep(0.03)
            yield bytes(bodies.BYTES_PER_S // 10)

    async def main(times: int, path: str) -> Outcome:
        readers = Readers()
        readers.finish.set()
        return await readers.read(drip(times), path)

    assert asyncio.run(main(10, "/predict")) == bodies.BYTES_PER_S
    assert asyncio.run(main(30, "/predict")).status_code == 408
    assert asyncio.run(main(30, "/submissions/import")) == 3 * bodies.BYTES_PER_S


@pytest.mark.parametrize("headers", [{}, {"content_length": "99"}])
def test_oldest_arriving_body_is_ended_first(monkeypatch, headers):
    monkeypatch.setattr(bodies, "SMALL_HELD", 100)

    async def main() -> tuple[Outcome, Outcome, int]:
        readers = Readers()
        oldest = asyncio.create_task(readers.read(come(40, then_s=60), **headers))
        await asyncio.sleep(0.01)
        newer = asyncio.create_task(readers.read(come(40, 40), **headers))
        refused = await oldest
        readers.finish.set()
        return refused, await newer, readers.limit.small.held

    refused, read, held = asyncio.run(main())
    assert (refused.status_code, refused.name) == (503, "Busy")
    assert refused.headers["Retry-After"]
    assert (read, held) == (80, 0)


def test_newest_is_refused_if_all_others_are_complete(monkeypatch):
    monkeypatch.setattr(bodies, "SMALL_HELD", 100)

    async def main() -> tuple[Outcome, Outcome]:
        readers = Readers()
        first = asyncio.create_task(readers.read(come(80)))
        await asyncio.sleep(0.01)
        second = await readers.read(come(40))
        readers.finish.set()
        return await first, second

    read, refused = asyncio.run(main())
    assert read == 80
    assert refused.name == "Busy"


def large_room(monkeypatch) -> None:
    """Room for 100 bytes of bodies above 10, at most 60 of them for one client."""
    for name, size in {"SMALL": 10, "LARGE_HELD": 100, "LARGE_SHARE": 60}.items():
        monkeypatch.setattr(bodies, name, size)


def test_large_bodies_leave_room_for_small_ones(monkeypatch):
    large_room(monkeypatch)

    async def main() -> list[Outcome]:
        readers = Readers()
        full = [asyncio.create_task(readers.read(come(50), sender=name)) for name in ("10.0.0.1", "10.0.0.2")]
        await asyncio.sleep(0.01)
        refused = await readers.read(come(5, 45), sender="10.0.0.3")
        small = asyncio.create_task(readers.read(come(5, 5), sender="10.0.0.3"))
        await asyncio.sleep(0.01)
        readers.finish.set()
        outcomes = [refused, await small, *await asyncio.gather(*full)]
        assert readers.limit.small.held == readers.limit.large.held == 0
        assert not readers.limit.large.by_client
        return outcomes

    refused, *read = asyncio.run(main())
    assert refused.name == "Busy"
    assert read == [10, 50, 50]


def test_client_that_takes_more_than_its_share_ends_its_own_bodies_and_no_others(monkeypatch):
    large_room(monkeypatch)

    async def main() -> list[Outcome]:
        readers = Readers()
        other = asyncio.create_task(readers.read(come(30, then_s=0.1), sender="10.0.0.1"))
        await asyncio.sleep(0.01)
        greedy = asyncio.create_task(readers.read(come(40, then_s=60), sender="10.0.0.2"))
        await asyncio.sleep(0.01)
        newer = asyncio.create_task(readers.read(come(40), sender="10.0.0.2"))
        await asyncio.sleep(0.01)
        newest = await readers.read(come(40), sender="10.0.0.2")
        readers.finish.set()
        return await asyncio.gather(greedy, newer, other) + [newest]

    ended, *read, refused = asyncio.run(main())
    assert ended.name == refused.name == "Busy"
    assert read == [40, 30]


def test_body_that_was_read_can_be_followed_by_a_long_answer(monkeypatch):
    """Waiting for the client to disconnect has no time limit."""
    monkeypatch.setattr(bodies, "GRACE_S", 0.1)

    async def listen(scope, receive, send) -> None:
        await receive()
        scope["last"] = await receive()

    async def messages() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": b"a", "more_body": False}
        await asyncio.sleep(0.3)
        yield {"type": "http.disconnect"}

    async def main() -> Message:
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"1")]}
        await LimitBody(listen)(scope, messages().__anext__, None)
        return scope["last"]

    assert asyncio.run(main()) == {"type": "http.disconnect"}


def test_visits_of_one_address_share_its_memory(monkeypatch):
    """As test_client_that_takes_more_than_its_share…: visits are made up by browsers."""
    monkeypatch.setattr(bodies, "find_client", lambda scope: Client(scope["client"][0], str(id(scope))))
    large_room(monkeypatch)

    async def main() -> list[Outcome]:
        readers = Readers()
        first = asyncio.ensure_future(readers.read(come(40)))
        await asyncio.sleep(0.01)
        second = asyncio.ensure_future(readers.read(come(40)))
        await asyncio.sleep(0.01)
        readers.finish.set()
        return await asyncio.gather(first, second)

    kept, refused = asyncio.run(main())
    assert kept == 40
    assert (refused.status_code, refused.name) == (503, "Busy")

"""How much one client can take of the page's server."""

import asyncio
import socket
from types import SimpleNamespace

import pytest
import requests
import uvicorn
import websockets
from conftest import run
from starlette.exceptions import HTTPException
from starlette.requests import Request

from server import connections
from server.connections import Sockets
from server.routes import Calls, Slots

A, B = "10.0.0.1", "10.0.0.2"
VISIT = "00000000-0000-4000-8000-00000000000{}"


def request(address: str, visit: int) -> Request:
    headers = [(b"x-visit", VISIT.format(visit).encode())]
    return Request({"type": "http", "client": (address, 1), "headers": headers})


# --- calls ------------------------------------------------------------------------------------------


def test_visit_takes_a_quarter_of_the_slots_and_an_address_three():
    slots = Slots(8)

    def free(address: str, visit: int) -> bool:
        try:
            with slots.take(request(address, visit)):
                return True
        except HTTPException as e:
            return e.status_code != 503

    def take(left: list[tuple[str, int]]) -> None:
        if left:
            with slots.take(request(*left[0])):
                return take(left[1:])
        assert not free(A, 1)
        assert not free(A, 4)
        assert free(B, 1)

    take([(A, 1), (A, 1), (A, 2), (A, 2), (A, 3), (A, 3)])
    assert free(A, 1)
    assert not slots._taken


@pytest.mark.parametrize(
    ("method", "path", "header"),
    [("POST", "read", {"Content-Type": "image/png\x01"}), ("DELETE", "submissions", {"Idempotency-Key": "\x01"})],
)
def test_control_character_in_a_header_is_a_client_error(frontend, method, path, header):
    answer = requests.request(
        method, f"{frontend.url}/page/{path}", headers=header | {"Origin": frontend.url}, timeout=10
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")


def test_what_everybody_may_know_is_told_where_the_browser_does_not_say_from_where(frontend):
    assert requests.get(f"{frontend.url}/page/serving", timeout=10).status_code == 200


# --- connections ------------------------------------------------------------------------------------


def test_connection_without_a_request_is_closed_and_one_that_is_used_is_not(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_S", 0.4)
    monkeypatch.setattr(connections, "LOOK_S", 0.05)
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await asyncio.sleep(1)
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    async def end(*sent: bytes) -> bytes:
        """What the server sends until it closes the connection."""
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        for part in sent:
            writer.write(part)
            await asyncio.sleep(0.1)
        try:
            return await asyncio.wait_for(reader.read(), 3)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    async def main() -> list[bytes]:
        server = uvicorn.Server(uvicorn.Config(app, timeout_keep_alive=1, log_level="error"))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        closing = asyncio.create_task(connections.close_waiting(server))
        ends = await asyncio.gather(end(), end(request[:20]), end(request), end(request[:20], request[20:]))
        closing.cancel()
        server.should_exit = True
        await serving
        return [each[:12] for each in ends]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert run(main()) == [b"", b"", b"HTTP/1.1 204", b"HTTP/1.1 204"]


def test_beyond_the_limit_those_that_wait_are_closed_of_the_address_with_the_most():
    def connection(address: str) -> SimpleNamespace:
        return SimpleNamespace(client=(address, 1))

    few, many = [connection("10.0.0.1")], [connection(f"2001:db8::{n}") for n in range(3)]
    assert connections._of_heaviest(few + many, 0) == []
    assert connections._of_heaviest(few + many, 1) == many
    assert connections._of_heaviest(few + many, 4) == many + few


# --- websockets -------------------------------------------------------------------------------------


def test_websockets_are_limited_by_address_and_in_all(monkeypatch):
    monkeypatch.setattr(connections, "SOCKETS", 3)
    monkeypatch.setattr(connections, "SOCKETS_OF_ADDRESS", 2)
    done = asyncio.Event()

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        await done.wait()

    async def main() -> list[str]:
        sockets, sent = Sockets(app), []

        async def send(message):
            sent.append(message["type"])

        tasks = []
        for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "10.0.0.1", "10.0.0.2"):
            scope = {"type": "websocket", "client": (address, 1), "headers": []}
            tasks.append(asyncio.create_task(sockets(scope, None, send)))
            await asyncio.sleep(0)
        done.set()
        await asyncio.gather(*tasks)
        assert not sockets.open
        return sent

    accepted, refused = "websocket.accept", "websocket.close"
    assert run(main()) == [accepted, accepted, refused, accepted, refused]


def test_bodies_that_are_arriving_are_limited():
    """Each is small, and never ends: the next one is refused before it is read."""
    calls = Calls()
    calls._arriving = Slots(4)

    async def unfinished() -> dict:
        await asyncio.sleep(60)

    def request(address: str) -> Request:
        headers = [(b"sec-fetch-site", b"same-origin"), (b"content-length", b"99999")]
        scope = {"type": "http", "method": "POST", "client": (address, 1), "headers": headers, "query_string": b""}
        return Request(scope, unfinished)

    async def main() -> int:
        endpoint = calls.to("/predict")
        waiting = [asyncio.create_task(endpoint(request(f"10.0.0.{n}"))) for n in range(4)]
        await asyncio.sleep(0)
        refused = await asyncio.wait_for(endpoint(request("10.0.0.9")), 1)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not calls._arriving._taken
        return refused.status_code

    assert run(main()) == 503


def test_long_message_closes_the_websocket(frontend):
    async def main() -> int:
        address = f"{frontend.url.replace('http', 'ws')}/_stcore/stream"
        async with websockets.connect(address, subprotocols=["streamlit"], origin=frontend.url, proxy=None) as socket:
            await socket.send(bytes(2_000_000))
            await socket.wait_closed()
        return socket.close_code

    assert run(main()) == 1009  # message too big

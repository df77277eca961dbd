"""Limits on the connections to this server, each of which takes memory and a file."""

import asyncio
import ctypes
import resource
import signal
import time
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Server

import api
import client

FILES = 65_536
CONNECTIONS = 2000  # beyond which those that wait for a request are closed
REQUEST_S = 20  # for a request's headers to arrive
LOOK_S = 0.5
TRIM_S = 10
# open pages: each may hold a message of `maxMessageSize` MB (.streamlit/config.toml), and the container has 1 GB
SOCKETS = 600
SOCKETS_OF_ADDRESS = 300  # a school


def raise_file_limit() -> None:
    """To FILES, or as far as the system allows: on many, a program begins with 1,024."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    with suppress(OSError, ValueError):  # macOS has another limit, which it does not tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def find_server() -> Server | None:
    """The uvicorn that runs this application; None if another server does."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, Server) else None


async def close_waiting(server: Server) -> None:
    """Closes connections that wait for a request for more than REQUEST_S; until it is cancelled.

    Where there are too many, also those of the addresses with the most. uvicorn itself closes only those that have sent
    nothing since their last response.
    """
    waits: dict[Any, tuple[object, float]] = {}  # what each connection did last, and since when it waits
    while True:
        await asyncio.sleep(LOOK_S)
        now = time.monotonic()
        open_ones = [each for each in server.server_state.connections if hasattr(each, "cycle")]
        waiting = [each for each in open_ones if each.cycle is None or each.cycle.response_complete]
        known, waits = waits, {}
        for each in waiting:
            last, since = known.get(each, (None, now))
            waits[each] = (each.cycle, since if last is each.cycle else now)
        late = [each for each, (_, since) in waits.items() if now - since > REQUEST_S]
        for each in {*late, *_of_heaviest(waiting, len(open_ones) - CONNECTIONS)}:
            each.transport.abort()


async def return_memory() -> None:
    """Returns freed memory to the system now and then, which glibc would keep; until it is cancelled."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)
    while True:
        await asyncio.sleep(TRIM_S)
        trim(0)


def _of_heaviest(waiting: list[Any], excess: int) -> list[Any]:
    """`excess` of them or more: all of the address with the most, then of the next."""
    by_address = defaultdict(list)
    for each in waiting:
        by_address[each.client and client.network(each.client[0])].append(each)
    chosen: list[Any] = []
    for connections in sorted(by_address.values(), key=len, reverse=True):
        if len(chosen) < excess:
            chosen += connections
    return chosen


class Sockets:
    """Middleware: refuses websockets beyond SOCKETS, and beyond SOCKETS_OF_ADDRESS of one address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return await self.app(scope, receive, send)
        address = client.address(HTTPConnection(scope), api.settings().secret)
        if self.open.total() >= SOCKETS or self.open[address] >= SOCKETS_OF_ADDRESS:
            return await send({"type": "websocket.close"})  # before it is accepted: 403
        self.open[address] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.open[address] -= 1
            if not self.open[address]:
                del self.open[address]

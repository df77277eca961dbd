"""Limits on the connections to this server, each of which takes memory and a file."""

import asyncio
import resource
import signal
from collections import Counter
from contextlib import suppress

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Server

import api
import client

FILES = 65_536
REQUEST_S = 20  # for a request's headers to arrive
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


async def close_idle(server: Server) -> None:
    """Closes connections whose next request does not arrive, after one to two times REQUEST_S; until it is cancelled.

    uvicorn itself closes only those that have sent nothing since their last response.
    """
    idle_before: dict[object, object] = {}
    while True:
        await asyncio.sleep(REQUEST_S)
        cycles = {each: each.cycle for each in server.server_state.connections if hasattr(each, "cycle")}
        idle = {each: cycle for each, cycle in cycles.items() if cycle is None or cycle.response_complete}
        for connection, cycle in idle.items():
            if connection in idle_before and idle_before[connection] is cycle:  # there was no request in between
                connection.transport.abort()
        idle_before = idle


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

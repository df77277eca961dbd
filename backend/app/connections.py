"""Makes room where few clients have most of the connections that a worker accepts.

A connection may take HEADERS_MS to send a request, and more for its body: with some thousand, one client would keep the
others out.
"""

import os
import socket
import time
from collections import defaultdict
from collections.abc import Container, Iterator

from starlette.types import ASGIApp, Receive, Scope, Send

from app.client import find_client, network

MANY = 1024  # half of those that are accepted
LOOK_S = 0.05

Peer = tuple[str, int]  # address and port

_in_use: dict[Peer, str] = {}  # connections with a request, and the address of the client that it is for


class NoteInUse:
    """Middleware: notes which connections have a request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope.get("client"):  # in the lifespan
            return await self.app(scope, receive, send)
        address, port = scope["client"]
        peer = (address, int(port))  # granian has it as text
        _in_use[peer] = find_client(scope).address
        try:
            await self.app(scope, receive, send)
        finally:
            _in_use.pop(peer, None)


def make_room(port: int) -> None:
    """Where there are more than MANY connections to `port`, closes some of the clients with the most, over and over."""
    while True:
        time.sleep(LOOK_S)
        if len(os.listdir("/dev/fd")) > MANY:
            hang_up(port, choose([peer for _, peer in _connections(port)], MANY))


def choose(peers: list[Peer], most: int) -> set[Peer]:
    """Which to close, so that `most` are left: all clients may keep as many, first those with a request."""
    by_client = defaultdict(list)
    for peer in sorted(peers, key=_in_use.__contains__, reverse=True):
        by_client[_in_use.get(peer) or network(peer[0])].append(peer)
    left, each = most, 0
    for place, number in enumerate(sorted(map(len, by_client.values()))):
        each = left // (len(by_client) - place)
        left -= min(number, each)
    return {peer for connections in by_client.values() for peer in connections[max(each, 1) :]}


def hang_up(port: int, peers: Container[Peer] | None = None) -> None:
    """Closes this process's connections to `port`: all of them, or those of `peers`."""
    for connection, peer in _connections(port):
        if peers is None or peer in peers:
            connection.shutdown(socket.SHUT_RDWR)


def _connections(port: int) -> Iterator[tuple[socket.socket, Peer]]:
    for name in os.listdir("/dev/fd"):
        try:
            connection = socket.socket(fileno=int(name))
        except OSError:  # not a socket
            continue
        try:
            if connection.getsockname()[1] == port:
                address, its_port, *_ = connection.getpeername()
                yield connection, (address, its_port)
        except (OSError, IndexError, TypeError, ValueError):  # one that only listens, or another kind of socket
            pass
        finally:
            connection.detach()  # it is the server's

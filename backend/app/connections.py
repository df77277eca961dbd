"""Makes room where few clients have most of the connections that a worker accepts.

A connection may take HEADERS_MS to send a request, and more for its body: with some thousand, one client would keep the
others out.
"""

import os
import socket
import time
from collections import defaultdict
from collections.abc import Container, Iterator
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from app.client import find_client, network

FULL = 768  # of those that are accepted (CONNECTIONS of server.py)
MANY = 512  # fewer than FULL, since each look takes some milliseconds
LOOK_S = 0.05
LOOK_AGAIN_S = 0.01  # after some were closed
ALL_NEEDED_S = 1.0  # to the next look where there are too many, but each client has one
UNREAD_S = 20  # for a client to take some of a response

Peer = tuple[str, str]  # address and port, as granian has them

_in_use: dict[Peer, Scope] = {}  # connections with a request


class NoteInUse:
    """Middleware: notes which connections have a request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = scope.get("client")
        if peer is None:  # in the lifespan
            return await self.app(scope, receive, send)
        _in_use[peer] = scope
        try:
            await self.app(scope, receive, send)
        finally:
            _in_use.pop(peer, None)


def watch(port: int) -> None:
    """Has connections closed whose client reads nothing, and makes room; never returns.

    Where there are more than FULL connections to `port`, closes those of the clients with the most, until MANY are left
    or each client has one.
    """
    limited = not hasattr(socket, "TCP_USER_TIMEOUT")  # only on Linux
    pause = LOOK_S
    while True:
        time.sleep(pause)
        pause = LOOK_S
        with suppress(OSError):  # no file is left to list the others with
            limited = limited or _limit_unread(port)
            if len(os.listdir("/dev/fd")) > FULL:
                chosen = choose([peer for _, peer in _connections(port)], MANY)
                hang_up(port, chosen)
                pause = LOOK_AGAIN_S if chosen else ALL_NEEDED_S


def _limit_unread(port: int) -> bool:
    """Sets what accepted connections inherit; False if there is no listener yet: it comes after the application."""
    for listener in _sockets(port):
        if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * UNREAD_S)
            return True
    return False


def choose(peers: list[Peer], most: int) -> set[Peer]:
    """Which to close, so that `most` are left: all clients may keep as many, first those with a request."""
    by_client = defaultdict(list)
    for peer in sorted(peers, key=_in_use.__contains__, reverse=True):
        scope = _in_use.get(peer)
        by_client[find_client(scope).address if scope else network(peer[0])].append(peer)
    left, each = most, 0
    for place, number in enumerate(sorted(map(len, by_client.values()))):
        each = left // (len(by_client) - place)
        left -= min(number, each)
    return {peer for connections in by_client.values() for peer in connections[max(each, 1) :]}


def hang_up(port: int, peers: Container[Peer] | None = None) -> None:
    """Closes this process's connections to `port`: all of them, or those of `peers`."""
    for connection, peer in _connections(port):
        if peers is None or peer in peers:
            with suppress(OSError):  # the client was quicker
                connection.shutdown(socket.SHUT_RDWR)


def _connections(port: int) -> Iterator[tuple[socket.socket, Peer]]:
    for connection in _sockets(port):
        with suppress(OSError):  # one that only listens
            address, its_port, *_ = connection.getpeername()
            yield connection, (address, str(its_port))


def _sockets(port: int) -> Iterator[socket.socket]:
    """This process's, at `port`."""
    for name in os.listdir("/dev/fd"):
        try:
            found = socket.socket(fileno=int(name))
        except OSError:  # not a socket
            continue
        try:
            with suppress(OSError, IndexError):  # it was closed, or is of another kind
                if found.getsockname()[1] == port:
                    yield found
        finally:
            found.detach()  # it is the server's

"""Limits on the bodies of requests: their size, the time that they take, and the memory that they take together."""

import asyncio
import math
from collections import Counter

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.client import find_client
from app.errors import AppError, BodyTooLarge, BodyTooSlow, Busy
from app.middleware import route_path

FORM_OVERHEAD = 10_000  # bytes that a multipart form may add to a picture
MAX_BODY = 10_000_000 + FORM_OVERHEAD  # bytes
MAX_ARCHIVE = 100_000_000 + FORM_OVERHEAD
MAX_DIGITS = 20  # of a length in bytes

# bytes in memory of all bodies together, without archives, which only an admin may send; drawings are small
SMALL = 50_000
SMALL_HELD = 10_000_000
LARGE_HELD = 24_000_000
LARGE_SHARE = LARGE_HELD // 2  # of one address

# a body must arrive within GRACE_S, plus the time for what has arrived at BYTES_PER_S, and in any case within BODY_S
GRACE_S = 10.0
BYTES_PER_S = 100_000
BODY_S = 30.0
TOO_MUCH = "The server is being sent more than it can hold at once. Try again in a few seconds."

IMPORT = ("POST", "/submissions/import")  # writes its body to a file, and is for admins only


class Refused(HTTPException):
    """An AppError as an HTTPException, the only kind that FastAPI does not replace while it reads a body."""

    def __init__(self, error: type[AppError], detail: str | None = None) -> None:
        super().__init__(error.status, detail or error.__doc__, error.headers)
        self.name = error.__name__


class Room:
    """Memory for bodies. When there is no more, the oldest ones that are still arriving are ended."""

    def __init__(self, size: int, share: int) -> None:
        """`share`: of one client. Both in bytes."""
        self._size, self._share = size, share
        self.held = 0
        self.by_client: Counter[str] = Counter()
        self.arriving: dict[Body, None] = {}  # oldest first

    def take(self, newest: "Body", size: int) -> None:
        """Raises Refused if no older body can be ended."""
        self._add(newest.client, size)
        self.arriving[newest] = None
        while self.held > self._size or self.by_client[newest.client] > self._share:
            oldest = self._find_oldest(newest)
            oldest.release()
            if oldest is newest:
                raise Refused(Busy, TOO_MUCH)
            oldest.end()

    def leave(self, body: "Body", size: int) -> None:
        self._add(body.client, -size)
        self.arriving.pop(body, None)

    def _add(self, client: str, size: int) -> None:
        self.held += size
        self.by_client[client] += size
        if not self.by_client[client]:
            del self.by_client[client]

    def _find_oldest(self, newest: "Body") -> "Body":
        """Of the same client, if it takes more than its share."""
        greedy = self.by_client[newest.client] > self._share
        return next((each for each in self.arriving if each.client == newest.client or not greedy), newest)


class LimitBody:
    """Refuses bodies that are too large or too slow, and the oldest ones when all together take too much memory."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.small, self.large = Room(SMALL_HELD, SMALL_HELD), Room(LARGE_HELD, LARGE_SHARE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (announced := _announced(scope)) == 0:
            return await self.app(scope, receive, send)
        body = Body(self, scope, receive, announced)
        try:
            await self.app(scope, body.receive, send)
        finally:
            body.release()


class Body:
    """One request's body, as it arrives."""

    def __init__(self, limit: LimitBody, scope: Scope, receive: Receive, announced: int | None) -> None:
        """`announced`: bytes, or None if the client did not say."""
        self._scope, self._receive = scope, receive
        self._archive = archive = (scope["method"], route_path(scope)) == IMPORT
        self._small, self._large = limit.small, limit.large
        self._room = self._small
        self.client = ""  # only found for a large body
        self._limit = MAX_ARCHIVE if archive else MAX_BODY
        self._announced = announced
        self._too_large = announced is not None and announced > self._limit
        self._longest = math.inf if archive else BODY_S
        self._start = asyncio.get_running_loop().time()
        self._received = self._held = 0
        self._patience: asyncio.Timeout | None = None
        self._ended = False
        self._complete = False

    async def receive(self) -> Message:
        """Raises Refused."""
        if self._complete:
            return await self._receive()
        self._refuse()
        until = self._start + min(GRACE_S + self._received / BYTES_PER_S, self._longest)
        try:
            async with asyncio.timeout_at(until) as self._patience:
                message = await self._receive()
        except TimeoutError as e:
            self._refuse()
            raise Refused(BodyTooSlow) from e
        finally:
            self._patience = None
        self._count(len(message.get("body", b"")))
        if self._received == self._announced:
            message["more_body"] = False  # waiting for granian's empty last message takes 5% of a reading's time
        if not message.get("more_body"):
            self._complete = True
            self._room.arriving.pop(self, None)
        return message

    def end(self) -> None:
        """Makes `receive` raise Refused: at once if it is waiting, else when it is called next."""
        self._ended = True
        if self._patience:
            self._patience.reschedule(0)

    def release(self) -> None:
        """Gives its memory back."""
        self._room.leave(self, self._held)
        self._held = 0

    def _count(self, received: int) -> None:
        self._received += received
        self._too_large |= self._received > self._limit
        self._refuse()
        if not self._archive:
            self._hold(received)

    def _hold(self, received: int) -> None:
        if self._room is self._small and self._held + received > SMALL:
            received += self._held
            self.release()
            self._room, self.client = self._large, find_client(self._scope).address
        self._held += received
        self._room.take(self, received)

    def _refuse(self) -> None:
        if self._ended:
            raise Refused(Busy, TOO_MUCH)
        if self._too_large:
            raise Refused(BodyTooLarge, "The archive is larger than 100 MB." if self._archive else None)


def _announced(scope: Scope) -> int | None:
    """The length of the body in bytes; None if the headers do not say."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) <= MAX_DIGITS else None
        if name == b"transfer-encoding":
            return None
    return 0

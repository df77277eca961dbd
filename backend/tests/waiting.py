"""Waiting for what happens in the background, and measuring how long a call takes."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from httpx2 import Response


def eventually(true: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether it becomes true."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def timed(call: Callable[[], Response]) -> tuple[Response, float]:
    start = time.monotonic()
    return call(), time.monotonic() - start


def all_at_once(calls: list[Callable[[], Response]]) -> list[tuple[Response, float]]:
    with ThreadPoolExecutor(len(calls)) as people:
        return list(people.map(timed, calls))

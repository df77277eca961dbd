"""People who ask and submit through the proxy for as long as a block lasts, and ask again as the page does."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import requests
from conftest import ROOT

SEVEN = (ROOT / "backend/examples/seven.png").read_bytes()
PAUSE_S = 0.1  # between two calls of a person
AGAIN_S = 0.5
PATIENCE_S = 120


class Crowd:
    """Eight people, of whom each does one kind of thing. `failures`: what did not succeed at once, and was repeated."""

    def __init__(self, base: str) -> None:
        self.base, self.failures, self.answers, self.stored = base, [], 0, {}
        self._over = Event()
        self._kinds: list[Callable[[str], requests.Response]] = [
            lambda key: self._send("/api/predict"),
            lambda key: self._send("/api/predict"),
            lambda key: self._send("/page/read"),
            lambda key: self._send("/page/read"),
            lambda key: self._submit("/api/submissions", key),
            lambda key: self._submit("/page/submissions", key),
            lambda key: requests.get(f"{base}/api/statistics", timeout=PATIENCE_S),
            lambda key: requests.get(f"{base}/", timeout=PATIENCE_S),
        ]

    def __enter__(self) -> "Crowd":
        self._people = ThreadPoolExecutor(len(self._kinds))
        self._work = [self._people.submit(self._live, kind) for kind in self._kinds]
        return self

    def _live(self, kind: Callable[[str], requests.Response]) -> None:
        while not self._over.wait(PAUSE_S):
            key = str(uuid4())
            deadline = time.monotonic() + PATIENCE_S
            while not self._succeeds(kind, key):
                assert time.monotonic() < deadline, self.failures[-10:]
                time.sleep(AGAIN_S)

    def _succeeds(self, kind: Callable[[str], requests.Response], key: str) -> bool:
        try:
            answer = kind(key)
        except requests.RequestException as e:
            self.failures.append(repr(e))
            return False
        if answer.status_code not in (200, 201):
            self.failures.append(f"{answer.request.method} {answer.url} {answer.status_code} {answer.text[:200]}")
            return False
        self.answers += 1
        if answer.status_code == 201:
            self.stored[key] = answer.json()["id"]
        return True

    def _send(self, path: str) -> requests.Response:
        headers = {"Content-Type": "image/png", "Origin": self.base}
        return requests.post(self.base + path, data=SEVEN, headers=headers, timeout=PATIENCE_S)

    def _submit(self, path: str, key: str) -> requests.Response:
        return requests.post(
            self.base + path,
            files={"file": ("7.png", SEVEN, "image/png")},
            data={"true_label": "7"},
            headers={"Idempotency-Key": key, "Origin": self.base},
            timeout=PATIENCE_S,
        )

    def wait_for(self, more: int) -> None:
        """Until this many more have been answered."""
        target, deadline = self.answers + more, time.monotonic() + PATIENCE_S
        while self.answers < target:
            assert time.monotonic() < deadline, self.failures[-10:]
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._people.shutdown()
        for each in self._work:
            each.result()

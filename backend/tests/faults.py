"""What can happen to a Postgres and to a backend: frozen, killed, out of disk."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from uuid import UUID, uuid4

import httpx2

from tests.calls import submit
from tests.conftest import Postgres
from tests.drawings import draw, encode
from tests.service import Service


def processes(postgres: Postgres) -> list[int]:
    """The pids of the server and of all that it started, it first."""
    server = int((postgres.data / "postgres.pid").read_text())
    children = subprocess.run(["pgrep", "-P", str(server)], capture_output=True, text=True).stdout
    return [server, *map(int, children.split())]


def send(pids: list[int], what: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, what)
        except ProcessLookupError:  # it ended meanwhile
            continue


@contextmanager
def frozen(postgres: Postgres) -> Iterator[None]:
    """Meanwhile Postgres does nothing at all, but the system still accepts connections and bytes for it."""
    pids = processes(postgres)
    send(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        send(pids, signal.SIGCONT)


def kill(postgres: Postgres) -> None:
    """As when the machine loses its power."""
    send(processes(postgres), signal.SIGKILL)


@contextmanager
def small_disk(folder: Path, owned_as: Path) -> Iterator[Path]:
    """Makes `folder` a disk of 3 MB, with the owner of `owned_as`. Only root can."""
    owner = owned_as.stat().st_uid
    options = f"size=3m,mode=0700,uid={owner}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=12m", str(disk)], check=True)


INSIST_S = 120


class Crowd:
    """Many who submit sketches and try again, with the same Idempotency-Key, until they get a 201."""

    def __init__(self, postgres: Postgres, submissions: int, at_once: int = 4) -> None:
        self.postgres = postgres
        self.keys = [uuid4() for _ in range(submissions)]
        self.at_once = at_once
        self.stored: dict[UUID, str] = {}  # key → id, of each 201
        self.backends_killed = self.databases_killed = 0
        self.killed_after: list[int] = []  # answers

    def submit_while_killing(self, every: int) -> None:
        """Kills backend and Postgres in turn, whenever `every` more are stored."""
        self.service = Service(self.postgres.environment).__enter__()
        try:
            with ThreadPoolExecutor(self.at_once) as people:
                calls = [people.submit(self._insist, key) for key in self.keys]
                try:
                    self._kill_in_turn(every, lambda: all(call.done() for call in calls))
                except BaseException:
                    people.shutdown(cancel_futures=True)
                    raise
                for call in calls:
                    call.result()
        finally:
            self.service.__exit__()

    def _kill_in_turn(self, every: int, over: Callable[[], bool]) -> None:
        for stored in range(every, len(self.keys), every):
            while len(self.stored) < stored and not over():
                time.sleep(0.005)
            self.killed_after.append(len(self.stored))
            if stored // every % 2:
                self.service.kill()
                self.service = Service(self.postgres.environment).__enter__()
                self.backends_killed += 1
            else:
                kill(self.postgres)
                self.postgres.start()
                self.databases_killed += 1

    def _insist(self, key: UUID) -> None:
        sketch = encode(draw(key.int % 10, slant=key.int % 7 / 20))
        deadline = time.monotonic() + INSIST_S
        while time.monotonic() < deadline:
            try:
                answer = submit(self.service.client, sketch, str(key.int % 10), key)
            except httpx2.TransportError:  # it was killed
                Event().wait(0.1)
                continue
            assert answer.status_code in (201, 503), answer.text
            if answer.status_code == 201:
                self.stored[key] = answer.json()["id"]
                return
            Event().wait(0.1)
        raise AssertionError("nobody stored it")

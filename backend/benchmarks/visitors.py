"""Quick, careless visitors, for locust: they draw, read along, label, repeat themselves and lose their connections."""

import itertools
import random
import time
from http.client import HTTPMessage
from uuid import UUID, uuid4

import gevent
from gevent import socket
from gevent.pool import Group
from locust import FastHttpUser, task
from locust.contrib.fasthttp import FastResponse

from benchmarks.outcome import Reading, Sent, Tally
from benchmarks.sketches import PARTS, Sketch

READING_S = 0.5  # four while a stroke of 2 s is drawn; then 8 s are over, and the drawing gets its label
LOST_READINGS, LOST_SKETCHES = 0.01, 0.1  # share of the requests whose connection is lost before the answer
REPEATED = 0.3  # share of the sketches that are sent again, though they arrived
MISLABELLED = 0.15
PAUSE_S = 0.5  # before the next attempt
INSIST_S = 120  # that a sketch is tried


class Visitor(FastHttpUser):
    """What is not set here, crowd.py sets."""

    abstract = True
    network_timeout = connection_timeout = 30.0
    concurrency = 8  # connections of each
    tally: Tally
    pending: Group  # sketches on their way
    secret: str
    numbers = itertools.count(1)

    through_page: bool
    read_path: str
    store_path: str
    sketches: list[Sketch]

    def on_start(self) -> None:
        number = next(self.numbers)
        self.dice = random.Random(number)
        self.visit = str(uuid4())
        self.headers = {
            "X-Proxy-Secret": self.secret,
            "X-Forwarded-For": f"10.0.{number // 250}.{number % 250 + 1}",
            "X-Visit": self.visit,
            "Origin": self.host,
        }
        gevent.sleep(self.dice.uniform(0, PARTS * READING_S))  # they do not all begin at once

    @task
    def draw(self) -> None:
        sketch = self.dice.choice(self.sketches)
        start = time.monotonic()
        for number, part in enumerate(sketch.parts, 1):
            self._read(part)
            gevent.sleep(max(0.0, start + number * READING_S - time.monotonic()))
        label = str(self.dice.choice([*range(10), "none"]) if self.dice.random() < MISLABELLED else sketch.digit)
        self.pending.spawn(self._store, uuid4(), Sent(label, sketch))

    def _read(self, picture: bytes) -> None:
        headers = self.headers | {"Content-Type": "image/png"}
        if self.dice.random() < LOST_READINGS:
            self._lose(self.read_path, picture, headers)
        start = time.time()
        answer = self.client.post(self.read_path, data=picture, headers=headers, name="read")
        model = (answer.content or b"").partition(b'"model":"')[2].partition(b'"')[0]
        status = self._note("reading", answer)
        self.tally.readings.append(Reading(start, time.time() - start, status, self.through_page, model))

    def _store(self, key: UUID, sent: Sent) -> None:
        """Until it is answered with 201; then perhaps once more."""
        body = _form(sent, self.visit)
        headers = self.headers | {"Content-Type": "multipart/form-data; boundary=x", "Idempotency-Key": str(key)}
        self.tally.sent[key] = sent
        if self.dice.random() < LOST_SKETCHES:
            self._lose(self.store_path, body, headers)
        until = time.time() + INSIST_S
        while (stored := self._store_once(body, headers)) is None:
            if time.time() > min(until, self.tally.deadline):
                return
        self.tally.stored[key] = stored
        if self.dice.random() < REPEATED:
            self.tally.repeated += 1
            again = self._store_once(body, headers)
            if again not in (None, stored):
                self.tally.contradictions.append(f"{key}: {stored}, then {again}")

    def _store_once(self, body: bytes, headers: dict[str, str]) -> str | None:
        """The id. Without one, this takes as long as it is polite to wait."""
        answer = self.client.post(self.store_path, data=body, headers=headers, name="store")
        if self._note("sketch", answer) == 201:
            return answer.json()["id"]
        named: HTTPMessage | dict = answer.headers or {}
        gevent.sleep(float(named.get("Retry-After") or PAUSE_S))
        return None

    def _note(self, what: str, answer: FastResponse) -> int:
        if answer.status_code not in (200, 201):
            name = (answer.content or b"").partition(b'"error":"')[2].partition(b'"')[0].decode()
            where = "page" if self.through_page else "backend"
            why = f"{answer.status_code} {name}".strip() if answer.status_code else type(answer.error).__name__
            self.tally.problems[f"{what} at the {where}: {why}"] += 1
        return answer.status_code

    def _lose(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Sends it, all or half of it, and is gone before the answer."""
        self.tally.lost += 1
        host, _, port = self.host.removeprefix("http://").partition(":")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode()
        request += body
        try:
            with socket.create_connection((host, int(port)), 10) as connection:
                connection.sendall(request[: len(request) // self.dice.choice([1, 2])])
                gevent.sleep(self.dice.choice([0, 0.005, 0.05]))
        except OSError:  # so be it
            pass


def _form(sent: Sent, visit: str) -> bytes:
    head = 'Content-Disposition: form-data; name="'
    fields = {"true_label": sent.label, "visit": visit}
    text = "".join(f'--x\r\n{head}{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    file = f'--x\r\n{head}file"; filename="picture"\r\nContent-Type: image/png\r\n\r\n'
    return (text + file).encode() + sent.sketch.whole + b"\r\n--x--\r\n"


def kinds(backend: str, page: str, **common: object) -> list[type[Visitor]]:
    """Half of the visitors use the page's own routes, half call the backend. `common`: attributes of both."""
    through_page = {"through_page": True, "host": page, "read_path": "/page/read", "store_path": "/page/submissions"}
    direct = {
        "through_page": False,
        "host": backend,
        "read_path": "/predict?preview=true&log=false",
        "store_path": "/submissions?log=true",
    }
    sketches: list[list[Sketch]] = common.pop("sketches")
    both = zip(("AtPage", "AtBackend"), (through_page, direct), sketches, strict=True)
    return [
        type(name, (Visitor,), {**common, **where, "sketches": some, "abstract": False}) for name, where, some in both
    ]

"""One hostile client, as a separate process: everything that is known to hold a server up, again and again.

python -m benchmarks.hostile BACKEND_PORT PAGE_PORT

Says "ready" when its pictures are made, and on SIGTERM ends with a line of JSON: each attack with its kind, when it
began and ended, and the statuses that it got. It speaks as itself, without PROXY_SECRET.
"""

import http.client
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from app.config import BACKEND
from tests.hostile import HOSTILE

PATIENCE_S = 30
PAUSE_S = 0.5  # between two attacks
OPEN = 20  # connections of each kind that are held open all the time
STUCK_BYTES = 4_000_000  # of each unfinished body
ENDLESS_BYTES = 20_000_000  # of headers, should nobody hang up
AT_ONCE = 12
FLOOD = 600
SKETCH = (BACKEND / "examples" / "seven.png").read_bytes()
PNG = {"Content-Type": "image/png"}
FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


class Call(NamedTuple):
    port: int
    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012
    hang_up: bool = False  # once it is sent

    def __call__(self) -> str:
        """The answer's status, or what happened instead."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it was answered before all was sent
                connection.request(self.method, self.path, self.body, self.headers)
            return "hung up" if self.hang_up else str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as e:
            return type(e).__name__
        finally:
            connection.close()


def attacks(backend: int, page: int) -> dict[str, list[Callable[[], str]]]:
    """What is sent at once, by kind."""
    ours = {"Origin": f"http://127.0.0.1:{page}"}
    kinds: dict[str, list[Callable[[], str]]] = {}
    for name, make in HOSTILE.items():
        picture = make()
        kinds[name] = [
            Call(backend, "POST", "/predict", picture, PNG),
            Call(backend, "POST", "/predict", picture, PNG, hang_up=True),
            Call(page, "POST", "/page/read", picture, PNG | ours),
        ]
    form, kind = _form(SKETCH)
    large = b'{"ids": [' + b"1," * 5_000_000 + b"1]}"
    wrong = {"Authorization": "Bearer wrong", "Content-Type": "application/json"}
    kinds["explanations"] = [Call(backend, "POST", "/explain", SKETCH, PNG)] * AT_ONCE
    kinds["wrong tokens"] = [Call(backend, "GET", "/admin", b"", wrong)] * AT_ONCE
    kinds["10 MB of JSON with a wrong token"] = [Call(backend, "PATCH", "/submissions", large, wrong)] * 2
    kinds["10 MB of JSON without a token"] = [
        Call(backend, "PATCH", "/submissions", large, {"Content-Type": "application/json"})
    ] * 2
    kinds["foreign origins"] = [
        Call(backend, "POST", "/submissions", form, kind | FOREIGN),
        Call(page, "POST", "/page/submissions", form, kind | FOREIGN),
        Call(page, "POST", "/page/read", SKETCH, PNG | FOREIGN),
    ]
    kinds["headers without end, to the backend"] = [partial(_endless_headers, backend)]
    kinds["headers without end, to the page"] = [partial(_endless_headers, page)]
    kinds["a flood of readings"] = [Call(backend, "POST", "/predict", SKETCH, PNG)] * FLOOD
    kinds["a flood of sketches"] = [Call(backend, "POST", "/submissions", form, kind)] * FLOOD
    return kinds


def _form(picture: bytes) -> tuple[bytes, dict[str, str]]:
    head = 'Content-Disposition: form-data; name="'
    body = f'--x\r\n{head}true_label"\r\n\r\n7\r\n--x\r\n{head}file"; filename="a.png"\r\n\r\n'.encode() + picture
    return body + b"\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}


def _endless_headers(port: int) -> str:
    line = b"X-Endless: " + b"a" * 8000 + b"\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            for _ in range(ENDLESS_BYTES // len(line)):
                connection.sendall(line)
    except OSError as e:
        return type(e).__name__
    return "taken whole"


def hold_open(port: int, start: bytes, more: bytes) -> None:
    """Never returns: OPEN connections that send `start`, then `more` every second; one that is closed comes again."""
    connections: list[socket.socket] = []
    while True:
        connections = [one for one in connections if _sends(one, more)]
        for _ in range(OPEN - len(connections)):
            try:
                new = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
            except OSError:
                break
            connections += [new] * _sends(new, start)
        time.sleep(1)


def _sends(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:
        connection.close()
        return False
    return True


def main() -> None:
    backend, page = map(int, sys.argv[1:])
    kinds = attacks(backend, page)
    done: list[dict] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(print(json.dumps(done), flush=True)))
    print("ready", flush=True)
    for port, path in ((backend, "/predict"), (page, "/page/read")):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n".encode()
        body = b"Content-Type: image/png\r\nContent-Length: 9999999\r\n\r\n" + bytes(STUCK_BYTES)
        for start, more in ((head, b"X-Slow: 1\r\n"), (head + body, b"\0")):
            threading.Thread(target=hold_open, args=(port, start, more), daemon=True).start()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while True:
            for kind, calls in kinds.items():
                start = time.time()
                statuses = [call.result() for call in [threads.submit(call) for call in calls]]
                counted = {status: statuses.count(status) for status in sorted(set(statuses))}
                done.append({"kind": kind, "start": start, "end": time.time(), "statuses": counted})
                time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()

"""The server as a separate process: what a client may take of it, its workers, and how it stops."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread

import pytest

from app import connections
from app.client import Client
from app.config import BACKEND
from benchmarks.processes import cpu_seconds
from tests.app.routes.test_health import requests, samples
from tests.app.test_middleware import away
from tests.calls import predict
from tests.drawings import seven
from tests.service import Service
from tests.waiting import eventually

UPLOAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
AT_ONCE_S = 1.0  # on a machine that runs other tests, too


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(away(LOG_LEVEL="debug")) as service:
        yield service


@pytest.fixture
def two() -> Iterator[Service]:
    """With two workers."""
    with Service(away(WORKERS="2")) as service:
        assert eventually(lambda: service.log.count("serving ") == 2, 20)
        yield service


def connect(service: Service, sender: str = "127.0.0.1") -> socket.socket:
    address = (service.client.base_url.host, service.client.base_url.port)
    return socket.create_connection(address, timeout=60, source_address=(sender, 0))


def answer(connection: socket.socket) -> bytes:
    """What comes; nothing where the server hung up."""
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


def send_until_cut_off(connection: socket.socket, piece: bytes, most: int) -> int:
    """How many bytes were taken."""
    sent = 0
    try:
        while sent < most:
            connection.sendall(piece)
            sent += len(piece)
    except ConnectionError:
        pass
    return sent


def fill(connections: list[socket.socket], size: int, seconds: float) -> None:
    """Sends up to `size` bytes to each of them, as fast as they are taken."""
    left = dict.fromkeys(connections, size)
    deadline = time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        for connection in list(left):
            try:
                left[connection] -= connection.send(bytes(min(200_000, left[connection])), socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except ConnectionError:
                left[connection] = 0
            if not left[connection]:
                del left[connection]


def longest_wait(service: Service, times: int = 10) -> float:
    """Seconds, of requests on connections of their own."""
    longest = 0.0
    for _ in range(times):
        start = time.monotonic()
        with connect(service) as connection:
            connection.sendall(LIVE)
            assert b" 200 " in answer(connection)
        longest = max(longest, time.monotonic() - start)
    return longest


def metric(service: Service, name: str, **labels: str) -> float:
    return samples(service.client).get((name, *sorted(labels.items())), 0)


# --- headers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "piece"),
    [(b"", b"a" * 65536), (b"GET / HTTP/1.1\r\nX: ", b"a" * 65536), (b"GET / HTTP/1.1\r\n", b"X-a: b\r\n" * 8192)],
)
def test_headers_without_end_are_refused(service, start, piece):
    before = service.resident_mb
    with connect(service) as connection:
        connection.sendall(start)
        # the system's buffers take some of it
        assert send_until_cut_off(connection, piece, 100_000_000) < 20_000_000
    assert service.resident_mb < before + 10


@pytest.mark.slow
def test_slow_headers_and_idle_connections_are_cut_off(service):
    with connect(service) as slow, connect(service) as idle, connect(service) as fresh:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        idle.sendall(LIVE)
        assert b" 200 " in answer(idle)
        start = time.monotonic()
        for _ in range(15):
            time.sleep(1)
            slow.sendall(b"X-a: b\r\n")
        assert [answer(each) for each in (slow, idle, fresh)] == [b""] * 3
        assert 15 < time.monotonic() - start < 40


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a second address for this machine without asking")
def test_thousands_of_idle_connections_stop_neither_others_nor_what_has_begun(service):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    data = seven()
    with ExitStack() as stack:
        begun = stack.enter_context(connect(service, "127.0.0.2"))
        begun.sendall(UPLOAD % len(data) + data[:100])
        idle = [stack.enter_context(connect(service, "127.0.0.2")) for _ in range(3000)]
        assert longest_wait(service) < AT_ONCE_S
        for connection in idle:
            with suppress(ConnectionError):  # it was closed
                connection.sendall(LIVE[:-2])
        assert longest_wait(service) < AT_ONCE_S
        begun.sendall(data[100:])
        assert b" 200 " in answer(begun)
        before = cpu_seconds(service.process.pid)
        time.sleep(2)
        assert cpu_seconds(service.process.pid) - before < 0.2, "those that are left take no time"


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (99, {"a": 7, "b": 5, "c": 1}),
        (12, {"a": 6, "b": 5, "c": 1}),
        (9, {"a": 4, "b": 4, "c": 1}),
        (1, {"a": 1, "b": 1, "c": 1}),
    ],
)
def test_clients_with_the_most_connections_lose_some(monkeypatch, most, expected):
    """b's connections come through a proxy at c's address, and c has one of its own."""
    in_use = {("c", port): {"of": "b"} for port in range(5)} | {("a", 6): {"of": "a"}}
    monkeypatch.setattr(connections, "_in_use", in_use)
    monkeypatch.setattr(connections, "find_client", lambda scope: Client(scope["of"]))
    peers = [("a", port) for port in range(7)] + [("c", port) for port in range(6)]
    monkeypatch.setattr(connections, "network", lambda address: address)
    kept = set(peers) - connections.choose(peers, most)
    assert Counter({("c", 5): "c"}.get(peer, peer[0].replace("c", "b")) for peer in kept) == expected
    assert ("a", 6) in kept, "it has a request"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
def test_connection_whose_client_reads_nothing_is_closed(service):
    path, times = "/static-offline-docs/swagger-ui-bundle.js", 5  # more than the system buffers
    size = int(service.client.get(path, headers={"Accept-Encoding": "identity"}).headers["content-length"])
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(3)
        connection.connect((service.client.base_url.host, service.client.base_url.port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * times)
        time.sleep(connections.UNREAD_S + 10)
        read = 0
        with suppress(TimeoutError):  # no more comes, nor is the end announced
            while part := answer(connection):
                read += len(part)
    assert read < times * size


# --- bodies -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=x"])
def test_slow_body_is_cut_off(service, kind):
    with connect(service) as slow, connect(service) as silent:
        start = time.monotonic()
        silent.sendall(UPLOAD.replace(b"image/png", kind.encode()) % 10_000_000 + b"-")
        slow.sendall(UPLOAD % 10_000_000 + bytes(3_000_000))
        assert b" 408 " in answer(silent)
        assert 9 < time.monotonic() - start < 15
        while time.monotonic() - start < 25:
            slow.sendall(b"a")
            time.sleep(1)
        assert b" 408 " in answer(slow)
        assert 25 < time.monotonic() - start < 35
    assert predict(service.client, seven()).json()["digit"] == 7


@pytest.mark.long
def test_unfinished_bodies_take_little_memory_and_give_way_to_others(service):
    before = service.resident_mb
    with ExitStack() as stack:
        uploads = [stack.enter_context(connect(service)) for _ in range(20)]
        for upload in uploads:
            upload.sendall(UPLOAD % 10_000_000)
        fill(uploads, 9_900_000, seconds=5)
        assert service.resident_mb < before + 90
        assert b" 503 " in answer(uploads[0])
        assert predict(service.client, seven()).json()["digit"] == 7
    assert eventually(lambda: service.resident_mb < max(before, 130) + 20, 15)  # it is given back every 5 s


# --- workers ----------------------------------------------------------------------------------------


@pytest.mark.long
def test_metrics_of_all_workers_add_up_and_a_dead_one_is_replaced(two):
    def ask(times: int) -> None:
        for _ in range(times):
            with connect(two) as connection:  # another connection, perhaps another worker
                connection.sendall(LIVE.replace(b"live", b"live?x"))
                assert b" 200 " in answer(connection)

    before = requests(samples(two.client), route="/health/live", method="GET", status="200")
    ask(40)
    counted = requests(samples(two.client), route="/health/live", method="GET", status="200")
    assert counted - before == 40
    first, second = two.workers
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: len(two.workers) == 2 and first not in two.workers, 10)
    assert eventually(lambda: two.log.count("serving ") == 3, 20)
    assert second in two.workers
    assert requests(samples(two.client), route="/health/live", method="GET", status="200") >= counted
    ask(40)
    assert metric(two, "database_ready") == 0


@pytest.mark.skipif(sys.platform != "linux", reason="scheduling policies are Linux's")
def test_only_the_thread_for_the_network_gives_way_to_others(service):
    def giving_way() -> list[str]:
        threads = [task for worker in service.workers for task in Path(f"/proc/{worker}/task").iterdir()]
        batch = [task for task in threads if os.sched_getscheduler(int(task.name)) == os.SCHED_BATCH]
        return [(task / "comm").read_text().strip() for task in batch]

    assert eventually(lambda: giving_way() == ["tokio-rt-worker"], 10)


@pytest.mark.long
def test_state_of_the_database_is_logged_once(two):
    assert eventually(lambda: "The database is not ready." in two.log)
    time.sleep(1)
    assert two.log.count("The database is not ready.") == 1


@pytest.mark.long
def test_workers_end_when_the_server_is_killed(two):
    workers = two.workers
    os.kill(two.process.pid, signal.SIGKILL)
    assert eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), 15)


def test_second_server_on_a_port_says_so(service):
    command = [*Service(away()).command, "--port", str(service.client.base_url.port)]
    done = subprocess.run(command, cwd=BACKEND, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "Cannot listen on 127.0.0.1" in done.stderr


def test_service_without_a_model_says_so_and_ends():
    with pytest.raises(AssertionError, match="no model at"):
        Service(away(MODEL_PATH="models/none/model.onnx")).__enter__()


# --- stop -------------------------------------------------------------------------------------------


@pytest.mark.long
def test_stop_answers_what_has_begun_and_hangs_up_on_what_never_ends():
    with Service(away()) as service, ExitStack() as stack:
        idle, fresh, head, upload, finishing = (stack.enter_context(connect(service)) for _ in range(5))
        idle.sendall(LIVE)
        assert b" 200 " in answer(idle)
        head.sendall(LIVE[:20])
        upload.sendall(UPLOAD % 5000 + b"a")
        picture = seven()
        finishing.sendall(UPLOAD % len(picture) + picture[:100])
        time.sleep(0.5)
        stop = Thread(target=service.stop)
        start = time.monotonic()
        stop.start()
        time.sleep(1)
        finishing.sendall(picture[100:])
        assert b'"digit":7' in answer(finishing)
        assert [answer(each) for each in (idle, fresh, head, upload)] == [b""] * 4
        stop.join()
        assert time.monotonic() - start < 10
        assert service.process.returncode == 0
        assert "Killing" not in service.log
        assert re.search("POST /predict 499", service.log)

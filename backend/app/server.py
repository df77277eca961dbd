"""The HTTP server: granian, with as many workers as there are cores.

uv run --no-default-groups python -m app.server --port 8000     then http://localhost:8000/docs

On SIGTERM or SIGINT it finishes the requests that have begun, and exits within ten seconds. A worker that dies is
replaced.
"""

import argparse
import asyncio
import ctypes
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import active_children, parent_process
from pathlib import Path
from types import FrameType
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from app import logs
from app.config import Settings, get_settings

CONNECTIONS = 1024  # that a worker accepts; others wait
FILES = 2 * CONNECTIONS
HEADERS_BYTES = 32_768  # also how much of a body is read at a time
HEADERS_MS = 20_000  # for the headers to arrive; also the keep-alive timeout
HANG_UP_AFTER_S = 5.0  # after a stop: closes the connections of clients that are still sending or reading
KILL_AFTER_S = 8  # after a stop: kills workers that are still running
NETWORK_THREAD = "tokio-rt-worker\n"  # as granian's thread is called
LOOK_FOR_THREAD_S = 0.5
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of malloc.h
METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it when it is imported


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--app", default="app.main:app", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    _raise_file_limit()
    _configure_malloc()
    with tempfile.TemporaryDirectory(prefix="metrics-") as metrics:
        os.environ[METRICS_DIR] = metrics
        serve(arguments.app, _address(arguments.host, arguments.port), settings)


def serve(app: str, address: tuple[str, int], settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. Exits with status 1 if the workers cannot start."""
    server = Granian(
        app,
        *address,
        interface=Interfaces.ASGI,
        workers=settings.worker_count,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_MS, max_buffer_size=HEADERS_BYTES),
        websockets=False,
        backpressure=CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_AFTER_S,
        log_level=LogLevels.info if settings.log_level == "debug" else LogLevels.warning,
        log_dictconfig=logs.GRANIAN,
    )
    server.on_startup(_hang_up_late)
    server.serve(target_loader=partial(load, port=address[1]))


def load(app: str, port: int) -> Callable[..., Any]:
    """Loads the application in a new worker."""
    from granian._internal import load_target

    from app import connections, workers

    settings = get_settings()
    logs.configure(settings.log_level, settings.log_format)
    loop = asyncio.get_event_loop()
    loop.add_signal_handler(signal.SIGUSR1, connections.hang_up, port)
    threading.Thread(target=connections.watch, args=[port], daemon=True).start()
    if sys.platform == "linux":
        loop.call_soon(_lower_network_thread, loop)
    _configure_malloc()  # again, for a worker that is not a fork
    workers.remove_dead_workers()
    threading.Thread(target=_end_with_server, daemon=True).start()
    return load_target(app)


def _lower_network_thread(loop: asyncio.AbstractEventLoop) -> None:
    """Stops granian's thread for the network from interrupting others whenever a packet arrives (Linux).

    Where there are as many workers as cores, it interrupts other threads about four times for each request, which takes
    a tenth of a request's CPU time. It still runs at once when a core is free, and otherwise within some milliseconds.
    """
    threads = []
    with suppress(OSError):  # a thread has ended, or the system has no such policies, as gVisor
        names = Path("/proc/self/task").glob("*/comm")
        threads = [int(name.parent.name) for name in names if name.read_text() == NETWORK_THREAD]
        for thread in threads:
            os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
    if not threads:  # it starts after the application
        loop.call_later(LOOK_FOR_THREAD_S, _lower_network_thread, loop)


def _end_with_server() -> None:
    """Stops this worker if the server was killed, and cannot stop it."""
    server = parent_process()
    assert server, "only workers run this"
    server.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(HANG_UP_AFTER_S)
    os.kill(os.getpid(), signal.SIGUSR1)


def _hang_up_late() -> None:
    """Limits a stop, which waits for all requests: after a while, the workers close all connections."""
    stop = signal.getsignal(signal.SIGTERM)
    assert callable(stop), "granian has set it"

    def on_stop(signum: int, frame: FrameType | None) -> None:
        timer = threading.Timer(HANG_UP_AFTER_S, _tell_workers)
        timer.daemon = True
        timer.start()
        stop(signum, frame)

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, on_stop)


def _tell_workers() -> None:
    for worker in active_children():
        if worker.pid:
            os.kill(worker.pid, signal.SIGUSR1)


def _address(host: str, port: int) -> tuple[str, int]:
    """Resolves the host. Exits if another program listens there: granian would share the port with it."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT do not count
        try:
            listener.bind(address)
        except OSError as e:
            sys.exit(f"Cannot listen on {host}:{port}: {e.strerror}")
    return str(address[0]), int(address[1])


def _configure_malloc() -> None:
    """Makes malloc reuse the memory of pictures: getting it from the system for each one doubles the time of some.

    All threads share one arena, since they seldom run at once: several arenas would keep more memory.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: None)  # glibc's
    mallopt(M_MMAP_THRESHOLD, 2**20)
    mallopt(M_TRIM_THRESHOLD, 8 * 2**20)
    mallopt(M_ARENA_MAX, 1)


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()

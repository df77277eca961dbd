"""What the workers of one server share: which of them is first, and their metrics. And memory that each returns."""

import asyncio
import ctypes
import fcntl
import gc
import os
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.background import running

METRICS_DIR = "PROMETHEUS_MULTIPROC_DIR"  # set by app/server.py before prometheus_client is imported
EVERY_S = 5.0

STARTED = Gauge("worker_start_time_seconds", "When the newest worker started, in Unix time", multiprocess_mode="max")
MEMORY = Gauge("worker_memory_bytes", "Resident memory of the largest worker", multiprocess_mode="livemax")

_lock: BinaryIO | None = None


def is_first() -> bool:
    """Whether this worker does the work that only one must do. When it exits, another takes over."""
    global _lock
    folder = os.environ.get(METRICS_DIR)
    if folder is None or _lock:
        return True
    file = Path(folder, "first").open("wb")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _lock = file
    return True


def metrics(of_this_process: CollectorRegistry) -> CollectorRegistry:
    """Those of all workers together; without a server, those of this process."""
    if METRICS_DIR not in os.environ:
        return of_this_process
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


def remove_dead_workers() -> None:
    """Removes the gauges of workers that have exited; their counters are kept."""
    for file in Path(os.environ[METRICS_DIR]).glob("gauge_live*.db"):
        pid = int(file.stem.rsplit("_", 1)[1])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)


@asynccontextmanager
async def returning_memory() -> AsyncIterator[None]:
    """Returns freed memory to the system in the background, not at once."""
    STARTED.set(time.time())
    gc.collect()
    gc.freeze()  # what lives as long as the worker is not searched for garbage again
    async with running(_return_memory()):
        yield


async def _return_memory() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)  # glibc's
    while True:
        trim(0)
        MEMORY.set(_resident_bytes())
        await asyncio.sleep(EVERY_S)


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:  # not Linux: the peak
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024

"""The servers that benchmark.py compares, each with what it is asked."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from app.config import BACKEND
from benchmarks import processes
from benchmarks.wrk import Request
from training.cli import Unusable

SKETCH = BACKEND / "examples" / "seven.png"  # 280×280, grey
START_S = 120  # torch, on a busy machine
STOP_S = 20
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

# our server as it ships, but without a database, limits and somebody's .env
OURS = {"RATE_LIMITS": "off", "DB_PASSWORD": "", "DB_PASSWORD_FILE": "", "MODEL_PATH": "models/default/model.onnx"}


class Contender(NamedTuple):
    name: str
    command: Callable[[int, int], list[str]]  # of port and workers
    requests: dict[str, Request]


def contenders() -> list[Contender]:
    grey = SKETCH.read_bytes()
    rgba = _as_a_canvas_gives(SKETCH)
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + grey + b"\r\n--x--\r\n"
    encoded = json.dumps({"image": base64.b64encode(grey).decode()}).encode()
    return [
        Contender("empty FastAPI route, uvicorn", _uvicorn("benchmarks.empty:app"), {"": Request("/")}),
        Contender(
            "ours",
            lambda port, workers: ["-m", "app.server", "--port", str(port)],
            {
                "grey": Request("/predict", "image/png", grey),
                "the page's": Request("/predict?preview=true&log=false", "image/png", grey),
                "RGBA": Request("/predict", "image/png", rgba),
            },
        ),
        Contender(
            "LitServe, our recogniser",
            lambda port, workers: ["-m", "benchmarks.lit", str(port), str(workers)],
            {"grey": Request("/predict", "application/json", encoded)},
        ),
        Contender(
            "FastAPI and torch, as usual",
            _uvicorn("benchmarks.usual:app"),
            {"grey": Request("/predict", "multipart/form-data; boundary=x", form)},
        ),
    ]


def _uvicorn(app: str) -> Callable[[int, int], list[str]]:
    usual = ["-m", "uvicorn", app, "--no-access-log", "--log-level", "warning"]
    return lambda port, workers: [*usual, "--port", str(port), "--workers", str(workers)]


def _as_a_canvas_gives(file: Path) -> bytes:
    """A browser's own PNG of its canvas: RGBA, opaque."""
    png = io.BytesIO()
    Image.open(file).convert("RGBA").save(png, "PNG")
    return png.getvalue()


class Running(NamedTuple):
    pid: int
    port: int
    startup_s: float  # until it answered its first request

    @property
    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.pid)

    @property
    def resident_mb(self) -> tuple[float, float]:
        """(of its largest process, of all)."""
        each = [processes.resident_mb(pid) for pid in processes.tree(self.pid)]
        return max(each), sum(each)


@contextmanager
def running(contender: Contender, port: int, workers: int) -> Iterator[Running]:
    """Until it has answered a request. Raises Unusable where it does not."""
    environment = os.environ | OURS | {"WORKERS": str(workers), "PYTHONPATH": str(BACKEND)}
    request = next(iter(contender.requests.values()))
    with open(os.devnull, "wb") as nowhere:
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *contender.command(port, workers)],
            cwd=BACKEND,
            env=environment,
            stdout=nowhere,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while not _answers(port, request):
            if process.poll() is not None or time.monotonic() > start + START_S:
                raise Unusable(f"{contender.name} does not start: python {' '.join(contender.command(port, workers))}")
            time.sleep(0.02)
        yield Running(process.pid, port, time.monotonic() - start)
    finally:
        _end(process)


def _answers(port: int, request: Request) -> bool:
    headers = {"Content-Type": request.type} if request.type else {}
    url = f"http://127.0.0.1:{port}{request.path}"
    try:
        with NO_PROXY.open(urllib.request.Request(url, request.body or None, headers), timeout=START_S):
            return True
    except OSError:  # also an HTTPError
        return False


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    with suppress(ProcessLookupError):  # what it left behind
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

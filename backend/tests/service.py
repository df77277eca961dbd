"""The backend as a separate process, as it runs in production."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

import httpx2

from app.config import BACKEND
from tests.conftest import USUAL, free_port

PATIENCE_S = 60  # the machine may be busy training


class Service:
    """app/server.py on a port of its own; `with` waits until it answers."""

    def __init__(self, environment: dict[str, str], module: str = "app.main:app", path: Path = BACKEND) -> None:
        """With one worker, unless `environment` says otherwise. `path`: where else `module` may lie."""
        self.environment = USUAL | environment | {"PYTHONPATH": str(path)}
        self.command = [sys.executable, "-m", "app.server", "--app", module]

    def __enter__(self) -> Self:
        port = free_port()
        self._output = tempfile.NamedTemporaryFile()  # a pipe that nobody reads would hold it up when it is full
        self.process = subprocess.Popen(
            [*self.command, "--port", str(port)],
            cwd=BACKEND,
            env=os.environ | self.environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self.process.poll() is None, self.log
            if time.monotonic() > deadline:
                self.stop()  # else it would go on without anybody who knows of it
                raise AssertionError(f"the service does not answer\n{self.log}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.stop()

    def stop(self) -> float:
        """Asks it to end, as Docker does; the seconds that took."""
        start = time.monotonic()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()
        return time.monotonic() - start

    def kill(self) -> None:
        """The server and its workers, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return Path(self._output.name).read_text()

    @property
    def workers(self) -> list[int]:
        """Their pids. Linux alone."""
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    @property
    def resident_mb(self) -> float:
        """Of the largest worker."""
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in self.workers]
        return max(int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) for status in statuses) / 1024

    def _answers(self) -> bool:
        try:
            return self.client.get("/health/live").status_code == 200
        except httpx2.TransportError:
            return False

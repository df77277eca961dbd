"""The backend as a process of its own, as it runs in production."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx2

from app.config import BACKEND
from tests.conftest import USUAL, free_port

PATIENCE_S = 60  # the machine may be busy training


class Service:
    """uvicorn on a port of its own; `with` waits until it answers."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = USUAL | environment

    def __enter__(self) -> Self:
        port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--no-access-log"],
            cwd=BACKEND, env=os.environ | self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self.process.poll() is None, self.process.communicate()[0]
            if time.monotonic() > deadline:
                self.stop()  # else it would go on without anybody who knows of it
                raise AssertionError(f"the service does not answer\n{self.log}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.stop()

    def stop(self) -> float:
        """Asks it to end, as Docker does; the seconds that took. Kept in `log`: what it printed."""
        start = time.monotonic()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.log = self.process.communicate(timeout=PATIENCE_S)[0]
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.log = self.process.communicate()[0]
        return time.monotonic() - start

    @property
    def status_file(self) -> Path:
        return Path(f"/proc/{self.process.pid}/status")

    @property
    def resident_mb(self) -> float:
        return int(re.search(r"VmRSS:\s+(\d+) kB", self.status_file.read_text())[1]) / 1024

    def _answers(self) -> bool:
        try:
            return self.client.get("/health/live").status_code == 200
        except httpx2.TransportError:
            return False

"""Database, backend and page as processes of this machine, on their own ports and data."""

import os
import subprocess
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from app.config import BACKEND
from benchmarks import processes
from tests.conftest import UV, Postgres, free_port
from tests.service import Service
from training.cli import Unusable

FRONTEND = BACKEND.parent / "frontend"
KINDS = {"app.server": "worker", "app.forks": "decoder"}  # of the backend's processes, by command
START_S = 120
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Stack(NamedTuple):
    postgres: Postgres
    backend: Service
    page_pid: int
    page: str  # URL
    page_log: Path

    @property
    def api(self) -> str:
        return str(self.backend.client.base_url).rstrip("/")

    def roots(self) -> dict[str, int]:
        """Of each part, the process that started the others."""
        database = (self.postgres.data / "postgres.pid").read_text() or "0"
        return {"backend": self.backend.process.pid, "page": self.page_pid, "database": int(database)}


@contextmanager
def running(secret: str) -> Iterator[Stack]:
    """With as many workers as there are cores, and limits on. Raises Unusable."""
    if not UV:
        raise Unusable("uv was not found: run this as `uv run --group crowd python crowd.py`")
    with tempfile.TemporaryDirectory(prefix="crowd-", ignore_cleanup_errors=True) as folder:
        postgres = Postgres(Path(folder, "data"))
        Path(folder).chmod(0o755)  # Postgres may run as another user
        postgres.start()
        try:
            own = {"PROXY_SECRET": secret, "WORKERS": "", "RATE_LIMITS": "on"}
            with Service(postgres.environment | own) as backend:
                api = str(backend.client.base_url).rstrip("/")
                log = Path(folder, "page.log")
                with _page(api, secret, log) as (pid, url):
                    yield Stack(postgres, backend, pid, url, log)
        finally:
            postgres.stop()


@contextmanager
def _page(api: str, secret: str, log: Path) -> Iterator[tuple[int, str]]:
    """(pid, URL), once it answers."""
    outside = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    pinned = ["pip", "sync", "--require-hashes", "--python", ".venv-serve", "requirements.txt"]
    for install in (["venv", "--allow-existing", ".venv-serve"], pinned):
        subprocess.run([UV, *install, "--quiet"], cwd=FRONTEND, env=outside, check=True)
    port = free_port()
    python = FRONTEND / ".venv-serve" / "bin" / "python"
    options = {"address": "127.0.0.1", "port": port, "headless": "true"}
    command = [python, "-m", "streamlit", "run", "app.py"]
    command += [f"--server.{name}={value}" for name, value in options.items()]
    environment = outside | {"BACKEND_URL": api, "PROXY_SECRET": secret, "FORWARDED_ALLOW_IPS": "none"}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, cwd=FRONTEND, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_S
        while not answers(f"{url}/_stcore/health"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unusable(f"The page does not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield process.pid, url
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        with NO_PROXY.open(url, timeout=5):
            return True
    except OSError:
        return False


class Memory:
    """The most that each process ever had, by part and command."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.peaks: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        self.now: dict[int, float] = {}  # at the last look
        self.most: dict[str, float] = defaultdict(float)  # of a part, all its processes at once, MB

    def look(self) -> None:
        self.now.clear()
        for part, root in self.stack.roots().items():
            every = processes.tree(root)
            for pid in every:
                name = _name(part, pid, root)
                self.peaks[part, name][pid] = max(self.peaks[part, name].get(pid, 0), processes.peak_mb(pid))
            resident = {pid: processes.resident_mb(pid) for pid in every}
            self.now |= resident
            self.most[part] = max(self.most[part], sum(resident.values()))


def _name(part: str, pid: int, root: int) -> str:
    command = processes.command(pid)
    if part == "database":
        return "connection" if "127.0.0.1" in command else command.removeprefix("postgres: ").partition("/")[0]
    if pid == root:
        return "main process"
    return next((name for word, name in KINDS.items() if word in command), "other")

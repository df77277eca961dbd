"""A real Postgres, from embedded.py: for the tests of all three projects."""

import os
import random
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

EMBEDDED = Path(__file__).resolve().parents[1] / "embedded.py"
UV = os.environ.get("UV") or shutil.which("uv")  # `uv run` sets it


def free_port() -> int:
    """A port that nothing listens on, nor will: none of those that the system gives to outgoing connections."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as taken, suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port


class Postgres:
    """On a port of its own. A test may stop it and start it again."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.environment = {
            "DB_HOST": "127.0.0.1",
            "DB_PORT": str(free_port()),
            "POSTGRES_USER": "tester",
            "POSTGRES_PASSWORD": "the owner's",
            "POSTGRES_DB": "sketches",
            "DB_USER": "the service",
            "DB_PASSWORD": "it's a s3cret \\ %",  # what connection strings trip over
        }

    def start(self) -> None:
        self._embedded("start")

    def stop(self) -> None:
        self._embedded("stop")

    def connect(self) -> psycopg.Connection:
        """As the owner, who may change anything."""
        return psycopg.connect(
            host=self.environment["DB_HOST"],
            port=self.environment["DB_PORT"],
            user=self.environment["POSTGRES_USER"],
            password=self.environment["POSTGRES_PASSWORD"],
            dbname=self.environment["POSTGRES_DB"],
            autocommit=True,
            row_factory=dict_row,
        )

    def _embedded(self, what: str) -> None:
        assert UV, "There is no uv: set UV to its path, or run the tests by `uv run pytest`."
        command = [UV, "run", "--script", str(EMBEDDED), what, "--data", str(self.data)]
        done = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

"""What the tests of db/ and of the scripts share."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from postgres_for_tests import free_port

import local

ROOT = Path(__file__).resolve().parents[2]
BACKEND_PYTHON = ROOT / "backend/.venv/bin/python"  # with what its tests need; test.sh makes it
SETTINGS = local.read_env(ROOT / ".env.example")
PORTS = ["DB_PORT", "BACKEND_PORT", "FRONTEND_PORT"]
APP_PASSWORD = "what the backend $igns in with"
UV = os.environ.get("UV") or local.find_uv()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First the files that start all three services, which take longest: so the workers end at about the same time."""
    longest = {item.path for item in items if "checkout" in item.fixturenames}
    items.sort(key=lambda item: item.path not in longest)


@dataclass
class Database:
    """A Postgres of embedded.py's own, and how to reach it."""

    data: Path
    port: int
    password: str = "it's a $ecret"
    script: Path = ROOT / "db" / "embedded.py"

    def run(self, what: str, **settings: str | int) -> subprocess.CompletedProcess:
        """Calls embedded.py as a person would."""
        given = {
            "POSTGRES_USER": "digits",
            "POSTGRES_PASSWORD": self.password,
            "POSTGRES_DB": "digits",
            "DB_PASSWORD": APP_PASSWORD,
            "DB_PORT": self.port,
        }
        return subprocess.run(
            [UV, "run", "--quiet", "--script", self.script, what, "--data", self.data],
            env=os.environ | {name: str(value) for name, value in (given | settings).items()},
            text=True,
            capture_output=True,
        )

    def connect(self, **other) -> psycopg.Connection:
        given = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "digits",
            "password": self.password,
            "dbname": "digits",
        }
        return psycopg.connect(**(given | other), autocommit=True)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One that runs, with its tables."""
    made = Database(tmp_path_factory.mktemp("postgres") / "data", free_port())
    started = made.run("start")
    assert started.returncode == 0, started.stderr
    yield made
    made.run("stop")


@dataclass
class Checkout:
    """The project as `git clone` would bring it, with ports and a Compose project of its own."""

    folder: Path
    settings: dict[str, str | int]

    def run(self, *command: str, **settings: str | int) -> subprocess.CompletedProcess:
        """In its folder; `settings` are environment variables."""
        return subprocess.run(command, capture_output=True, timeout=900, **self._how(settings))

    def start(self, *command: str, **settings: str | int) -> subprocess.Popen:
        """The same, without waiting for it."""
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self._how(settings))

    def _how(self, settings: dict[str, str | int]) -> dict:
        outside = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        given = {name: str(value) for name, value in (self.settings | settings).items()}
        path = f"{Path(UV).parent}{os.pathsep}{os.environ['PATH']}"
        return {"cwd": self.folder, "env": outside | {"PATH": path} | given, "text": True, "stdin": subprocess.DEVNULL}

    def change_ports(self) -> None:
        self.settings |= {name: free_port() for name in PORTS}

    @property
    def password(self) -> str:
        return local.read_env(self.folder / ".env")["POSTGRES_PASSWORD"]

    def url(self, service: str, path: str) -> str:
        return f"http://127.0.0.1:{self.settings[service + '_PORT']}{path}"

    def connect(self, dbname: str = "digits") -> psycopg.Connection:
        """To its database, as psql would from this machine."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.settings["DB_PORT"],
            user="digits",
            password=self.password,
            dbname=dbname,
            autocommit=True,
        )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():  # not deleted since the last commit
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            (folder / name).chmod((ROOT / name).stat().st_mode)
    made = Checkout(folder, {"COMPOSE_PROJECT_NAME": f"digits-test-{os.getpid()}"})
    made.change_ports()
    return made

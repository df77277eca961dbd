"""What the tests share: a real Postgres and a real backend, on free ports, and the pages in front of them.

SERVE_BIN says where the backend's Python is (default: backend/.venv-serve/bin). Without it, and without a browser, the
tests that need them skip; with REQUIRE_BROWSER=1 they fail instead.
"""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import postgres_for_tests
import pytest
import requests
from postgres_for_tests import free_port
from streamlit.testing.v1 import AppTest

import api

pytest_plugins = ["browsing"]

FRONTEND = Path(__file__).resolve().parent.parent
BACKEND = FRONTEND.parent / "backend"
SHIPPED = BACKEND / "models" / "default" / "model.onnx"
SERVE_BIN = Path(os.environ.get("SERVE_BIN") or BACKEND / ".venv-serve" / "bin")
ADMIN_TOKEN = "a tökén for tests"  # not in Latin-1 alone, and with blanks
PATIENCE_S = 60  # the machine may be busy training


def missing(what: str) -> None:
    """Skip, or fail where nothing may be skipped."""
    (pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip)(what)


def run(coroutine: Coroutine) -> Any:
    """In a thread: where Playwright runs, this one has a loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


class Postgres(postgres_for_tests.Postgres):
    def rows(self, query: str, values: Sequence = ()) -> list[dict]:
        with self.connect() as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []


class Server:
    """A process that serves at a port of its own, and may be stopped and started again."""

    def __init__(self, command: list, folder: Path, environment: dict[str, str], ready: str, log: Path) -> None:
        self.port = free_port()
        self.command = [str(part).format(port=self.port) for part in command]
        self.folder, self.environment, self.ready, self.log = folder, environment, ready, log
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=os.environ | self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()  # so that it does not outlive the tests
                pytest.fail(f"it does not answer: {self.log.read_text()}")
            time.sleep(0.1)

    def answers(self) -> bool:
        try:
            return requests.get(self.url + self.ready, timeout=5).ok
        except requests.RequestException:
            return False

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(30)
            self.process = None


# not by the .env of whoever runs the tests, which comes where a variable is empty; and figures are not kept for others
SERVE = """
from app import config, server, turns
config.Settings.model_config["env_file"] = None
turns.KEPT_S = 0
server.main()
"""


def backend_server(environment: dict[str, str], ready: str, log: Path) -> Server:
    command = [SERVE_BIN / "python", "-c", SERVE, "--port", "{port}"]
    defaults = {"WORKERS": "1", "RATE_LIMITS": "off", "MODEL_PATH": "", "LOG_LEVEL": "info", "GALLERY": ""}
    environment = defaults | {"ADMIN_TOKEN": ADMIN_TOKEN} | environment
    return Server(command, BACKEND, environment, ready, log)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    postgres = Postgres(tmp_path_factory.mktemp("postgres"))
    postgres.start()
    yield postgres
    postgres.stop()


@pytest.fixture(scope="session")
def running_backend(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not (SERVE_BIN / "python").exists():
        missing(f"the backend's serving environment is not there: {SERVE_BIN}")
    log = tmp_path_factory.mktemp("backend") / "log"
    backend = backend_server(postgres.environment, "/health/ready", log)
    backend.start()
    yield backend
    backend.stop()


def connect(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Have the pages in this process call the backend at `url`."""
    monkeypatch.setitem(api.Settings.model_config, "env_file", None)  # not the .env of whoever runs the tests
    monkeypatch.setenv("BACKEND_URL", url)
    api.settings.cache_clear()


@pytest.fixture
def backend(running_backend: Server, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The backend, on an empty database."""
    postgres.rows("TRUNCATE submissions, race_readings")
    postgres.rows("DELETE FROM procrastinate_jobs")  # and with them the retrainings
    postgres.rows("DELETE FROM procrastinate_workers")
    connect(monkeypatch, running_backend.url)
    yield running_backend
    api.settings.cache_clear()


@pytest.fixture
def shipped_model(backend: Server, postgres: Postgres) -> str:
    """The version of the model that ships: the only one in the database, and the one that serves."""
    version = json.loads(SHIPPED.with_name("card.json").read_text())["version"]
    postgres.rows("TRUNCATE promotions")
    deadline = time.monotonic() + PATIENCE_S
    while not any(model.version == version and model.serving and model.created_at for model in api.models()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    postgres.rows("DELETE FROM races")
    postgres.rows("DELETE FROM models WHERE version <> %s", [version])
    return version


@pytest.fixture(scope="session")
def running_shy_backend(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = postgres.environment | {"GALLERY": "approved", "ADMIN_TOKEN": ADMIN_TOKEN}
    shy = backend_server(environment, "/health/ready", tmp_path_factory.mktemp("shy") / "log")
    shy.start()
    yield shy
    shy.stop()


@pytest.fixture
def shy_backend(backend: Server, running_shy_backend: Server) -> Server:
    """Another backend on the same, empty database, which shows visitors only what was approved."""
    return running_shy_backend


@pytest.fixture(scope="session")
def backend_without_database(running_backend: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of another backend, which has neither a database nor an admin. Nothing calls it yet."""
    nowhere = {"DB_HOST": "127.0.0.1", "DB_PORT": str(free_port()), "DB_PASSWORD": "secret", "ADMIN_TOKEN": ""}
    backend = backend_server(nowhere, "/health/live", tmp_path_factory.mktemp("no-database") / "log")
    backend.start()
    yield backend.url
    backend.stop()


@pytest.fixture
def page() -> AppTest:
    """The first page, not yet run."""
    return AppTest.from_file(str(FRONTEND / "navigation.py"), default_timeout=PATIENCE_S)

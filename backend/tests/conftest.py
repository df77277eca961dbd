"""What the tests share: a real Postgres, the application on it, and MNIST if it is there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psycopg
import pytest
from fastapi.testclient import TestClient
from postgres_for_tests import UV, Postgres, free_port  # noqa: F401 (others take UV from here)

from app import turns
from app.config import BACKEND, Settings, get_settings
from app.main import app
from app.recognizer import Recognizer

SHIPPED = "models/default/model.onnx"
TOKEN = "a-token-for-tests"
USUAL = {
    "MODEL_PATH": SHIPPED,
    "LOG_LEVEL": "info",
    "ADMIN_TOKEN": TOKEN,
    "WORKERS": "1",
    "RATE_LIMITS": "off",  # hundreds of tests would be one impatient client; test_limits.py sets them
    "PREDICTION_DAYS": "10000",  # answers with fixed dates must stay; test_journal.py sets it
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First the scripts' tests, which take longest: so the workers end at about the same time."""
    items.sort(key=lambda item: len(item.path.parts))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    postgres = Postgres(tmp_path_factory.mktemp("postgres"))
    postgres.start()
    yield postgres
    postgres.stop()


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[TestClient]:
    """The application, its lifespan entered, with these settings. One at a time: its state is the application's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (USUAL | environment).items():
            patch.setenv(name, value)
        patch.setitem(Settings.model_config, "env_file", None)  # somebody's .env
        patch.setattr(turns, "KEPT_S", 0.0)  # else a test would see the figures of the one before
        get_settings.cache_clear()
        with TestClient(app) as client:
            yield client
    get_settings.cache_clear()


def empty(connection: psycopg.Connection, shipped: str) -> None:
    """Leaves the model that ships, as if just registered, and nothing else."""
    connection.execute("DELETE FROM races; DELETE FROM submissions; DELETE FROM predictions; DELETE FROM promotions")
    connection.execute("DELETE FROM procrastinate_jobs; DELETE FROM procrastinate_workers")  # and the retrainings
    connection.execute("DELETE FROM models WHERE version <> %s", [shipped])
    connection.execute("UPDATE models SET reference = NULL, reference_end = NULL")


@pytest.fixture(scope="module")
def application(postgres: Postgres, model: Recognizer) -> Iterator[TestClient]:
    with postgres.connect() as connection:  # a model that another module promoted must not serve here
        empty(connection, model.version)
    with serving(postgres.environment) as client:
        yield client


@pytest.fixture
def database(postgres: Postgres, model: Recognizer) -> Iterator[psycopg.Connection]:
    """A connection of the test's own, to tables that are empty but for the model that ships."""
    with postgres.connect() as connection:
        empty(connection, model.version)
        yield connection


@pytest.fixture
def client(application: TestClient, database: psycopg.Connection) -> TestClient:
    """The application on a real, empty database."""
    return application


@pytest.fixture(scope="module")
def offline_client() -> Iterator[TestClient]:
    """The application where no database listens. Not in a module that uses `client`."""
    environment = {"DB_HOST": "127.0.0.1", "DB_PORT": str(free_port()), "DB_PASSWORD": "irrelevant"}
    with serving(environment) as client:
        yield client


@pytest.fixture(scope="session")
def model() -> Recognizer:
    """The one that ships."""
    return Recognizer.load(BACKEND / SHIPPED)


@pytest.fixture(scope="session")
def mnist() -> tuple[np.ndarray, np.ndarray]:
    """MNIST's test set: (10000, 28, 28) uint8 and (10000,) uint8."""
    folder = BACKEND / (os.environ.get("MNIST_DIR") or "data") / "MNIST" / "raw"
    images, labels = folder / "t10k-images-idx3-ubyte", folder / "t10k-labels-idx1-ubyte"
    if not images.exists():
        pytest.skip(f"MNIST is not in {folder}: set MNIST_DIR, or run train.py, which downloads it")
    return (
        np.frombuffer(images.read_bytes(), np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels.read_bytes(), np.uint8, offset=8),
    )

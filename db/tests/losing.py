"""Everything is lost and comes back from a backup, with Docker and without."""

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from uuid import uuid4

import requests
from conftest import BACKEND_PYTHON, ROOT, Checkout

import local

# a model that reads as the one that ships does, under another name
STORE = """
import sys, psycopg
from tests.models import candidate, store_model
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    print(store_model(connection, candidate(1)))
"""
SEVEN = ROOT / "backend/examples/seven.png"
PATIENCE_S = 60
NOTICED_WITHIN_S = 5


def everything_comes_back(checkout: Checkout, file: Path, lose: Callable[[], None], *up: str) -> None:
    """Backs up under load, loses all of it by `lose`, starts an empty one with `up`, restores, compares."""
    version = promote_another(checkout)
    with Load(checkout) as load:
        load.wait_for(20)
        stored = set(load.stored)
        backed_up = checkout.run("./up.sh", "--backup", str(file))
        assert backed_up.returncode == 0, backed_up.stderr
        assert file.stat().st_mode & 0o777 == 0o600
        assert list(file.parent.iterdir()) == [file]  # without what it was made from
        load.wait_for(len(load.stored) + 5)  # it went on
    assert set(load.statuses) == {201}
    before = submissions(checkout)

    lose()
    started = checkout.run(*up)
    assert started.returncode == 0, started.stdout + started.stderr
    assert submissions(checkout) == {}
    assert serving(checkout) != version

    restored = checkout.run("./up.sh", "--restore", str(file))
    assert restored.returncode == 0, restored.stderr
    deadline = time.monotonic() + NOTICED_WITHIN_S
    while serving(checkout) != version:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    after = submissions(checkout)
    assert stored <= set(after), "what was stored before the backup began is in it"
    assert after == {each: before[each] for each in after}
    for each in list(after)[:3]:
        assert requests.get(checkout.url("BACKEND", f"/submissions/{each}/image"), timeout=10).status_code == 200
    assert submit(checkout).status_code == 201


def promote_another(checkout: Checkout) -> str:
    """Returns the version that serves now."""
    conninfo = checkout.connect().info.dsn + f" password='{checkout.password}'"
    done = subprocess.run(
        [BACKEND_PYTHON, "-c", STORE, conninfo], cwd=ROOT / "backend", text=True, capture_output=True, check=True
    )
    version = done.stdout.strip()
    token = local.read_env(checkout.folder / ".env")["ADMIN_TOKEN"]
    promoted = requests.post(
        checkout.url("BACKEND", f"/models/{version}/promote"), headers={"Authorization": f"Bearer {token}"}, timeout=20
    )
    assert promoted.status_code == 201, promoted.text
    return version


def serving(checkout: Checkout) -> str:
    return requests.get(checkout.url("BACKEND", "/health/ready"), timeout=10).json()["model"]["detail"]


def submit(checkout: Checkout) -> requests.Response:
    return requests.post(
        checkout.url("BACKEND", "/submissions"),
        files={"file": ("7.png", SEVEN.read_bytes(), "image/png")},
        data={"true_label": "7"},
        headers={"Idempotency-Key": str(uuid4())},
        timeout=20,
    )


def submissions(checkout: Checkout) -> dict[str, tuple]:
    """Every column of every row, by id."""
    with checkout.connect() as connection:
        return {str(row[0]): row for row in connection.execute("SELECT id, * FROM submissions").fetchall()}


class Load:
    """Two people who submit as fast as one address may, until the block ends."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout, self.stored, self.statuses = checkout, [], []
        self._over = Event()

    def __enter__(self) -> "Load":
        self._people = ThreadPoolExecutor(2)
        self._work = [self._people.submit(self._submit) for _ in range(2)]
        return self

    def _submit(self) -> None:
        while not self._over.is_set():
            time.sleep(0.07)  # LIMIT_ADDRESS_WRITES: 30 a second
            answer = submit(self.checkout)
            self.statuses.append(answer.status_code)
            if answer.status_code == 201:
                self.stored.append(answer.json()["id"])

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.stored) < count:
            assert time.monotonic() < deadline, self.statuses
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._people.shutdown()
        for each in self._work:
            each.result()

"""retrain.py as a person would call it, on a real Postgres and a small, made-up MNIST."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import psycopg
import pytest

import retrain as script
from app.config import BACKEND, Settings
from app.imaging import to_png
from app.recognizer import Recognizer
from tests.conftest import empty
from tests.drawings import draw
from tests.models import candidate, store_model
from tests.training.small import write_mnist
from training.cli import Unusable
from training.sketches import HELD_OUT, lot

PATIENCE_S = 300
SMALL = ["--epochs", "2", "--strokes", "100", "--others", "20", "--held-out", "100", "--judged-on", "100",
         "--batch-size", "32", "--drawn-per-epoch", "400", "--no-bfloat16"]  # fmt: skip


@pytest.fixture(scope="module")
def mnist_like(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mnist")
    write_mnist(folder, train=600, test=50)
    return folder


@pytest.fixture
def retrain(postgres, database, mnist_like, tmp_path):
    """Calls retrain.py and waits for it; (exit status, what it said)."""

    def call(*options: str) -> tuple[int, str]:
        process = start(postgres, mnist_like, tmp_path, *options)
        said = process.communicate(timeout=PATIENCE_S)[0]
        return process.returncode, said

    return call


def start(postgres, mnist_like: Path, folder: Path, *options: str) -> subprocess.Popen:
    environment = os.environ | postgres.environment | {"MNIST_DIR": str(mnist_like), "OMP_NUM_THREADS": "1",
                                                       "MODEL_PATH": "", "PYTHONUNBUFFERED": "1"}  # fmt: skip
    command = [sys.executable, "retrain.py", *SMALL, "--model-path", str(folder / "candidate"), *options]
    return subprocess.Popen(command, cwd=BACKEND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)  # fmt: skip


def sketch(digit: int, number: int, lying: bool = False) -> bytes:
    """No two alike; `lying`: on its side, which no model was taught to read."""
    dice = np.random.default_rng(number)
    picture = draw(digit, 140, size=0.7, pen=dice.uniform(0.08, 0.16), slant=dice.uniform(-10, 15))
    return to_png(cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE) if lying else picture)


def submit(database: psycopg.Connection, label: int | None, picture: bytes, status: str = "approved") -> uuid.UUID:
    row = database.execute(
        """
        INSERT INTO submissions (id, request_sha256, image, prediction, confidence, unsure, probabilities, model,
                                 true_label, status)
        VALUES (%s, sha256('x'), %s, 0, 0.5, false, array_fill(0.1::real, array[10]), 'older', %s, %s)
        RETURNING id
        """,
        # made from the picture: so the same ones are held out in every run
        [uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(picture + status.encode()).hexdigest()), picture, label, status],
    ).fetchone()
    return row["id"]


def models(database: psycopg.Connection) -> list[dict]:
    """Those that retrain.py stored."""
    return database.execute("SELECT * FROM models WHERE verdict IS NOT NULL").fetchall()


def test_a_fifth_is_held_out_for_ever():
    ids = [uuid.UUID(int=n * 7919**9 % 2**128) for n in range(20_000)]
    assert np.mean([lot(sketch) < HELD_OUT for sketch in ids]) == pytest.approx(HELD_OUT, abs=0.01)
    assert lot(uuid.UUID("00000000-0000-0000-0000-000000000001")) == pytest.approx(0.4853, abs=1e-3)  # and so it stays


def test_nothing_approved_is_nothing_to_learn_from(retrain, database):
    submit(database, 3, sketch(3, 0), "pending")
    submit(database, 4, sketch(4, 0), "rejected")
    status, said = retrain("--promote")
    assert status != 0
    assert "no sketch to learn from" in said
    assert not models(database)


class Retrained(NamedTuple):
    """Two runs on ten digits of three people: Ctrl-C ended the first after an epoch, the second went on."""

    first: str
    left_by_first: list[dict]
    second: str
    stored: list[dict]
    promotions: list[dict]
    approved: list[uuid.UUID]
    folder: Path


@pytest.fixture(scope="module")
def retrained(postgres, model, mnist_like, tmp_path_factory) -> Retrained:
    folder, options = tmp_path_factory.mktemp("retrain"), ("--promote", "--epochs", "3")
    with postgres.connect() as database:
        empty(database, model.version)
        approved = [submit(database, n % 10, sketch(n % 10, n)) for n in range(30)]
        approved.append(submit(database, None, sketch(1, 99)))  # not a digit: learned from as such
        for digit in range(10):
            submit(database, digit, sketch(digit, 100 + digit), "rejected")
            submit(database, digit, sketch(digit, 200 + digit), "pending")
        process, first = start(postgres, mnist_like, folder, *options), ""
        for line in process.stdout:
            first += line
            if "epoch  2" in line:  # the first is in the checkpoint
                process.send_signal(signal.SIGINT)
                break
        first += process.communicate(timeout=PATIENCE_S)[0]
        assert process.returncode == 130, first
        assert "Traceback" not in first
        left_by_first = models(database)
        process = start(postgres, mnist_like, folder, *options)
        second = process.communicate(timeout=PATIENCE_S)[0]
        assert process.returncode == 0, second
        promotions = database.execute("SELECT * FROM promotions").fetchall()
        return Retrained(first, left_by_first, second, models(database), promotions, approved, folder)


def test_interrupted_run_stores_nothing_and_the_next_goes_on(retrained):
    assert not retrained.left_by_first
    assert "going on after epoch" in retrained.second
    assert len(retrained.stored) == 1


def test_few_sketches_make_a_candidate_that_is_not_promoted(retrained):
    (stored,) = retrained.stored
    assert stored["verdict"]["passed"] is False
    assert "too few to tell" in stored["verdict"]["reasons"][0]
    assert stored["verdict"]["reasons"][0] in retrained.second
    assert not retrained.promotions


def test_candidate_is_stored_with_its_card_and_weights(retrained, model: Recognizer):
    (stored,) = retrained.stored
    card = stored["card"]
    assert card["parent"] == model.version
    assert card["version"] == stored["version"] != model.version
    assert card == json.loads((retrained.folder / "candidate" / "card.json").read_text())
    assert Recognizer(stored["onnx"], card).recognize(draw(7)).digit == 7
    assert bytes(stored["weights"]) == (retrained.folder / "candidate" / "model.pt").read_bytes()


def test_rejected_and_held_out_sketches_are_not_learned_from(retrained):
    counts, lots = retrained.stored[0]["card"]["sketches"], [lot(sketch) for sketch in retrained.approved]
    held_out = sum(each < HELD_OUT for each in lots[:-1])  # the last is no digit: it judges nobody
    assert counts["held_out"] == held_out
    assert counts["train"] + counts["validation"] == sum(each >= HELD_OUT for each in lots)


@pytest.mark.slow
def test_people_who_write_otherwise_are_learned_and_the_candidate_serves(retrain, database):
    """In place of a model that was promoted before: that is the champion, which it starts from."""
    weights = (BACKEND / "models/default/model.pt").read_bytes()
    champion = store_model(database, candidate(5, weights=weights, verdict=None))
    database.execute("INSERT INTO promotions (model, previous) VALUES (%s, 'the one before')", [champion])
    for number in range(400):
        digit = (2, 3, 4, 5, 7)[number % 5]
        submit(database, digit, sketch(digit, number, lying=True), "pending")
    gentle = ["--epochs", "3", "--learning-rate", "3e-4", "--strokes", "600", "--drawn-per-epoch", "900"]
    status, said = retrain("--all-labelled", "--promote", *gentle)
    assert status == 0, said
    (stored,) = models(database)
    assert stored["verdict"]["passed"], said
    figures = stored["verdict"]["figures"]["held_out"]
    assert figures["candidate"] > figures["champion"]
    assert stored["card"]["parent"] == champion
    _, promoted = database.execute("SELECT * FROM promotions ORDER BY id").fetchall()
    assert (promoted["model"], promoted["previous"]) == (stored["version"], champion)
    assert not promoted["overruled"]


@pytest.mark.slow
def test_candidate_that_was_made_worse_is_refused(retrain, database):
    for n in range(150):
        submit(database, (n + 1) % 10, sketch(n % 10, n))  # every label is wrong
    status, said = retrain("--promote", "--epochs", "4", "--learning-rate", "0.01")
    assert status == 0, said
    (stored,) = models(database)
    assert stored["verdict"]["passed"] is False
    assert any("lost" in reason for reason in stored["verdict"]["reasons"])
    assert database.execute("SELECT count(*) AS n FROM promotions").fetchone()["n"] == 0


@pytest.mark.slow
def test_unknown_weights_are_said_to_be_so(retrain, database):
    other = store_model(database, candidate(6, weights=None))
    database.execute("INSERT INTO promotions (model, previous) VALUES (%s, 'the one before')", [other])
    status, said = retrain()
    assert status != 0
    assert f"The weights of {other} are not in the database" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"DB_PORT": "1"}, "Connection refused"),
        ({"DB_HOST": "nowhere.invalid"}, "nowhere.invalid"),
        ({"POSTGRES_PASSWORD": "wrong", "DB_PASSWORD": "wrong"}, "password authentication failed"),
        ({"POSTGRES_DB": "nobodys"}, "nobodys"),
        ({"POSTGRES_DB": "template1"}, "not set up"),
    ],
)
def test_database_that_cannot_be_used_is_said_to_be_so(postgres, monkeypatch, settings, reason):
    for name, value in (postgres.environment | settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(script, "get_settings", Settings)
    with pytest.raises(Unusable, match=f"The database .*{reason}"):
        asyncio.run(script.read_database(all_labelled=False))

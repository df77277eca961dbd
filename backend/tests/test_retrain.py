"""retrain.py as a person would call it, on a real Postgres and a small, made-up MNIST."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import psycopg
import pytest
import torch
from postgres_for_tests import Postgres

import retrain as script
from app import imaging, store
from app.card import Card, Verdict
from app.config import BACKEND, Settings
from app.held_out import SHARE, HeldOut, origin
from app.imaging import to_png
from app.recognizer import Recognizer
from app.store.races import NewReading
from tests.conftest import SHIPPED, empty
from tests.drawings import draw
from tests.models import FAILED, PASSED, UNDECIDED, candidate, store_model
from tests.training.small import small_digits, write_mnist
from training.architectures import ARCHITECTURES
from training.cli import Unusable
from training.config import Config
from training.data import NOTHING
from training.export import Calibration
from training.sketches import Sketches

PATIENCE_S = 300
SMALL = [
    "--epochs=2",
    "--synthetic-digits=100",
    "--writer-digits=0",
    "--non-digits=20",
    "--held-out=100",
    "--judged-on=100",
    "--batch-size=32",
    "--drawn-per-epoch=400",
    "--no-bfloat16",
]


@pytest.fixture(scope="module")
def mnist_like(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mnist")
    write_mnist(folder, train=1500, test=50)  # enough to hold out what shows that nothing was forgotten
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
    environment = (
        os.environ
        | postgres.environment
        | {"MNIST_DIR": str(mnist_like), "OMP_NUM_THREADS": "1", "MODEL_PATH": SHIPPED, "PYTHONUNBUFFERED": "1"}
    )
    command = [sys.executable, "retrain.py", *SMALL, "--model-path", str(folder / "candidate"), *options]
    return subprocess.Popen(
        command, cwd=BACKEND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


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


def lot_of(picture: bytes) -> float:
    """As its visit is not known, by what it looks like."""
    return origin(uuid.uuid4(), datetime.now(UTC), None, imaging.prepare(imaging.read(picture))).by_visit


def models(database: psycopg.Connection) -> list[dict]:
    """Those that retrain.py stored."""
    return database.execute("SELECT * FROM models WHERE verdict IS NOT NULL").fetchall()


def test_nothing_approved_is_nothing_to_learn_from(retrain, database):
    submit(database, 3, sketch(3, 0), "pending")
    submit(database, 4, sketch(4, 0), "rejected")
    status, said = retrain("--promote")
    assert status != 0
    assert "no sketch to learn from" in said
    assert not models(database)


class Retrained(NamedTuple):
    """Two runs on ten digits of three people: Ctrl-C ended the first after an epoch, the second continued."""

    first: str
    left_by_first: list[dict]
    second: str
    stored: list[dict]
    promotions: list[dict]
    approved: list[bytes]
    folder: Path


@pytest.fixture(scope="module")
def retrained(postgres, model, mnist_like, tmp_path_factory) -> Retrained:
    folder, options = tmp_path_factory.mktemp("retrain"), ("--promote", "--epochs", "3")
    with postgres.connect() as database:
        empty(database, model.version)
        approved = [sketch(n % 10, n) for n in range(30)]
        for n, picture in enumerate(approved):
            submit(database, n % 10, picture)
        approved.append(sketch(1, 99))
        submit(database, None, approved[-1])  # not a digit: learned from as such
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
    card = Card.of(stored["card"])
    assert card.parent == model.version
    assert card.version == stored["version"] != model.version
    assert card == Card.read(retrained.folder / "candidate" / "card.json")
    assert Recognizer(stored["onnx"], card).recognize(draw(7)).digit == 7
    assert bytes(stored["weights"]) == (retrained.folder / "candidate" / "model.pt").read_bytes()


def test_rejected_and_held_out_sketches_are_not_learned_from(retrained):
    counts = retrained.stored[0]["card"]["sketches"]
    lots = [lot_of(picture) for picture in retrained.approved]
    assert counts["held_out"] == sum(each < SHARE for each in lots[:-1])  # the last is no digit: it judges nobody
    assert counts["train"] + counts["validation"] == sum(each >= SHARE for each in lots)


def test_card_says_what_was_held_out(retrained, model: Recognizer):
    held_out = Card.of(retrained.stored[0]["card"]).held_out
    assert held_out.mnist == 100  # the run's; the champion held out more
    assert held_out.until_by_id is None
    assert datetime.now(UTC) - held_out.until_by_visit < timedelta(hours=1)


@pytest.mark.slow
def test_people_who_write_otherwise_are_learned_and_the_candidate_serves(retrain, database):
    """In place of a model that was promoted before: that is the champion, which it starts from."""
    weights = (BACKEND / "models/default/model.pt").read_bytes()
    champion = store_model(database, candidate(5, weights=weights, verdict=None))
    database.execute("INSERT INTO promotions (model, previous) VALUES (%s, 'the one before')", [champion])
    for number in range(400):
        digit = (2, 3, 4, 5, 7)[number % 5]
        submit(database, digit, sketch(digit, number, lying=True), "pending")
    gentle = [
        "--epochs=3",
        "--learning-rate=3e-4",
        "--synthetic-digits=600",
        "--writer-digits=0",
        "--drawn-per-epoch=900",
        "--held-out=1000",
        "--judged-on=3000",
    ]
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
    assert stored["verdict"]["outcome"] == "refused"
    assert database.execute("SELECT count(*) AS n FROM races").fetchone()["n"] == 0
    assert database.execute("SELECT count(*) AS n FROM promotions").fetchone()["n"] == 0


def test_weights_of_champion_and_candidate_are_interpolated():
    network = torch.nn.BatchNorm1d(2)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        network.weight += 4
        network.num_batches_tracked += 8
    script.interpolate_weights(network, start)
    assert network.weight.tolist() == [1 + 4 * script.LEARNED] * 2
    assert network.num_batches_tracked == 8


def test_card_names_the_writers_whose_strokes_were_learned_from(model):
    people = Sketches(NOTHING, NOTHING, NOTHING, ids=[], origins=[], newest=None)
    network = ARCHITECTURES["lenet"]()
    champion = script.Champion(model, b"", HeldOut())
    learned = script.Learned(network, network, Calibration(1.0, 0.5), epoch=1)
    for count, named in ((0, False), (7, True)):
        data = script.Data(people, NOTHING, NOTHING, NOTHING, NOTHING, writer_digits=count)
        card = script.describe(champion, data, script.CONFIG, learned, small_digits(10, seed=1))
        assert ("7 digits after 49 writers of UCI's pendigits" in card["data"]) is named
        assert ("CC BY 4.0" in card["data"]) is named


def test_every_setting_takes_the_same_values_as_train_py_s():
    """An option takes what its default is: 0 would make it one for whole numbers."""
    assert {name: type(value) for name, value in vars(script.CONFIG).items()} == {
        name: type(value) for name, value in vars(Config()).items()
    }


# --- publishing, in this process --------------------------------------------------------------------


@pytest.fixture
def on_the_database(postgres, database, monkeypatch) -> psycopg.Connection:
    for name, value in (postgres.environment | {"MODEL_PATH": SHIPPED}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(script, "get_settings", Settings)
    return database


def publish(folder: Path, verdict: Verdict, readings: list[NewReading], seed: int = 1, promote: bool = False):
    """As retrain.py does with a candidate that lies in `folder`; what it returns."""
    new = candidate(seed)
    (folder / "model.onnx").write_bytes(new.onnx)
    (folder / "model.pt").write_bytes(b"weights")
    new.card.write(folder / "card.json")
    opponent = script.Champion(Recognizer.load(BACKEND / SHIPPED), b"", HeldOut())
    found = script.Comparison(verdict, readings)
    return asyncio.run(script.publish(folder, Recognizer.load(folder / "model.onnx"), found, opponent, promote))


def test_candidate_that_cannot_be_told_apart_becomes_the_challenger_with_what_the_gate_saw(
    on_the_database, model, tmp_path
):
    ids = [submit(on_the_database, 7, sketch(7, n)) for n in range(3)]
    readings = [NewReading(each, 7, 1, counts=True) for each in ids]
    assert publish(tmp_path, UNDECIDED, readings) is None
    (race,) = on_the_database.execute("SELECT * FROM races").fetchall()
    assert (race["challenger"], race["champion"], race["outcome"]) == (candidate(1).version, model.version, None)
    seen = on_the_database.execute("SELECT submission, challenger, champion, counts FROM race_readings").fetchall()
    assert sorted(tuple(row.values()) for row in seen) == sorted(map(tuple, readings))

    publish(tmp_path, UNDECIDED, [], seed=2)  # one race at a time: this one is stored alone
    assert on_the_database.execute("SELECT count(*) AS n FROM races").fetchone()["n"] == 1
    assert len(models(on_the_database)) == 2


@pytest.mark.parametrize("verdict", [PASSED, FAILED])
def test_verdict_that_is_clear_starts_no_race(on_the_database, model, tmp_path, verdict):
    publish(tmp_path, verdict, [])
    assert on_the_database.execute("SELECT count(*) AS n FROM races").fetchone()["n"] == 0
    assert len(models(on_the_database)) == 1


@pytest.mark.parametrize("promote", [True, False])
def test_verdict_is_void_where_another_model_serves_by_now(on_the_database, model, tmp_path, promote):
    other = store_model(on_the_database, candidate(5))
    on_the_database.execute("INSERT INTO promotions (model, previous) VALUES (%s, %s)", [other, model.version])
    now = publish(tmp_path, PASSED, [], promote=promote)
    assert now.model.version == other  # against which it is judged again
    assert now.weights == b"weights"
    assert candidate(1).version not in [row["version"] for row in models(on_the_database)]
    assert on_the_database.execute("SELECT count(*) AS n FROM promotions").fetchone()["n"] == 1


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [(UNDECIDED, PASSED, PASSED), (PASSED, UNDECIDED, PASSED), (UNDECIDED, FAILED, FAILED)],
)
def test_same_network_once_more_has_the_newer_verdict_unless_it_has_passed(
    on_the_database, model, tmp_path, first, second, kept
):
    """As if only sketches were approved meanwhile that are held out."""
    for verdict in (first, second):
        publish(tmp_path, verdict, [], promote=False)
    (stored,) = models(on_the_database)
    assert Verdict.model_validate(stored["verdict"]) == kept
    assert on_the_database.execute("SELECT count(*) AS n FROM races").fetchone()["n"] == (first is UNDECIDED)


def test_passed_candidate_is_promoted_on_request_against_the_one_that_serves(on_the_database, model, tmp_path):
    assert publish(tmp_path, PASSED, [], promote=True) is None
    (promoted,) = on_the_database.execute("SELECT * FROM promotions").fetchall()
    assert (promoted["model"], promoted["previous"], promoted["overruled"]) == (
        candidate(1).version,
        model.version,
        False,
    )


def test_mnist_is_compared_on_what_both_held_out():
    digits = small_digits(30, seed=3)
    assert len(script.unlearned(digits, HeldOut(mnist=20), HeldOut(mnist=2000))) == 20
    assert len(script.unlearned(digits, HeldOut(mnist=2000), HeldOut(mnist=5000))) == 30
    assert len(script.unlearned(digits, HeldOut(mnist=20), HeldOut())) == 0  # nobody knows


def test_copies_of_a_held_out_sketch_judge_once(on_the_database):
    number = next(each for each in range(100) if lot_of(sketch(7, each)) < SHARE)
    for _ in range(3):
        picture = to_png(imaging.read(sketch(7, number)))
        on_the_database.execute(
            """
            INSERT INTO submissions (request_sha256, image, prediction, confidence, unsure, probabilities, model,
                                     true_label, status)
            VALUES (sha256('x'), %s, 7, 0.5, false, array_fill(0.1::real, array[10]), 'older', 7, 'approved')
            """,
            [picture],
        )
    _, people = asyncio.run(script.read_database(all_labelled=False))
    assert (len(people.held_out), len(people.ids), len(people.origins)) == (1, 1, 1)


def test_what_a_parent_learned_from_its_child_has_learned_from_too(on_the_database, model):
    """In cards of the first format, which speak of their own training alone."""

    def with_parent(seed: int, parent: str, held_out: int) -> str:
        old = {"parent": parent, "hyperparameters": {"held_out": held_out}, "format": None, "held_out": None}
        card = {key: value for key, value in (candidate(seed).card.as_json() | old).items() if value is not None}
        return store_model(on_the_database, candidate(seed), card=card)

    data = (BACKEND / SHIPPED).read_bytes()
    sha256 = bytes.fromhex(model.card.sha256)
    store_model(on_the_database, store.models.NewModel(model.version, data, None, sha256, model.card))
    first = with_parent(1, model.version, 3000)
    second = with_parent(2, first, 5000)
    orphan = with_parent(3, "unknown", 5000)

    async def known() -> list[int | None]:
        async with script.connect() as connection:
            cards = [(await store.models.find(connection, version)).card for version in (model.version, second, orphan)]
            return [(await script.known_held_out(connection, card)).mnist for card in cards]

    assert asyncio.run(known()) == [model.card.held_out.mnist, min(3000, model.card.held_out.mnist), None]


@pytest.mark.slow
def test_unknown_weights_are_said_to_be_so(retrain, database):
    other = store_model(database, candidate(6, weights=None))
    database.execute("INSERT INTO promotions (model, previous) VALUES (%s, 'the one before')", [other])
    status, said = retrain()
    assert status != 0
    assert f"The weights of {other} are not in the database" in said
    assert "Traceback" not in said


@pytest.fixture
def untouched(postgres: Postgres) -> Iterator[None]:
    """A database of this name, which has no tables."""
    with postgres.connect() as owner:
        owner.execute("CREATE DATABASE untouched")
        yield
        owner.execute("DROP DATABASE untouched")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"DB_PORT": "1"}, "Connection refused"),
        ({"DB_HOST": "nowhere.invalid"}, "nowhere.invalid"),
        ({"POSTGRES_PASSWORD": "wrong", "DB_PASSWORD": "wrong"}, "password authentication failed"),
        ({"POSTGRES_DB": "nobodys"}, "nobodys"),
        ({"POSTGRES_DB": "untouched"}, "not set up"),
    ],
)
def test_database_that_cannot_be_used_is_said_to_be_so(postgres, untouched, monkeypatch, settings, reason):
    for name, value in (postgres.environment | settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(script, "get_settings", Settings)
    with pytest.raises(Unusable, match=f"The database .*{reason}"):
        asyncio.run(script.read_database(all_labelled=False))

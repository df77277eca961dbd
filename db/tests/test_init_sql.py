"""The schema: what it refuses and what it computes."""

import psycopg
import pytest
from conftest import Database

PNG = b"\x89PNG\r\n\x1a\n"
SUBMISSION = {
    "request_sha256": bytes(32),
    "image": PNG,
    "prediction": 7,
    "confidence": 0.9,
    "unsure": False,
    "probabilities": [0.1] * 10,
    "model": "cnn-1",
    "true_label": 7,
}


@pytest.fixture
def connection(database: Database):
    with database.connect() as connection:
        yield connection
        connection.execute("TRUNCATE submissions, models, promotions, predictions, races, race_readings")


def insert(connection: psycopg.Connection, **other):
    return insert_into(connection, "submissions", SUBMISSION | other)


def insert_into(connection: psycopg.Connection, table: str, values: dict):
    columns = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    return connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING *", values).fetchone()


@pytest.mark.parametrize(
    "wrong",
    [
        {"true_label": 11},
        {"true_label": -1},
        {"prediction": 10},
        {"prediction": None},
        {"confidence": 1.5},
        {"probabilities": [0.1] * 9},
        {"image": b"GIF89a"},
        {"image": PNG + bytes(300_000)},
        {"status": "maybe"},
        {"model": ""},
        {"request_sha256": b"short"},
    ],
)
def test_what_cannot_be_is_refused(connection, wrong: dict):
    with pytest.raises(psycopg.errors.IntegrityError):
        insert(connection, **wrong)


def test_an_idempotency_key_is_stored_once(connection):
    key = "6f1c1e0e-7c8a-4ac0-9d5c-0d9f5c0f6d11"
    insert(connection, idempotency_key=key)
    with pytest.raises(psycopg.errors.UniqueViolation):
        insert(connection, idempotency_key=key)


def test_the_views_count_what_was_right(connection):
    insert(connection)
    insert(connection, prediction=1)
    insert(connection, true_label=None)
    insert(connection, status="rejected", prediction=3)
    figures = "submissions, digits, not_digits, correct, wrong, accuracy_percent"
    assert connection.execute(f"SELECT {figures} FROM prediction_accuracy").fetchone() == (3, 2, 1, 1, 1, 50)
    of_seven = "submissions, correct, predicted, recall_percent, precision_percent"
    found = connection.execute(f"SELECT {of_seven} FROM digit_statistics WHERE digit = 7").fetchone()
    assert found == (2, 1, 1, 50, 100)


def test_the_views_stand_an_empty_table(connection):
    assert connection.execute("SELECT accuracy_percent FROM prediction_accuracy").fetchone() == (None,)
    assert connection.execute("SELECT count(*), sum(submissions) FROM digit_statistics").fetchone() == (10, 0)


MODEL = {"version": "cnn-1", "onnx": b"network", "sha256": bytes(32), "card": "{}", "verdict": '{"passed": true}'}
PREDICTION = {
    "created_at": "2026-01-01",
    "model": "cnn-1",
    "digit": 7,
    "confidence": 0.9,
    "unsure": False,
    "milliseconds": 1.5,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": ""},
        {"onnx": None},
        {"sha256": b"short"},
        {"card": "[]"},
        {"card": None},
        {"verdict": "{}"},
        {"verdict": "null"},
        {"verdict": '{"passed": "yes"}'},
        {"reference": [0] * 9, "reference_end": 1},
        {"reference": [0] * 10},
    ],
)
def test_model_that_cannot_be_is_refused(connection, wrong: dict):
    with pytest.raises(psycopg.errors.IntegrityError):
        insert_into(connection, "models", MODEL | wrong)


def test_model_is_stored_once_by_version_and_by_network(connection):
    insert_into(connection, "models", MODEL | {"verdict": None})
    for again in ({"version": "cnn-2"}, {"sha256": b"1" * 32}):
        with pytest.raises(psycopg.errors.UniqueViolation):
            insert_into(connection, "models", MODEL | again)


def test_only_a_model_that_is_there_is_promoted_and_then_it_stays(connection):
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        insert_into(connection, "promotions", {"model": "cnn-1", "previous": "cnn-0"})
    insert_into(connection, "models", MODEL)
    insert_into(connection, "promotions", {"model": "cnn-1", "previous": "cnn-0"})
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("DELETE FROM models")


@pytest.mark.parametrize(
    "wrong", [{"digit": 10}, {"confidence": 1.1}, {"confidence": float("nan")}, {"milliseconds": -1}]
)
def test_prediction_that_cannot_be_is_refused(connection, wrong: dict):
    insert_into(connection, "predictions", PREDICTION)
    with pytest.raises(psycopg.errors.IntegrityError):
        insert_into(connection, "predictions", PREDICTION | wrong)


RACE = {"challenger": "cnn-1", "champion": "cnn-0"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"challenger": "unknown"},
        {"champion": "cnn-1"},
        {"won": -1},
        {"outcome": "won"},
        {"outcome": "drawn", "ended_at": "2026-01-01"},
    ],
)
def test_race_that_cannot_be_is_refused(connection, wrong: dict):
    insert_into(connection, "models", MODEL)
    with pytest.raises(psycopg.errors.IntegrityError):
        insert_into(connection, "races", RACE | wrong)


def test_one_race_at_a_time(connection):
    insert_into(connection, "models", MODEL)
    for _ in range(2):
        insert_into(connection, "races", RACE | {"outcome": "lost", "ended_at": "2026-01-01"})
    insert_into(connection, "races", RACE)
    with pytest.raises(psycopg.errors.UniqueViolation):
        insert_into(connection, "races", RACE)

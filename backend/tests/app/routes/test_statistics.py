import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from app import store, turns
from app.drift import psi
from tests.calls import ADMIN, insert, predict, submit
from tests.drawings import draw, encode, seven

# label, prediction, confidence, unsure, status, model, when; the figures below are counted by hand
ROWS = [
    (3, 3, 0.97, False, "pending", "a", "2026-01-01T23:30:00-05:00"),  # in UTC it is the second already
    (3, 3, 0.95, False, "approved", "a", "2026-01-02T10:00:00Z"),
    (3, 8, 0.55, True, "pending", "a", "2026-01-02T11:00:00Z"),
    (8, 8, 1.0, False, "pending", "a", "2026-01-05T23:59:59Z"),
    (8, 3, 0.65, True, "pending", "b", "2026-01-06T00:00:00Z"),
    (7, 7, 0.92, False, "approved", "b", "2026-01-06T01:00:00Z"),
    (None, 3, 0.15, True, "pending", "b", "2026-01-06T02:00:00Z"),
    (None, 7, 0.93, False, "approved", "c", "2026-01-07T02:00:00Z"),
    (3, 8, 0.99, True, "rejected", "b", "2026-01-06T03:00:00Z"),
    (0, 0, 0.99, True, "rejected", "d", "2026-02-01T03:00:00Z"),
    (None, 0, 0.99, True, "rejected", "d", "2026-02-01T03:00:00Z"),
]
COLUMNS = ("true_label", "prediction", "confidence", "unsure", "status", "model", "created_at")


@pytest.fixture
def figures(client, database) -> dict:
    for row in ROWS:
        insert(database, **dict(zip(COLUMNS, row, strict=True)))
    response = client.get("/statistics")
    assert response.status_code == 200
    return response.json()


def test_totals_leave_rejected_ones_out_and_count_not_digits_apart(figures):
    totals = {name: figures[name] for name in ("total", "digits", "not_digits", "correct", "unsure")}
    assert totals == {"total": 8, "digits": 6, "not_digits": 2, "correct": 4, "unsure": 3}
    assert figures["accuracy"] == pytest.approx(4 / 6)


def test_each_digit_has_recall_and_precision(figures):
    found = {entry.pop("digit"): entry for entry in figures["per_digit"]}
    assert list(found) == list(range(10))
    names = ("submissions", "correct", "predicted", "false_alarms", "recall", "precision")
    assert found[3] == pytest.approx(dict(zip(names, (3, 2, 3, 0, 2 / 3, 2 / 3), strict=True)))
    assert found[8] == pytest.approx(dict(zip(names, (2, 1, 2, 0, 1 / 2, 1 / 2), strict=True)))
    assert found[7] == pytest.approx(dict(zip(names, (1, 1, 1, 1, 1.0, 1.0), strict=True)))
    assert found[0] == dict(zip(names, (0, 0, 0, 0, None, None), strict=True))


def test_false_alarms_are_those_that_the_model_was_sure_of(figures):
    """Of two things that are no digits and were not rejected, it was unsure of one."""
    assert figures["false_alarms"] == 1
    assert [entry["digit"] for entry in figures["per_digit"] if entry["false_alarms"]] == [7]


def test_rejected_ones_can_be_left_out_of_the_list_as_here(figures, client):
    assert client.get("/submissions/count").json() == {"submissions": 11}
    assert client.get("/submissions/count", params={"rejected": "false"}).json() == {"submissions": figures["total"]}
    query = {"rejected": "false", "digit": "none", "unsure": "false"}
    assert [each["prediction"] for each in client.get("/submissions", params=query).json()["items"]] == [7]


def test_confusion_matrix_has_labels_in_rows(figures):
    wanted = [[0] * 10 for _ in range(10)]
    wanted[3][3], wanted[3][8], wanted[8][8], wanted[8][3], wanted[7][7] = 2, 1, 1, 1, 1
    assert figures["confusion_matrix"] == wanted


def test_confidence_bins_hold_digits_only(figures):
    bins = figures["confidence_bins"]
    assert [(b["low"], b["high"]) for b in bins] == [
        (pytest.approx(n / 10), pytest.approx((n + 1) / 10)) for n in range(10)
    ]
    assert [b["submissions"] for b in bins] == [0, 0, 0, 0, 0, 1, 1, 0, 0, 4]
    assert bins[9]["mean_confidence"] == pytest.approx((0.97 + 0.95 + 1.0 + 0.92) / 4)
    assert [b["accuracy"] for b in bins] == [None] * 5 + [0, 0, None, None, 1]


def test_days_are_utc_days_and_oldest_first(figures):
    assert [(d["day"], d["accuracy"]) for d in figures["by_day"] if d["accuracy"] is not None] == [
        ("2026-01-02", pytest.approx(2 / 3)),
        ("2026-01-05", 1),
        ("2026-01-06", 0.5),
    ]


def test_models_come_latest_first(figures):
    assert [(m["model"], m["accuracy"]) for m in figures["by_model"] if m["accuracy"] is not None] == [
        ("b", 0.5),
        ("a", 0.75),
    ]


def test_not_digits_count_in_totals_alone(figures):
    """As the schema says: '… count in `total`, `not_digits`, `false_alarms` and `unsure` alone.'"""
    assert [sum(group["submissions"] for group in figures[name]) for name in ("per_digit", "confidence_bins")] == [6, 6]
    assert sum(day["submissions"] for day in figures["by_day"]) == 6
    assert {model["model"]: model["submissions"] for model in figures["by_model"]} == {"b": 2, "a": 4}


def test_views_in_the_database_say_the_same(figures, database):
    overall = database.execute("SELECT * FROM prediction_accuracy").fetchone()
    assert (overall["submissions"], overall["digits"], overall["not_digits"]) == (8, 6, 2)
    assert (overall["correct"], overall["wrong"], overall["unsure"]) == (4, 2, 3)
    assert float(overall["accuracy_percent"]) == pytest.approx(100 * figures["accuracy"], abs=0.005)
    by_digit = database.execute("SELECT * FROM digit_statistics").fetchall()
    for ours, theirs in zip(figures["per_digit"], by_digit, strict=True):
        assert {name: ours[name] for name in ("digit", "submissions", "correct", "predicted")} == {
            name: theirs[name] for name in ("digit", "submissions", "correct", "predicted")
        }
        for name in ("recall", "precision"):
            percent = theirs[f"{name}_percent"]
            assert ours[name] == (None if percent is None else pytest.approx(float(percent) / 100, abs=5e-5))


def test_no_submissions_give_no_accuracy(client):
    figures = client.get("/statistics").json()
    assert (figures["total"], figures["accuracy"], figures["by_day"], figures["by_model"]) == (0, None, [], [])
    assert len(figures["per_digit"]) == len(figures["confidence_bins"]) == 10


def test_only_the_latest_90_days_are_listed(client, database):
    for day in range(100):
        insert(database, created_at=datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day))
    days = [entry["day"] for entry in client.get("/statistics").json()["by_day"]]
    assert (len(days), days[0], days[-1]) == (90, "2026-01-11", "2026-04-10")


def test_statistics_follow_what_is_submitted(client):
    for digit in (1, 4):
        submit(client, encode(draw(digit)), str(digit))
    submit(client, encode(draw(4)), "9")
    submit(client, encode(draw(4)), "none")
    figures = client.get("/statistics").json()
    assert (figures["total"], figures["digits"], figures["correct"]) == (4, 3, 2)
    assert figures["confusion_matrix"][9][4] == 1


def test_days_are_listed_by_model_too(figures):
    assert figures["by_day_and_model"] == [
        {"day": "2026-01-02", "model": "a", "submissions": 3, "accuracy": pytest.approx(2 / 3)},
        {"day": "2026-01-05", "model": "a", "submissions": 1, "accuracy": 1},
        {"day": "2026-01-06", "model": "b", "submissions": 2, "accuracy": 0.5},
    ]


@pytest.mark.long
def test_latest_90_days_of_all_models_are_listed(client, database):
    for day in range(100):
        for model in ("a", "b"):
            insert(database, model=model, created_at=datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=day))
    found = client.get("/statistics").json()["by_day_and_model"]
    assert (len(found), found[0]["day"], found[-1]["day"]) == (180, "2026-01-11", "2026-04-10")


# --- answers ----------------------------------------------------------------------------------------


def log_answers(database, model: str, bins: list[int], when: str = "2026-01-02T10:00:00Z", unsure_below: float = 0.5):
    """As many answers as `bins` says, with a confidence in the middle of each tenth."""
    for number, count in enumerate(bins):
        confidence = number / 10 + 0.05
        database.execute(
            "INSERT INTO predictions (created_at, model, digit, confidence, unsure, milliseconds)"
            " SELECT %s, %s, 7, %s, %s, 1 FROM generate_series(1, %s)",
            [when, model, confidence, confidence < unsure_below, count],
        )


def refer(database, model: str, bins: list[int]) -> None:
    """As the journal does after the first answers."""
    database.execute(
        "UPDATE models SET reference = %s, reference_end = (SELECT coalesce(max(id), 0) FROM predictions)"
        " WHERE version = %s",
        [bins, model],
    )


SURE = [0, 0, 0, 0, 0, 5, 10, 15, 20, 450]
DOUBTFUL = [20, 20, 20, 30, 30, 40, 40, 50, 50, 200]


def test_answers_are_counted_by_utc_day(client, database):
    log_answers(database, "a", [1, 0, 0, 0, 0, 0, 0, 0, 0, 3], "2026-01-01T23:30:00-05:00")
    log_answers(database, "b", [0, 0, 0, 2, 0, 0, 0, 0, 0, 2], "2026-01-03T00:00:00Z")
    figures = client.get("/statistics").json()
    assert figures["answers"] == {"total": 8, "unsure": 3, "unsure_share": pytest.approx(3 / 8)}
    assert figures["answers_by_day"] == [
        {"day": "2026-01-02", "answers": 4, "unsure": 1},
        {"day": "2026-01-03", "answers": 4, "unsure": 2},
    ]


def test_no_answers_give_no_share(client):
    figures = client.get("/statistics").json()
    assert figures["answers"] == {"total": 0, "unsure": 0, "unsure_share": None}
    assert figures["answers_by_day"] == []
    assert figures["drift"]["psi"] is None
    assert (figures["drift"]["answers"], figures["drift"]["reference"]) == (0, 0)


def test_drift_compares_the_latest_answers_with_the_reference(client, database, model):
    log_answers(database, model.version, SURE)
    refer(database, model.version, SURE)
    log_answers(database, model.version, [0, 0, 0, 0, 0, 0, 0, 0, 0, 300])  # further back than the last 500
    log_answers(database, "another", [500, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    log_answers(database, model.version, DOUBTFUL)
    drift = client.get("/statistics").json()["drift"]
    assert drift["psi"] == pytest.approx(psi(SURE, DOUBTFUL))
    assert drift["sentence"].startswith("Much change")
    assert (drift["answers"], drift["reference"]) == (500, 500)


def test_drift_goes_on_when_the_first_answers_were_deleted(client, database, model):
    log_answers(database, model.version, SURE)
    refer(database, model.version, SURE)
    database.execute("DELETE FROM predictions")
    log_answers(database, model.version, [0, 0, 0, 0, 0, 0, 0, 0, 0, 400])
    assert client.get("/statistics").json()["drift"]["psi"] is None
    log_answers(database, model.version, [0, 0, 0, 0, 0, 0, 0, 0, 50, 50])
    drift = client.get("/statistics").json()["drift"]
    assert drift["psi"] == pytest.approx(psi(SURE, [0, 0, 0, 0, 0, 0, 0, 0, 50, 450]))
    assert drift["answers"] == 500


def test_first_answers_are_counted_while_there_is_no_reference(client, database, model):
    log_answers(database, model.version, [0, 0, 0, 0, 0, 0, 0, 0, 30, 200])
    drift = client.get("/statistics").json()["drift"]
    assert (drift["psi"], drift["answers"], drift["reference"]) == (None, 0, 230)
    assert "230 of the first 500" in drift["sentence"]


def test_answers_of_predict_reach_the_statistics(client, model):
    for _ in range(3):
        predict(client, seven())
    deadline = time.monotonic() + 5
    while (figures := client.get("/statistics").json())["answers"]["total"] < 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert figures["drift"]["reference"] == 3


# --- shared -----------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch) -> list[bool]:
    """For each time that submissions were counted, whether all of them."""
    times: list[bool] = []
    count_by_answer = store.statistics.count_by_answer

    async def slow(connection, sees_all):
        times.append(sees_all)
        await asyncio.sleep(0.3)
        return await count_by_answer(connection, sees_all)

    monkeypatch.setattr(store.statistics, "count_by_answer", slow)
    return times


def test_those_who_ask_at_once_share_one_answer(client, counted):
    with ThreadPoolExecutor(30) as strangers:
        statuses = set(strangers.map(lambda _: client.get("/statistics").status_code, range(30)))
    assert statuses == {200}
    assert len(counted) == 1


def test_answer_is_kept_for_a_while_but_not_for_reviewers(client, database, counted, monkeypatch):
    monkeypatch.setattr(turns, "KEPT_S", 60)
    seen = []
    for headers in ({}, {}, ADMIN, {}):
        seen.append(client.get("/statistics", headers=headers).json()["total"])
        insert(database)
    client.portal.call(client.app.state.pool.figures._tasks.clear)
    assert seen == [0, 0, 2, 2]
    assert len(counted) == 2

from datetime import UTC, datetime, timedelta

import pytest

from tests.calls import insert, submit
from tests.drawings import draw, encode

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
    names = ("submissions", "correct", "predicted", "recall", "precision")
    assert found[3] == pytest.approx(dict(zip(names, (3, 2, 3, 2 / 3, 2 / 3), strict=True)))
    assert found[8] == pytest.approx(dict(zip(names, (2, 1, 2, 1 / 2, 1 / 2), strict=True)))
    assert found[7] == pytest.approx(dict(zip(names, (1, 1, 1, 1.0, 1.0), strict=True)))
    assert found[0] == dict(zip(names, (0, 0, 0, None, None), strict=True))


def test_confusion_matrix_has_labels_in_rows(figures):
    wanted = [[0] * 10 for _ in range(10)]
    wanted[3][3], wanted[3][8], wanted[8][8], wanted[8][3], wanted[7][7] = 2, 1, 1, 1, 1
    assert figures["confusion_matrix"] == wanted


def test_confidence_bins_hold_digits_only(figures):
    bins = figures["confidence_bins"]
    assert [(b["low"], b["high"]) for b in bins] == [(pytest.approx(n / 10), pytest.approx((n + 1) / 10)) for n in range(10)]  # fmt: skip  # noqa: E501
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
    """As the schema says: 'Those labelled "not a digit" count in `total`, `not_digits` and `unsure` alone.'"""
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

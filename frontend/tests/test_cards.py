"""What is said of a model: its card may come from anywhere."""

from datetime import UTC, datetime

import pytest

import cards
from answers import Model, Promotion, Verdict

CARD = {
    "architecture": "compact",
    "created_at": "2026-11-20T10:57:08+00:00",
    "weights": 305242,
    "temperature": 0.912,
    "unsure_below": 0.766,
    "metrics": {"epoch": 3, "mnist_test": {"accuracy": 0.9952}, "other_people": {"accuracy": 0.9}},
}
FIGURES = {"drawn": {"candidate": 0.98}, "held_out": {"candidate": 0.971, "champion": 0.958}}


def model(card: dict = CARD, verdict: Verdict | None = None, **fields) -> Model:
    known = {"created_at": None, "serving": False, "submissions": 0, "accuracy": None, "promoted_at": None}
    return Model(**known | {"version": "compact-1a2b3c4d", "card": card, "verdict": verdict} | fields)


def test_figures_start_with_what_people_drew():
    judged = model(verdict=Verdict(passed=True, reasons=[], figures=FIGURES), submissions=1234, accuracy=0.971)
    figures = list(cards.figures(judged))
    assert [name for name, _ in figures] == [
        "Sketches it judged", "Held-out sketches", "Drawn digits", "MNIST test", "Other people", "Unsure below",
        "Temperature",
    ]  # fmt: skip
    assert figures[0][1] == "<b>97.1%</b> of 1,234"
    assert figures[1][1] == "<b>97.10%</b> <i>champion 95.80%</i>"


def test_it_is_said_what_it_is_and_whether_it_serves():
    html = cards.card(model(serving=True))
    for words in ("20 Nov 2026, 10:57", "compact", "305,242 weights", "serves", "The gate never judged it."):
        assert words in html


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"metrics": None, "created_at": 7, "weights": "many", "temperature": True, "architecture": ["a"]},
        {"metrics": [1, 2], "unsure_below": None, "created_at": "yesterday"},
        {"metrics": {"mnist_test": 0.99, "validation": {"accuracy": "good"}}},
    ],
)
def test_odd_card_is_shown_as_far_as_it_goes(card):
    verdict = Verdict(passed=False, reasons=[], figures={"held_out": {"candidate": None}, "p": 0.4})
    assert "compact-1a2b3c4d" in cards.card(model(card, verdict))


def test_words_from_elsewhere_are_words():
    bad = "<script>alert(1)</script>"
    verdict = Verdict(passed=False, reasons=[bad], figures={bad: {"candidate": 0.5}})
    card = {"architecture": bad, "metrics": {bad: {"accuracy": 0.5}}}
    assert "<script" not in cards.card(model(card, verdict, version=bad)).lower()
    now = datetime.now(UTC)
    promotion = Promotion(id=1, created_at=now, model=bad, previous=bad, overruled=True, reason=bad)
    assert "<script" not in cards.history([promotion]).lower()


def test_history_says_what_was_overruled_and_why():
    now = datetime.now(UTC)
    html = cards.history([Promotion(id=1, created_at=now, model="b", previous="a", overruled=True, reason="a try")])
    assert "<b>b</b> in place of a" in html
    assert "gate overruled" in html
    assert "<q>a try</q>" in html

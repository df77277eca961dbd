"""What is said of a model: its card may come from anywhere."""

from datetime import UTC, datetime

import pytest

from models import cards
from schemas import Model, Promotion, Race, Verdict

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


SERVING = model(version="compact-5e6f7a8b", serving=True)


def everything(model: Model) -> str:
    return cards.table([model], set()) + cards.candidate(model, SERVING)


def test_row_says_how_it_did_and_against_whom():
    judged = model(verdict=Verdict(passed=True, reasons=[], figures=FIGURES), submissions=1234, accuracy=0.971)
    html = cards.table([judged], set())
    for words in (
        "<b>97.1%</b>",
        "96.0% to 97.9%, of 1,234",
        "<b>97.10%</b>",
        "▲ 1.30 better",
        "<b>98.00%</b>",
        "passed",
    ):
        assert words in html


def test_row_says_what_it_is():
    assert ">serving<" in cards.table([model(serving=True)], set())
    assert "20 Nov 2026, 10:57" in cards.table([model()], set())
    assert ">candidate<" in cards.table([model()], set())
    assert ">served before<" in cards.table([model()], {"compact-1a2b3c4d"})


def judged(figures: dict, champion: str | None = None) -> Verdict:
    return Verdict(passed=True, reasons=[], figures=figures, champion=champion)


def test_gains_and_losses_are_sentences():
    figures = {
        "drawn": {"candidate": 0.97, "champion": 0.98, "pictures": 20062},
        "held_out": {"candidate": 0.971, "champion": 0.958, "pictures": 1020, "won": 11, "lost": 4},
        "mnist": {"candidate": 0.99, "champion": 0.99},
    }
    held_out, mnist, drawn = cards.gains_and_losses(cards.changes(judged(figures)))
    assert "(1,020):</b> it reads 11 that the other model misreads, and misreads 4" in held_out
    assert "In all, 7 more." in held_out
    assert mnist.endswith("99.00% read correctly instead of 99.00%: the same.")
    assert drawn.endswith("97.00% read correctly instead of 98.00%: 1.00 points worse.")


def test_model_that_was_never_compared_says_so():
    assert "nobody knows what it would gain or lose" in cards.candidate(model(), SERVING)


def test_model_that_was_replaced_would_undo_what_its_successor_changed():
    figures = {
        "held_out": {"candidate": 0.98, "champion": 0.96, "pictures": 250, "won": 6, "lost": 1},
        "mnist": {"candidate": 0.99, "champion": 0.98},
    }
    successor = model(version="compact-5e6f7a8b", serving=True, verdict=judged(figures, champion="compact-1a2b3c4d"))
    said = cards.candidate(model(verdict=judged(FIGURES, champion="the one before")), successor)
    assert "it reads 1 that the other model misreads, and misreads 6 that the other reads. In all, 5 fewer." in said
    assert "98.00% read correctly instead of 99.00%: 1.00 points worse." in said
    assert "the one before" not in said


def test_comparison_with_a_model_that_serves_no_longer_says_so():
    said = cards.candidate(model(verdict=judged(FIGURES, champion="<i>older</i>")), SERVING)
    assert "Compared with <b>&lt;i&gt;older&lt;/i&gt;</b>, which served then:" in said
    judged_now = model(verdict=judged(FIGURES, champion=SERVING.version))
    assert "Compared with" not in cards.candidate(judged_now, SERVING)


def test_every_other_figure_is_there():
    assert dict(cards.figures(model())) == {
        "MNIST test set": "99.52% correct",
        "Other people": "90.00% correct",
        "Unsure below": "77%",
        "Size of the network": "305,242 weights",
        "Kind of network": "compact",
    }


def test_figures_that_are_explained_come_first():
    right = {"accuracy": 0.9}
    card = {"metrics": {"other": right, "uji": right, "mnist_test": right}}
    names = [name for name, _ in cards.figures(model(card))]
    assert names == ["MNIST test set", "Digits of 4 people, written with a pen (UJI)", "Other"]


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
    assert "compact-1a2b3c4d" in everything(model(card, verdict))


def test_words_from_elsewhere_are_words():
    bad = "<script>alert(1)</script>"
    verdict = Verdict(passed=False, reasons=[bad], figures={bad: {"candidate": 0.5}})
    card = {"architecture": bad, "metrics": {bad: {"accuracy": 0.5}}}
    assert "<script" not in everything(model(card, verdict, version=bad)).lower()
    now = datetime.now(UTC)
    promotion = Promotion(id=1, created_at=now, model=bad, previous=bad, overruled=True, reason=bad)
    assert "<script" not in cards.history([promotion]).lower()


def test_history_says_what_was_overruled_and_why():
    now = datetime.now(UTC)
    html = cards.history([Promotion(id=1, created_at=now, model="b", previous="a", overruled=True, reason="a try")])
    assert "<b>b</b> in place of a" in html
    assert "gate overruled" in html
    assert "<q>a try</q>" in html


RACE = Race(
    challenger="compact-1a2b3c4d",
    champion="<b>other</b>",
    started_at=datetime(2026, 11, 21, tzinfo=UTC),
    ended_at=None,
    outcome=None,
    read=1240,
    won=14,
    lost=6,
    to_review=3,
    evidence=2.94,
    evidence_against=0.04,
)
UNDECIDED = Verdict(passed=False, outcome="undecided", reasons=["Too few to tell."], figures={})


def test_race_is_reported_in_words():
    html = everything(model(verdict=UNDECIDED, race=RACE))
    for words in (
        ">challenger<",
        "undecided: it races",
        "It races with &lt;b&gt;other",
        "<b>2.9 of 20</b>",
        "&lt; 0.1 of 20",
        "it alone reads correctly</dt><dd>14<",
        "other alone reads correctly</dt><dd>6<",
        "“One by one”</dt><dd>3<",
        "read since</dt><dd>1,240<",
        "could not tell the two apart",
    ):
        assert words in html, words


@pytest.mark.parametrize(("outcome", "words"), cards.ENDED.items())
def test_end_of_a_race_is_reported(outcome, words):
    ended = RACE.model_copy(update={"outcome": outcome, "ended_at": datetime(2026, 11, 22, tzinfo=UTC)})
    html = everything(model(verdict=UNDECIDED, race=ended))
    assert words in html
    assert ">candidate<" in html
    assert "to review" not in html


def test_verdict_holds_against_one_model():
    serving = model(serving=True, version="a")
    assert cards.holds(model(verdict=Verdict(passed=True, champion="a", reasons=[], figures={})), serving)
    assert not cards.holds(model(verdict=Verdict(passed=True, champion="b", reasons=[], figures={})), serving)
    old = Verdict(passed=True, reasons=[], figures={})
    assert cards.holds(model(CARD | {"parent": "a"}, old), serving)
    assert not cards.holds(model(CARD, old), serving)

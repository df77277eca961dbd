import json
from pathlib import Path

import pytest

from app.card import FORMAT, Card, UnusableCard, Verdict
from app.config import BACKEND
from app.held_out import HeldOut
from tests.conftest import SHIPPED

CARDS = [(BACKEND / SHIPPED).with_name("card.json"), *sorted((BACKEND / "models/teachers").glob("*/card.json"))]
LEAST = {"version": "lenet-1", "sha256": "0" * 64, "architecture": "lenet", "temperature": 1.1, "unsure_below": 0.8}
WRITTEN = LEAST | {"created_at": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.name)
def test_cards_that_ship_are_read_and_say_what_was_held_out(path):
    card = Card.read(path)
    assert card.held_out == HeldOut(mnist=json.loads(path.read_text())["hyperparameters"]["held_out"])


def test_what_is_written_is_read_again(tmp_path):
    card = Card.of(WRITTEN | {"format": FORMAT, "held_out": {"mnist": 2000}, "metrics": {"friends": {"wrong": None}}})
    card.write(tmp_path / "card.json")
    assert Card.read(tmp_path / "card.json") == card


def test_card_of_format_0_holds_out_sketches_by_id():
    learned = Card.of(WRITTEN | {"sketches": {"train": 9}, "parent": "lenet-0", "hyperparameters": {"held_out": 5000}})
    assert learned.held_out == HeldOut(mnist=5000, until_by_id=learned.created_at)
    assert Card.of(LEAST | {"sketches": {"train": 9}}).held_out.until_by_id.year == 9999  # the time is unknown
    assert Card.of(LEAST).held_out == HeldOut()  # and then MNIST is not compared on


def test_fields_of_a_newer_release_are_kept():
    content = LEAST | {"format": 7, "held_out": {"mnist": 1, "letters": 4}, "invented": [1, 2]}
    assert Card.of(Card.of(content).as_json()).as_json()["invented"] == [1, 2]


@pytest.mark.parametrize("name", LEAST)
def test_card_without_a_required_field_is_unusable(name):
    with pytest.raises(UnusableCard, match=f"^{name}: Field required$"):
        Card.of({key: value for key, value in LEAST.items() if key != name})


@pytest.mark.parametrize(
    "wrong",
    [
        {"unsure_below": "nan"},
        {"unsure_below": float("nan")},
        {"unsure_below": 1.01},
        {"unsure_below": -0.1},
        {"unsure_below": "0.8"},
        {"temperature": 0},
        {"temperature": -1.0},
        {"temperature": float("inf")},
        {"temperature": None},
        {"sha256": "X" * 64},
        {"version": ""},
        {"architecture": 3},
        {"format": -1},
        {"held_out": {"mnist": -1}},
        {"metrics": []},
        {"created_at": "2026-01-01"},
    ],
    ids=str,
)
def test_card_with_invalid_values_is_unusable(wrong):
    with pytest.raises(UnusableCard, match=f"^{next(iter(wrong))}"):
        Card.of(LEAST | wrong)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"unsure_below": NaN}'])
def test_other_json_is_not_a_card(tmp_path: Path, text):
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(UnusableCard):
        Card.read(tmp_path / "card.json")


def test_verdict_holds_against_one_champion():
    passed = Verdict(passed=True, champion="a")
    assert passed.holds_against("a", parent="b")
    assert not passed.holds_against("b", parent="b")
    assert Verdict(passed=True).holds_against("b", parent="b")
    assert not Verdict(passed=True).holds_against("b", parent=None)
    assert not Verdict(passed=False, champion="a").holds_against("a", parent=None)

"""A thousand simulated races, with a coin toss for each disagreement."""

import math
from functools import cache

import numpy as np
import pytest

from app import evidence
from app.evidence import TOO_MANY, wealth

RACES = 1000
outcome = cache(evidence.outcome)


def p_value(won: int, lost: int) -> float:
    """McNemar's exact test, one-sided, which the gate used before."""
    tosses = won + lost
    return sum(math.comb(tosses, heads) for heads in range(won, tosses + 1)) / 2**tosses


def race(dice: np.random.Generator, share: float) -> tuple[str, int]:
    """How it ends, and after how many disagreements, of which the challenger takes `share`; looked at after each."""
    won = lost = 0
    while (result := outcome(won, lost)) == "undecided" and won + lost < TOO_MANY:
        if dice.random() < share:
            won += 1
        else:
            lost += 1
    return result, won + lost


def races(share: float, count: int = RACES) -> list[tuple[str, int]]:
    dice = np.random.default_rng(7)
    return [race(dice, share) for _ in range(count)]


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (5, 0), (0, 5), (3, 4), (12, 2), (40, 31)])
def test_wealth_is_the_mean_over_all_bets(won, lost):
    q = (np.arange(200_000) + 0.5) / 400_000 + 0.5
    assert wealth(won, lost) == pytest.approx(np.mean((2 * q) ** won * (2 - 2 * q) ** lost), rel=1e-4)


def test_expected_wealth_is_constant_if_the_models_are_equal():
    """The expected wealth after one more picture is the wealth before: a martingale."""
    for won in range(12):
        for lost in range(12):
            assert (wealth(won + 1, lost) + wealth(won, lost + 1)) / 2 == pytest.approx(wealth(won, lost), rel=1e-9)


def test_thousands_of_wins_are_handled_too():
    assert wealth(5000, 5000) < 0.1
    assert wealth(5000, 0) == wealth(9000, 1000) == 10**9  # the maximum
    assert outcome(0, 5000) == "worse"


@pytest.mark.parametrize("share", [0.5, 0.45])
def test_challenger_that_is_no_better_wins_at_most_one_race_in_twenty_however_often_one_looks(share):
    won = np.mean([result == "better" for result, _ in races(share)])
    print(f"a share of {share} of the disagreements: {won:.1%} of {RACES} races won")
    assert won <= 0.05


def test_looking_at_the_p_value_all_the_time_promotes_far_too_many():
    """Why a p-value does not suffice: it would have passed four times as many of the same races."""
    dice, passed = np.random.default_rng(7), 0
    for _ in range(300):
        won = np.cumsum(dice.random(200) < 0.5)
        passed += any(p_value(int(w), n - int(w)) < 0.05 for n, w in enumerate(won, 1))
    assert passed / 300 > 0.15


def test_worse_one_soon_loses():
    assert np.mean([result == "worse" for result, _ in races(0.25, 300)]) > 0.95


@pytest.mark.parametrize(("alone", "others", "most"), [(0.0065, 0.0015, 2500), (0.0100, 0.0050, 6000)])
def test_true_gain_of_half_a_point_is_found_where_the_gate_alone_gave_up(alone, others, most):
    """`alone`: of the sketches those that the challenger alone reads right. docs/loop.md has what this prints (-s)."""
    ended = races(alone / (alone + others))
    sketches = np.array([count for result, count in ended if result == "better"]) / (alone + others)
    dice, gate = np.random.default_rng(8), {}
    for held_out in (200, 1000, 4000):
        won, lost, _ = dice.multinomial(held_out, [alone, others, 1 - alone - others], RACES).T
        gate[held_out] = float(np.mean([p_value(int(w), int(b)) < 0.05 for w, b in zip(won, lost, strict=True)]))
    print(
        f"{alone:.2%} against {others:.2%}: {len(sketches) / RACES:.1%} of the races are won, half of them within "
        f"{np.median(sketches):.0f} sketches, nine in ten within {np.quantile(sketches, 0.9):.0f}; by one p-value on "
        f"so many held-out sketches: {gate}"
    )
    assert len(sketches) / RACES > 0.95
    assert np.median(sketches) < most
    assert gate[200] < 0.1
    assert gate[1000] < 0.6

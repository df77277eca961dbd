import itertools
import json
import random

import numpy as np
import pytest

from training.gate import Pair, judge, mcnemar


def pair(both: int, won: int, lost: int, neither: int = 0) -> Pair:
    """As many pictures as both read, only the candidate, only the champion, and neither."""
    candidate = [True] * both + [True] * won + [False] * lost + [False] * neither
    champion = [True] * both + [False] * won + [True] * lost + [False] * neither
    return Pair(np.array(candidate, bool), np.array(champion, bool))


SAME = pair(4950, 0, 0, 50)
BETTER = pair(180, 12, 2, 6)


@pytest.mark.parametrize(("won", "lost", "p"), [
    (0, 0, 1), (1, 0, 1 / 2), (4, 0, 1 / 16), (5, 0, 1 / 32), (0, 5, 1), (1, 1, 3 / 4), (8, 2, 56 / 1024),
    (9, 1, 11 / 1024),
])  # fmt: skip
def test_p_is_that_of_fair_coins(won, lost, p):
    assert mcnemar(won, lost) == pytest.approx(p)


def test_p_agrees_with_counting_every_outcome():
    for tosses in range(1, 9):
        outcomes = [sum(toss) for toss in itertools.product((0, 1), repeat=tosses)]
        for won in range(tosses + 1):
            assert mcnemar(won, tosses - won) == pytest.approx(np.mean([heads >= won for heads in outcomes]))


@pytest.mark.slow
def test_p_of_many_is_exact_and_quick():
    assert mcnemar(5000, 5000) == pytest.approx(0.5, abs=0.005)
    assert mcnemar(6000, 4000) < 1e-80


def test_candidate_that_is_no_better_passes_at_most_one_time_in_twenty():
    dice = random.Random(1)
    passed = 0
    for _ in range(2000):
        won = sum(dice.random() < 0.5 for _ in range(40))
        passed += judge(pair(400, won, 40 - won), SAME, SAME).passed
    assert passed / 2000 < 0.06


def test_better_one_passes():
    verdict = judge(BETTER, SAME, SAME)
    assert verdict.passed
    assert "beyond chance" in verdict.reasons[0]
    assert verdict.figures["held_out"] == {
        "pictures": 200, "candidate": 0.96, "champion": 0.91, "won": 12, "lost": 2,
        "p": pytest.approx(0.00647, rel=0.01),
    }  # fmt: skip


def test_verdict_goes_into_json():
    assert json.loads(json.dumps(judge(BETTER, SAME, SAME).as_dict()))["passed"] is True


@pytest.mark.parametrize("held_out", [pair(0, 0, 0), pair(10, 0, 0), pair(500, 4, 0), pair(500, 2, 2)])
def test_too_few_sketches_are_said_to_be_so(held_out):
    verdict = judge(held_out, SAME, SAME)
    assert not verdict.passed
    assert "too few to tell" in verdict.reasons[0]


@pytest.mark.parametrize("held_out", [pair(500, 8, 2), pair(500, 20, 20), pair(500, 3, 30)])
def test_one_that_is_not_clearly_better_is_refused(held_out):
    verdict = judge(held_out, SAME, SAME)
    assert not verdict.passed
    assert "chance" in verdict.reasons[0]


@pytest.mark.parametrize(("lost", "passed"), [(0, True), (5, True), (6, False), (50, False)])
def test_a_tenth_of_a_point_of_mnist_may_be_lost(lost, passed):
    verdict = judge(BETTER, pair(4950 - lost, 0, lost, 50), SAME)
    assert verdict.passed is passed
    assert "MNIST" in verdict.reasons[1]


@pytest.mark.parametrize(("lost", "passed"), [(0, True), (15, True), (16, False)])
def test_three_tenths_of_a_point_of_drawn_digits_may_be_lost(lost, passed):
    assert judge(BETTER, SAME, pair(4950 - lost, 0, lost, 50)).passed is passed


def test_losses_and_gains_are_counted_together():
    assert judge(BETTER, pair(4900, 40, 45, 15), SAME).passed
    assert not judge(BETTER, pair(4900, 40, 46, 14), SAME).passed


def test_nothing_to_compare_on_is_no_pass():
    nothing = pair(0, 0, 0)
    assert not judge(BETTER, nothing, SAME).passed
    assert not judge(BETTER, SAME, nothing).passed


def test_all_reasons_are_given_not_the_first_alone():
    verdict = judge(pair(500, 3, 30), pair(4900, 0, 100), pair(4900, 0, 100))
    assert len(verdict.reasons) == 3
    assert "3.0" not in verdict.reasons[1]
    assert "2.00 points lost" in verdict.reasons[1]


def test_different_pictures_are_no_comparison():
    uneven = Pair(np.ones(3, bool), np.ones(4, bool))
    for sets in ((uneven, SAME, SAME), (BETTER, uneven, SAME), (BETTER, SAME, uneven)):
        with pytest.raises(ValueError, match="different"):
            judge(*sets)

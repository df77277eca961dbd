import json

import numpy as np
import pytest

from training.gate import MAX_LOSS, SIGNIFICANT, Pair, judge, no_worse


def pair(both: int, won: int, lost: int, neither: int = 0) -> Pair:
    """As many pictures as both read, only the candidate, only the champion, and neither."""
    candidate = [True] * both + [True] * won + [False] * lost + [False] * neither
    champion = [True] * both + [False] * won + [True] * lost + [False] * neither
    return Pair(np.array(candidate, bool), np.array(champion, bool))


SAME = pair(4950, 0, 0, 50)
BETTER = pair(180, 12, 2, 6)


def share_that_passes(pictures: int, differ: float, loss: float) -> tuple[float, float]:
    """Of 4000 candidates that truly lose so much: by the test on pairs, and by a limit of 0.1 points to the loss."""
    won, lost = (max(differ, loss) - loss) / 2, (max(differ, loss) + loss) / 2
    outcomes = np.random.default_rng(0).multinomial(pictures, [won, lost, 1 - won - lost], 4000)
    tested = [no_worse(int(w), int(b), pictures) >= SIGNIFICANT for w, b, _ in outcomes]
    return float(np.mean(tested)), float(np.mean(outcomes[:, 1] - outcomes[:, 0] <= round(0.001 * pictures)))


@pytest.mark.parametrize(
    ("pictures", "differ"), [(2000, 0.002), (2000, 0.004), (2000, 0.01), (5000, 0.004), (5000, 0.02)]
)
def test_candidate_that_loses_too_much_passes_at_most_one_time_in_twenty(pictures, differ):
    assert share_that_passes(pictures, differ, MAX_LOSS)[0] <= 0.055


def test_candidate_that_loses_nothing_is_seldom_refused_where_a_limit_to_the_shares_refuses_every_fifth():
    tested, limited = share_that_passes(2000, 0.004, 0)
    assert tested > 0.9
    assert limited < 0.83
    assert share_that_passes(5000, 0.004, 0)[0] > 0.99


def test_statistic_is_mcnemar_s_where_nothing_may_be_lost():
    assert no_worse(12, 2, 500, allowed=1e-12) == pytest.approx((12 - 2) / 14**0.5, rel=1e-3)


def test_pictures_that_never_tell_the_two_apart_show_it_if_they_are_many():
    assert no_worse(0, 0, 2000) > SIGNIFICANT > no_worse(0, 0, 300)
    assert no_worse(0, 0, 0) == 0


def test_candidate_that_is_no_better_passes_at_most_one_time_in_twenty():
    won = np.random.default_rng(1).binomial(40, 0.5, 2000)
    assert np.mean([judge(pair(400, int(w), 40 - int(w)), SAME, SAME).passed for w in won]) < 0.05


def test_better_one_passes():
    verdict = judge(BETTER, SAME, SAME, champion="compact-1")
    assert verdict.passed
    assert (verdict.outcome, verdict.champion) == ("passed", "compact-1")
    assert "better, beyond chance" in verdict.reasons[0]
    assert verdict.figures["held_out"] == {
        "pictures": 200,
        "candidate": 0.96,
        "champion": 0.91,
        "won": 12,
        "lost": 2,
        "evidence": pytest.approx(23.9, abs=0.1),
    }


def test_verdict_goes_into_json():
    assert json.loads(json.dumps(judge(BETTER, SAME, SAME).model_dump()))["passed"] is True


@pytest.mark.parametrize(
    "held_out", [pair(0, 0, 0), pair(10, 0, 0), pair(500, 6, 0), pair(500, 2, 2), pair(500, 8, 2), pair(500, 20, 20)]
)
def test_what_cannot_be_told_apart_is_undecided(held_out):
    verdict = judge(held_out, SAME, SAME)
    assert (verdict.passed, verdict.outcome) == (False, "undecided")
    assert "too few" in verdict.reasons[0]


def test_one_that_is_clearly_worse_is_refused():
    verdict = judge(pair(500, 3, 30), SAME, SAME)
    assert (verdict.passed, verdict.outcome) == (False, "refused")
    assert "worse, beyond chance" in verdict.reasons[0]


@pytest.mark.parametrize("held_out", [BETTER, pair(500, 2, 2)])
@pytest.mark.parametrize("lost", [20, 50])
def test_one_that_may_have_lost_too_much_elsewhere_is_refused_and_does_not_race(held_out, lost):
    worse = pair(4950 - lost, 0, lost, 50)
    for sets, name in (((worse, SAME), "MNIST"), ((SAME, worse), "synthetic digits")):
        verdict = judge(held_out, *sets)
        assert verdict.outcome == "refused"
        assert any(name in reason and "not ruled out" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("lost", [0, 5, 10])
def test_a_little_that_is_lost_elsewhere_is_chance(lost):
    assert judge(BETTER, pair(4950 - lost, 0, lost, 50), SAME).passed
    assert judge(BETTER, SAME, pair(4950 - lost, 0, lost, 50)).passed


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

import math

import numpy as np
import pytest

from app.drift import compare, psi

EVEN = [50] * 10
SURE = [0, 0, 0, 0, 0, 5, 10, 15, 20, 450]


def test_same_shares_have_no_index():
    assert psi(SURE, SURE) == 0
    assert psi(EVEN, [10] * 10) == pytest.approx(0)


def test_index_is_what_the_formula_gives_by_hand():
    """(0.6 − 0.8) ln(0.6/0.8) + (0.4 − 0.2) ln(0.4/0.2) = 0.2 ln(4/3) + 0.2 ln 2 = 0.19617."""
    assert psi([80, 20], [60, 40]) == pytest.approx(0.2 * math.log(4 / 3) + 0.2 * math.log(2))
    assert psi([80, 20], [60, 40]) == pytest.approx(0.19617, abs=5e-6)
    # ten bins: (0.2 − 0.1) ln 2 in one, (0 − 0.1) ln(0.0005/0.1) in another, whose floor is half of 1000
    latest = [200, *[100] * 8, 0]
    assert psi([100] * 10, latest) == pytest.approx(0.1 * math.log(2) + (0.1 - 0.0005) * math.log(200), rel=1e-9)


def test_index_does_not_depend_on_which_came_first():
    assert psi(EVEN, SURE) == pytest.approx(psi(SURE, EVEN))


def test_bin_empty_in_both_changes_nothing():
    assert psi([80, 20, 0], [60, 40, 0]) == pytest.approx(psi([80, 20], [60, 40]))


def test_single_answer_in_an_empty_bin_is_no_change():
    latest = SURE.copy()
    latest[0], latest[9] = 1, 449
    assert psi(SURE, latest) < 0.01


@pytest.mark.parametrize(
    ("latest", "low", "high", "begins"),
    [
        (SURE, 0, 0.1, "No change:"),
        ([0, 0, 0, 0, 0, 7, 12, 18, 23, 440], 0, 0.1, "No change:"),
        ([0, 0, 0, 5, 10, 10, 15, 25, 35, 400], 0.1, 0.25, "Some change: the model is less sure"),
        ([0, 0, 0, 0, 0, 0, 0, 0, 5, 495], 0.1, 0.25, "Some change: the model is surer"),
        ([20, 20, 20, 30, 30, 40, 40, 50, 50, 200], 0.25, 5, "Much change: the model is less sure"),
    ],
)
def test_index_is_described_in_a_sentence(latest, low, high, begins):
    drift = compare(SURE, latest)
    assert low <= drift.psi < high
    assert drift.sentence.startswith(begins)
    assert (drift.answers, drift.reference) == (500, 500)


def test_chance_alone_rarely_looks_like_a_change():
    """Of two samples of 500 from the same distribution at most about one pair in 100 reaches an index of 0.1."""
    dice = np.random.default_rng(0)
    shares = np.array(SURE) / sum(SURE)
    samples = dice.multinomial(500, shares, (1000, 2))
    assert sum(psi(first, latest) >= 0.1 for first, latest in samples) <= 15


@pytest.mark.parametrize(("reference", "latest"), [([0] * 10, [0] * 10), ([49] * 10, [0] * 10), (EVEN, [49] * 10)])
def test_too_few_answers_say_that_there_are_too_few(reference, latest):
    drift = compare(reference, latest)
    assert drift.psi is None
    assert drift.sentence.startswith("Too early to tell")
    assert f"So far: {sum(reference)} of the first 500, and {sum(latest) or 'none'} later." in drift.sentence


def test_five_hundred_on_either_side_are_enough():
    assert compare(EVEN, EVEN).psi == pytest.approx(0)

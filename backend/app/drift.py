"""Whether the model that serves is still as sure of its answers as it was at first. Pure functions."""

from collections.abc import Sequence

import numpy as np

from app.schemas import Drift

REFERENCE = 500  # the first answers of a model, which later ones are compared with
LATEST = 500  # of those after them, the latest that count
ENOUGH = 100  # fewer of them say too little
SOME, MUCH = 0.1, 0.25  # the thresholds in use since credit scoring (Siddiqi, see psi)
CHI_SQUARE = 21.67  # 99% quantile, 9 degrees of freedom

CHANGE = "the model is {} of its answers than at first. People may draw otherwise, or something may be wrong"


def psi(reference: Sequence[int], latest: Sequence[int]) -> float:
    """Population stability index of two histograms of counts: Σ (q − p) ln(q / p), 0 where their shares are the same.

    N. Siddiqi, Credit Risk Scorecards, 2006. An empty bin counts as half an answer: the logarithm needs something,
    and with a smaller floor a single answer in a rare bin would look like a change.
    """
    p = np.maximum(reference, 0.5) / np.sum(reference)
    q = np.maximum(latest, 0.5) / np.sum(latest)
    return float(((q - p) * np.log(q / p)).sum())


def compare(reference: Sequence[int], latest: Sequence[int]) -> Drift:
    """What two histograms of confidence, ten bins each, say. Too few answers say that there are too few."""
    first, answers = sum(reference), sum(latest)
    if first < REFERENCE or answers < ENOUGH:
        return Drift(psi=None, sentence=_too_early(first, answers), answers=answers, reference=first)
    index = psi(reference, latest)
    sentence = _sentence(index, _chance(first, answers), _mean_bin(latest) < _mean_bin(reference))
    return Drift(psi=index, sentence=sentence, answers=answers, reference=first)


def _too_early(first: int, answers: int) -> str:
    return (
        f"Too early to tell: its first {REFERENCE} answers are what later ones are compared with ({first} are there), "
        f"and then it takes {ENOUGH} more ({answers} are there)."
    )


def _chance(first: int, answers: int) -> float:
    """What luck alone seldom exceeds, 1 time in 100; it matters while there are few answers.

    B. Yurdakul, J. Naranjo, Statistical properties of the population stability index, 2020.
    """
    return CHI_SQUARE * (1 / first + 1 / answers)


def _sentence(index: float, chance: float, less_sure: bool) -> str:
    change = CHANGE.format("less sure" if less_sure else "surer")
    if index < SOME:
        return "No change: the model is as sure of its answers as at first."
    if index < chance:
        return "No change that so few answers could prove: the difference to the first ones may be luck."
    if index < MUCH:
        return f"Some change: {change}. Worth a look at the latest sketches."
    return f"Much change: {change}. Look at the latest sketches; retraining on them may help."


def _mean_bin(counts: Sequence[int]) -> float:
    return float(np.average(np.arange(len(counts)), weights=counts))

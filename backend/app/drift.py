"""Whether the serving model is still as confident as at first. Pure functions."""

from collections.abc import Sequence

import numpy as np

from app.schemas.statistics import Drift

REFERENCE = 500  # a model's first predictions, with which the latest are compared
LATEST = 500  # predictions; none of them among the first
# The usual thresholds (Siddiqi, see psi). With 500 predictions on either side, chance alone exceeds 0.087 one time in
# 100 (the 99% quantile of chi-square / 250); with fewer it would often exceed 0.1.
# B. Yurdakul, J. Naranjo, Statistical properties of the population stability index, 2020.
SOME, MUCH = 0.1, 0.25

CHANGE = "the model is {} than at first. People may draw differently now, or something may be wrong"


def psi(reference: Sequence[int], latest: Sequence[int]) -> float:
    """Population stability index of two histograms of counts: Σ (q − p) ln(q / p), 0 where their shares are the same.

    N. Siddiqi, Credit Risk Scorecards, 2006. An empty bin counts as half a prediction: the logarithm of 0 is undefined,
    and with a smaller floor a single prediction in a rare bin would look like a change.
    """
    p = np.maximum(reference, 0.5) / np.sum(reference)
    q = np.maximum(latest, 0.5) / np.sum(latest)
    return float(((q - p) * np.log(q / p)).sum())


def compare(reference: Sequence[int], latest: Sequence[int]) -> Drift:
    """Compares two histograms of confidence, ten bins each. `psi` is None while there are too few predictions."""
    first, then = sum(reference), sum(latest)
    if first < REFERENCE or then < LATEST:
        return Drift(psi=None, sentence=_too_early(first, then), answers=then, reference=first)
    index = psi(reference, latest)
    sentence = _sentence(index, _mean_bin(latest) < _mean_bin(reference))
    return Drift(psi=index, sentence=sentence, answers=then, reference=first)


def _too_early(first: int, then: int) -> str:
    return (
        f"Too early to tell: the latest {LATEST} sketches are compared with the first {REFERENCE} that this model "
        f"read. So far: {first} of the first {REFERENCE}, and {then or 'none'} later."
    )


def _sentence(index: float, less_sure: bool) -> str:
    change = CHANGE.format("less sure" if less_sure else "surer")
    if index < SOME:
        return "No change: the model is as sure of what people draw as at first."
    if index < MUCH:
        return f"Some change: {change}. Worth a look at the latest sketches."
    return f"Much change: {change}. Look at the latest sketches; retraining on them may help."


def _mean_bin(counts: Sequence[int]) -> float:
    return float(np.average(np.arange(len(counts)), weights=counts))

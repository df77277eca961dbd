"""Whether a candidate may take the champion's place: better on people's sketches, hardly worse elsewhere.

A pure function of which answers were right; it knows neither models nor the database.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

SIGNIFICANCE = 0.05  # one-sided: a candidate that is no better passes at most one time in twenty
MAX_LOSS_MNIST = 0.001  # of accuracy on MNIST's validation split
MAX_LOSS_DRAWN = 0.003  # of accuracy on digits made by training/strokes.py


class Pair(NamedTuple):
    """Which answers of the two were right, on the same pictures in the same order: (n,) bool each."""

    candidate: np.ndarray
    champion: np.ndarray


@dataclass(frozen=True)
class Verdict:
    """`reasons`: sentences for people; `figures`: what they rest on, fit for JSON."""

    passed: bool
    reasons: list[str]
    figures: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def mcnemar(won: int, lost: int) -> float:
    """The one-sided exact p-value that the candidate is better (McNemar, 1947; the binomial form).

    `won`: pictures that it alone read right; `lost`: that the champion alone did. Where both do equally well, each
    such picture is a fair coin's toss: P(at least `won` heads of `won` + `lost`). 1 where they never differ.
    """
    tosses = won + lost
    return sum(math.comb(tosses, heads) for heads in range(won, tosses + 1)) / 2**tosses


def judge(held_out: Pair, mnist: Pair, drawn: Pair) -> Verdict:
    """Passed if and only if the candidate is better on the held-out sketches, beyond chance, and no worse elsewhere.

    Raises ValueError where the two were not asked about the same pictures.
    """
    checks = [
        _better(held_out),
        _no_worse("MNIST", mnist, MAX_LOSS_MNIST),
        _no_worse("drawn digits", drawn, MAX_LOSS_DRAWN),
    ]
    won, lost = _differences(held_out)
    figures = {"held_out": _figures(held_out), "mnist": _figures(mnist), "drawn": _figures(drawn)}
    figures["held_out"] |= {"won": won, "lost": lost, "p": mcnemar(won, lost)}
    return Verdict(all(passed for passed, _ in checks), [reason for _, reason in checks], figures)


def _better(pair: Pair) -> tuple[bool, str]:
    won, lost = _differences(pair)
    p, count = mcnemar(won, lost), len(pair.candidate)
    if not count:
        return False, "No approved sketch is held out yet: too few to tell whether it is better."
    compared = (
        f"It reads {_percent(pair.candidate)} of the {count} held-out sketches, the champion {_percent(pair.champion)}"
    )
    figures = f"{won} that only it reads, {lost} that only the champion reads; p = {p:.2g}"
    if mcnemar(won + lost, 0) >= SIGNIFICANCE:
        return False, f"{compared}: they differ on {won + lost} alone, too few to tell whether it is better."
    if p >= SIGNIFICANCE:
        return False, f"{compared}: no more than chance may give ({figures})."
    return True, f"{compared}: better, beyond chance ({figures})."


def _no_worse(name: str, pair: Pair, allowed: float) -> tuple[bool, str]:
    if len(pair.candidate) != len(pair.champion):
        raise ValueError("the two were asked about different pictures")
    if not len(pair.candidate):
        return False, f"There were no pictures of {name} to compare on."
    loss = float(np.mean(pair.champion) - np.mean(pair.candidate))
    compared = f"{name}: {_percent(pair.candidate)}, the champion {_percent(pair.champion)}"
    # a whole number of pictures, compared as such: 5 of 5000 are exactly 0.1 points
    passed = round(loss * len(pair.candidate)) <= math.floor(allowed * len(pair.candidate) + 1e-9)
    change = f"{abs(100 * loss):.2f} points {'lost' if loss > 0 else 'gained'}" if loss else "the same"
    return passed, f"{compared} ({change}; {100 * allowed:.1f} may be lost)."


def _differences(pair: Pair) -> tuple[int, int]:
    """(pictures that the candidate alone reads right, that the champion alone does)."""
    candidate, champion = np.asarray(pair.candidate, bool), np.asarray(pair.champion, bool)
    if candidate.shape != champion.shape:
        raise ValueError("the two were asked about different pictures")
    return int((candidate & ~champion).sum()), int((champion & ~candidate).sum())


def _figures(pair: Pair) -> dict[str, Any]:
    count = len(pair.candidate)
    share = {name: float(np.mean(right)) if count else None for name, right in pair._asdict().items()}
    return {"pictures": count} | share


def _percent(right: np.ndarray) -> str:
    return f"{100 * float(np.mean(right)):.2f}%"

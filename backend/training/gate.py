"""The gate: decides whether a candidate may take the champion's place.

It passes if it is better on the sketches held out, and no worse elsewhere. `judge` is a pure function of which
predictions were right; it knows neither models nor the database. All three comparisons are paired: both models read the
same pictures, and only those count that exactly one of them reads correctly. The burden of proof is on the candidate:
with a probability of at most 5%, one that is no better is considered better (app/evidence.py), or one that loses
MAX_LOSS is considered no worse.

"No worse" means that a true loss of MAX_LOSS is ruled out. A limit on the observed loss, such as 0.1 points, would mean
little: two trainings that differ only in their seed differ by as much on MNIST. On 2,000 pictures, of which the two
models read 8 differently, it would refuse one in five candidates that lose nothing. This test refuses one in thirteen
of them, and 97% of those that truly lose 0.5 points; on 5,000 pictures, it refuses none of the former
(tests/training/test_gate.py).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from app.card import Verdict
from app.evidence import ENOUGH, outcome, wealth

MAX_LOSS = 0.005  # of accuracy on MNIST, and on synthetic digits
SIGNIFICANT = 1.645  # standard deviations: 5%, one-sided


class Pair(NamedTuple):
    """Which predictions of the two were right, on the same pictures in the same order: (n,) bool each."""

    candidate: np.ndarray
    champion: np.ndarray


def judge(held_out: Pair, mnist: Pair, drawn: Pair, champion: str | None = None) -> Verdict:
    """Passed if and only if the candidate is better on the held-out sketches, beyond chance, and no worse elsewhere.

    If it is no worse elsewhere, but the sketches are too few to tell, the outcome is `undecided`, and it may race. The
    verdict holds against `champion`, a version. Raises ValueError if the two did not read the same pictures.
    """
    result, reason = _better(held_out)
    others = [_no_worse("MNIST", mnist), _no_worse("synthetic digits", drawn)]
    won, lost = _differences(held_out)
    figures = {"held_out": _figures(held_out), "mnist": _figures(mnist), "drawn": _figures(drawn)}
    figures["held_out"] |= {"won": won, "lost": lost, "evidence": wealth(won, lost)}
    if not all(passed for passed, _ in others) or result == "worse":
        verdict = "refused"
    else:
        verdict = {"better": "passed", "undecided": "undecided"}[result]
    return Verdict(
        passed=verdict == "passed",
        champion=champion,
        outcome=verdict,
        reasons=[reason, *(other for _, other in others)],
        figures=figures,
    )


def no_worse(won: int, lost: int, pictures: int, allowed: float = MAX_LOSS) -> float:
    """How many standard deviations speak against a loss of `allowed` of accuracy or more; SIGNIFICANT is enough.

    Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", for non-inferiority: its variance is the likeliest one if exactly `allowed` were lost, so that it holds
    where the two differ on a few pictures, or on none.
    """
    if not pictures:
        return 0.0
    a, b = 2 * pictures, -won - lost - (2 * pictures - won + lost) * allowed
    c = lost * allowed * (1 + allowed)
    champion_alone = (math.sqrt(max(b * b - 4 * a * c, 0)) - b) / (2 * a)
    variance = pictures * (2 * champion_alone - allowed * (1 + allowed))
    return (won - lost + pictures * allowed) / math.sqrt(max(variance, 1e-12))


def _better(pair: Pair) -> tuple[str, str]:
    """(what evidence.outcome says, a sentence)."""
    won, lost = _differences(pair)
    result = outcome(won, lost)
    if not len(pair.candidate):
        return result, "No approved sketch is held out yet: too few to tell whether it is better."
    compared = (
        f"It reads {_percent(pair.candidate)} of {len(pair.candidate)} sketches that both held out, the champion "
        f"{_percent(pair.champion)}"
    )
    evidence = f"evidence of {wealth(won, lost):.2g}; {ENOUGH} is enough"
    figures = f"{won} that only it reads, {lost} that only the champion reads; {evidence}"
    words = {
        "better": "better, beyond chance",
        "worse": "worse, beyond chance",
        "undecided": "too few to tell whether it is better",
    }
    return result, f"{compared}: {words[result]} ({figures})."


def _no_worse(name: str, pair: Pair) -> tuple[bool, str]:
    won, lost = _differences(pair)
    if not len(pair.candidate):
        return False, f"There were no pictures of {name} to compare on that both held out."
    loss = float(np.mean(pair.champion) - np.mean(pair.candidate))
    compared = f"{name}: {_percent(pair.candidate)}, the champion {_percent(pair.champion)}"
    change = f"{abs(100 * loss):.2f} points {'lost' if loss > 0 else 'gained'}" if loss else "the same"
    passed = no_worse(won, lost, len(pair.candidate)) >= SIGNIFICANT
    ruling = f"a true loss of {100 * MAX_LOSS:.1f} points or more is {'ruled out' if passed else 'not ruled out'}"
    return passed, f"{compared} ({change}; {ruling} by {len(pair.candidate)} pictures)."


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

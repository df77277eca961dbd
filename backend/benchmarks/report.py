"""What crowd.py found, in words and figures."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from benchmarks.outcome import Outcome, Reading, is_as_sent

LOG_END = 4000  # characters
SPREAD_S = 5.0  # after a promotion: all workers have noticed


def text(outcome: Outcome) -> str:
    parts = [_visits(outcome), _readings(outcome), _problems(outcome), _sketches(outcome), _models(outcome)]
    return "\n\n".join([*parts, _attacks(outcome), _memory(outcome), *_last_words(outcome)])


def faults(outcome: Outcome) -> list[str]:
    """What must not be; empty where all went well."""
    tally = outcome.tally
    lost = set(tally.stored) - set(outcome.rows)
    changed = [
        key for key, (_, label, picture) in outcome.rows.items() if not is_as_sent(tally.sent[key], label, picture)
    ]
    other_id = [key for key, id_ in tally.stored.items() if key in outcome.rows and outcome.rows[key][0] != id_]
    failures = sum(number for what, number in _statuses(outcome).items() if what == "500")
    found = {
        "lost": len(lost),
        "never answered with 201": len(set(tally.sent) - set(tally.stored)),
        "stored twice": len(other_id) + len(tally.contradictions),
        "stored with another label or picture": len(changed),
        "answers with 500": failures,
    }
    return [f"{what}: {number}" for what, number in found.items() if number]


def _statuses(outcome: Outcome) -> Counter[str]:
    """Of the hostile client's requests, and of the visitors' that failed."""
    every = Counter()
    for what, number in outcome.tally.problems.items():
        every[_status(what)] += number
    for attack in outcome.attacks:
        every.update(attack["statuses"])
    return every


def _status(problem: str) -> str:
    """503, of `reading at the page: 503 Busy`."""
    return problem.rpartition(": ")[2].partition(" ")[0]


def _visits(outcome: Outcome) -> str:
    tally, minutes = outcome.tally, outcome.seconds / 60
    a_second = len(tally.readings) / outcome.seconds
    return (
        f"{outcome.visitors} visitors, {minutes:g} minutes: {len(tally.readings)} readings ({a_second:.0f} a second), "
        f"{len(tally.sent)} sketches; {tally.repeated} sent again, {tally.lost} connections lost"
    )


def _readings(outcome: Outcome) -> str:
    start, end = outcome.restart
    readings = outcome.tally.readings
    usual = [one for one in readings if one.start + one.seconds < start or one.start > end]
    rows = {
        "all": readings,
        "excluding the restart": usual,
        "of these, through the page": [one for one in usual if one.through_page],
        "of these, by the backend": [one for one in usual if not one.through_page],
    }
    lines = ["| readings | number | answered | p50 ms | p95 ms | p99 ms | longest ms |", "| --- |" + " --- |" * 6]
    lines += [f"| {name} | {len(some)} | {_answered(some)} | {_percentiles(some)} |" for name, some in rows.items()]
    return "\n".join(lines) + f"\n\nThe restart of Postgres took {end - start:.1f} s."


def _answered(readings: Iterable[Reading]) -> int:
    return sum(one.status == 200 for one in readings)


def _percentiles(readings: Iterable[Reading]) -> str:
    waits = [1e3 * one.seconds for one in readings if one.status == 200]
    return " | ".join(f"{x:.0f}" for x in np.percentile(waits, [50, 95, 99, 100])) if waits else "- | - | - | -"


def _problems(outcome: Outcome) -> str:
    problems = outcome.tally.problems
    counted = ", ".join(f"{what} {number}×" for what, number in sorted(problems.items())) or "none"
    of_500 = sum(number for what, number in problems.items() if _status(what) == "500")
    of_429 = sum(number for what, number in problems.items() if _status(what) == "429")
    return f"Failed requests of visitors: {counted}. 500: {of_500}; 429: {of_429}."


def _sketches(outcome: Outcome) -> str:
    tally, rows = outcome.tally, outcome.rows
    right = sum(is_as_sent(tally.sent[key], label, picture) for key, (_, label, picture) in rows.items())
    return (
        f"Sketches: {len(tally.sent)} sent, {len(tally.stored)} answered with 201; {len(rows)} found, {right} of them "
        f"with their own label and picture, {len(tally.contradictions)} with two ids. {outcome.others} rows are the "
        "hostile client's."
    )


def _models(outcome: Outcome) -> str:
    late = [one for one in outcome.tally.readings if one.status == 200 and one.start > outcome.promoted + SPREAD_S]
    old = sum(one.model != outcome.version.encode() for one in late)
    return (
        f"{SPREAD_S:g} s after the promotion, {len(late) - old} readings were by the new model, {old} by the old one."
    )


def _attacks(outcome: Outcome) -> str:
    """How long small pictures waited while each kind was under way."""
    readings = sorted(outcome.tally.readings)
    starts = np.array([one.start for one in readings])
    during, statuses, longest = defaultdict(list), defaultdict(Counter), defaultdict(float)
    low, high = outcome.restart
    for attack in [*_pauses(outcome), *outcome.attacks]:
        first, last = np.searchsorted(starts, [attack["start"], attack["end"]])
        during[attack["kind"]] += [one for one in readings[first:last] if not low - 1 < one.start < high]
        statuses[attack["kind"]].update(attack["statuses"])
        longest[attack["kind"]] = max(longest[attack["kind"]], attack["end"] - attack["start"])
    lines = [
        "| attack | responses | longest s | readings meanwhile | p50 ms | p95 ms | p99 ms | longest ms |",
        "| --- |" + " --- |" * 7,
    ]
    for kind, some in during.items():
        got = ", ".join(f"{status} {number}×" for status, number in statuses[kind].items())
        lines.append(f"| {kind} | {got} | {longest[kind]:.1f} | {len(some)} | {_percentiles(some)} |")
    return "\n".join(lines)


def _pauses(outcome: Outcome) -> list[dict]:
    """Between two attacks."""
    both = pairwise(outcome.attacks)
    return [{"kind": "(pauses)", "start": a["end"], "end": b["start"], "statuses": {}} for a, b in both]


def _last_words(outcome: Outcome) -> list[str]:
    """What the services wrote last, where somebody saw a 500."""
    if not _statuses(outcome)["500"]:
        return []
    return [f"The end of the log of the {part}:\n{log[-LOG_END:]}" for part, log in outcome.logs.items()]


def _memory(outcome: Outcome) -> str:
    lines = ["| part | process | how many | most MB | MB at the end |", "| --- |" + " --- |" * 4]
    for (part, name), peaks in sorted(outcome.memory.peaks.items()):
        if max(peaks.values()):
            lines.append(f"| {part} | {name} | {len(peaks)} | {max(peaks.values()):.0f} | {_at_end(outcome, peaks)} |")
    most = ", ".join(f"{part} {mb:.0f} MB" for part, mb in outcome.memory.most.items())
    return "\n".join(lines) + f"\n\nMost at once: {most}."


def _at_end(outcome: Outcome, pids: Iterable[int]) -> str:
    """Of the largest that is still there."""
    living = [outcome.memory.now[pid] for pid in pids if pid in outcome.memory.now]
    return f"{max(living):.0f}" if living else "-"

"""The Models page's HTML about models. A card may come from anywhere, so nothing in it is trusted."""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from numbers import Real
from typing import Any, NamedTuple

from common.pieces import when
from common.shares import wilson
from schemas import Model, Promotion, Race, Verdict

COMPARED = {  # by name in the verdict's figures
    "held_out": "Held-out sketches",
    "mnist": "MNIST validation",
    "drawn": "Generated digits",
}
COLUMNS = ["Model", "People’s sketches", *COMPARED.values(), "The gate"]
MEASURED = {
    "mnist_test": "MNIST test set",
    "mnist_test_seeds": "MNIST test set, mean of several trainings",
    "held_out_writers": "Digits of 12 people never trained on",
    "pendigits": "Digits of 30 people, written with a pen (pendigits)",
    "uji": "Digits of 4 people, written with a pen (UJI)",
    "validation": "Validation set, all kinds of pictures",
}
GLOSSARY = {
    "Model": "A network that has learned to read digits. Its name is its kind, then a number that tells it apart.",
    "Serving": "Reads what people draw, on this page and for programs. One model does at a time.",
    "Candidate": "A model that was trained later, on people’s sketches too, and could take over.",
    "People’s sketches": "Of the digits that people drew and labelled while it served, the share that it read "
    "correctly. The range is the 95% interval: where that share would probably lie with very many sketches.",
    "Held-out sketches": "The approved sketches of a fifth of the visitors, from which no model ever learns. A "
    "candidate and the serving model read the same ones: the fairest comparison.",
    "MNIST validation": "MNIST is 70,000 digits written by Americans around 1990, the usual yardstick. These are the "
    "ones of its training set that were held out. They show whether a candidate forgets what it knew.",
    "Generated digits": "Digits drawn by a program, in the styles of other countries. They show the same.",
    "MNIST test set": "The other part of MNIST: 10,000 digits, which training never sees.",
    "▲ and ▼": "What a candidate gains or loses against the model that served when they were compared, in percentage "
    "points: from 98% to 99% is one point.",
    "The gate": "The test that every candidate takes against the serving model. It passes if it reads more of the "
    "held-out sketches, by more than chance explains, and loses hardly anything elsewhere. A person may overrule it.",
    "Challenger": "A candidate that the gate could not tell from the serving model. It reads every sketch, too, "
    "unseen, until the approved ones tell which of the two is better: those that just one of them reads correctly.",
    "Evidence": "How much likelier what was seen is if the challenger is better than if both are equal. One that is no "
    "better gets to 20 in one race of twenty at most, however often one looks.",
    "Champion": "In the gate’s reasons, the model that served when they were compared.",
    "Unsure below": "If the model is less sure of its answer than this, it says that it is unsure.",
}

UNKNOWN = "<small>–</small>"  # also what only the database knows, while it is away
ENOUGH = 20  # evidence, as in the backend
ENDED = {
    "won": "It has won its race.",
    "lost": "It has lost its race: the other model is better.",
    "given up": "Its race was given up: the two are hardly different.",
    "void": "Its race is void: another model took over meanwhile.",
}


class Change(NamedTuple):
    """How a candidate and the serving model did on the same pictures."""

    share: float
    before: float | None
    pictures: float | None = None
    won: float | None = None  # that only the candidate read correctly
    lost: float | None = None  # that only the other read correctly

    @property
    def points(self) -> float | None:
        return None if self.before is None else round(100 * (self.share - self.before), 2)

    @property
    def back(self) -> "Change":
        """If the other one takes its place again."""
        return self if self.before is None else Change(self.before, self.share, self.pictures, self.lost, self.won)


def table(models: list[Model], served: set[str]) -> str:
    """One row per model. `served`: versions that served before."""
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    rows = "".join(_row(model, served) for model in models)
    return f'<table class="models"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _row(model: Model, served: set[str]) -> str:
    cells = [_people(model), *_compared(model), _gate(model)]
    names = COLUMNS[1:]
    body = "".join(f'<td data-name="{name}">{cell}</td>' for name, cell in zip(names, cells, strict=True))
    made = _time(model.card.get("created_at")) or model.created_at
    detail = f"<small>{when(made)}</small>" if made else ""
    state = _state(model, served)
    return f"""<tr class="{"serving" if model.serving else ""}">
        <th scope="row"><span>{escape(model.version)}</span> {state}{detail}</th>{body}</tr>"""


def _state(model: Model, served: set[str]) -> str:
    if model.serving:
        return '<span class="badge">serving</span>'
    word = "served before" if model.version in served else "challenger" if _races(model) else "candidate"
    return f'<span class="badge other">{word}</span>'


def _people(model: Model) -> str:
    if model.accuracy is None:
        return "<small>none read yet</small>" if model.created_at else UNKNOWN
    low, high = wilson(round(model.accuracy * model.submissions), model.submissions)
    return f"<b>{model.accuracy:.1%}</b><small>{low:.1%} to {high:.1%}, of {model.submissions:,}</small>"


def _compared(model: Model) -> Iterator[str]:
    """A cell for each set of pictures of COMPARED."""
    measured = dict(_items(dict(_items(model.card.get("metrics"))).get("validation")))
    found = dict(changes(model.verdict))
    for name in COMPARED:
        change, share = found.get(name), _number(measured.get(name))
        if change:
            yield f"<b>{change.share:.2%}</b>{_arrow(change)}"
        else:
            yield UNKNOWN if share is None else f"<b>{share:.2%}</b>"


def _arrow(change: Change) -> str:
    if change.points is None:
        return ""
    if not change.points:
        return "<small>the same</small>"
    better = change.points > 0
    word = "better" if better else "worse"
    sign = "▲" if better else "▼"
    return f'<small class="{word}">{sign} {abs(change.points):.2f} {word}</small>'


def _races(model: Model) -> bool:
    return model.race is not None and model.race.outcome is None


def _gate(model: Model) -> str:
    verdict = model.verdict
    if verdict is None:
        return "<small>not tested</small>" if model.created_at else UNKNOWN
    if verdict.outcome == "undecided":
        return f"<small>{'undecided: it races' if _races(model) else 'undecided'}</small>"
    return '<span class="better">✓ passed</span>' if verdict.passed else '<span class="worse">✕ refused</span>'


def holds(model: Model, serving: Model) -> bool:
    """Whether the gate has passed it against the model that is serving now."""
    return bool(model.verdict and model.verdict.passed) and serving.version == _opponent(model)


def in_order(models: list[Model]) -> list[Model]:
    """The serving model, those that the gate has passed, those that race, then the others. `models`: newest first."""
    serving = next(model for model in models if model.serving)
    return sorted(models, key=lambda model: (not model.serving, not holds(model, serving), not _races(model)))


def changes(verdict: Verdict | None) -> Iterator[tuple[str, Change]]:
    """Each set of pictures that both read, by name; those of COMPARED come first."""
    sets = dict(_items(verdict.figures if verdict else None))
    for name in sorted(sets, key=lambda name: [*COMPARED, name].index(name)):
        values = dict(_items(sets[name]))
        if (share := _number(values.get("candidate"))) is not None:
            counts = [_number(values.get(key)) for key in ("pictures", "won", "lost")]
            yield name, Change(share, _number(values.get("champion")), *counts)


def candidate(model: Model, serving: Model) -> str:
    """What would change if it were promoted, in sentences."""
    note, found = _comparison(model, serving)
    items = "".join(f"<li>{sentence}</li>" for sentence in gains_and_losses(found))
    if not items:
        items = "<li>It was never compared with the serving model, so nobody knows what it would gain or lose.</li>"
    return f"""
        <div class="candidate"><h3>{escape(model.version)}</h3>
        {note}<ul>{items}</ul>{race(model.race)}{reasons(model.verdict)}{more(model)}</div>"""


def _comparison(model: Model, serving: Model) -> tuple[str, list[tuple[str, Change]]]:
    """(against whom, if not the serving model; what would change): from either one's verdict."""
    opponent, found = _opponent(model), list(changes(model.verdict))
    if opponent != serving.version and _opponent(serving) == model.version:
        return "", [(name, change.back) for name, change in changes(serving.verdict)]
    if found and opponent and opponent != serving.version:
        return f"<p>Compared with <b>{escape(opponent)}</b>, which served then:</p>", found
    return "", found


def _opponent(model: Model) -> str | None:
    """The version that the gate compared it with; of verdicts of older releases, the one that it started from."""
    if model.verdict is None:
        return None
    before = model.verdict.champion or model.card.get("parent")
    return None if before is None else str(before)


def race(race: Race | None) -> str:
    """How it compares with the serving model, in words."""
    if race is None:
        return ""
    title = ENDED[race.outcome] if race.outcome else f"It races with {escape(race.champion)}"
    score = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in _score(race))
    how = "" if race.outcome else _running(race)
    return f'<div class="race"><b>{title}</b>{how}<dl class="measured">{score}</dl></div>'


def _running(race: Race) -> str:
    full = min(math.log(max(race.evidence, 1)) / math.log(ENOUGH), 1)
    return f"""<p>Since {when(race.started_at)} both read every sketch, this one unseen. Approved sketches that just one
        of them reads correctly are evidence; at {ENOUGH} it has won, and may be promoted, or has lost.</p>
        <meter min="0" max="1" value="{full:.2f}" aria-label="Evidence that it is better">{race.evidence:.2g}</meter>"""


def _score(race: Race) -> Iterator[tuple[str, str]]:
    yield "Evidence that it is better", f"<b>{_evidence(race.evidence)} of {ENOUGH}</b>"
    yield "Evidence that it is worse", f"{_evidence(race.evidence_against)} of {ENOUGH}"
    yield "Sketches that it alone reads correctly", f"{race.won:,}"
    yield "Sketches that the other alone reads correctly", f"{race.lost:,}"
    if race.outcome is None:
        yield "Sketches to review; they come first in the Gallery, “One by one”", f"{race.to_review:,}"
    yield "Sketches read since", f"{race.read:,}"


def _evidence(value: float) -> str:
    return f"{value:.1f}" if value >= 0.1 else "&lt; 0.1"


def gains_and_losses(found: Iterable[tuple[str, Change]]) -> Iterator[str]:
    for name, change in found:
        title = COMPARED.get(name, escape(name.replace("_", " ").capitalize()))
        of = f" ({change.pictures:,.0f})" if change.pictures else ""
        if change.won is not None and change.lost is not None:
            yield (
                f"<b>{title}{of}:</b> it reads {change.won:,.0f} that the other model misreads, and misreads "
                f"{change.lost:,.0f} that the other reads. {_in_all(change.won - change.lost)}"
            )
        elif change.points is None:
            yield f"<b>{title}{of}:</b> {change.share:.2%} read correctly."
        else:
            word = "better" if change.points > 0 else "worse"
            by = f"{abs(change.points):.2f} points {word}" if change.points else "the same"
            yield f"<b>{title}{of}:</b> {change.share:.2%} read correctly instead of {change.before:.2%}: {by}."


def _in_all(gain: float) -> str:
    if not gain:
        return "In all, neither reads more."
    return f"In all, {abs(gain):,.0f} {'more' if gain > 0 else 'fewer'}."


def reasons(verdict: Verdict | None) -> str:
    if verdict is None:
        return '<p class="gate">The gate never judged it.</p>'
    if verdict.outcome == "undecided":
        word, sign, title = "undecided", "?", "The gate could not tell the two apart."
    else:
        word, sign = ("passed", "✓") if verdict.passed else ("refused", "✕")
        title = f"The gate {word} it."
    items = "".join(f"<li>{escape(reason[:1].upper() + reason[1:])}</li>" for reason in verdict.reasons)
    return f"""<details class="gate {word}"><summary><b>{sign} {title}</b> Why?</summary>
        <ul>{items}</ul></details>"""


def more(model: Model) -> str:
    return f'<details class="more"><summary>More figures</summary>{measured(model)}</details>'


def measured(model: Model) -> str:
    """Everything else known about it."""
    lines = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in figures(model))
    return f'<dl class="measured">{lines}</dl>'


def figures(model: Model) -> Iterator[tuple[str, str]]:
    metrics = dict(_items(model.card.get("metrics")))
    for name in [*(name for name in MEASURED if name in metrics), *(name for name in metrics if name not in MEASURED)]:
        known = dict(_items(metrics[name]))
        if (share := _number(known.get("mean", known.get("accuracy")))) is not None:
            yield MEASURED.get(name, name.replace("_", " ").capitalize()), f"{share:.2%} correct"
    if (unsure_below := _number(model.card.get("unsure_below"))) is not None:
        yield "Unsure below", f"{unsure_below:.0%}"
    if (milliseconds := _number(model.card.get("milliseconds"))) is not None:
        yield "Time for a picture", f"{milliseconds:.2f} ms"
    if (weights := _number(model.card.get("weights"))) is not None:
        yield "Size of the network", f"{weights:,.0f} weights"
    if architecture := model.card.get("architecture"):
        yield "Kind of network", escape(str(architecture))


def glossary() -> str:
    terms = "".join(f"<div><dt>{term}</dt><dd>{text}</dd></div>" for term, text in GLOSSARY.items())
    return f'<dl class="glossary">{terms}</dl>'


def history(promotions: list[Promotion]) -> str:
    return f'<div class="history">{"".join(map(_promotion, promotions))}</div>'


def _promotion(promotion: Promotion) -> str:
    overruled = ' <span class="badge overruled">gate overruled</span>' if promotion.overruled else ""
    reason = f"<q>{escape(promotion.reason)}</q>" if promotion.reason else ""
    return f"""
        <div><span>{when(promotion.created_at)}</span>
        <p><b>{escape(promotion.model)}</b> in place of {escape(promotion.previous)}{overruled} {reason}</p></div>"""


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None

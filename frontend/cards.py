"""What the Models page says of a model, as HTML. A card may come from anywhere: nothing in it is taken for granted."""

from collections.abc import Iterator
from datetime import datetime
from html import escape
from numbers import Real
from typing import Any

from answers import Model, Promotion, Verdict
from pieces import when

MEASURED = {
    "mnist_test": "MNIST test",
    "mnist_test_seeds": "MNIST test, mean of seeds",
    "pendigits": "Pen strokes (pendigits)",
    "uji": "Pen strokes (UJI)",
    "validation": "Validation",
}
COMPARED = {"held_out": "Held-out sketches", "mnist": "MNIST validation", "drawn": "Drawn digits"}


def card(model: Model) -> str:
    serves = '<span class="badge">serves</span>' if model.serving else ""
    lines = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in figures(model))
    return f"""
        <div class="model"><div class="name">{escape(model.version)}{serves}</div>
        <div class="detail">{" · ".join(map(escape, about(model)))}</div>
        <dl>{lines}</dl>{verdict(model.verdict)}</div>"""


def about(model: Model) -> Iterator[str]:
    """When it was made, and what it is."""
    if made := _time(model.card.get("created_at")) or model.created_at:
        yield when(made)
    if architecture := model.card.get("architecture"):
        yield str(architecture)
    if (weights := _number(model.card.get("weights"))) is not None:
        yield f"{weights:,.0f} weights"


def figures(model: Model) -> Iterator[tuple[str, str]]:
    """What was measured of it, first of all on what people drew: names and values."""
    judged = "none yet" if model.accuracy is None else f"<b>{model.accuracy:.1%}</b> of {model.submissions:,}"
    yield "Sketches it judged", judged
    for name, share, champion in compared(model.verdict):
        yield name, f"<b>{share:.2%}</b>" + (f" <i>champion {champion:.2%}</i>" if champion is not None else "")
    for name, values in _items(model.card.get("metrics")):
        known = dict(_items(values))
        if (share := _number(known.get("mean", known.get("accuracy")))) is not None:
            yield MEASURED.get(name, name.replace("_", " ").capitalize()), f"<b>{share:.2%}</b>"
    if (unsure_below := _number(model.card.get("unsure_below"))) is not None:
        yield "Unsure below", f"{unsure_below:.0%}"
    if (temperature := _number(model.card.get("temperature"))) is not None:
        yield "Temperature", f"{temperature:.2f}"


def compared(verdict: Verdict | None) -> Iterator[tuple[str, float, float | None]]:
    """Each set of the gate's: its name, the share that the model reads right, and the champion's."""
    sets = dict(_items(verdict.figures if verdict else None))
    for name in sorted(sets, key=lambda name: [*COMPARED, name].index(name)):
        values = sets[name]
        share = _number(dict(_items(values)).get("candidate"))
        if share is not None:
            title = COMPARED.get(name, name.replace("_", " ").capitalize())
            yield title, share, _number(dict(_items(values)).get("champion"))


def verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return '<div class="gate"><b>The gate never judged it.</b></div>'
    word, sign = ("passed", "✓") if verdict.passed else ("refused", "✕")
    reasons = "".join(f"<li>{escape(reason[:1].upper() + reason[1:])}</li>" for reason in verdict.reasons)
    return f'<div class="gate {word}"><b>{sign} The gate {word} it.</b><ul>{reasons}</ul></div>'


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

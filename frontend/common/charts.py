"""Numbers → charts."""

from collections.abc import Iterable
from datetime import date

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from common.shares import wilson
from schemas import (
    ConfidenceBin,
    DayAnswers,
    DayModelStatistics,
    DigitStatistics,
    Epoch,
    ModelStatistics,
)

# contrast of at least 3:1 on either background (WCAG 1.4.11)
ACCENT, MUTED, WRONG = "#6d5ef6", "#b9bcd0", "#cc5f10"
MODELS = [ACCENT, "#0d9468", "#3b82f6", "#d6409f", "#a87a0a"]  # repeated for further models
GREY = "#7d8198"
AXIS = 56  # pixels that an axis with its title takes
CELL = "cell"  # of the confusion matrix


def recall(per_digit: list[DigitStatistics]) -> alt.LayerChart:
    """How often each digit was read correctly, with 95% intervals."""
    names = [str(each.digit) for each in per_digit]
    counts = [(each.correct, each.submissions) for each in per_digit]
    described = "For each digit, the share of its sketches that were read correctly, with its 95% interval."
    return _shares(names, counts, "digit that was meant", described, 28, labels=14)


def accuracy_by_model(models: list[ModelStatistics]) -> alt.LayerChart:
    """The same for each model, over the sketches that it read itself."""
    counts = [(round((each.accuracy or 0) * each.submissions), each.submissions) for each in models]
    described = "For each model, the share of sketches that it read correctly, with its 95% interval."
    return _shares([each.model for each in models], counts, "model", described, 36, labels=12)


def _shares(
    names: list[str], counts: list[tuple[int, int]], title: str, described: str, step: int, labels: int
) -> alt.LayerChart:
    """A dot on its 95% interval for each name. `counts`: (part, whole) of each."""
    data = pd.DataFrame([_share_of(*count) | {"name": name} for name, count in zip(names, counts, strict=True)])
    # dots, not bars: the scale does not begin at 0
    low = max(0.0, np.floor(20 * min([row["low"] for _, row in data.iterrows() if row["of"]], default=0)) / 20 - 0.05)
    scale = alt.Scale(domain=[low, 1], nice=False)
    x = alt.X(
        "share:Q",
        scale=scale,
        axis=_axis(title="share read correctly", format="%", tickCount=4, labelOverlap=True, grid=True),
    )
    y = alt.Y("name:N", sort=names, axis=_axis(title=title, labelFontSize=labels, labelLimit=144))
    tooltip = [alt.Tooltip("name", title=title), alt.Tooltip("words", title="read correctly")]
    base = alt.Chart(data).encode(y=y, tooltip=tooltip)
    counted = base.transform_filter("datum.of > 0")
    ranges = counted.mark_rule(strokeWidth=6, strokeCap="round", opacity=0.35, color=ACCENT)
    dots = counted.mark_circle(size=90, opacity=1, color=ACCENT).encode(x)
    words = base.mark_text(align="left", fontSize=12, baseline="middle").encode(text="counted")
    layers = ranges.encode(alt.X("low:Q", scale=scale), x2="high") + dots
    layers += words.encode(x=alt.value(alt.expr("width + 8")))
    return _plain(layers, described, height=step * len(names) + AXIS)


def _share_of(part: int, whole: int) -> dict:
    """A row of a chart's data."""
    low, high = wilson(part, whole)
    share = part / whole if whole else None
    counted = f"{share:.1%} of {whole:,}" if whole else "none yet"
    words = f"{share:.1%} ({low:.1%} to {high:.1%}), {part:,} of {whole:,}" if whole else counted
    return {"share": share, "low": low, "high": high, "of": whole, "counted": counted, "words": words}


def confusion(matrix: list[list[int]]) -> alt.LayerChart:
    """What was meant against what was read; shades compare within a row, so that rare digits show too.

    A click selects a cell: the parameter CELL with the fields `meant` and `read`.
    """
    rows = [
        {
            "meant": meant,
            "read": read,
            "count": count,
            "share": count / (sum(row) or 1),
            "right": meant == read,
            "opens": "a click shows them" if count else "none",
        }
        for meant, row in enumerate(matrix)
        for read, count in enumerate(row)
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("read:O", axis=_axis(title="what the model read", orient="top", labelFontSize=14)),
        y=alt.Y("meant:O", axis=_axis(title="what was meant", labelFontSize=14)),
        tooltip=["meant", "read", alt.Tooltip("count", title="sketches"), alt.Tooltip("opens", title=" ")],
    )
    # so that even one mistake in a thousand is visible
    shade = alt.Opacity("shade:Q", scale=alt.Scale(domain=[0, 1], range=[0.05, 1]), legend=None)
    cells = base.transform_calculate(shade="datum.count > 0 ? 0.12 + 0.88 * datum.share : 0")
    hand = alt.expr("datum.count > 0 ? 'pointer' : 'default'")
    cells = cells.mark_rect(cornerRadius=4, cursor=hand).encode(
        color=alt.condition("datum.right", alt.value(ACCENT), alt.value(WRONG)), opacity=shade
    )
    numbers = base.mark_text(fontSize=13, cursor=hand).encode(
        text="count:Q",
        opacity=alt.condition("datum.count > 0", alt.value(1), alt.value(0)),
        color=alt.condition("datum.share > 0.5", alt.value("white"), alt.value(_text())),
    )
    clicked = alt.selection_point(CELL, fields=["meant", "read"], on="click", clear=False)
    described = "Confusion matrix: how many sketches of each digit were read as which digit."
    return _plain(cells.add_params(clicked) + numbers, described, height=470)


def calibration(bins: list[ConfidenceBin]) -> alt.LayerChart:
    """How often the model was right against how sure it was; a calibrated model is on the diagonal."""
    rows = [
        _share_of(round((each.accuracy or 0) * each.submissions), each.submissions)
        | {"sure": each.mean_confidence, "submissions": each.submissions}
        for each in bins
        if each.submissions
    ]
    axis = {"format": "%", "tickCount": 5, "labelFontSize": 12}
    # from what there is: a good model is nearly always nearly certain
    least = min(min(row["sure"], row["low"]) for row in rows)
    low = max(0.0, least - 0.1 * (1 - least))
    scale = alt.Scale(domain=[low, 1], nice=False)
    x = alt.X("sure:Q", scale=scale, axis=_axis(title="how sure it was", **axis))
    y = alt.Y("share:Q", scale=scale, axis=_axis(title="how often it was correct", grid=True, **axis))
    ideal = pd.DataFrame({"sure": [low, 1], "share": [low, 1]})
    line = alt.Chart(ideal).mark_line(color=GREY, strokeDash=[5, 5]).encode(x, y)
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x,
        tooltip=[
            alt.Tooltip("sure:Q", title="how sure it was", format=".1%"),
            alt.Tooltip("words", title="read correctly"),
        ],
    )
    ranges = base.mark_rule(strokeWidth=5, strokeCap="round", opacity=0.35, color=ACCENT)
    points = base.mark_circle(color=ACCENT, opacity=0.9, clip=False).encode(
        y, size=alt.Size("submissions:Q", scale=alt.Scale(type="sqrt", range=[40, 120]), legend=None)
    )
    layers = line + ranges.encode(alt.Y("low:Q", scale=scale), y2="high") + points
    described = "How often readings were correct, by how sure the model was; a calibrated model is on the diagonal."
    return _plain(layers, described, height=260)


def accuracy_by_day(days: list[DayModelStatistics]) -> alt.LayerChart:
    """How often each model was right, by day, with 95% intervals; larger dots stand for more sketches."""
    rows = [
        _share_of(round((each.accuracy or 0) * each.submissions), each.submissions)
        | {"day": each.day.isoformat(), "model": each.model, "submissions": each.submissions}
        for each in days
    ]
    low = max(0.0, min(row["low"] for row in rows) - 0.05)
    models = list(dict.fromkeys(row["model"] for row in rows))
    colors = alt.Scale(domain=models, range=[MODELS[i % len(MODELS)] for i in range(len(models))])
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=220) if len(models) > 1 else None
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=_days(each.day for each in days),
        y=_share("share:Q", "share read correctly", low, 1 + 0.06 * (1 - low)),  # room for the dots above 1
        color=alt.Color("model:N", scale=colors, legend=legend),
        tooltip=[_day("Day"), "model", alt.Tooltip("words", title="read correctly")],
    )
    sizes = alt.Scale(type="sqrt", range=[20, 160])
    ranges = base.mark_rule(strokeWidth=3, strokeCap="round", opacity=0.3)
    ranges = ranges.encode(_share("low:Q", "share read correctly", low, 1 + 0.06 * (1 - low)), y2="high")
    dots = base.mark_circle(opacity=0.9, clip=False).encode(size=alt.Size("submissions:Q", scale=sizes, legend=None))
    described = "By day and model, the share of sketches that were read correctly, with its 95% interval."
    return _plain(base.mark_line(strokeWidth=2, opacity=0.55) + ranges + dots, described, height=260)


def unsure_by_day(days: list[DayAnswers]) -> alt.LayerChart:
    """The share of predictions that were unsure, by day, with 95% intervals."""
    rows = [_share_of(each.unsure, each.answers) | {"day": each.day.isoformat()} for each in days]
    high = min(1.0, max(0.1, 0.05 + max(row["high"] for row in rows)))
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=_days(each.day for each in days),
        y=_share("share:Q", "share of unsure answers", 0, high),
        tooltip=[_day("Day"), alt.Tooltip("words", title="unsure")],
    )
    ranges = base.mark_rule(strokeWidth=3, strokeCap="round", opacity=0.3, color=WRONG)
    ranges = ranges.encode(_share("low:Q", "share of unsure answers", 0, high), y2="high")
    line = base.mark_line(color=WRONG, strokeWidth=2, opacity=0.55)
    dots = base.mark_circle(color=WRONG, size=50, opacity=0.9, clip=False)
    described = "By day, the share of answers that were unsure, with its 95% interval."
    return _plain(line + ranges + dots, described, height=260)


def learning(epochs: list[Epoch], planned: int) -> alt.LayerChart:
    """Training and validation loss after each epoch."""
    kinds = {"training": "train_loss", "validation": "validation_loss"}
    rows = [
        {"epoch": each.epoch, "loss": getattr(each, name), "kind": kind, "right": f"{each.validation_accuracy:.2%}"}
        for each in epochs
        for kind, name in kinds.items()
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("epoch:O", axis=_axis(title="epoch"), scale=alt.Scale(domain=list(range(1, planned + 1)))),
        y=alt.Y(
            "loss:Q", scale=alt.Scale(zero=False), axis=_axis(title="loss (lower is better)", tickCount=4, grid=True)
        ),
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=list(kinds), range=[MUTED, ACCENT]),
            legend=alt.Legend(title=None, orient="bottom", labelLimit=220),
        ),
        tooltip=[
            "epoch",
            "kind",
            alt.Tooltip("loss", format=".4f"),
            alt.Tooltip("right", title="validation accuracy"),
        ],
    )
    layers = base.mark_line(strokeWidth=2) + base.mark_circle(size=60, opacity=1)
    return _plain(layers, "Training and validation loss after each epoch.", height=220)


def _days(days: Iterable[date]) -> alt.X:
    """Days are in UTC. Only those that have something to show are labelled."""
    shown = [alt.DateTime(year=day.year, month=day.month, date=day.day, utc=True) for day in sorted(set(days))]
    axis = _axis(title="day", format="%-d %b", labelFontSize=12, values=shown, labelOverlap=True)
    return alt.X("utcyearmonthdate(day):T", axis=axis, scale=alt.Scale(type="utc", padding=12))


def _day(title: str) -> alt.Tooltip:
    return alt.Tooltip("utcyearmonthdate(day):T", title=title, format="%-d %b %Y")


def _share(field: str, title: str, low: float, high: float) -> alt.Y:
    axis = _axis(title=title, format="%", tickCount=5, labelFontSize=12, grid=True)
    return alt.Y(field, axis=axis, scale=alt.Scale(domain=[low, high], nice=False))


def _axis(**options) -> alt.Axis:
    plain = {"title": None, "titlePadding": 10, "labelAngle": 0, "labelPadding": 8, "labelFlush": False}
    return alt.Axis(**plain | {"ticks": False, "domain": False, "grid": False} | options)


def _text() -> str:
    """As in .streamlit/config.toml: legible (4.5:1) on the page."""
    return "#eceaf6" if st.context.theme.type == "dark" else "#211f33"


def _plain(chart: alt.LayerChart, described: str, height: int) -> alt.LayerChart:
    """`described`: for those who do not see it."""
    padding = {"left": 0, "top": 4, "bottom": 4, "right": 0}  # descenders in a title need room
    text = {"color": _text()}
    return (
        chart.properties(height=height, padding=padding, description=described)
        .configure_view(strokeWidth=0)
        .configure_axis(labelColor=_text(), titleColor=_text())
        .configure_legend(labelColor=_text())
        .configure_text(**text)
    )

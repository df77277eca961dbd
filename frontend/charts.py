"""Numbers → charts and pictures."""

import base64
import io

import altair as alt
import numpy as np
import pandas as pd
from PIL import Image

from answers import (
    ConfidenceBin,
    DayAnswers,
    DayModelStatistics,
    DigitStatistics,
    ModelStatistics,
    Prediction,
)

ACCENT, MUTED, WRONG = "#6d5ef6", "#b9bcd0", "#f0883e"
MODELS = [ACCENT, "#12a573", "#3b82f6", "#d6409f", "#b8860b"]  # then over again
GREY = "#8a8fa3"  # legible on light and on dark
FOR, AGAINST = np.array([64, 224, 190]), np.array([255, 120, 60])  # RGB
ROUND, TRACK = {"cornerRadiusEnd": 5}, {"color": MUTED, "opacity": 0.16, "cornerRadiusEnd": 5}


def probabilities(prediction: Prediction | None) -> alt.LayerChart:
    """Ten bars in a fixed order on a fixed axis, so that only their heights change from stroke to stroke."""
    values = prediction.probabilities if prediction else [0.0] * 10
    data = pd.DataFrame({"digit": range(10), "probability": values, "full": 1})
    data["answer"] = [bool(prediction) and digit == prediction.digit for digit in range(10)]
    data["percent"] = [percent(value) if value >= 0.005 else "" for value in values]
    height = {"axis": None, "scale": alt.Scale(domain=[0, 1.14])}  # above 1: room for the number
    highlight = WRONG if prediction and prediction.unsure else ACCENT

    x = alt.X("digit:O", axis=_axis(labelFontSize=15), scale=alt.Scale(paddingInner=0.4, paddingOuter=0.2))
    base = alt.Chart(data).encode(x, tooltip=["digit", alt.Tooltip("probability:Q", format=".2%")])
    y = alt.Y("probability:Q", **height)
    bars = base.mark_bar(**ROUND).encode(y, color=alt.condition("datum.answer", alt.value(highlight), alt.value(MUTED)))
    numbers = base.mark_text(dy=-9, fontSize=12, color=GREY).encode(y, text="percent")
    return _plain(base.mark_bar(**TRACK).encode(alt.Y("full:Q", **height)) + bars + numbers, height=190)


def percent(share: float) -> str:
    """How sure a model is, rounded, but never 100%: the 1.0 that a float may hold is rounded, too."""
    return f"{min(round(100 * share), 99)}%"


def recall(per_digit: list[DigitStatistics]) -> alt.LayerChart:
    """How often each digit was read right."""
    data = pd.DataFrame([digit.model_dump() for digit in per_digit]).assign(full=1)
    data["share"] = [f"{d.correct} of {d.submissions}" if d.submissions else "none yet" for d in per_digit]
    width = {"axis": None, "scale": alt.Scale(domain=[0, 1.25])}  # above 1: room for the words
    full = alt.X("full:Q", **width)

    y = alt.Y("digit:O", axis=_axis(labelFontSize=14), scale=alt.Scale(paddingInner=0.3))
    base = alt.Chart(data).encode(y, tooltip=["digit", "submissions", "correct", alt.Tooltip("recall:Q", format=".1%")])
    bars = base.mark_bar(color=ACCENT, **ROUND).encode(alt.X("recall:Q", **width))
    words = base.mark_text(align="left", dx=8, fontSize=12, color=GREY).encode(full, text="share")
    return _plain(base.mark_bar(**TRACK).encode(full) + bars + words, height=280)


def confusion(matrix: list[list[int]]) -> alt.LayerChart:
    """What was meant against what was read; shades compare within a row, so that rare digits show too."""
    rows = [
        {"meant": meant, "read": read, "count": count, "share": count / (sum(row) or 1), "right": meant == read}
        for meant, row in enumerate(matrix)
        for read, count in enumerate(row)
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("read:O", axis=_axis(title="what the model read", orient="top", labelFontSize=14)),
        y=alt.Y("meant:O", axis=_axis(title="what was meant", labelFontSize=14)),
        tooltip=["meant", "read", "count"],
    )
    cells = base.mark_rect(cornerRadius=4).encode(
        color=alt.condition("datum.right", alt.value(ACCENT), alt.value(WRONG)),
        opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.06, 1]), legend=None),
    )
    numbers = base.mark_text(fontSize=13).encode(
        text="count:Q",
        opacity=alt.condition("datum.count > 0", alt.value(1), alt.value(0)),
        color=alt.condition("datum.share > 0.5", alt.value("white"), alt.value(GREY)),
    )
    return _plain(cells + numbers, height=510)


def calibration(bins: list[ConfidenceBin]) -> alt.LayerChart:
    """How often the model was right against how sure it was: on the line, it can be taken at its word."""
    data = pd.DataFrame([each.model_dump() for each in bins if each.submissions])
    axis = {"format": "%", "tickCount": 5, "labelFontSize": 12}
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("mean_confidence:Q", scale=scale, axis=_axis(title="how sure it was", **axis))
    y = alt.Y("accuracy:Q", scale=scale, axis=_axis(title="how often it was right", grid=True, **axis))
    ideal = pd.DataFrame({"mean_confidence": [0, 1], "accuracy": [0, 1]})
    line = alt.Chart(ideal).mark_line(color=MUTED, strokeDash=[5, 5]).encode(x, y)
    points = alt.Chart(data).mark_circle(color=ACCENT, opacity=0.85, clip=False).encode(
        x, y,
        size=alt.Size("submissions:Q", scale=alt.Scale(type="sqrt", range=[60, 900]), legend=None),
        tooltip=["submissions"] + [alt.Tooltip(f"{name}:Q", format=".1%") for name in ("mean_confidence", "accuracy")],
    )  # fmt: skip
    return _plain(line + points, height=260)


def accuracy_by_day(days: list[DayModelStatistics]) -> alt.LayerChart:
    """How often each model was right, day by day; a larger dot counts more sketches."""
    data = pd.DataFrame([each.model_dump(mode="json") for each in days])
    low = max(0.0, min(data["accuracy"]) - 0.05)
    models = list(dict.fromkeys(data["model"]))
    colors = alt.Scale(domain=models, range=[MODELS[i % len(MODELS)] for i in range(len(models))])
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=220) if len(models) > 1 else None
    base = alt.Chart(data).encode(
        x=_days(), y=_share("accuracy:Q", low, 1 + 0.06 * (1 - low)),  # above 1: room for the dots
        color=alt.Color("model:N", scale=colors, legend=legend),
        tooltip=[_day("Day"), "model", "submissions", alt.Tooltip("accuracy:Q", format=".1%")],
    )  # fmt: skip
    sizes = alt.Scale(type="sqrt", range=[30, 300])
    dots = base.mark_circle(opacity=0.9, clip=False).encode(size=alt.Size("submissions:Q", scale=sizes, legend=None))
    return _plain(base.mark_line(strokeWidth=2, opacity=0.55) + dots, height=240)


def accuracy_by_model(models: list[ModelStatistics]) -> alt.LayerChart:
    """How often each model was right about the sketches that it judged itself."""
    data = pd.DataFrame([each.model_dump() for each in models]).assign(full=1)
    data["words"] = [f"{m.accuracy or 0:.1%} of {m.submissions:,}" for m in models]
    width = {"axis": None, "scale": alt.Scale(domain=[0, 1.6])}  # above 1: room for the words
    full = alt.X("full:Q", **width)
    y = alt.Y("model:N", sort=None, axis=_axis(labelFontSize=12, labelLimit=160), scale=alt.Scale(paddingInner=0.4))
    base = alt.Chart(data).encode(y, tooltip=["model", "submissions", alt.Tooltip("accuracy:Q", format=".1%")])
    bars = base.mark_bar(color=ACCENT, **ROUND).encode(alt.X("accuracy:Q", **width))
    words = base.mark_text(align="left", dx=8, fontSize=12, color=GREY).encode(full, text="words")
    return _plain(base.mark_bar(**TRACK).encode(full) + bars + words, height=min(36 * len(models) + 10, 280))


def unsure_by_day(days: list[DayAnswers]) -> alt.LayerChart:
    """Which share of the answers was unsure, day by day."""
    data = pd.DataFrame([each.model_dump(mode="json") for each in days])
    data["share"] = data["unsure"] / data["answers"]
    base = alt.Chart(data).encode(
        x=_days(), y=_share("share:Q", 0, max(0.1, 1.15 * max(data["share"]))),
        tooltip=[_day("Day"), "answers", "unsure", alt.Tooltip("share:Q", format=".1%")],
    )  # fmt: skip
    line = base.mark_line(color=WRONG, strokeWidth=2, opacity=0.55)
    return _plain(line + base.mark_circle(color=WRONG, size=50, opacity=0.9, clip=False), height=240)


def _days() -> alt.X:
    """Days are UTC's, wherever the visitor is."""
    axis = _axis(format="%-d %b", labelFontSize=12, tickCount={"interval": "day", "step": 1}, labelOverlap=True)
    return alt.X("utcyearmonthdate(day):T", axis=axis, scale=alt.Scale(type="utc", padding=12))


def _day(title: str) -> alt.Tooltip:
    return alt.Tooltip("utcyearmonthdate(day):T", title=title, format="%-d %b %Y")


def _share(field: str, low: float, high: float) -> alt.Y:
    axis = _axis(format="%", tickCount=5, labelFontSize=12, grid=True)
    return alt.Y(field, axis=axis, scale=alt.Scale(domain=[low, high], nice=False))


def relevance(preview: str, values: list[list[float]]) -> str:
    """The 28×28 picture that the model saw, its pixels tinted by what they spoke for, as a data URL."""
    png = base64.b64decode(preview.split(",", 1)[1])
    ink = np.asarray(Image.open(io.BytesIO(png)).convert("L"), float)[..., None]  # 28×28×1, 0 to 255
    weight = np.asarray(values)[..., None]  # 28×28×1, −1 to 1
    tint = np.where(weight > 0, FOR, AGAINST)
    rgb = ink * (1 - abs(weight)) * 0.6 + tint * abs(weight)
    tinted = io.BytesIO()
    Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).save(tinted, "PNG")
    return data_url(tinted.getvalue())


def data_url(picture: bytes, content_type: str = "image/png") -> str:
    return f"data:{content_type};base64,{base64.b64encode(picture).decode()}"


def _axis(**options) -> alt.Axis:
    plain = {"title": None, "titlePadding": 10, "labelAngle": 0, "labelPadding": 8}
    return alt.Axis(**plain | {"ticks": False, "domain": False, "grid": False} | options)


def _plain(chart: alt.LayerChart, height: int) -> alt.LayerChart:
    return chart.properties(height=height, padding=0).configure_view(strokeWidth=0)

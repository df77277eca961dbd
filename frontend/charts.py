"""Numbers → charts and pictures."""

import base64
import io

import altair as alt
import numpy as np
import pandas as pd
from PIL import Image

from answers import ConfidenceBin, DigitStatistics, Prediction

ACCENT, MUTED, WRONG = "#6d5ef6", "#b9bcd0", "#f0883e"
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
    """Rounded, but 100% is for what is certain."""
    return f"{share:.0%}" if share >= 1 else f"{min(round(100 * share), 99)}%"


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

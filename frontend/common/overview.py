"""What the Statistics page shows. Visitors share it, since the queries and Altair take a while."""

from typing import Any, NamedTuple

import streamlit as st

import api
from common import admin, charts
from schemas import Statistics, Submission

FRESH_S = 5  # what visitors see is at most so old
RECENT = 24
ALARMS = 12
MODELS = 5  # compared: the latest ones, since retraining makes many


class Overview(NamedTuple):
    figures: Statistics
    recent: list[Submission]
    alarms: list[Submission]  # the latest false ones
    charts: dict[str, dict[str, Any]]  # in Vega-Lite, by name


def fetch() -> Overview:
    """Raises BackendError."""
    token = admin.token()
    found = _find(token) if token else _for_visitors(st.context.theme.type)
    if isinstance(found, api.BackendError):
        raise found
    return found


@st.cache_data(ttl=FRESH_S, max_entries=3, show_spinner=False)
def _for_visitors(theme: str | None) -> Overview | api.BackendError:
    """`theme`: theirs, whose colours the charts have."""
    return _find()


def _find(token: str | None = None) -> Overview | api.BackendError:
    """An outage is returned, so that visitors share it, too: they would wait for it one after the other.

    Raises Refused, which is one visitor's own, as when they asked too often.
    """
    try:
        figures = api.statistics(token)
        recent = api.submissions(RECENT, token=token, rejected=False).items if figures.total else []
        alarms = []
        if figures.false_alarms:
            alarms = api.submissions(ALARMS, token=token, digit="none", unsure=False, rejected=False).items
    except (api.Unreachable, api.DatabaseAway) as e:
        return e
    return Overview(figures, recent, alarms, _charts(figures))


def _charts(figures: Statistics) -> dict[str, dict[str, Any]]:
    drawn = {}
    if figures.total:
        drawn |= {
            "each-digit": charts.recall(figures.per_digit),
            "confusion": charts.confusion(figures.confusion_matrix),
        }
    if figures.digits:
        drawn["calibration"] = charts.calibration(figures.confidence_bins)
    if models := figures.by_model[:MODELS]:
        names = {each.model for each in models}
        days = [each for each in figures.by_day_and_model if each.model in names]
        drawn |= {"by-day": charts.accuracy_by_day(days), "by-model": charts.accuracy_by_model(models)}
    if figures.answers.total:
        drawn["unsure"] = charts.unsure_by_day(figures.answers_by_day)
    return {name: chart.to_dict() for name, chart in drawn.items()}

"""Small parts of the pages, mostly HTML, styled by style.css."""

import base64
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from html import escape
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

import api
import client
from common import admin
from common.shares import wilson
from common.words import count, percent, plural
from schemas import Statistics, Submission

RETRY_S = 3
MARKS = {
    status: f'<span class="mark" role="img" aria-label="{status}" title="{status}">{sign}</span>'
    for status, sign in {"approved": "✓", "rejected": "✕"}.items()
}
LIMITS = "below 0.1 nothing changed, above 0.25 much did"
MISSING = "Some pictures could not be fetched. They will appear automatically."
NO_PICTURE = '<div class="missing">no picture yet</div>'
PLAIN, OPENS, SELECTS = None, "button", "checkbox"  # what a click on a sketch does


def heading(title: str, sentence: str) -> None:
    """The view's title, and a sentence about it."""
    st.html(f'<div class="heading"><h1>{title}</h1><p>{sentence}</p></div>')


def section(title: str, sentence: str) -> None:
    st.html(f'<div class="section"><h2>{title}</h2><p>{sentence}</p></div>')


def gallery(submissions: Iterable[Submission]) -> None:
    st.html(f'<div class="gallery">{"".join(tiles(list(submissions), admin.token()))}</div>')


def tiles(
    submissions: list[Submission],
    token: str | None = None,
    role: str | None = PLAIN,
) -> list[str]:
    """HTML, one string per submission. If a picture cannot be fetched, says so and tries again."""
    headers = api.session_headers()  # the threads have no session
    pictures = list(_fetchers().map(lambda each: sketch(each.id, token, headers), submissions))
    if None in pictures:
        st.warning(MISSING, icon=":material/cloud_off:")
        keep_trying()
    return [tile(*each, role) for each in zip(submissions, pictures, strict=True)]


def tile(submission: Submission, picture: str | None, role: str | None = PLAIN) -> str:
    """`role`: what a click does, once there is a picture; clickable tiles show more than plain ones."""
    meant = "not a digit" if submission.true_label is None else f"meant <b>{submission.true_label}</b>"
    wrong = submission.correct is False and not submission.contested
    classes = [submission.status if role else "", "wrong" if wrong else ""]
    image = f'<img src="{picture}" alt="{"" if role else escape(name(submission))}">' if picture else NO_PICTURE
    control = _control(submission, role) if role and picture else ""
    return f"""
        <figure class="{" ".join(filter(None, classes))}">
        <div class="sketch" {control}>{image}{MARKS.get(submission.status, "") if role else ""}</div>
        <figcaption>{meant}<br>{_read(submission, role)}</figcaption></figure>"""


def _control(submission: Submission, role: str) -> str:
    checked = 'aria-checked="false"' if role == SELECTS else ""
    details = escape(json.dumps(facts(submission)))
    return f"""data-id="{submission.id}" role="{role}" {checked} tabindex="0" data-facts="{details}"
        aria-label="{escape(name(submission))}" """


def name(submission: Submission) -> str:
    """A picture's name, for screen readers."""
    meant = "something that is not a digit" if submission.true_label is None else f"a {submission.true_label}"
    read = "" if submission.contested else f"read as {submission.prediction}, "
    return f"A sketch of {meant}, {read}{submission.status}"


def facts(submission: Submission) -> list[tuple[str, str]]:
    """Everything known about a submission, as (name, value)."""
    meant = "not a digit" if submission.true_label is None else str(submission.true_label)
    unsure = ", but unsure" if submission.unsure else ""
    read = f"{submission.prediction}, {percent(submission.confidence)} sure{unsure}"
    return [
        ("Meant", meant),
        ("Read", "not told: two models differ" if submission.contested else read),
        ("Status", submission.status),
        ("Drawn", when(submission.created_at)),
        ("Model", submission.model),
    ]


def _read(submission: Submission, role: str | None) -> str:
    if submission.contested:
        return '<span title="Two models that race differ on it; what each reads is not told">models differ</span>'
    if role and submission.unsure:
        return f"<i>unsure:</i> <b>{submission.prediction}</b>"
    return f"read <b>{submission.prediction}</b>{f' {percent(submission.confidence)}' if role else ''}"


def sketch(submission_id: UUID, token: str | None = None, client_headers: client.Headers | None = None) -> str | None:
    """A submission's picture as a data URL; None if it cannot be fetched. `client_headers`: see api.py."""
    try:
        picture = _image(submission_id, token, client_headers)
    except api.BackendError:
        return None
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


@st.cache_data(ttl=600, max_entries=2000, show_spinner=False)
def _image(submission_id: UUID, _token: str | None, _headers: client.Headers | None) -> bytes:
    """Cached by id alone: who may see which submission was checked when they were listed."""
    return api.submission_image(submission_id, token=_token, client_headers=_headers)


@cache
def _fetchers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, "pictures")


def when(time: datetime) -> str:
    """In the visitor's time zone."""
    try:
        zone = ZoneInfo(st.context.timezone or "UTC")
    except (KeyError, ValueError):  # unknown to Python
        zone = UTC
    return f"{time.astimezone(zone):%-d %b %Y, %H:%M}"


def totals(figures: Statistics) -> None:
    numbers = [
        (
            "–" if figures.accuracy is None else f"{figures.accuracy:.1%}",
            f"of {count(figures.digits, 'digit')} read correctly",
            interval(figures.correct, figures.digits),
        ),
        (
            f"{figures.total:,}",
            plural(figures.total, "sketch"),
            f"{figures.not_digits:,} of them not {'a digit' if figures.not_digits == 1 else 'digits'}",
        ),
        (
            f"{figures.unsure:,}",
            plural(figures.unsure, "unsure answer"),
            f"{_of(figures.unsure, figures.total)} of all sketches",
        ),
        (
            f"{figures.false_alarms:,}",
            plural(figures.false_alarms, "false alarm"),
            "not digits, but read as one with confidence",
        ),
    ]
    items = (f"<div><b>{value}</b><span>{what}</span><small>{more}</small></div>" for value, what, more in numbers)
    st.html(f'<div class="totals">{"".join(items)}</div>')


def interval(part: int, whole: int) -> str:
    """The 95% interval of a share, in words."""
    if not whole:
        return "nothing to count yet"
    low, high = wilson(part, whole)
    return f"95% interval: {low:.1%} to {high:.1%}"


def _of(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def drift(figures: Statistics) -> None:
    """Whether the model is still as sure as at first, in a sentence and a number."""
    drift, answers = figures.drift, figures.answers
    index = "" if drift.psi is None else f"Population stability index {drift.psi:.2f}: {LIMITS}. "
    compared = f"The latest {drift.answers:,} sketches against the first {drift.reference:,}. " if index else ""
    are = "is" if answers.total == 1 else "are"
    kept = f"{count(answers.total, 'answer')} {are} in the log, {answers.unsure_share or 0:.1%} of them unsure."
    st.html(f"""
        <div class="panel"><div class="sentence">{escape(drift.sentence)}</div>
        <div class="detail">{index}{compared}{kept}</div></div>""")


def empty(title: str, sentence: str = "") -> None:
    st.html(f'<div class="empty"><b>{title}</b><br>{sentence}</div>')


def keep_trying() -> None:
    """Rerun the script after a moment, as long as it reaches this call."""
    _rerun_later(time.monotonic())


@st.fragment(run_every=RETRY_S)
def _rerun_later(start: float) -> None:
    if time.monotonic() - start > RETRY_S / 2:  # not within the run that called it
        st.rerun()

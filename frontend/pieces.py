"""Small pieces of the pages, mostly HTML; style.css gives them their looks."""

import time
from collections.abc import Iterable
from uuid import UUID

import streamlit as st

import api
from answers import Prediction, Statistics, Submission
from charts import data_url, percent

RETRY_S = 3
NOTHING = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
LEGEND = '<span class="for">for it</span> · <span class="against">against</span>'


def a(digit: int) -> str:
    return f"an {digit}" if digit == 8 else f"a {digit}"


def candidates(probabilities: list[float]) -> list[int]:
    """The one or two digits that an unsure model hesitates between, likeliest first."""
    first, second = sorted(range(10), key=lambda digit: -probabilities[digit])[:2]
    return [first, second] if probabilities[second] >= 0.05 else [first]


def verdict(prediction: Prediction) -> None:
    """The answer, large, with how sure the model is."""
    if prediction.unsure:
        shares = prediction.probabilities
        options = " or ".join(f"{a(digit)} ({percent(shares[digit])})" for digit in candidates(shares))
        answer("unsure", "?", "I’m not sure", f"Maybe {options}")
    else:
        answer("sure", str(prediction.digit), f"That’s {a(prediction.digit)}", f"{percent(prediction.confidence)} sure")


def answer(state: str, sign: str, sentence: str, detail: str) -> None:
    st.html(f"""
        <div class="answer {state}" role="status">
          <div class="sign">{sign}</div>
          <div><div class="sentence">{sentence}</div><div class="detail">{detail}</div></div>
        </div>""")


def seen(picture: str = NOTHING, caption: str = "what I see") -> None:
    """The 28×28 pixels that the model saw."""
    st.html(f"""
        <figure class="seen"><img src="{picture}" alt="the drawing as 28 by 28 pixels">
        <figcaption>{caption}</figcaption></figure>""")


def uploaded(webp: bytes | None) -> None:
    picture = f'<img src="{data_url(webp, "image/webp")}" alt="your picture">' if webp else "No preview of this picture"
    st.html(f'<div class="uploaded">{picture}</div>')


def promise() -> None:
    st.html("""
        <div class="promise">One click stores your drawing with your answer, nothing before.
        <span class="keyboard">The keys 0 to 9 do it, too.</span></div>""")


def gallery(submissions: Iterable[Submission]) -> None:
    st.html(f'<div class="gallery">{"".join(map(tile, submissions))}</div>')


def tile(submission: Submission) -> str:
    meant = "not a digit" if submission.true_label is None else f"meant <b>{submission.true_label}</b>"
    return f"""
        <figure class="{"wrong" if submission.correct is False else ""}">
        <img src="{sketch(submission.id)}" alt="a sketch">
        <figcaption>{meant}<br>read <b>{submission.prediction}</b></figcaption></figure>"""


def sketch(submission_id: UUID) -> str:
    """A submission's picture as a data URL; black where it cannot be had."""
    try:
        return data_url(_image(submission_id))
    except api.BackendError:
        return NOTHING


_image = st.cache_data(max_entries=500, show_spinner=False)(api.submission_image)


def totals(figures: Statistics) -> None:
    numbers = {
        "read right": "–" if figures.accuracy is None else f"{figures.accuracy:.1%}",
        "sketches": f"{figures.total:,}",
        "not a digit": f"{figures.not_digits:,}",
        "unsure": f"{figures.unsure:,}",
    }
    items = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for name, value in numbers.items())
    st.html(f'<div class="totals">{items}</div>')


def nothing_yet() -> None:
    st.html("""
        <div class="empty"><b>Nothing here yet</b><br>
        As soon as someone draws a digit and says which one it is, the figures appear.</div>""")


def keep_trying() -> None:
    """Run the script again after a moment, for as long as it comes to this call."""
    _rerun_later(time.monotonic())


@st.fragment(run_every=RETRY_S)
def _rerun_later(start: float) -> None:
    if time.monotonic() - start > RETRY_S / 2:  # not at once, within the run that came here
        st.rerun()

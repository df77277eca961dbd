"""The part of the Models page that requests retrainings and shows their progress."""

from html import escape

import streamlit as st

import api
from common import admin, charts, pieces
from common.words import count
from schemas import Retraining, Retrainings

BUSY_S, IDLE_S = 2, 15  # between two updates
NOTICE = "retraining-notice"
STATES = {
    "waiting": "Waiting for a trainer",
    "running": "Running",
    "cancelling": "Being cancelled",
    "lost": "Its trainer is lost; the next one continues",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
NO_TRAINER = """**No trainer runs**, so a retraining waits until one does. Start one, on this machine or on another:

    docker compose --profile train up -d trainer

or, without Docker, `uv run python trainer.py` in `backend/`."""


def part(token: str) -> None:
    pieces.section(
        "Retrain",
        "A new model learns from the approved sketches, starting from the serving model. It is then tested, "
        "and is used only if it is promoted.",
    )
    found = _look(token)
    if found is None:
        return
    busy = bool(found.items) and not found.items[0].has_ended
    # from now on, only this part of the page reruns, every few seconds
    st.fragment(_show, run_every=BUSY_S if busy else IDLE_S)(token, busy)


def _look(token: str) -> Retrainings | None:
    try:
        return api.retrainings(token)
    except api.BackendError as e:
        if admin.refused(e):
            st.rerun()
        st.warning(f"{e} What is under way continues.", icon=":material/cloud_off:")
        return None


def _show(token: str, was_busy: bool) -> None:
    found = _look(token)
    if found is None:
        return
    latest = found.items[0] if found.items else None
    busy = latest is not None and not latest.has_ended
    if busy != was_busy:
        st.rerun()  # the whole page: there may be a new model, and the interval changes
    if not found.trainers:
        st.warning(NO_TRAINER, icon=":material/engineering:")
    with st.container(horizontal=True, vertical_alignment="center", key="retrain-actions"):
        st.button(
            "Retrain",
            on_click=_ask,
            args=(token,),
            disabled=busy,
            type="primary",
            key="retrain",
            icon=":material/model_training:",
        )
        if busy:
            st.button(
                "Cancel",
                on_click=_cancel,
                args=(latest.id, token),
                key="cancel-retraining",
                disabled=latest.state == "cancelling",
            )
        st.html(f"<p class='found'>{_trainers(found.trainers)}</p>", width="content")
    if notice := st.session_state.pop(NOTICE, None):
        st.info(notice, icon=":material/info:")
    for number, each in enumerate(found.items):
        with st.container(key=f"retraining-{each.id}"):
            st.html(_summary(each))
            if number == 0:
                _details(each)


def _ask(token: str) -> None:
    try:
        api.retrain(token)
    except api.BackendError as e:
        admin.refused(e)
        st.session_state[NOTICE] = str(e)


def _cancel(number: int, token: str) -> None:
    try:
        api.cancel_retraining(number, token)
    except api.BackendError as e:
        admin.refused(e)
        st.session_state[NOTICE] = str(e)


def _trainers(number: int) -> str:
    return f"{count(number, 'trainer')} {'runs' if number == 1 else 'run'}" if number else ""


def _summary(each: Retraining) -> str:
    facts = [
        f"{pieces.when(each.started_at or each.created_at)}",
        count(each.sketches),
        "automatic, because enough sketches were newly approved" if each.automatic else "",
        f"interrupted {count(each.taken_up_again, 'time')}" if each.taken_up_again else "",
        f"{len(each.curve)} of {each.epochs} epochs" if each.epochs else "",
    ]
    outcome = ""
    if each.model:
        outcome = f"<p>It made the candidate <b>{escape(each.model)}</b>; the table shows how it compares.</p>"
    if each.error and each.state in ("failed", "running", "waiting"):
        outcome = f'<p class="worse">{escape(each.error)}</p>'
    return f"""<div class="retraining {each.state}"><p><b>{STATES[each.state]}</b>
        <span>{" · ".join(filter(None, facts))}</span></p>{outcome}</div>"""


def _details(each: Retraining) -> None:
    if each.state == "running":
        share = len(each.curve) / each.epochs if each.epochs else 0.0
        st.progress(share, f"{each.stage or 'starting'}{_time_left(each)}".capitalize())
    if each.log:
        with st.expander(
            "How it went" if each.has_ended else "How it goes", expanded=not each.has_ended, key="retraining-log"
        ):
            if len(each.curve) > 1:
                st.altair_chart(charts.learning(each.curve, each.epochs or len(each.curve)), width="stretch")
            st.code(each.log, language=None, height=200)


def _time_left(each: Retraining) -> str:
    if each.stage != "learning" or not each.curve or not each.epochs:
        return ""
    seconds = sum(epoch.seconds for epoch in each.curve) / len(each.curve)
    minutes = round(seconds * (each.epochs - len(each.curve)) / 60)
    return f": about {minutes} minutes left" if minutes > 1 else ": about a minute left"

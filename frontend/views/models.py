"""The models, and which one is serving since when. With the admin token, another one can be promoted."""

from html import escape

import streamlit as st

import api
from common import admin, pieces
from models import cards, retraining
from schemas import Model, Promotion

SHOWN = 12  # at first, since retraining makes many
MAX_REASON = 500  # characters, as in the backend
LIVE = "here at once, everywhere within 5 seconds"


def load() -> tuple[list[Model], list[Promotion]]:
    """The serving model first. Without the database there is no history."""
    try:
        models = api.models(admin.token())
        promotions = api.promotions()
    except api.DatabaseAway as e:
        st.warning(f"{e} What is missing here will reappear automatically.", icon=":material/cloud_off:")
        pieces.keep_trying()
        return models, []
    except api.BackendError as e:
        if admin.refused(e):
            st.rerun()
        st.warning(f"{e} They will reappear automatically.", icon=":material/cloud_off:")
        pieces.keep_trying()
        st.stop()
    return cards.in_order(models), promotions


def headline(serving: Model, promotions: list[Promotion]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="headline"):
        st.html(f"<b>{escape(serving.version)}</b> reads what people draw now.", width="content")
        admin.popover("Manage")
    if notice := st.session_state.pop("promoted", None):
        st.toast(**notice, icon=":material/info:")  # in view wherever the page is scrolled to
    elif promotions and promotions[0].model != serving.version:
        st.warning(
            f"{promotions[0].model} was promoted last. If it does not serve within 5 seconds, it was refused: "
            "`GET /health/ready` says why.",
            icon=":material/info:",
        )


def promotion_form(model: Model, serving: Model, served: bool) -> None:
    """Asks for a reason, and for a confirmation if the gate has not passed the model."""
    passed = served or cards.holds(model, serving)
    label, icon = ("Roll back to it", "history") if served else ("Promote", "rocket_launch")
    with st.popover(label, icon=f":material/{icon}:", width="stretch", key=f"promote-{model.version}"):
        st.markdown(f"It takes the place of **{serving.version}**: {LIVE}.")
        reason = st.text_input("Why?", max_chars=MAX_REASON, placeholder="for the history", key=f"why-{model.version}")
        overrule = False
        if not passed:
            st.markdown(
                "**The gate has not passed it** against the serving model: nothing shows that it reads more "
                "than that one. To overrule the gate is to let it serve anyway; the history will say so."
            )
            overrule = st.checkbox("Overrule the gate", key=f"overrule-{model.version}")
        ready = passed or overrule
        st.button(
            "Let it serve",
            on_click=promote,
            args=(model.version, reason, overrule),
            disabled=not ready,
            type="primary",
            key=f"serve-{model.version}",
        )


def promote(version: str, reason: str, overrule: bool) -> None:
    # read now: it may have been typed since the button was drawn
    reason = st.session_state.get(f"why-{version}") or reason
    try:
        api.promote(version, admin.token() or "", reason, overrule)
        st.session_state.promoted = {"body": f"{version} is serving: {LIVE}.", "duration": "long"}
    except api.BackendError as e:
        admin.refused(e)
        st.session_state.promoted = {"body": f"Nothing was promoted. {e}", "duration": "infinite"}


pieces.heading("Models", "What reads the digits: the serving model, and those that could take its place.")
models, promotions = load()
serving = models[0]
headline(serving, promotions)
served = {version for each in promotions for version in (each.model, each.previous)}
shown = models if st.session_state.get("all-models") else models[:SHOWN]
st.html(cards.table(shown, served))
if len(models) > SHOWN:
    st.toggle(f"All {len(models)} models", key="all-models")
with st.expander("What do these figures mean?", key="glossary"):
    st.html(cards.glossary())
if token := admin.token():
    retraining.part(token)
if len(shown) > 1:
    pieces.section("What would change", "What each of the others would gain and lose if it were serving.")
    with st.container(key="models"):
        for model in shown[1:]:
            with st.container(key=f"model-{model.version}"):
                st.html(cards.candidate(model, serving))
                if admin.token():
                    promotion_form(model, serving, model.version in served)
pieces.section("Serving model", "What was measured before it was used here.")
st.html(cards.measured(serving))
if promotions:
    pieces.section("History", "Which model was made to serve, and when.")
    st.html(cards.history(promotions))

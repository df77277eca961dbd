"""How often the model is right, over all that people drew, and whether that changes."""

import streamlit as st

import api
import charts
import pieces
from answers import Statistics

RECENT = 24
MODELS = 5  # whose accuracy is compared, those that read something last: retraining makes many


def labelled(figures: Statistics) -> None:
    """What can be known where people said what they meant."""
    pieces.totals(figures)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Each digit", help="Of the sketches that were meant as this digit, how many were read as it.")
        st.altair_chart(charts.recall(figures.per_digit))
        if figures.digits:
            st.subheader("Can its confidence be trusted?", help="On the dashed line it is right as often as it says.")
            st.altair_chart(charts.calibration(figures.confidence_bins))
    with right:
        st.subheader("What gets mixed up", help="Rows: what was meant. Columns: what the model read.")
        st.altair_chart(charts.confusion(figures.confusion_matrix))
    if models := figures.by_model[:MODELS]:
        left, right = st.columns(2, gap="large")
        with left:
            st.subheader("Right, day by day", help="Of the sketches of a day, how many were read right.")
            names = {each.model for each in models}
            st.altair_chart(charts.accuracy_by_day([each for each in figures.by_day_and_model if each.model in names]))
        with right:
            st.subheader("Right, model by model", help="Of the sketches that it judged itself. The latest comes first.")
            st.altair_chart(charts.accuracy_by_model(models))


def asked(figures: Statistics) -> None:
    """What can be known of all answers, labelled or not."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Unsure answers", help="Of all answers of a day, whether or not somebody said what was meant.")
        st.altair_chart(charts.unsure_by_day(figures.answers_by_day))
    with right:
        st.subheader("As sure as at first?", help="Its latest answers, compared with its first ones.")
        pieces.drift(figures)


try:
    figures = api.statistics()
    recent = api.submissions(RECENT).items if figures.total else []
except api.BackendError as e:
    st.warning(f"{e} The figures come back by themselves.", icon=":material/cloud_off:")
    pieces.keep_trying()
    st.stop()

if figures.total:
    labelled(figures)
else:
    pieces.empty("Nothing here yet", "As soon as someone draws a digit and says which one it is, the figures appear.")
    with st.container(horizontal=True, horizontal_alignment="center", key="first"):
        st.page_link("views/draw.py", label="Draw the first digit", icon=":material/draw:")
if figures.answers.total:
    asked(figures)
if recent:
    st.subheader("Latest sketches")
    pieces.gallery(recent)

"""How often the model is right, over all that people drew."""

import streamlit as st

import api
import charts
import pieces

RECENT = 24

try:
    figures = api.statistics()
    recent = api.submissions(RECENT).items if figures.total else []
except api.BackendError as e:
    st.warning(f"{e} The figures come back by themselves.", icon=":material/cloud_off:")
    pieces.keep_trying()
    st.stop()

if not figures.total:
    pieces.nothing_yet()
    with st.container(horizontal=True, horizontal_alignment="center", key="first"):
        st.page_link("views/draw.py", label="Draw the first digit", icon=":material/draw:")
    st.stop()

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

st.subheader("Latest sketches")
pieces.gallery(recent)

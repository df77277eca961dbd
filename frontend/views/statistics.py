"""How often the model is right on what people drew, and whether that changes."""

import streamlit as st

import api
from common import admin, charts, overview, pieces
from common.words import count
from gallery import filters
from schemas import Statistics, Submission

CONFUSIONS = 5  # mistakes that are also listed as links, for those who cannot click on a chart
GALLERY = "views/gallery.py"


def labelled(figures: Statistics, alarms: list[Submission]) -> None:
    """What labelled sketches show."""
    pieces.totals(figures)
    left, right = st.columns(2, gap="large")
    with left:
        pieces.section("Each digit", "Of the sketches meant as it, how many were read as it, with the 95% interval.")
        chart("each-digit")
        if figures.digits:
            pieces.section("Can its confidence be trusted?", "On the line, it can; below, the model is too sure.")
            chart("calibration")
    with right:
        pieces.section(
            "What gets mixed up", "Rows: what was meant. Columns: what was read. A click shows the sketches."
        )
        confusions(figures)
    false_alarms(figures, alarms)
    if figures.by_model:
        left, right = st.columns(2, gap="large")
        with left:
            pieces.section("Accuracy by day", "Of each day’s sketches, how many were read correctly.")
            chart("by-day")
        with right:
            pieces.section("Accuracy by model", "Of the sketches that each model read itself, latest model first.")
            chart("by-model")


def confusions(figures: Statistics) -> None:
    with st.container(key="matrix"):
        drawn = shown.charts["confusion"]
        event = st.vega_lite_chart(drawn, key="confusion", on_select="rerun", selection_mode=charts.CELL)
    for cell in list(event.selection.get(charts.CELL, [])):  # one, or none
        if figures.confusion_matrix[cell["meant"]][cell["read"]]:
            st.switch_page(GALLERY, query_params=sketches(cell["meant"], cell["read"]))
    matrix = figures.confusion_matrix
    wrong = [
        (number, meant, read) for meant, row in enumerate(matrix) for read, number in enumerate(row) if meant != read
    ]
    frequent = [each for each in sorted(wrong, reverse=True)[:CONFUSIONS] if each[0]]
    if frequent:
        with st.container(horizontal=True, gap="small", key="frequent"):
            for number, meant, read in frequent:
                st.page_link(GALLERY, label=f"{meant} read as {read} ({number:,})", query_params=sketches(meant, read))


def sketches(meant: int, read: int) -> dict[str, str]:
    """The Gallery's parameters that show them."""
    return {"meant": str(meant), "read": str(read), "status": filters.KEPT}


def false_alarms(figures: Statistics, alarms: list[Submission]) -> None:
    """Sketches that are not digits, but were read as one."""
    if not figures.not_digits:
        return
    pieces.section("False alarms", "Sketches that are not digits, but were read as one with confidence.")
    share = f"{figures.false_alarms:,} of {count(figures.not_digits)} without a digit"
    taken = ", ".join(f"{d.digit} ({d.false_alarms:,})" for d in figures.per_digit if d.false_alarms)
    what = f" They were taken for {taken}." if taken else ""
    were = "was" if figures.false_alarms == 1 else "were"
    st.markdown(f"**{share}** {were} read as one ({pieces.interval(figures.false_alarms, figures.not_digits)}).{what}")
    if alarms:
        pieces.gallery(alarms)
        query = {"meant": "Not a digit", "sure": "Sure", "status": filters.KEPT}
        st.page_link(GALLERY, label="All of them in the Gallery", icon=":material/photo_library:", query_params=query)


def all_predictions(figures: Statistics) -> None:
    """What all predictions show, labelled or not."""
    left, right = st.columns(2, gap="large")
    with left:
        pieces.section("Unsure answers", "Of all answers of a day: on finished sketches, and to programs.")
        chart("unsure")
    with right:
        pieces.section("As sure as at first?", "The latest sketches, compared with the first.")
        pieces.drift(figures)


def chart(name: str) -> None:
    """In a container for which the style sheet reserves room."""
    with st.container(key=name):
        st.vega_lite_chart(shown.charts[name])


pieces.heading("Statistics", "How often the model reads what people meant. Rejected sketches are left out.")
try:
    shown = overview.fetch()
except api.BackendError as e:
    if admin.refused(e):
        st.rerun()
    st.warning(f"{e} They will reappear automatically.", icon=":material/cloud_off:")
    pieces.keep_trying()
    st.stop()

if shown.figures.total:
    labelled(shown.figures, shown.alarms)
else:
    pieces.empty("Nothing here yet", "As soon as someone draws a digit and says which one it is, the figures appear.")
    with st.container(horizontal=True, horizontal_alignment="center", key="first"):
        st.page_link("views/draw.py", label="Draw the first digit", icon=":material/draw:")
if shown.figures.answers.total:
    all_predictions(shown.figures)
if shown.recent:
    pieces.section("Latest sketches", "What people drew last.")
    pieces.gallery(shown.recent)

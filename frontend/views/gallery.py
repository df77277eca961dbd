"""What people drew, page by page; with the admin token it can be reviewed, exported and imported."""

from contextlib import suppress
from functools import partial
from html import escape

import streamlit as st

import admin
import api
import grid
import pieces
from desk import NOT_A_DIGIT
from review import SELECT_FIRST, Review, count

DIGITS = [str(digit) for digit in range(10)]
ALL = "All"
FILTERS = {  # by the API's name: the field's label, and its choices with what the API calls them
    "digit": ("Meant", {digit: digit for digit in DIGITS} | {"Not a digit": NOT_A_DIGIT}),
    "predicted": ("Read", {digit: digit for digit in DIGITS}),
    "correct": ("Answer", {"Right": True, "Wrong": False}),
    "unsure": ("Sure", {"Sure": False, "Unsure": True}),
    "status": ("Status", {status.title(): status for status in ("pending", "approved", "rejected")}),
}
ORDERS = {"Newest": "newest", "Likeliest mislabelled": "mislabelled"}
MAX_ARCHIVE_MB = 100  # as in the backend
SELECT = 'Select sketches by a click<span class="keyboard">; Shift-click takes those between, too</span>.'

versions = st.cache_data(ttl=60, max_entries=1, show_spinner=False)(lambda: [model.version for model in api.models()])


def choices() -> dict:
    """The filters and the order, as the API has them."""
    chosen = {}
    for name, (label, options) in (FILTERS | {"model": ("Model", models())}).items():
        choice = select(label, [ALL, *options], f"filter-{name}")
        if choice in options:
            chosen[name] = options[choice]
    chosen["order"] = ORDERS[select("Order", list(ORDERS), "order")]
    return chosen


def models() -> dict[str, str]:
    """Where they cannot be had, only the one that is chosen: the sketches do not wait for them."""
    known, chosen = [], st.session_state.get("filter-model", ALL)
    with suppress(api.BackendError):
        known = versions()
    return {version: version for version in (*known, chosen) if version != ALL}


def select(label: str, options: list[str], key: str) -> str:
    return st.selectbox(label, options, key=key, filter_mode=None, persist_state="session")


def show_all() -> None:
    for name in (*FILTERS, "model"):
        st.session_state[f"filter-{name}"] = ALL
    st.session_state.order = next(iter(ORDERS))


def archives(review: Review, query: dict) -> None:
    filters = {name: value for name, value in query.items() if name != "order"}
    st.download_button(
        "Export these sketches" if filters else "Export all sketches", partial(api.export, admin.token(), **filters),
        "submissions.zip", "application/zip", on_click="ignore", icon=":material/download:", key="export",
        help=f"A ZIP of pictures and labels, as the filters are set; up to {api.MAX_EXPORT // 10**6} MB.",
    )  # fmt: skip
    key = f"archive-{review.archives}"
    st.file_uploader("Import such a ZIP", "zip", key=key, on_change=review.take_archive, max_upload_size=MAX_ARCHIVE_MB)
    if review.arrived:
        st.info(review.arrived)


@st.fragment
def wall(review: Review) -> None:
    """The sketches, and what can be done with them. Only this part runs again when somebody clicks in it."""
    token = admin.token()
    if review.admitted and not token:
        st.rerun()  # the whole page: they are a visitor now
    try:
        page = review.fetch()
    except api.BackendError as e:
        if admin.refused(e):
            st.rerun()
        return away(e)
    if not page.items:
        return nothing(review)
    tiles = pieces.tiles(page.items, token, details=True, selectable=bool(token))
    grid.show(tiles, review.place, review.epoch, review.chosen)
    if review.place > 1 or review.older:
        pager(review)
    if token:
        desk(review)


def away(error: api.BackendError) -> None:
    st.warning(f"{error} The sketches come back by themselves.", icon=":material/cloud_off:")
    pieces.keep_trying()


def nothing(review: Review) -> None:
    if review.query != {"order": "newest"}:
        pieces.empty("No such sketch", "Nothing that is shown here fits these filters.")
        with st.container(horizontal=True, horizontal_alignment="center", key="first"):
            if st.button("Show all", on_click=show_all, icon=":material/filter_alt_off:", key="show-all"):
                st.rerun()
    else:
        pieces.empty("Nothing here yet", "As soon as someone draws a digit and says which one it is, it is shown here.")
        with st.container(horizontal=True, horizontal_alignment="center", key="first"):
            st.page_link("views/draw.py", label="Draw the first digit", icon=":material/draw:")


def pager(review: Review) -> None:
    newer, older = ("Newer", "Older") if review.query["order"] == "newest" else ("Before", "Next")
    left, right = (f":material/chevron_{side}:" for side in ("left", "right"))
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center", key="pager"):
        button(newer, review.turn_newer, review.place == 1, icon=left, key="newer")
        st.markdown(f"Page {review.place}", width="content")
        button(older, review.turn_older, not review.older, icon=right, icon_position="right", key="older")


def desk(review: Review) -> None:
    """What can be done with what is selected."""
    selected = len(review.selected)
    asking = review.asking and selected > 0
    with st.container(key="actions"):
        with st.container(horizontal=True, vertical_alignment="center", key="selection"):
            st.html(sentence(review, selected, asking))
            if asking:
                button("Delete", review.delete, False, icon=":material/delete:", type="primary", key="delete-now")
                button("Keep", review.calm, False, key="keep")
            else:
                if review.notice and review.before and not selected and not review.trouble:
                    button("Undo", review.undo, False, icon=":material/undo:", key="undo-change")
                button("All", review.choose_all, selected == len(review.shown), key="select-all")
                button("None", review.choose_none, not selected, key="select-none")
        changes(review, disabled=asking)


def sentence(review: Review, selected: int, asking: bool) -> str:
    if asking:
        return f"<b>Delete {count(selected)} for ever?</b>"
    if review.trouble and not (selected and review.trouble == SELECT_FIRST):
        return escape(review.trouble)
    if selected:
        return f"<b>{selected} selected.</b> A digit relabels and approves."
    return escape(review.notice or "") or SELECT


def changes(review: Review, disabled: bool) -> None:
    """Not disabled while nothing is selected: a key may follow a click faster than the server does."""
    with st.container(horizontal=True, vertical_alignment="center", key="changes"):
        button("Approve", review.approve, disabled, icon=":material/check:", shortcut="A", key="approve")
        button("Reject", review.reject, disabled, icon=":material/close:", shortcut="X", key="reject")
        with st.container(key="relabel"):
            for digit in DIGITS:
                button(digit, review.relabel, disabled, digit, shortcut=digit, key=f"relabel-{digit}")
        button("Not a digit", review.relabel, disabled, NOT_A_DIGIT, key="relabel-none")
        button("Delete", review.ask, disabled, icon=":material/delete:", shortcut="Delete", key="delete")


def button(label: str, on_click, disabled: bool, *args, **options) -> bool:
    return st.button(label, on_click=on_click, args=args, disabled=disabled, **options)


review = st.session_state.setdefault("review", Review())
with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
    query = choices()
    admin.door("Review", partial(archives, review, query))
review.look(query)
wall(review)

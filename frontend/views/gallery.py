"""What people drew, page by page. With the admin token, sketches can be reviewed, exported and imported."""

from contextlib import suppress
from html import escape

import streamlit as st

import api
from common import admin, pieces
from common.words import count
from gallery import archives, filters, grid, one_by_one
from gallery.review import SELECT_FIRST, Review

LOOK, SELECT, QUEUE, FILES = "Look", "Select", "One by one", "Files"
HELP = 'Select sketches by a click<span class="keyboard">; Shift-click takes those between, too</span>.'

versions = st.cache_data(ttl=60, max_entries=1, show_spinner=False)(lambda: [model.version for model in api.models()])


def models() -> list[str]:
    """Versions for the filter; none if they cannot be fetched, since the sketches do not depend on them."""
    with suppress(api.BackendError):
        return versions()
    return []


def activity() -> str:
    """What a reviewer chose to do here; visitors browse."""
    if not admin.token():
        return LOOK
    options = {"required": True, "persist_state": "session", "label_visibility": "collapsed"}
    return st.segmented_control("What to do", [LOOK, SELECT, QUEUE, FILES], default=LOOK, key="activity", **options)


@st.fragment
def grid_of_sketches(review: Review, selecting: bool) -> None:
    """The sketches and the actions on them. A click in this part reruns only this part."""
    token = admin.token()
    if review.admitted and not token:
        st.rerun()  # the whole page: the token was refused
    try:
        page = review.fetch()
    except api.BackendError as e:
        if admin.refused(e):
            st.rerun()
        return unavailable(e)
    if not page.items:
        return empty_page(review)
    st.html(f'<p class="found" role="status">{escape(review.found)}</p>')
    tiles = pieces.tiles(page.items, token, role=pieces.SELECTS if selecting else pieces.OPENS)
    review.seen = [item.id for item, tile in zip(page.items, tiles, strict=True) if pieces.NO_PICTURE not in tile]
    grid.show(tiles, review.place, review.epoch, review.chosen, review.asking)
    if review.place > 1 or review.older:
        pager(review)
    if selecting:
        actions(review)


def unavailable(error: api.BackendError) -> None:
    st.warning(f"{error} They will reappear automatically.", icon=":material/cloud_off:")
    pieces.keep_trying()


def empty_page(review: Review) -> None:
    if review.query != {"order": "newest"}:
        pieces.empty("No sketches match these filters")
        with st.container(horizontal=True, horizontal_alignment="center", key="first"):
            if st.button("Show all", on_click=filters.clear, icon=":material/filter_alt_off:", key="show-all"):
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
        st.markdown(review.where, width="content")
        button(older, review.turn_older, not review.older, icon=right, icon_position="right", key="older")


def actions(review: Review) -> None:
    """The actions on the selected sketches."""
    selected = len(review.selected)
    with st.container(key="actions"):
        with st.container(horizontal=True, vertical_alignment="center", key="selection"):
            st.html(sentence(review, selected))
            if review.notice and review.before and not selected and not review.trouble:
                button("Undo", review.undo, False, icon=":material/undo:", key="undo-change")
            button("All", review.choose_all, selected == len(review.seen), key="select-all")
            button("None", review.choose_none, not selected, key="select-none")
        changes(review, disabled=review.asking)
    if review.asking:
        st.dialog(f"Delete {count(selected)} permanently?", on_dismiss=review.calm)(confirm)(review)


def confirm(review: Review) -> None:
    """The safe answer comes first: opening a dialog moves the keyboard's focus into it."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        if button("Keep", review.calm, False, key="keep"):
            st.rerun()
        if button("Delete", review.delete, False, icon=":material/delete:", type="primary", key="delete-now"):
            st.rerun()


def sentence(review: Review, selected: int) -> str:
    if review.trouble and not (selected and review.trouble == SELECT_FIRST):
        return escape(review.trouble)
    if selected:
        return f"<b>{selected} selected.</b> A digit relabels and approves."
    return escape(review.notice or "") or HELP


def changes(review: Review, disabled: bool) -> None:
    """Not disabled while nothing is selected: a key may be pressed before the server knows of a click."""
    with st.container(horizontal=True, vertical_alignment="center", key="changes"):
        button("Approve", review.approve, disabled, icon=":material/check:", shortcut="A", key="approve")
        button("Reject", review.reject, disabled, icon=":material/close:", shortcut="X", key="reject")
        with st.container(key="relabel"):
            for digit in filters.DIGITS:
                button(digit, review.relabel, disabled, digit, shortcut=digit, key=f"relabel-{digit}")
        button("Not a digit", review.relabel, disabled, filters.NOT_A_DIGIT, key="relabel-none")
        button("Delete", review.ask, disabled, icon=":material/delete:", shortcut="Delete", key="delete")


def button(label: str, on_click, disabled: bool, *args, **options) -> bool:
    return st.button(label, on_click=on_click, args=args, disabled=disabled, **options)


review = st.session_state.setdefault("review", Review())
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="top"):
    pieces.heading("Gallery", "What people drew, what they meant, and what the model read.")
    admin.popover("Review")
with st.container(horizontal=True, vertical_alignment="center", key="doing"):
    doing = activity()
    if doing != FILES:
        st.toggle("Filters", key="filters-shown")  # only shown on small screens, by the style sheet
with st.container(key="filters"):
    query = filters.choose(models())
review.look(query)
if doing != QUEUE:
    one_by_one.leave()
if doing == QUEUE:
    one_by_one.show(query)
elif doing == FILES:
    archives.show(query)
else:
    grid_of_sketches(review, selecting=doing == SELECT)

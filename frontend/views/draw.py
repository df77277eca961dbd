"""Draw a digit or upload one, see what the model reads, say what it was."""

from contextlib import suppress

import streamlit as st

import api
import charts
import pieces
from answers import Prediction
from desk import NOT_A_DIGIT, SKETCH, UPLOAD, Desk, Picture
from sketchpad import PEN_WIDTHS

FILE_TYPES = ["png", "jpg", "jpeg", "webp", "gif", "bmp"]
MAX_MB = 10
RECENT = 12
PEN_ICONS = {"Fine": 1, "Medium": 3, "Bold": 5}  # of Material's pen_size icons
INVITATIONS = {
    SKETCH: ("Draw a digit", "I read along, stroke by stroke."),
    UPLOAD: ("Upload a picture", "A photo or a scan of one digit."),
}
THANKS = ("Thank you! Another one?", "Every answer helps me to learn.")

predict = st.cache_data(ttl=60, max_entries=1000, show_spinner=False)(api.predict)
explain = st.cache_data(ttl=60, max_entries=200, show_spinner=False)(api.explain)


def easel(desk: Desk) -> str:
    """Where the drawing or the picture comes from; the answer says which of them is meant."""
    st.session_state.setdefault("mode", SKETCH)
    choice = {"required": True, "persist_state": "session", "label_visibility": "collapsed"}
    mode = st.segmented_control("Source", [SKETCH, UPLOAD], key="mode", **choice)
    if mode == UPLOAD:
        uploader(desk)
        return mode
    pad = desk.pad
    with st.container(key="sketchpad"):
        pad.show(PEN_WIDTHS[st.session_state.get("pen", "Medium")])
        if not pad.png:
            st.html('<div class="hint">Draw a digit here</div>')
    with st.container(horizontal=True, key="tools"):
        button("Undo", pad.undo, not pad.can_undo, icon=":material/undo:", key="undo", shortcut="Ctrl+Z")
        button("Redo", pad.redo, not pad.can_redo, icon=":material/redo:", key="redo", shortcut="Ctrl+Y")
        button("Clear", pad.clear, not pad.png, icon=":material/delete:", key="clear")
        st.segmented_control("Pen", PEN_WIDTHS, default="Medium", format_func=pen_label, key="pen", **choice)
    return mode


def pen_label(name: str) -> str:
    return f":material/pen_size_{PEN_ICONS[name]}: {name}"


def button(label: str, on_click, disabled: bool, *args, **options) -> None:
    st.button(label, on_click=on_click, args=args, disabled=disabled, **options)


def uploader(desk: Desk) -> None:
    if desk.upload:
        pieces.uploaded(desk.upload.thumbnail)
        button("Another picture", desk.drop_file, False, icon=":material/close:", key="drop")
    else:
        key = f"file-{desk.uploads}"
        st.file_uploader(
            "A photo or a scan", FILE_TYPES, key=key, on_change=desk.take_file, max_upload_size=MAX_MB,
            label_visibility="collapsed",
        )  # fmt: skip


def read(picture: Picture | None, invitation: tuple[str, str]) -> Prediction | None:
    """Ask the model and show its answer; say so where there is nothing to read, or nobody to read it."""
    if not picture:
        pieces.answer("waiting", "?", *invitation)
        return None
    try:
        with st.container(key="reading"), st.spinner("Reading …"):  # to be seen only if it takes long
            prediction = predict(picture.data, picture.content_type)
    except api.Refused as e:
        pieces.answer("waiting", "–", "I can’t read this", str(e))
    except api.BackendError as e:
        pieces.answer("waiting", "…", "One moment", f"{e} Your drawing is safe, and I keep trying.")
        pieces.keep_trying()
    else:
        pieces.verdict(prediction)
        return prediction
    return None


def seen(picture: Picture | None, prediction: Prediction | None) -> None:
    """What the model saw; on request tinted by what each of its pixels spoke for."""
    explained = st.session_state.get("explain")
    if not prediction:
        pieces.seen()
    elif not explained:
        pieces.seen(prediction.preview)
    else:
        with suppress(api.BackendError):
            relevance = explain(picture.data, picture.content_type).relevance
            return pieces.seen(charts.relevance(prediction.preview, relevance), pieces.LEGEND)
        pieces.seen(prediction.preview)


def labels(desk: Desk, mode: str, ready: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="question"):
        st.markdown("**What did you draw?**", width="content")
        button("Not a digit", desk.store, not ready, mode, NOT_A_DIGIT, key="label-none")
    with st.container(key="keypad"):
        for label in map(str, range(10)):
            button(label, desk.store, not ready, mode, label, key=f"label-{label}", shortcut=label)


def receipt(desk: Desk, key: str) -> None:
    if not desk.stored:
        return
    last = desk.stored[-1]
    label = last.submission.true_label
    meant = "it is not a digit" if label is None else f"you meant {label}"
    with st.container(horizontal=True, vertical_alignment="center", key=key):
        st.markdown(f":material/check_circle: Stored: {meant}, the model read {last.submission.prediction}.")
        if last.can_be_taken_back:
            button("Undo", desk.take_back, False, icon=":material/undo:", key="take-back")


desk = st.session_state.setdefault("desk", Desk())
left, right = st.columns([2, 3], gap="large")
with left, st.container(key="easel"):
    mode = easel(desk)
with right, st.container(key="answer"):
    picture = desk.picture(mode)
    with st.container(horizontal=True, vertical_alignment="center", key="card"):
        prediction = read(picture, THANKS if desk.stored else INVITATIONS[mode])
        with st.container(key="seen", width="content"):
            seen(picture, prediction)
            st.toggle("Why?", key="explain", persist_state="session")
    with st.container(key="bars"):
        st.altair_chart(charts.probabilities(prediction), key="probabilities")
    if desk.notice and desk.notice[1] in (None, picture and picture.key):
        st.warning(desk.notice[0], icon=":material/info:")
    labels(desk, mode, ready=bool(prediction))
    receipt(desk, key="receipt" if picture else "receipt-fresh")
    pieces.promise()
if desk.stored:
    st.subheader("Your sketches")
    latest = desk.stored[: -RECENT - 1 : -1]
    pieces.gallery((stored.submission for stored in latest), {each.submission.id: each.original.key for each in latest})

"""Which sketches the Gallery shows. What is chosen stands in the page's URL, so that a view can be shared."""

from typing import Any

import streamlit as st

NOT_A_DIGIT = "none"  # as the API calls it
DIGITS = [str(digit) for digit in range(10)]
ALL = "All"
KEPT = "Not rejected"
STATUSES = {status.title(): {"status": status} for status in ("pending", "approved", "rejected")}
FILTERS = {  # by their name in the URL: the field's label, and what each choice is to the API
    "meant": ("Meant", {digit: {"digit": digit} for digit in DIGITS} | {"Not a digit": {"digit": NOT_A_DIGIT}}),
    "read": ("Read", {digit: {"predicted": digit} for digit in DIGITS}),
    "answer": ("Answer", {"Right": {"correct": True}, "Wrong": {"correct": False}}),
    "sure": ("Sure", {"Sure": {"unsure": False}, "Unsure": {"unsure": True}}),
    "status": ("Status", STATUSES | {KEPT: {"rejected": False}}),
}
ORDERS = {"Newest": "newest", "Likeliest mislabelled": "mislabelled"}


def choose(models: list[str]) -> dict[str, Any]:
    """The fields; returns what was chosen, with the order, as the API has it. `models`: their versions."""
    # what was chosen stays among the choices, though the models cannot be asked for
    chosen = st.session_state.get("model") or st.query_params.get("model")
    known = dict.fromkeys([*models, *([chosen] if chosen and chosen != ALL else [])])
    fields = FILTERS | {"model": ("Model", {version: {"model": version} for version in known})}
    query = {}
    for name, (label, options) in fields.items():
        query |= options.get(_field(label, [ALL, *options], name), {})
    return query | {"order": ORDERS[_field("Order", list(ORDERS), "order")]}


def clear() -> None:
    for name in (*FILTERS, "model"):
        st.session_state[name] = ALL
    st.session_state["order"] = next(iter(ORDERS))


def _field(label: str, options: list[str], name: str) -> str:
    return st.selectbox(label, options, key=name, filter_mode=None, bind="query-params")

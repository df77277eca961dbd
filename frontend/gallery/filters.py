"""The Gallery's filters. They are kept in the page's URL, so that a view can be shared."""

from typing import Any

import streamlit as st

NOT_A_DIGIT = "none"  # as the API calls it
DIGITS = [str(digit) for digit in range(10)]
ALL = "All"
KEPT = "Not rejected"
STATUSES = {status.title(): {"status": status} for status in ("pending", "approved", "rejected")}
FILTERS = {  # by name in the URL: the field's label, and the API's parameters for each choice
    "meant": ("Meant", {digit: {"digit": digit} for digit in DIGITS} | {"Not a digit": {"digit": NOT_A_DIGIT}}),
    "read": ("Read", {digit: {"predicted": digit} for digit in DIGITS}),
    "answer": ("Answer", {"Right": {"correct": True}, "Wrong": {"correct": False}}),
    "sure": ("Sure", {"Sure": {"unsure": False}, "Unsure": {"unsure": True}}),
    "status": ("Status", STATUSES | {KEPT: {"rejected": False}}),
}
ORDERS = {"Newest": "newest", "Likeliest mislabelled": "mislabelled"}


def choose(models: list[str]) -> dict[str, Any]:
    """Show the fields; returns filters and order as parameters of the API. `models`: versions to choose from."""
    # keep the chosen model among the choices even if the list could not be fetched
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

"""The reviewer's queue: one large sketch at a time, one key each. The only file that knows the component in its .js.

The browser shows the next sketch at once and sends what was decided; here it is carried out, in the order of the keys.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import streamlit as st

import api
from common import admin, pieces
from common.words import percent
from gallery.review import label_of
from schemas import Submission

KEY = "one-by-one"
BATCH = 24  # submissions per request
BEHIND, AHEAD = 5, 12  # sketches that the browser holds before and after the current one

KEYS = "".join(f'<button data-act="{digit}">{digit}</button>' for digit in range(10))
HTML = f"""
<div class="one" role="group" aria-label="One by one" tabindex="-1">
  <div class="picture"><img alt=""><div class="facts"></div></div>
  <div class="side">
    <p class="count" role="status"></p>
    <div class="decide">
      <button class="yes" data-act="approve"><span>Approve</span> <kbd>A</kbd></button>
      <button class="no" data-act="reject"><span>Reject</span> <kbd>X</kbd></button>
    </div>
    <p class="or">Or say what it is, which approves it:</p>
    <div class="digits">{KEYS}</div>
    <div class="decide">
      <button data-act="none"><span>Not a digit</span> <kbd>N</kbd></button>
      <button data-act="skip"><span>Skip</span> <kbd>→</kbd></button>
      <button data-act="back"><span>Back</span> <kbd>←</kbd></button>
    </div>
    <p class="done" role="status"></p>
  </div>
</div>"""


@cache
def _component() -> Callable:
    """Created on first use, because it needs Streamlit's runtime. The page's style sheet applies to it."""
    script = Path(__file__).with_name("one_by_one.js").read_text(encoding="utf-8")
    return st.components.v2.component("one_by_one", html=HTML, js=script, isolate_styles=False)


@dataclass
class Queue:
    """A reviewer's queue, kept in the session from opening it to its end."""

    query: dict[str, Any]
    epoch: str = field(default_factory=lambda: uuid4().hex)  # tells the browser which queue this is
    items: list[Submission] = field(default_factory=list)  # all so far, in order, as they were when fetched
    deciding: set[UUID] = field(default_factory=set)  # those on which two racing models differ
    in_race: bool = True  # still fetching those, which come first
    cursor: str | None = None
    read_to_the_end: bool = False
    total: int = 0  # when it began
    place: int = 0  # of the sketch that the browser shows
    done: int = 0  # decisions carried out
    gone: set[UUID] = field(default_factory=set)  # deleted before their decision was carried out

    @property
    def is_over(self) -> bool:
        return self.read_to_the_end and self.place >= len(self.items)

    def carry_out(self, sent: dict[str, Any]) -> None:
        """Apply the decisions that were not applied yet. Applying one twice does no harm."""
        self.place = sent["place"]
        before = {str(item.id): item for item in self.items}
        for entry in sent["log"]:
            # no call into Streamlit here: it might end this run after a change and before it is counted
            if entry["n"] > self.done and entry["id"] in before:
                self.change(before[entry["id"]], entry["act"])
                self.done = entry["n"]

    def change(self, item: Submission, act: str) -> None:
        label, status = {
            "back": (label_of(item), item.status),
            "approve": (None, "approved"),
            "reject": (None, "rejected"),
        }.get(act, (act, "approved"))
        if not api.change([item.id], admin.token() or "", label, status):
            self.gone.add(item.id)

    def read_on(self) -> None:
        """Fetch pages until there are enough sketches ahead."""
        if not self.items:
            self.total = api.count(admin.token(), **self.query)
        while not self.read_to_the_end and len(self.items) <= self.place + AHEAD:
            self.read_page()

    def read_page(self) -> None:
        first = {"contested": True} if self.in_race else {}
        page = api.submissions(BATCH, self.cursor, token=admin.token(), **self.query | first)
        self.items += [item for item in page.items if item.id not in self.deciding]
        self.cursor = page.next_cursor
        if self.in_race:
            self.deciding |= {item.id for item in page.items}
        if page.next_cursor is None:
            self.in_race, self.read_to_the_end = False, not self.in_race


def show(query: dict[str, Any]) -> None:
    """`query`: filters and order, as parameters of the API; without a status, pending sketches."""
    query = query if {"status", "rejected"} & query.keys() else query | {"status": "pending"}
    queue = st.session_state.get("queue")
    if queue is None or queue.query != query or queue.is_over:
        st.session_state["queue"] = Queue(query)
    _show()


def leave() -> None:
    """Drop the queue: the next visit starts a new one."""
    st.session_state.pop("queue", None)


@st.fragment
def _show() -> None:
    queue, trouble = st.session_state["queue"], None
    sent = (st.session_state.get(KEY) or {}).get("decisions") or {}
    try:
        if sent.get("epoch") == queue.epoch:
            queue.carry_out(sent)
        queue.read_on()
    except api.BackendError as e:
        if admin.refused(e):
            st.rerun()  # the whole page: the token was refused
        trouble = f"{e} Nothing is lost: it continues automatically."
        if not queue.items:
            st.warning(trouble, icon=":material/cloud_off:")
            return pieces.keep_trying()
    if not queue.items:
        return pieces.empty("Nothing to review", "No sketch that matches these filters is waiting for review.")
    first = max(queue.place - BEHIND, 0)
    sketches = _sketches(queue.items[first : queue.place + AHEAD])
    if not all(each["picture"] for each in sketches):
        trouble = trouble or pieces.MISSING
    data = {
        "epoch": queue.epoch,
        "place": queue.place,
        "first": first,
        "sketches": sketches,
        "done": queue.done,
        "gone": [str(each) for each in queue.gone],
        "known": len(queue.items),
        "ended": queue.read_to_the_end,
        "total": queue.total,
        "trouble": trouble,
    }
    _component()(key=KEY, data=data, on_decisions_change=lambda: None)


def _sketches(items: list[Submission]) -> list[dict[str, Any]]:
    token = admin.token()
    return [
        {
            "id": str(item.id),
            "picture": pieces.sketch(item.id, token),
            "name": pieces.name(item),
            "meant": "not a digit" if item.true_label is None else str(item.true_label),
            "read": None if item.contested else str(item.prediction),
            "share": percent(item.confidence),
            "unsure": item.unsure,
            "when": pieces.when(item.created_at),
            "status": item.status,
        }
        for item in items
    ]

"""The state of one visitor's or reviewer's Gallery: a page of submissions, and which of them are selected."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from math import ceil
from typing import Any
from uuid import UUID

import api
from common import admin
from common.words import count
from gallery import grid
from schemas import Status, Submission, SubmissionPage

PAGE = 48
SELECT_FIRST = "Nothing is selected: click on sketches first."


def label_of(submission: Submission) -> str:
    return "none" if submission.true_label is None else str(submission.true_label)


@dataclass
class Review:
    """There is one in each session. Its methods are the buttons' callbacks."""

    query: dict[str, Any] = field(default_factory=dict)  # order and filters, as parameters of the API
    admitted: bool = False  # whether the admin token was given
    places: list[str | None] = field(
        default_factory=lambda: [None]
    )  # cursors of the pages so far; the last is this page's
    page: SubmissionPage | None = None  # None: not fetched yet
    shown: list[UUID] = field(default_factory=list)
    seen: list[UUID] = field(default_factory=list)  # of those shown, the ones whose picture was fetched
    epoch: int = 0  # changes when earlier clicks no longer count
    chosen: list[UUID] = field(default_factory=list)  # the selection at the start of this epoch
    notice: str | None = None  # what was done
    trouble: str | None = None  # what went wrong
    before: list[Submission] = field(default_factory=list)  # submissions before the last change, to undo it
    asking: bool = False  # whether a confirmation of the deletion is shown
    total: int = 0  # submissions on all pages

    def look(self, query: dict[str, Any]) -> None:
        """Start over if filters or sign-in changed; otherwise only fetch again."""
        admitted = admin.token() is not None
        if (query, admitted) != (self.query, self.admitted):
            self.query, self.admitted, self.places, self.before = query, admitted, [None], []
            self.choose_none()
        self.page = None

    def fetch(self) -> SubmissionPage:
        """The page. It is kept from click to click, so that no sketch moves under the pointer."""
        while self.page is None:
            page = api.submissions(PAGE, self.places[-1], token=admin.token(), **self.query)
            self.total = api.count(admin.token(), **self.query)
            if page.items or len(self.places) == 1:
                self.page = page
            else:  # the last page is empty by now
                self.places.pop()
        ids = [submission.id for submission in self.page.items]
        if ids != self.shown:
            self.choose([each for each in self.selected if each in ids])
            self.shown = ids
        return self.page

    @property
    def selected(self) -> list[UUID]:
        """Read from the browser's state: a button may be pressed before the last click on a sketch was handled."""
        clicked = grid.clicked(self.epoch)
        return self.chosen if clicked is None else clicked

    @property
    def place(self) -> int:
        return len(self.places)

    @property
    def where(self) -> str:
        return f"Page {self.place} of {max(ceil(self.total / PAGE), self.place):,}"

    @property
    def found(self) -> str:
        newest = self.query["order"] == "newest"
        order = ", newest first" if newest else " read as another digit, likeliest mislabelled first"
        return f"{count(self.total)}{order}. {self.where}."

    @property
    def older(self) -> str | None:
        return self.page.next_cursor if self.page else None

    def choose(self, ids: list[UUID]) -> None:
        self.chosen, self.epoch = ids, self.epoch + 1

    def choose_all(self) -> None:
        self.choose(self.seen)
        self.calm()

    def choose_none(self) -> None:
        self.choose([])
        self.calm()

    def calm(self) -> None:
        self.notice, self.trouble, self.asking = None, None, False

    def turn_older(self) -> None:
        if self.older:
            self.turn_to([*self.places, self.older])

    def turn_newer(self) -> None:
        if len(self.places) > 1:
            self.turn_to(self.places[:-1])

    def turn_to(self, places: list[str | None]) -> None:
        self.places, self.page, self.before = places, None, []
        self.choose_none()

    def approve(self) -> None:
        self.change("approved", status="approved")

    def reject(self) -> None:
        self.change("rejected", status="rejected")

    def relabel(self, label: str) -> None:
        """Relabelling approves, too."""
        what = "labelled “not a digit”" if label == "none" else f"labelled {label}"
        self.change(f"{what} and approved", label, "approved")

    def change(self, done: str, label: str | None = None, status: Status | None = None) -> None:
        ids = self.selected
        if not ids or not self.page:
            self.trouble = SELECT_FIRST
            return
        before = [submission for submission in self.page.items if submission.id in ids]
        with self.acting():
            changed = api.change(ids, admin.token() or "", label, status)
            self.finish(_report(changed, len(ids), done), before if changed else [])

    def undo(self) -> None:
        with self.acting():
            changed = 0
            for (label, status), group in groupby(sorted(self.before, key=_former), _former):
                changed += api.change([submission.id for submission in group], admin.token() or "", label, status)
            self.finish(_report(changed, len(self.before), "as before"))

    def ask(self) -> None:
        self.calm()
        self.asking, self.trouble = bool(self.selected), None if self.selected else SELECT_FIRST

    def delete(self) -> None:
        if ids := self.selected:
            with self.acting():
                deleted = api.delete(ids, admin.token() or "")
                self.finish(_report(deleted, len(ids), "deleted"))

    def finish(self, notice: str, before: list[Submission] | None = None) -> None:
        self.choose_none()
        self.notice, self.before, self.page = notice, before or [], None

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Shows the backend's refusal, and keeps the selection."""
        try:
            yield
        except api.BackendError as e:
            self.calm()
            if not admin.refused(e):
                self.trouble = f"{e} Please try again in a moment."


def _report(changed: int, selected: int, done: str) -> str:
    """`changed`: those of the selected that were still there."""
    gone = selected - changed
    meanwhile = f"; {gone} {'was' if gone == 1 else 'were'} deleted meanwhile" if gone else ""
    return f"{count(changed)} {done}{meanwhile}."


def _former(submission: Submission) -> tuple[str, Status]:
    return label_of(submission), submission.status

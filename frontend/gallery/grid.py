"""The Gallery's grid of sketches, to be enlarged or selected: the Python side of grid.js."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from uuid import UUID

import streamlit as st

KEY = "grid"
HTML = """
<div class="gallery tiles"></div>
<dialog class="large" aria-label="One sketch, large">
  <button class="close" aria-label="Close">✕</button>
  <button class="previous" aria-label="The one before">‹</button>
  <img alt="">
  <button class="next" aria-label="The next one">›</button>
  <dl></dl>
</dialog>"""


@cache
def _component() -> Callable:
    """Created on first use, because it needs Streamlit's runtime. The page's style sheet applies to it."""
    script = Path(__file__).with_name("grid.js").read_text(encoding="utf-8")
    return st.components.v2.component("sketches", html=HTML, js=script, isolate_styles=False)


def show(tiles: list[str], place: int, epoch: int, chosen: list[UUID], asking: bool) -> None:
    """`tiles`: HTML, from pieces.tiles. A changed `place` scrolls to the top of the grid.

    `chosen`: the selection at the start of this epoch, until `clicked` returns another. `asking`: whether a dialog is
    open; afterwards, the grid has the focus again.
    """
    selected = [str(each) for each in chosen]
    data = {"html": "".join(tiles), "place": place, "epoch": epoch, "selected": selected, "asking": asking}
    _component()(key=KEY, data=data, on_selected_change=lambda: None)


def clicked(epoch: int) -> list[UUID] | None:
    """The selection after the latest click; None before the first click of this epoch."""
    selected = (st.session_state.get(KEY) or {}).get("selected")
    return [UUID(each) for each in selected["ids"]] if selected and selected["epoch"] == epoch else None

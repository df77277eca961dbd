"""The grid of sketches, some of which may be selected: the only file that knows the component in grid.js."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from uuid import UUID

import streamlit as st

KEY = "grid"
HTML = '<div class="gallery tiles"></div>'


@cache
def _component() -> Callable:
    """Made on first use, because it asks Streamlit's runtime. The page's style sheet reaches into it."""
    script = Path(__file__).with_name("grid.js").read_text(encoding="utf-8")
    return st.components.v2.component("sketches", html=HTML, js=script, isolate_styles=False)


def show(tiles: list[str], place: int, epoch: int, chosen: list[UUID]) -> None:
    """`tiles`: HTML; those with a `data-id` can be selected. Another `place` scrolls to the top of the grid.

    `chosen`: what is selected from the start of this epoch, until `clicked` says otherwise.
    """
    data = {"html": "".join(tiles), "place": place, "epoch": epoch, "selected": [str(each) for each in chosen]}
    _component()(key=KEY, data=data, on_selected_change=lambda: None)


def clicked(epoch: int) -> list[UUID] | None:
    """What is selected since somebody clicked; None where nobody did in this epoch."""
    selected = (st.session_state.get(KEY) or {}).get("selected")
    return [UUID(each) for each in selected["ids"]] if selected and selected["epoch"] == epoch else None

"""The drawing and the canvas it is made on: the only file that knows the canvas component.

The component's own toolbar appears on hover, so a finger never sees it, and its "reset" goes back to what the canvas
was mounted with. Therefore undo, redo and clear are done here, on the drawing's steps, and the toolbar is hidden.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from unittest.mock import patch
from uuid import UUID, uuid4

import streamlit as st

SIDE = 400  # pixels; style.css shrinks it on a phone
PEN_WIDTHS = {"Fine": 14, "Medium": 26, "Bold": 40}
INK, PAPER = "#ffffff", "#000000"

# The first rule is the component's own; its style sheet comes a moment after the canvas, which would stand too low.
STYLE = """<style>
.dc-background-canvas { position: absolute; top: 0; left: 0; }
.dc-toolbar { display: none !important; }
.dc-canvas { outline: none !important; }
.dc-container { border-radius: 16px; overflow: hidden; cursor: crosshair; }
</style>"""


@cache
def canvas() -> Callable:
    """The component, imported on first use, because it asks Streamlit's runtime for its files.

    It lives in a shadow root that no style sheet of the page reaches: the style goes in with its HTML.
    """
    register = st.components.v2.component

    def restyled(name: str, *, html: str, **rest) -> Callable:
        return register(name, html=STYLE + html, **rest)

    with patch.object(st.components.v2, "component", restyled):
        from streamlit_drawable_canvas import st_canvas
    return st_canvas


@dataclass(frozen=True)
class Step:
    """What the canvas held after a stroke: as its own JSON, and as PNG bytes; none when it is empty."""

    drawing: dict | None = None
    png: bytes | None = None


@dataclass
class Sketchpad:
    """A drawing, until it is labelled. Its key makes sure that it is stored once."""

    key: UUID = field(default_factory=uuid4)
    steps: list[Step] = field(default_factory=lambda: [Step()])
    position: int = 0
    mounted: Step = field(default_factory=Step)  # what the canvas on the page started from
    mounts: int = 0

    @property
    def png(self) -> bytes | None:
        return self.steps[self.position].png

    @property
    def can_undo(self) -> bool:
        return self.position > 0

    @property
    def can_redo(self) -> bool:
        return self.position < len(self.steps) - 1

    def undo(self) -> None:
        if self.can_undo:
            self.position -= 1
            self.remount()

    def redo(self) -> None:
        if self.can_redo:
            self.position += 1
            self.remount()

    def clear(self) -> None:
        self.add(Step())
        self.remount()

    def add(self, step: Step) -> None:
        self.position += 1
        self.steps[self.position :] = [step]

    def remount(self) -> None:
        """Have a new canvas made from the current step: the component takes over a drawing only when it is mounted."""
        self.mounted = self.steps[self.position]
        self.mounts += 1

    def copy(self) -> "Sketchpad":
        """The same drawing, to be stored anew."""
        copy = Sketchpad(steps=self.steps, position=self.position)
        copy.remount()
        return copy

    def show(self, pen_width: int) -> None:
        """Draw the canvas and take over what was drawn on it since; it reruns the script after every stroke."""
        result = canvas()(
            stroke_width=pen_width,
            stroke_color=INK,
            background_color=PAPER,
            width=SIDE,
            height=SIDE,
            initial_drawing=self.mounted.drawing,
            return_image_data=True,
            key=f"canvas-{self.key}-{self.mounts}",
        )
        if result.image_bytes is None:
            self.catch_up()
        elif result.image_bytes != self.png:
            self.add(Step(result.json_data, result.image_bytes))

    def catch_up(self) -> None:
        """A canvas that was away, behind another view, comes back with what it was mounted with."""
        if self.steps[self.position] != self.mounted:
            self.remount()
            st.rerun()

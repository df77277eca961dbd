"""Films the Draw page in use, as an animated picture for the README.

    uv run python tests/film.py --url http://localhost:8501 ../docs/drawing.webp

Draws a 7 and labels it; draws a 2, labels it as 3 by mistake, takes that back with Undo, and labels it as 2. The mouse
pointer is added by this script, since Chromium's screencast leaves it out. It stores two sketches, so use a database
of your own, on a machine that is not busy. The film runs SPEED times as fast as the page was painted.
"""

import argparse
import base64
import io
import itertools
from dataclasses import dataclass
from pathlib import Path

from browsers import launch
from hand import Hand, Stroke
from PIL import Image
from playwright.sync_api import Page, sync_playwright

VIEWPORT = {"width": 1280, "height": 800}
CROP = (42, 60, 1238, 648)  # left, top, right, bottom, in pixels of the viewport: sheet, answer and keypad
WIDTH = 800  # of the film, in pixels
FRAME_MS = 80  # no two frames are closer
SPEED = 1.5  # times that of the recording
LAST_MS = 1500  # how long the last frame stays
QUALITY = 60
STEP_MS = 18  # between two movements of the mouse

SEVEN = [(0.27, 0.22), (0.73, 0.2), (0.46, 0.84)]
TWO = [(0.27, 0.34), (0.34, 0.14), (0.62, 0.1), (0.74, 0.36), (0.52, 0.58), (0.24, 0.84), (0.24, 0.84), (0.77, 0.82)]

POINTER = """() => {
  const pointer = document.createElement("div");
  pointer.style.cssText = "position:fixed; z-index:999999; pointer-events:none; left:-50px; top:0";
  pointer.innerHTML = `<svg width="26" height="26" viewBox="0 0 24 24"><path d="M5 2v18l5-5 3 7 3-1.4-3-6.6h7z"
    fill="#fff" stroke="#211f33" stroke-width="1.4" stroke-linejoin="round"/></svg>`;
  document.body.append(pointer);
  addEventListener("mousemove", ({ clientX, clientY }) =>
    Object.assign(pointer.style, { left: `${clientX - 5}px`, top: `${clientY - 2}px` }), { capture: true });
}"""


@dataclass
class Frame:
    seconds: float  # when it was painted
    jpeg: bytes


def smooth(points: Stroke, rounds: int = 2) -> Stroke:
    """The same path with its corners cut (Chaikin); a point given twice stays sharp."""
    for _ in range(rounds):
        between = [
            (a + t * (c - a), b + t * (d - b)) for (a, b), (c, d) in itertools.pairwise(points) for t in (0.25, 0.75)
        ]
        points = [points[0], *between, points[-1]]
    return points


class Actor:
    """Does what a visitor would do, at the pace of one."""

    def __init__(self, page: Page) -> None:
        self.page, self.hand = page, Hand(page)

    def draw(self, points: Stroke) -> None:
        path = [self.hand.place(*point) for point in smooth(points)]
        self.move(*path[0])
        self.page.mouse.down()
        for point in path[1:]:
            self.page.mouse.move(*point)
            self.wait(STEP_MS)
        self.page.mouse.up()
        self.wait(600)

    def press(self, key: str) -> None:
        box = self.page.locator(f'.keypad [data-key="{key}"]').bounding_box()
        self.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6)
        self.wait(150)
        self.page.mouse.down()
        self.page.mouse.up()
        self.wait(600)

    def move(self, x: float, y: float) -> None:
        self.page.mouse.move(x, y, steps=8)

    def wait(self, milliseconds: int) -> None:
        self.page.wait_for_timeout(milliseconds)


def record(page: Page) -> list[Frame]:
    """Every picture that Chromium paints while the actor acts."""
    frames: list[Frame] = []
    session = page.context.new_cdp_session(page)

    def keep(event: dict) -> None:
        frames.append(Frame(event["metadata"]["timestamp"], base64.b64decode(event["data"])))
        session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    session.on("Page.screencastFrame", keep)
    session.send("Page.startScreencast", {"format": "jpeg", "quality": 92})
    act(Actor(page))
    session.send("Page.stopScreencast")
    return sorted(frames, key=lambda frame: frame.seconds)


def act(actor: Actor) -> None:
    actor.wait(300)
    actor.draw(SEVEN)
    actor.press("7")
    actor.draw(TWO)
    actor.press("3")
    actor.press("undo")
    actor.press("2")


def save(frames: list[Frame], path: Path) -> None:
    frames = thin_out(frames)
    pictures = [crop(frame) for frame in frames]
    starts = [frame.seconds for frame in frames]
    lengths = [round(1000 * (after - before) / SPEED) for before, after in itertools.pairwise(starts)]
    options = {"quality": QUALITY, "method": 4} if path.suffix == ".webp" else {"optimize": True}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[*lengths, LAST_MS], loop=0, **options)


def crop(frame: Frame) -> Image.Image:
    left, top, right, bottom = CROP
    size = WIDTH, round(WIDTH * (bottom - top) / (right - left))
    picture = Image.open(io.BytesIO(frame.jpeg)).convert("RGB")
    return picture.crop(CROP).resize(size, Image.Resampling.LANCZOS)


def thin_out(frames: list[Frame]) -> list[Frame]:
    """Of frames that follow each other within FRAME_MS the last one."""
    following = [*frames[1:], None]
    kept = [frames[0]]
    for frame, after in zip(frames, following, strict=True):
        if after is None or 1000 * (after.seconds - kept[-1].seconds) > FRAME_MS:
            kept.append(frame)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where to write the film: a .webp or a .gif")
    parser.add_argument("--url", default="http://localhost:8501", help="the page's address")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport=VIEWPORT)
        page.goto(options.url)
        page.locator('.draw[data-ready="true"]').wait_for()
        page.evaluate(POINTER)
        page.wait_for_timeout(1000)
        frames = record(page)
        browser.close()
    save(frames, options.file)
    seconds = frames[-1].seconds - frames[0].seconds
    print(f"{options.file}: {options.file.stat().st_size / 1000:.0f} kB, {seconds:.1f} s")


if __name__ == "__main__":
    main()

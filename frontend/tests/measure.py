"""Measures the pages in Chromium, on a database, a backend and a frontend of their own:

    export PYTHONPATH=.:../db/tests
    uv run python tests/measure.py                    # ink to answer: two minutes
    uv run python tests/measure.py --visitors 10      # the same for ten who draw at once
    uv run python tests/measure.py --digits 200       # 200 quick sketches: is every row there, as drawn?
    uv run python tests/measure.py --digits 200 --kill 2 --phone      # the backend is killed meanwhile

Ink to answer is the time from a movement of the pen to the first reading on the screen that includes it. Exits with 1
if a sketch is lost or mixed up.
"""

import argparse
import asyncio
import io
import itertools
import random
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import browsers
from browsing import DESKTOP, PHONE
from conftest import FRONTEND, Postgres, Server, backend_server
from hand import Sketch, sketches, whose
from PIL import Image
from playwright.async_api import Browser, Page, async_playwright

NAMES = {"ink": "ink to answer", "ends": "end of a stroke to answer", "request": "picture sent to answer"}
WAIT_MS = 700  # at most, between two things that the hand does
# what the page is asked to note: when ink came, when a picture of it was sent, when an answer was painted
PROBE = """
(() => {
  const probe = (window.probe = { ink: [], sent: [], shown: [], ends: [] });
  const now = () => performance.now();
  addEventListener("mousemove", (e) => e.buttons && probe.ink.push(now()), true);
  addEventListener("mouseup", () => probe.ends.push(now()), true);
  const { fetch } = window;
  window.fetch = (url, ...rest) => {
    if (String(url).includes("/page/read")) probe.sent.push(now());
    return fetch(url, ...rest);
  };
  const watch = () => {
    const image = document.querySelector(".seen img");
    if (!image) return setTimeout(watch, 50);
    new MutationObserver(() => {
      const sent = probe.sent.at(-1);
      requestAnimationFrame(() => setTimeout(() => probe.shown.push([sent, now()]), 0));
    }).observe(image, { attributes: true, attributeFilter: ["src"] });
  };
  watch();
})();
"""


@contextmanager
def stack(folder: Path):
    """(postgres, backend, frontend), running."""
    with ExitStack() as undo:
        postgres = Postgres(folder / "postgres")
        postgres.start()
        undo.callback(postgres.stop)
        backend = backend_server(postgres.environment, "/health/ready", folder / "backend.log")
        backend.start()
        undo.callback(backend.stop)
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "{port}"]
        environment = {"BACKEND_URL": backend.url}
        frontend = Server(command, FRONTEND, environment, "/_stcore/health", folder / "frontend.log")
        frontend.start()
        undo.callback(frontend.stop)
        yield postgres, backend, frontend


class Visitor:
    """One who draws with the mouse, or on a phone with a finger."""

    def __init__(self, page: Page, finger: bool, seed: int) -> None:
        self.page, self.finger, self.rng = page, finger, random.Random(seed)

    async def open(self, url: str) -> None:
        await self.page.add_init_script(PROBE)
        for _ in range(4):  # Chromium drops what it loads when the machine gains a network, such as one of Docker's
            await self.page.goto(url)
            try:
                await self.page.locator('.draw[data-ready="true"]').wait_for(timeout=15_000)
                break
            except Exception:
                continue
        self.box = await self.page.locator("canvas.upper-canvas").bounding_box()
        self.touch = await self.page.context.new_cdp_session(self.page) if self.finger else None

    async def stroke(self, stroke: list, step_ms: float = 0) -> None:
        places = [(self.box["x"] + x * self.box["width"], self.box["y"] + y * self.box["height"]) for x, y in stroke]
        between = [
            (a + t * (c - a), b + t * (d - b))
            for (a, b), (c, d) in itertools.pairwise(places)
            for t in (0.25, 0.5, 0.75, 1)
        ]
        await self._pen("down", *places[0])
        for place in between:
            await self._pen("move", *place)
            if step_ms:
                await asyncio.sleep(step_ms / 1000)
        await self._pen("up", *between[-1])

    async def _pen(self, what: str, x: float, y: float) -> None:
        if self.touch:
            kind = {"down": "touchStart", "move": "touchMove", "up": "touchEnd"}[what]
            points = [] if what == "up" else [{"x": x, "y": y}]
            await self.touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        elif what == "up":
            await self.page.mouse.up()
        else:
            await self.page.mouse.move(x, y)
            if what == "down":
                await self.page.mouse.down()

    async def label(self, label: str) -> None:
        if self.finger:
            await self.page.locator(f'.keypad [data-key="{label}"]').tap()
        else:
            await self.page.keyboard.press(label)

    async def pause(self) -> None:
        await asyncio.sleep(self.rng.uniform(0, WAIT_MS) / 1000)

    async def quickly(self, drawn: list[Sketch]) -> None:
        for sketch in drawn:
            for stroke in sketch.strokes:
                await self.stroke(stroke)
                await self.pause()
            await self.label(sketch.label)
            await self.pause()

    async def calmly(self, drawn: list[Sketch]) -> dict[str, list[float]]:
        """Draws as people do, and tells how long answers took, in milliseconds."""
        for sketch in drawn:
            for stroke in sketch.strokes:
                await self.stroke(stroke, step_ms=25)
                await asyncio.sleep(0.45)
            await self.label(sketch.label)
            await asyncio.sleep(0.3)
        return times(await self.page.evaluate("probe"))


def times(probe: dict) -> dict[str, list[float]]:
    def until(moment: float, limit: float = 6000) -> float | None:
        return next(
            (shown - moment for sent, shown in probe["shown"] if sent >= moment and shown - moment < limit), None
        )

    ink, ends = [until(moment) for moment in probe["ink"]], [until(moment) for moment in probe["ends"]]
    rates = [sum(start <= sent < start + 1000 for sent in probe["sent"]) for start in probe["sent"]]
    return {"ink": ink, "ends": ends, "request": [shown - sent for sent, shown in probe["shown"]], "rates": rates}


def tell(name: str, values: list[float | None]) -> None:
    known = sorted(value for value in values if value is not None)
    middle, high = statistics.median(known), known[int(0.95 * (len(known) - 1))]
    lost = len(values) - len(known)
    print(f"{name:28} median {middle:4.0f} ms, p95 {high:4.0f} ms, n = {len(known)}, without an answer {lost}")


async def measure_answers(browser: Browser, url: str, visitors: int, postgres: Postgres) -> bool:
    each = 48 if visitors == 1 else 12
    drawn = [sketches(each, seed) for seed in range(visitors)]
    pages = [await (await browser.new_context(viewport=DESKTOP)).new_page() for _ in drawn]
    everyone = [Visitor(page, False, seed) for seed, page in enumerate(pages)]
    for visitor in everyone:
        await visitor.open(url)
    found = await asyncio.gather(*(visitor.calmly(mine) for visitor, mine in zip(everyone, drawn, strict=True)))
    print(f"{visitors} drawing at once:")
    for key, name in {
        "ink": "ink to answer",
        "ends": "end of a stroke to answer",
        "request": "picture sent to answer",
    }.items():
        tell(name, [value for one in found for value in one[key]])
    print(f"{'requests in one second':28} at most {max(max(one['rates']) for one in found)} a visitor")
    rows = await wait_for(postgres, each * visitors)
    print(f"{'rows':28} {len(rows)} of {each * visitors}; answers logged {logged(postgres)}")
    return len(rows) == each * visitors


def logged(postgres: Postgres) -> int:
    time.sleep(3)  # they are written every two seconds
    return postgres.rows("SELECT count(*) AS n FROM predictions")[0]["n"]


async def measure_loss(
    browser: Browser, postgres: Postgres, backend: Server, url: str, given: argparse.Namespace
) -> bool:
    options = {"viewport": PHONE, "has_touch": True, "is_mobile": True} if given.phone else {"viewport": DESKTOP}
    visitor = Visitor(await (await browser.new_context(**options)).new_page(), given.phone, 5)
    await visitor.open(url)
    drawn = sketches(given.digits, seed=7)
    drawing = asyncio.create_task(visitor.quickly(drawn))
    for turn in range(given.kill):
        await until_rows(postgres, (turn + 1) * given.digits // (given.kill + 1), drawing)
        backend.process.kill()
        backend.process.wait()
        await asyncio.sleep(4)
        await asyncio.to_thread(backend.start)
    await drawing
    rows = await wait_for(postgres, given.digits)
    whole = [str(row["true_label"]) for row in rows] == [sketch.label for sketch in drawn]
    whole &= [whose(Image.open(io.BytesIO(row["image"])), drawn) for row in rows] == list(range(given.digits))
    verdict = "each as drawn" if whole else "MIXED UP OR LOST"
    print(f"{given.digits} quick sketches, {given.kill} kills: {len(rows)} rows, {verdict}")
    return whole


async def until_rows(postgres: Postgres, count: int, drawing: asyncio.Task) -> None:
    while not drawing.done() and postgres.rows("SELECT count(*) AS n FROM submissions")[0]["n"] < count:
        await asyncio.sleep(0.2)


async def wait_for(postgres: Postgres, count: int) -> list[dict]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        rows = postgres.rows("SELECT true_label, image FROM submissions ORDER BY created_at, id")
        if len(rows) >= count:
            break
        await asyncio.sleep(0.3)
    return rows


async def main(given: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as (postgres, backend, frontend):
        async with async_playwright() as playwright:
            browser = await browsers.launch(playwright)
            if given.digits:
                return await measure_loss(browser, postgres, backend, frontend.url, given)
            return await measure_answers(browser, frontend.url, given.visitors, postgres)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=1, help="how many draw at once")
    parser.add_argument("--digits", type=int, default=0, help="how many quick sketches")
    parser.add_argument("--kill", type=int, default=0, help="how often the backend is killed meanwhile")
    parser.add_argument("--phone", action="store_true", help="with a finger, on a screen of 390×844")
    sys.exit(0 if asyncio.run(main(parser.parse_args())) else 1)

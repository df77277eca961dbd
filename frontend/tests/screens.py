"""Checks layout shift and accessibility of each view, at several sizes, light and dark.

    uv run python tests/screens.py                                  # of a page at http://localhost:8501
    uv run python tests/screens.py --url http://localhost:8600 --shots folder --views gallery models

Prints a line for each: the layout shift while it loads (wanted: below 0.1), what axe calls serious or critical, what
lies beyond the screen's edge, and what is too low for a finger (44 pixels). Ends with 1 unless all is as wanted.
"""

import argparse
import sys
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from browsers import launch
from playwright.sync_api import Browser, Page, sync_playwright

VIEWS = ["", "gallery", "statistics", "models"]  # paths; the first is Draw
SIZES = [(320, 568), (390, 844), (844, 390), (1280, 800), (1920, 1080)]
THEMES = ["light", "dark"]
MOST_SHIFT = 0.1
PHONE = 860  # pixels: narrower screens are touched
SETTLED_MS = 1500  # nothing has changed for so long: it is loaded
PATIENCE_MS = 20_000

WATCH_SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
SETTLED = """(ms) => new Promise((resolve) => {
  let timer = setTimeout(resolve, ms);
  new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(resolve, ms); })
    .observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
})"""
BEYOND = """() => [...document.querySelectorAll(".stMain *")].filter((each) => {
  const { left, right, width, height } = each.getBoundingClientRect();
  return width > 1 && height > 1 && (right > innerWidth + 1 || left < -1) && !each.closest("g")
    && each.checkVisibility({ visibilityProperty: true }) && getComputedStyle(each).clipPath === "none";
}).map((each) => each.textContent.trim().slice(0, 30) || each.className).slice(0, 5)"""
LOW = """() => [...document.querySelectorAll(
    ".stMain :is(button, a[href], summary, [role=button], [role=checkbox], [role=combobox])")].filter((each) => {
  const { width, height } = each.getBoundingClientRect();
  return width > 1 && height < 43.5 && each.checkVisibility({ visibilityProperty: true });
}).map((each) => each.textContent.trim().slice(0, 30) || each.ariaLabel || each.className).slice(0, 5)"""


@dataclass
class Findings:
    shift: float
    axe: list[str] = field(default_factory=list)  # serious and critical ones
    beyond: list[str] = field(default_factory=list)
    low: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        shift = [f"shift {self.shift:.2f}"] if self.shift >= MOST_SHIFT else []
        beyond = [f"beyond the edge: {each}" for each in self.beyond]
        return shift + self.axe + beyond + [f"too low: {each}" for each in self.low]


def visit(browser: Browser, url: str, size: tuple[int, int], theme: str) -> Page:
    """A page that is loaded, in a context of its own. Its layout shifts are counted."""
    width, height = size
    touched = width < PHONE
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, has_touch=touched, is_mobile=touched
    )
    page = context.new_page()
    page.add_init_script(WATCH_SHIFTS)
    page.goto(url)
    page.locator(".st-key-pages").wait_for(timeout=PATIENCE_MS)
    page.evaluate(SETTLED, SETTLED_MS)
    return page


def look(page: Page) -> Findings:
    found = Axe().run(page).response["violations"]
    axe = [
        f"{each['id']}: {', '.join(' '.join(map(str, node['target'])) for node in each['nodes'][:3])}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    low = page.evaluate(LOW) if page.viewport_size["width"] < PHONE else []
    return Findings(page.evaluate("window.shift"), axe, page.evaluate(BEYOND), low)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://localhost:8501", help="the page's address")
    parser.add_argument("--views", nargs="*", default=VIEWS, help='their paths; "" is Draw')
    parser.add_argument("--shots", type=Path, help="a folder for screenshots")
    options = parser.parse_args()
    failed = False
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for view, size, theme in product(options.views, SIZES, THEMES):
            page = visit(browser, f"{options.url}/{view}", size, theme)
            found = look(page)
            name = f"{view or 'draw'} {size[0]}x{size[1]} {theme}"
            print(f"{name:28} shift {found.shift:.3f}  {'; '.join(found.problems) or 'well'}", flush=True)
            failed |= bool(found.problems)
            if options.shots:
                options.shots.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=options.shots / f"{name.replace(' ', '-')}.png")
            page.context.close()
        browser.close()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""The Draw page in Chromium: what is drawn and pressed there, and what is expected."""

import re
import time

from browsing import PHONE
from hand import DIGITS, Hand, Sketch
from playwright.sync_api import Page, expect

SEVEN, THREE, FOUR = (Sketch(digit, DIGITS[digit]) for digit in "734")
WALLS = [(0.2, 0.85), (0.2, 0.45), (0.8, 0.45), (0.8, 0.85), (0.2, 0.85)]
ROOF, DOOR = [(0.15, 0.45), (0.5, 0.12), (0.85, 0.45)], [(0.42, 0.85), (0.42, 0.6), (0.58, 0.6), (0.58, 0.85)]
HOUSE = Sketch("none", [WALLS, ROOF, DOOR])
FINGER = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


def draw(page: Page, sketch: Sketch) -> Hand:
    hand = Hand(page)
    hand.draw(sketch)
    return hand


def expect_answer(page: Page, sentence: str | re.Pattern) -> None:
    expect(page.locator(".answer .sentence")).to_have_text(sentence)


def key(page: Page, name: str):
    return page.locator(f'.keypad [data-key="{name}"]')


def tool(page: Page, name: str):
    return page.locator(f'.draw [data-do="{name}"]')


def expect_rows(postgres, labels: list[int | None], patience_s: float = 20) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        found = [row["true_label"] for row in postgres.rows("SELECT true_label FROM submissions ORDER BY created_at")]
        if found == labels or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert found == labels


def inked(page: Page) -> bool:
    """Whether anything is on the canvas, in either of its layers."""
    return page.evaluate("""() => {
      const { shadowRoot } = document.querySelector(".ink");
      return [...shadowRoot.querySelectorAll(".dc-canvas")].some((each) => {
        const { data } = each.getContext("2d").getImageData(0, 0, each.width, each.height);
        return data.some((value, i) => i % 4 === 0 && value > 128);
      });
    }""")


def expect_canvas(page: Page, state: str) -> None:
    deadline = time.monotonic() + 10
    while inked(page) != (state == "ink"):
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def choose(page: Page, data: bytes, name: str = "four.jpg", kind: str = "image/jpeg") -> None:
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": kind, "buffer": data})

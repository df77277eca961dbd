"""The reviewer's queue in Chromium, by itself."""

from pathlib import Path
from typing import Any

import pytest
from conftest import FRONTEND
from playwright.sync_api import Browser, Page, expect

from gallery.one_by_one import HTML

SCRIPT = Path(FRONTEND, "gallery", "one_by_one.js").read_text()
SHOW = """async ([script, data]) => {
  window.show ??= (await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })))).default;
  window.show({ data, parentElement: document.body, setStateValue: (_, sent) => (window.sent = sent) });
}"""
ROUND = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>"


@pytest.fixture
def queue(browser: Browser):
    page = browser.new_page()
    page.set_content(f'<div role="radiogroup"><button>Look</button></div>{HTML}')
    yield page
    page.close()


def show(page: Page, *pictures: str | None, **data: Any) -> None:
    sketch = {"name": "", "meant": "7", "read": "7", "share": "99%", "unsure": False, "when": "", "status": "pending"}
    sketches = [sketch | {"id": str(number), "picture": each} for number, each in enumerate(pictures)]
    queue = {"epoch": "a", "place": 0, "first": 0, "done": 0, "gone": [], "known": 2, "ended": True, "total": 2}
    page.evaluate(SHOW, [SCRIPT, queue | {"sketches": sketches, "trouble": None} | data])


def decisions(page: Page) -> list[dict[str, Any]]:
    return page.evaluate("window.sent?.log ?? []")


@pytest.mark.long
def test_nobody_can_judge_a_picture_that_is_not_there(queue):
    show(queue, None, ROUND)
    for key in ("a", "x", "3", "n"):
        queue.keyboard.press(key)
    assert decisions(queue) == []
    expect(queue.get_by_role("button", name="Approve")).to_be_disabled()
    expect(queue.locator(".facts")).to_have_text("One moment …")
    show(queue, ROUND, ROUND)
    expect(queue.locator(".facts")).to_contain_text("Meant as 7")
    queue.keyboard.press("a")
    assert [(each["id"], each["act"]) for each in decisions(queue)] == [("0", "approve")]


@pytest.mark.long
def test_picture_that_is_not_there_can_be_skipped(queue):
    show(queue, None, ROUND)
    queue.keyboard.press("ArrowRight")
    queue.keyboard.press("a")
    assert [(each["id"], each["act"]) for each in decisions(queue)] == [("1", "approve")]


@pytest.mark.long
def test_decision_on_a_sketch_that_was_deleted_meanwhile_is_not_said_to_be_done(queue):
    show(queue, ROUND, ROUND)
    queue.keyboard.press("a")
    expect(queue.locator(".done")).to_have_text("The one before was approved.")
    show(queue, ROUND, ROUND, done=1, gone=["0"])
    expect(queue.locator(".done")).to_have_text("1 was deleted meanwhile.")
    queue.keyboard.press("x")
    expect(queue.locator(".done")).to_have_text("The one before was rejected. 1 was deleted meanwhile.")


@pytest.mark.long
def test_arrow_keys_act_in_one_place(queue):
    """In the queue, which has the focus from the start, or in the choice of what to do."""
    show(queue, ROUND, ROUND)
    expect(queue.locator(".one")).to_be_focused()
    queue.get_by_role("button", name="Look").focus()
    queue.keyboard.press("ArrowRight")
    expect(queue.locator(".count")).to_have_text("2 sketches to go")
    queue.keyboard.press("a")
    expect(queue.locator(".count")).to_have_text("1 sketch to go")

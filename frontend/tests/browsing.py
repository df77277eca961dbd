"""A browser, and the pages in it; conftest.py hands the fixtures to all tests."""

import sys
import time
from collections.abc import Iterator

import browsers
import pytest
from conftest import FRONTEND, PATIENCE_S, Server, missing
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, expect, sync_playwright

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            browser = browsers.launch(playwright)
        except Error as e:
            missing(f"no browser: {e.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def frontend(browser: Browser, running_backend: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "{port}"]
    environment = {"BACKEND_URL": running_backend.url}
    log = tmp_path_factory.mktemp("frontend") / "log"
    frontend = Server(command, FRONTEND, environment, "/_stcore/health", log)
    frontend.start()
    yield frontend
    frontend.stop()


@pytest.fixture
def visit(browser: Browser, frontend: Server, backend: Server):
    """Open the page; at the end, no script on it may have failed, nor the browser have kept it from anything."""
    contexts, failures, lost = [], [], []  # what scripts threw; addresses of what was not loaded
    under_way = set()  # requests that write; one that outlives its test would be another test's row
    refused = []  # by the page's Content-Security-Policy

    def note_lost(request: Request) -> None:
        if "ERR_NETWORK_CHANGED" in (request.failure or ""):
            lost.append(request.url)

    def note_refused(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Permissions policy" in message.text:
            refused.append(message.text)

    def visit(**options) -> Page:
        contexts.append(browser.new_context(**{"viewport": DESKTOP} | options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("pageerror", lambda failure: failures.append(failure))
        page.on("requestfailed", note_lost)
        page.on("request", lambda request: request.method == "GET" or under_way.add(request))
        page.on("requestfinished", lambda request: under_way.discard(request))
        page.on("requestfailed", lambda request: under_way.discard(request))
        page.on("console", note_refused)
        open_page(page, frontend.url, lost)
        return page

    yield visit
    for page in [page for context in contexts for page in context.pages]:
        wait_for_quiet(page, under_way)
    for context in contexts:
        context.close()
    assert refused == []
    # what could not be loaded is named by the script that wanted it; every other failure is the page's own
    assert [failure for failure in failures if not any(url in str(failure) for url in lost)] == []


def wait_for_quiet(page: Page, under_way: set[Request]) -> None:
    """Until nothing has been under way for a fifth of a second: what was labelled last is sent by then."""
    quiet, deadline = 0, time.monotonic() + 10
    while quiet < 10 and time.monotonic() < deadline:
        page.wait_for_timeout(20)
        quiet = 0 if under_way else quiet + 1


def open_page(page: Page, url: str, lost: list[str]) -> None:
    """Chromium drops what it is loading when the machine gains or loses a network, such as one of Docker's."""
    for _ in range(3):
        before = len(lost)
        page.goto(url)
        try:
            expect(page.locator("canvas.upper-canvas")).to_be_visible()
            return expect(page.locator('.draw[data-ready="true"]')).to_be_visible()
        except AssertionError:
            if len(lost) == before:
                raise
    raise AssertionError(lost)

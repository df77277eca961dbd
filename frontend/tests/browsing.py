"""A browser, and the pages in it; conftest.py hands the fixtures to all tests."""

import sys
from collections.abc import Iterator

import browsers
import pytest
from conftest import FRONTEND, PATIENCE_S, Server, missing
from playwright.sync_api import Browser, Error, Page, Request, expect, sync_playwright

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
    """Open the page; at the end, no script on it may have failed."""
    contexts, failures, lost = [], [], []  # what scripts threw; addresses of what was not loaded

    def note_lost(request: Request) -> None:
        if "ERR_NETWORK_CHANGED" in (request.failure or ""):
            lost.append(request.url)

    def visit(**options) -> Page:
        contexts.append(browser.new_context(**{"viewport": DESKTOP} | options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("pageerror", lambda failure: failures.append(failure))
        page.on("requestfailed", note_lost)
        open_page(page, frontend.url, lost)
        return page

    yield visit
    for context in contexts:
        context.close()
    # what could not be loaded is named by the script that wanted it; every other failure is the page's own
    assert [failure for failure in failures if not any(url in str(failure) for url in lost)] == []


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

"""What a limited client sees: words, and itself limited, not the class it sits in."""

import re
import sys
from collections.abc import Iterator

import pytest
from browsing import DESKTOP, open_page
from conftest import FRONTEND, Server, backend_server, connect
from hand import DIGITS, Hand, Sketch
from playwright.sync_api import Browser, expect
from streamlit.testing.v1 import AppTest

import api

LIMITS = {"RATE_LIMITS": "on", "PROXY_SECRET": "between neighbours", "LIMIT_VISIT_REQUESTS": "9/60000"}
TOO_MANY = re.compile(r"Too many at once( from your network)?\. (I’ll t|T)ry again in \d+ seconds?\.")


@pytest.fixture(scope="module")
def strict(postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A backend that answers 9 requests of a visit, and 100 of an address; then hardly any."""
    settings = postgres.environment | LIMITS | {"LIMIT_ADDRESS_REQUESTS": "100/60000"}
    backend = backend_server(settings, "/health/live", tmp_path_factory.mktemp("strict") / "log")
    backend.start()
    yield backend
    backend.stop()


@pytest.fixture(scope="module")
def page_of_strict(browser: Browser, strict: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "{port}"]
    environment = LIMITS | {"BACKEND_URL": strict.url}
    frontend = Server(command, FRONTEND, environment, "/_stcore/health", tmp_path_factory.mktemp("page") / "log")
    frontend.start()
    yield frontend
    frontend.stop()


def test_each_visit_is_limited_by_itself(browser: Browser, page_of_strict: Server):
    for strokes in (15, 0):  # of two visits from the same address
        context = browser.new_context(viewport=DESKTOP)
        page = context.new_page()
        open_page(page, page_of_strict.url, [])
        hand = Hand(page)
        hand.draw(Sketch("7", DIGITS["7"][:1]))
        expect(page.locator(".answer .sentence")).to_have_text("That’s a 7")
        for _ in range(strokes):  # most are read by themselves, at their end
            hand.draw(Sketch("7", [[(0.3, 0.2), (0.5, 0.2)]]))
            page.wait_for_timeout(100)
        if strokes:
            expect(page.locator(".answer .detail")).to_have_text(TOO_MANY)
            expect(page.locator(".answer .sentence")).to_have_text("That’s a 7")
        context.close()


@pytest.mark.parametrize("view", ["statistics", "gallery", "models"])
def test_views_say_it_in_words(strict: Server, monkeypatch: pytest.MonkeyPatch, page: AppTest, view: str):
    connect(monkeypatch, strict.url)
    while api.session().get(f"{strict.url}/models").status_code != 429:
        pass
    with pytest.raises(api.Refused, match=TOO_MANY):
        api.statistics()
    page.run()
    seen = page.switch_page(f"views/{view}.py").run()
    assert not seen.exception
    assert any(TOO_MANY.search(each.value) for each in seen.warning), [each.value for each in seen.warning]

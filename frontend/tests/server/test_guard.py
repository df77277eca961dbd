"""What browsers are kept from on the page, and that the page works nevertheless; browsing.py watches for refusals."""

from uuid import uuid4

import calls
import pytest
import requests
from browsing import DESKTOP
from conftest import BACKEND, FRONTEND, run
from drawings import picture
from playwright.sync_api import expect
from starlette.responses import PlainTextResponse

import api
from server.guard import Guard

VIEWS = {  # with what is there when it is loaded
    "Gallery": ".tiles figure",
    "Statistics": '.st-key-matrix [role="graphics-document"]',
    "Models": "table",
    "Draw": "canvas.upper-canvas",
}


def ask(kind: str, host: bytes | None) -> list[dict]:
    """What is sent to whoever names this host."""
    sent = []

    async def app(scope, receive, send):
        if scope["type"] == "websocket":
            return await send({"type": "websocket.accept"})
        await PlainTextResponse("a page")(scope, receive, send)

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "method": "GET", "path": "/", "headers": [] if host is None else [(b"host", host)]}
    run(Guard(app)(scope, None, send))
    return sent


@pytest.fixture
def configured(monkeypatch):
    monkeypatch.setenv("ALLOWED_HOSTS", "digits.example.org")
    api.settings.cache_clear()
    yield
    api.settings.cache_clear()


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("host", [None, b"localhost:8501", b"192.168.1.7:8501", b"frontend", b"digits.example.org"])
def test_own_names_are_answered_to(host):
    assert ask("http", host)[0]["status"] == 200
    assert ask("websocket", host) == [{"type": "websocket.accept"}]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("host", [b"evil.example", b"digits.example.org.evil.example", b"127.0.0.1.nip.io"])
def test_foreign_names_are_refused(host):
    start, body = ask("http", host)
    assert start["status"] == 421
    assert b"ALLOWED_HOSTS" in body["body"]
    assert ask("websocket", host) == [{"type": "websocket.close"}]


def test_names_are_those_of_the_backend():
    """Two programs, one rule."""
    assert (FRONTEND / "server/hosts.py").read_text() == (BACKEND / "app/hosts.py").read_text()


# --- the page -------------------------------------------------------------------------------------


def test_every_answer_says_how_it_may_be_used(frontend):
    for path in ("/", "/_stcore/health", "/page/script/main.js", "/nowhere", "/page/read"):
        headers = requests.get(frontend.url + path, timeout=5).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
        assert "https:" not in headers["Content-Security-Policy"]
        assert "camera=()" in headers["Permissions-Policy"]


def test_foreign_page_is_recognised_by_its_site(frontend, backend):
    ours = {"Origin": frontend.url, "Content-Type": "image/png"}
    for site, status in (("cross-site", 403), ("same-site", 403), ("none", 403), ("same-origin", 200)):
        answer = requests.post(frontend.url + "/page/read", picture(7), headers=ours | {"Sec-Fetch-Site": site})
        assert answer.status_code == status


def test_every_view_shows_what_it_has(visit, backend):
    """Charts, too, whose makers would like to make scripts from text."""
    for digit in (7, 4):
        calls.store(picture(digit), "image/png", "7", uuid4())
    page = visit(viewport=DESKTOP)
    for view, shown in VIEWS.items():
        page.get_by_role("link", name=view).first.click()
        expect(page.locator(shown).first).to_be_visible()
        page.mouse.move(300, 500)  # a chart's tooltip
        page.wait_for_timeout(1000)

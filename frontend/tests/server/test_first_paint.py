"""The style sheet comes with the page, not after it."""

import pytest
import requests
from conftest import run
from playwright.sync_api import expect
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from server.first_paint import STYLE, FirstPaint

PAGE = "<html><head><title>A page</title></head><body><div id='root'></div></body></html>"
BROWSER = {"accept": "text/html,*/*;q=0.8", "accept-encoding": "gzip", "if-none-match": "x"}


def ask(answer: Response, headers: dict[str, str]) -> tuple[dict[str, str], bytes, dict[str, str]]:
    """The headers and the body that come out, and the headers that went in."""
    came, sent = {}, []

    async def page(scope, receive, send):
        came.update(Request(scope).headers)
        await answer(scope, receive, send)

    async def send(message):
        sent.append(message)

    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": encoded}
    run(FirstPaint(page)(scope, None, send))
    start, body = sent
    return {name.decode(): value.decode() for name, value in start["headers"]}, body["body"], came


def test_page_brings_its_styles_behind_those_of_the_head():
    headers, body, _ = ask(HTMLResponse(PAGE, headers={"etag": "x"}), BROWSER)
    assert body.decode() == PAGE.replace("</body>", f"<style>{STYLE.read_text()}</style></body>")
    assert int(headers["content-length"]) == len(body)
    assert "etag" not in headers  # it would hold for the page without its styles


def test_page_is_asked_for_whole_and_as_plain_text():
    assert ask(HTMLResponse(PAGE), BROWSER)[2] == {"accept": BROWSER["accept"]}


def test_what_is_no_page_passes_as_it_is():
    asked = {"accept": "*/*", "accept-encoding": "gzip"}
    headers, body, came = ask(PlainTextResponse("</body>"), asked)
    assert (headers["content-length"], body, came) == ("7", b"</body>", asked)


@pytest.mark.parametrize("path", ["/gallery/x", "/gallery/gallery", "/nosuch", "/statistics/x/y?meant=1"])
def test_page_that_does_not_exist_is_not_found(frontend, path):
    answer = requests.get(frontend.url + path, headers=BROWSER)
    assert answer.status_code == 404
    assert "Page not found" in answer.text
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    "path", ["/", "/gallery", "/gallery/?meant=1", "/statistics", "/models?x=1", "/_stcore/health"]
)
def test_page_that_exists_is_found(frontend, path):
    assert requests.get(frontend.url + path, headers=BROWSER).status_code == 200


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_says_something_before_its_scripts_have_come(browser, frontend, theme):
    page = browser.new_page(color_scheme=theme)
    page.route("**/static/js/**", lambda route: None)  # never answered
    page.goto(frontend.url, wait_until="commit")
    expect(page.locator("#root")).to_be_empty()
    style = "getComputedStyle(document.querySelector('#root'), '::after')"
    assert page.evaluate(f"{style}.content") == '"One moment …"'
    page.wait_for_timeout(600)
    assert page.evaluate(f"{style}.visibility") == "visible"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light dark"
    page.close()

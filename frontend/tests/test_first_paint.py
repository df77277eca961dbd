"""The style sheet comes with the page, not after it."""

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from first_paint import MIDDLEWARE, STYLE

PAGE = "<html><head><title>A page</title></head><body><div id='root'></div></body></html>"
ROUTES = [
    Route("/", lambda request: HTMLResponse(PAGE, headers={"etag": "x", "vary": "accept-encoding"})),
    Route("/words", lambda request: PlainTextResponse("</body>")),
    Route("/encoding", lambda request: JSONResponse(request.headers.get("accept-encoding"))),
]
BROWSER = {"Accept": "text/html,*/*;q=0.8", "Accept-Encoding": "gzip", "If-None-Match": "x"}
client = TestClient(Starlette(routes=ROUTES, middleware=MIDDLEWARE))


def test_page_brings_its_styles_behind_those_of_the_head():
    answer = client.get("/", headers=BROWSER)
    assert answer.text == PAGE.replace("</body>", f"<style>{STYLE.read_text()}</style></body>")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "etag" not in answer.headers  # it would hold for the page without its styles


def test_page_is_asked_for_as_plain_text():
    assert client.get("/encoding", headers=BROWSER).json() is None


def test_what_is_no_page_passes_as_it_is():
    assert client.get("/words", headers={"Accept": "*/*"}).text == "</body>"
    assert client.get("/encoding", headers={"Accept": "*/*", "Accept-Encoding": "gzip"}).json() == "gzip"

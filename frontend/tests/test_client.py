"""The page tells the backend which client a request is for, and clients cannot forge that."""

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from streamlit.testing.v1 import AppTest

import api
import client

SECRET = "between neighbours"
VISIT = "0b6f8c1e-52f4-4a5e-9d5c-111111111111"


def sent(secret: str | None = SECRET, **headers: str) -> dict[str, str]:
    raw = Headers({name.replace("_", "-"): value for name, value in headers.items()}).raw
    scope = {"type": "http", "client": ("198.51.100.1", 4711), "headers": raw}
    return client.of_request(Request(scope), secret)


def test_address_and_visit_of_the_browser_are_sent():
    ours = {"X-Proxy-Secret": SECRET, "X-Forwarded-For": "198.51.100.1"}
    assert sent(x_visit=VISIT) == ours | {"X-Visit": VISIT}
    for no_visit in ({}, {"x_visit": ""}, {"x_visit": "mine"}, {"x_visit": VISIT + "0"}):
        assert sent(**no_visit) == ours


def test_only_a_proxy_with_the_secret_is_believed():
    for wrong in ({}, {"x_proxy_secret": "wrong"}, {"x_proxy_secret": ""}, {"x_proxy_secret": "wrö"}):
        assert sent(x_forwarded_for="203.0.113.7", **wrong)["X-Forwarded-For"] == "198.51.100.1"
    assert sent(x_forwarded_for="203.0.113.7", x_proxy_secret=SECRET)["X-Forwarded-For"] == "203.0.113.7"
    assert sent(x_proxy_secret=SECRET)["X-Forwarded-For"] == "198.51.100.1"


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_nothing_is_sent(secret: str | None):
    assert sent(secret, x_visit=VISIT, x_proxy_secret="", x_forwarded_for="203.0.113.7") == {}


def test_views_tell_for_whom_they_ask(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PROXY_SECRET", SECRET)
    api.settings.cache_clear()
    script = AppTest.from_string("import api, streamlit as st\nst.session_state.headers = api.session_headers()").run()
    api.settings.cache_clear()
    assert script.session_state.headers.keys() == {"X-Proxy-Secret", "X-Forwarded-For"}
    assert api.session_headers() == {}  # no session: a thread of our own


def test_secret_comes_from_a_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path):
    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv("PROXY_SECRET_FILE", str(tmp_path / "secret"))
    assert api.Settings().secret == "from a file"

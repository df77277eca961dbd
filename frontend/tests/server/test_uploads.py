"""Only those who signed in upload files; test_browser.py imports an archive that way."""

import pytest
import requests
from conftest import run
from starlette.responses import PlainTextResponse

from common import admin
from server.uploads import Uploads


def put(path: str, method: str = "PUT") -> int:
    """The status. Whoever reads the body fails."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    run(Uploads(PlainTextResponse("kept"))(scope, None, send))
    return sent[0]["status"]


@pytest.fixture
def session(monkeypatch) -> str:
    """One that signed in."""
    monkeypatch.setattr(admin, "SESSIONS", {"6616"})
    return "6616"


def test_session_that_signed_in_uploads(session):
    assert put(f"/_stcore/upload_file/{session}/1") == 200


@pytest.mark.parametrize("path", ["6617/1", "/1", "6616", "6616/1/2", "../upload_file/6617/6616/1", "6617/6616"])
def test_others_are_refused_before_their_body_is_read(session, path):
    assert put(f"/_stcore/upload_file/{path}") == 403


def test_nothing_else_is_concerned(session):
    assert put("/page/submissions", "POST") == put("/", "GET") == 200


def test_the_page_refuses_files_of_visitors(frontend):
    """Of any size and number, whatever the session: Streamlit asks for the XSRF token that it gave, and for no more."""
    url = f"{frontend.url}/_stcore/upload_file/anybody/1"
    answer = requests.put(url, files={"file": ("a.zip", bytes(5_000_000))}, timeout=10)
    assert answer.status_code == 403
    assert answer.json()["error"] == "NotAllowed"

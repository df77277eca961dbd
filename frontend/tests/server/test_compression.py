"""Scripts and styles come compressed to those who take that."""

import gzip

import pytest
import requests
from conftest import Server

from server import compression
from server.compression import Compression

SCRIPT = next(path for path in Compression(None).files if path.startswith("/static/js/protobuf."))


def fetch(frontend: Server, path: str, encoding: str) -> requests.Response:
    return requests.get(frontend.url + path, headers={"Accept-Encoding": encoding}, timeout=30)


def test_script_comes_compressed_and_is_the_same(frontend):
    plain, small = fetch(frontend, SCRIPT, "identity"), fetch(frontend, SCRIPT, "gzip, deflate, br")
    assert small.content == plain.content
    assert int(small.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert (small.headers["content-encoding"], small.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert "etag" not in small.headers  # that of the other one would be wrong
    for name in ("cache-control", "content-security-policy", "x-content-type-options"):
        assert small.headers[name] == plain.headers[name]


@pytest.mark.parametrize("path", ["/static/js/none.js", "/static/js"])
def test_what_is_no_such_file_is_left_to_streamlit(frontend, path):
    assert "content-encoding" not in fetch(frontend, path, "gzip").headers


def test_each_file_is_compressed_once(monkeypatch):
    calls = []
    monkeypatch.setattr(gzip, "compress", lambda content: calls.append(content) or b"small")
    compression._compressed.cache_clear()
    for _ in range(3):
        assert compression._compressed(Compression(None).files[SCRIPT]) == b"small"
    assert len(calls) == 1
    compression._compressed.cache_clear()

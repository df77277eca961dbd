"""The backend's client, against the real backend and against what may stand in its place."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import uuid4

import pytest
from conftest import connect, free_port
from drawings import blank, picture

import api

PNG = "image/png"


def test_prediction_is_complete(backend):
    prediction = api.predict(picture(7), PNG)
    assert prediction.digit == 7
    assert len(prediction.probabilities) == 10
    assert prediction.preview.startswith("data:image/png;base64,")


def test_explanation_covers_the_preview(backend):
    relevance = api.explain(picture(3), PNG).relevance
    assert [len(row) for row in relevance] == [28] * 28


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_kind_of_picture_is_read(backend, kind):
    assert api.predict(picture(4, kind), f"image/{kind.lower()}").digit == 4


@pytest.mark.parametrize(("data", "name"), [(blank(), "BlankImage"), (b"no picture", "NotAnImage")])
def test_what_cannot_be_read_is_refused_in_a_sentence(backend, data, name):
    with pytest.raises(api.Refused, match=r"\w+ \w+ .*\.") as refusal:
        api.predict(data, PNG)
    assert refusal.value.name == name


def test_same_key_stores_once(backend):
    key = uuid4()
    first = api.store(picture(7), PNG, "7", key)
    assert first == api.store(picture(7), PNG, "7", key)
    assert api.submissions(limit=5).items == [first]
    with pytest.raises(api.Refused) as refusal:
        api.store(picture(7), PNG, "1", key)
    assert refusal.value.name == "KeyReused"


def test_stored_picture_comes_back(backend):
    submission = api.store(picture(7), PNG, "none", uuid4())
    assert submission.true_label is None
    assert submission.correct is None
    assert api.submission_image(submission.id).startswith(b"\x89PNG")


def test_only_its_key_takes_a_submission_back(backend):
    key = uuid4()
    submission = api.store(picture(7), PNG, "7", key)
    with pytest.raises(api.Refused):
        api.take_back(submission.id, uuid4())
    api.take_back(submission.id, key)
    assert api.submissions(limit=5).items == []
    with pytest.raises(api.Refused) as refusal:
        api.take_back(submission.id, key)
    assert refusal.value.name == "SubmissionNotFound"


def test_statistics_count(backend):
    api.store(picture(7), PNG, "7", uuid4())
    api.store(picture(7), PNG, "1", uuid4())
    figures = api.statistics()
    assert (figures.total, figures.correct, figures.accuracy) == (2, 1, 0.5)
    assert figures.confusion_matrix[1][7] == 1


def test_restarted_backend_is_found_again(backend):
    api.predict(picture(7), PNG)
    backend.stop()
    with pytest.raises(api.Unreachable):
        api.predict(picture(7), PNG)
    backend.start()
    assert api.predict(picture(7), PNG).digit == 7


def test_absent_database_is_told_from_an_absent_backend(backend_without_database, monkeypatch):
    connect(monkeypatch, backend_without_database)
    assert api.predict(picture(7), PNG).digit == 7
    with pytest.raises(api.DatabaseAway):
        api.store(picture(7), PNG, "7", uuid4())
    with pytest.raises(api.DatabaseAway):
        api.statistics()


def test_dead_port_is_unreachable_at_once(monkeypatch):
    connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
    start = time.monotonic()
    with pytest.raises(api.Unreachable):
        api.statistics()
    assert time.monotonic() - start < 2


def test_silent_backend_is_given_up(monkeypatch):
    monkeypatch.setattr(api, "TIMEOUT_S", (1, 0.3))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connect(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(api.Unreachable):
            api.predict(picture(7), PNG)


@pytest.mark.parametrize("status", [200, 404, 502])
def test_stranger_on_the_port_is_no_backend(monkeypatch, status):
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connect(monkeypatch, f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(api.Unreachable):
            api.statistics()
        server.shutdown()


@pytest.mark.parametrize(
    ("url", "port", "base"),
    [
        ("http://backend:8000/", "", "http://backend:8000"),
        ("", "8123", "http://127.0.0.1:8123"),
        ("http://elsewhere", "8123", "http://elsewhere"),
    ],
)
def test_empty_settings_count_as_not_set(monkeypatch, url, port, base):
    monkeypatch.setenv("BACKEND_URL", url)
    monkeypatch.setenv("BACKEND_PORT", port)
    assert api.Settings(_env_file=None).base_url == base

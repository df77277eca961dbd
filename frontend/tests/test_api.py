"""The backend's client, against the real backend and against what may stand in its place."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import uuid4

import calls
import pytest
import requests
from candidates import REFUSED, store_candidate
from conftest import ADMIN_TOKEN, connect, free_port
from drawings import blank, picture

import api

PNG = "image/png"


@pytest.mark.parametrize(("data", "name"), [(blank(), "BlankImage"), (b"no picture", "NotAnImage")])
def test_what_cannot_be_read_is_refused_in_a_sentence(backend, data, name):
    with pytest.raises(api.Refused, match=r"\w+ \w+ .*\.") as refusal:
        calls.predict(data, PNG)
    assert refusal.value.name == name


def test_same_key_stores_once(backend):
    key = uuid4()
    first = calls.store(picture(7), PNG, "7", key)
    assert first == calls.store(picture(7), PNG, "7", key)
    assert api.submissions(limit=5).items == [first]
    with pytest.raises(api.Refused) as refusal:
        calls.store(picture(7), PNG, "1", key)
    assert refusal.value.name == "KeyReused"


def test_stored_picture_comes_back(backend):
    submission = calls.store(picture(7), PNG, "none", uuid4())
    assert submission.true_label is None
    assert submission.correct is None
    assert api.submission_image(submission.id).startswith(b"\x89PNG")


def store(digit: int, label: str):
    return calls.store(picture(digit), PNG, label, uuid4())


def labels(**query) -> list[int | None]:
    return [each.true_label for each in api.submissions(10, **query).items]


@pytest.fixture
def four(backend) -> list:
    """Two that are read as they were meant, and two that are not."""
    return [store(7, "7"), store(7, "1"), store(3, "3"), store(4, "none")]


def test_filters_and_orders_arrive(four):
    assert labels() == [None, 3, 1, 7]
    assert labels(digit="none") == [None]
    assert labels(predicted="7") == [1, 7]
    assert labels(correct=True, order="newest") == [3, 7]
    assert labels(order="mislabelled") == [1]
    assert labels(status="approved") == []
    assert labels(unsure=False, model=four[0].model, digit="7") == [7]


def test_pages_follow_each_other(four):
    first = api.submissions(3)
    second = api.submissions(3, first.next_cursor)
    assert [each.id for each in first.items + second.items] == [each.id for each in reversed(four)]
    assert second.next_cursor is None


def test_only_the_right_token_is_one(backend):
    api.check_token(ADMIN_TOKEN)
    for wrong in ("", "wrong", "wröng", "日本"):
        with pytest.raises(api.Refused) as refusal:
            api.check_token(wrong)
        assert refusal.value.name == ("WrongToken" if wrong else "TokenMissing")


def test_many_change_at_once(four, postgres):
    ids = [each.id for each in four[:2]]
    assert api.change(ids, ADMIN_TOKEN, label="7", status="approved") == len(ids)
    api.change([four[3].id], ADMIN_TOKEN, status="rejected")
    assert labels(status="approved") == [7, 7]
    assert postgres.rows("SELECT true_label FROM submissions WHERE status = 'rejected'") == [{"true_label": None}]
    assert api.delete(ids, ADMIN_TOKEN) == len(ids)
    assert api.change(ids, ADMIN_TOKEN, status="approved") == api.delete(ids, ADMIN_TOKEN) == 0
    assert labels() == [None, 3]
    with pytest.raises(api.Refused):
        api.delete(ids, "wrong")


def test_export_comes_back(four):
    before = api.submissions(10).items
    archive = api.export(ADMIN_TOKEN)
    api.delete([each.id for each in four[1:]], ADMIN_TOKEN)
    done = api.import_archive(archive, ADMIN_TOKEN)
    assert (done.imported, done.skipped) == (3, 1)
    assert api.submissions(10).items == before
    assert api.import_archive(api.export(ADMIN_TOKEN, digit="3"), ADMIN_TOKEN).skipped == 1


def test_what_is_no_export_is_refused(backend):
    with pytest.raises(api.Refused) as refusal:
        api.import_archive(b"no ZIP", ADMIN_TOKEN)
    assert refusal.value.name == "BadArchive"


def test_export_too_large_for_a_page_is_not_kept(four, monkeypatch):
    monkeypatch.setattr(api, "MAX_EXPORT", 100)
    with pytest.raises(api.Refused, match="too large"):
        api.export(ADMIN_TOKEN)


def test_visitors_see_what_the_backend_shows_them(shy_backend, monkeypatch):
    key = uuid4()
    mine = calls.store(picture(7), PNG, "7", key)
    store(3, "3")
    api.change([store(4, "4").id], ADMIN_TOKEN, status="approved")
    connect(monkeypatch, shy_backend.url)
    assert labels() == [4]
    assert api.submission_image(mine.id, key).startswith(b"\x89PNG")
    with pytest.raises(api.Refused):
        api.submission_image(mine.id)
    assert api.statistics().total == 1
    assert api.statistics(ADMIN_TOKEN).total == 3


def test_token_is_refused_where_there_is_none(backend_without_database, monkeypatch):
    connect(monkeypatch, backend_without_database)
    with pytest.raises(api.Refused) as refusal:
        api.check_token(ADMIN_TOKEN)
    assert refusal.value.name == "AdminDisabled"


def test_promotion_is_seen_at_once(shipped_model, postgres):
    version = store_candidate(postgres, REFUSED)
    with pytest.raises(api.Refused) as refusal:
        api.promote(version, ADMIN_TOKEN, "", overrule=False)
    assert refusal.value.name == "GateNotPassed"
    done = api.promote(version, ADMIN_TOKEN, "a try", overrule=True)
    assert (done.model, done.previous, done.overruled) == (version, shipped_model, True)
    assert [model.version for model in api.models() if model.serving] == [version]
    assert api.promotions() == [done]
    with pytest.raises(api.Refused) as refusal:
        api.promote(version, ADMIN_TOKEN, "", overrule=False)
    assert refusal.value.name == "AlreadyServing"


def test_statistics_count(backend):
    calls.store(picture(7), PNG, "7", uuid4())
    calls.store(picture(7), PNG, "1", uuid4())
    figures = api.statistics()
    assert (figures.total, figures.correct, figures.accuracy) == (2, 1, 0.5)
    assert figures.confusion_matrix[1][7] == 1


def test_restarted_backend_is_found_again(backend):
    calls.predict(picture(7), PNG)
    backend.stop()
    with pytest.raises(api.Unreachable):
        calls.predict(picture(7), PNG)
    backend.start()
    assert calls.predict(picture(7), PNG).digit == 7


def test_absent_database_is_distinguished_from_an_absent_backend(backend_without_database, monkeypatch):
    connect(monkeypatch, backend_without_database)
    assert calls.predict(picture(7), PNG).digit == 7
    with pytest.raises(api.DatabaseAway):
        calls.store(picture(7), PNG, "7", uuid4())
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
            calls.predict(picture(7), PNG)


def test_full_storage_is_no_failure_but_a_refusal_with_its_reason():
    answer = requests.Response()
    answer.status_code, answer._content = 507, b'{"error": "StorageFull", "detail": "No more."}'
    problem = api._problem(answer)
    assert (type(problem), problem.name, str(problem)) == (api.Refused, "StorageFull", "No more.")


def test_backend_that_is_busy_says_so_itself():
    """Not that it cannot be reached."""
    answer = requests.Response()
    answer.status_code, answer._content = 503, b'{"error": "Busy", "detail": "In a few seconds."}'
    problem = api._problem(answer)
    assert (type(problem), problem.name, str(problem)) == (api.Refused, "Busy", "In a few seconds.")


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

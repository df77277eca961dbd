"""The Statistics view, on a real backend."""

import re
from uuid import uuid4

import calls
import pytest
import streamlit as st
from conftest import ADMIN_TOKEN, connect, free_port
from drawings import picture
from pages import text
from streamlit.testing.v1 import AppTest

import api

ANSWER = """INSERT INTO predictions (created_at, model, digit, confidence, unsure, milliseconds)
            SELECT now(), %s, 3, %s, """


def headlines(page: AppTest) -> list[str]:
    html = " ".join(element.proto.body for element in page.get("html"))
    return re.findall("<h2>(.*?)</h2>", html)


@pytest.fixture
def statistics(page) -> AppTest:
    st.cache_data.clear()
    page.run()
    page.switch_page("views/statistics.py")
    return page


def test_empty_statistics_say_what_to_do(backend, statistics):
    statistics.run()
    assert not statistics.exception
    assert "Nothing here yet" in text(statistics)
    assert [link.proto.label for link in statistics.get("page_link")][-1] == "Draw the first digit"


def test_figures_charts_and_pictures_are_shown(backend, statistics):
    for label in ("7", "7", "1", "none"):
        calls.store(picture(7), "image/png", label, uuid4())
    statistics.run()
    assert not statistics.exception
    assert "66.7% of 3 digits read correctly 95% interval: 20.8% to 93.9% 4 sketches 1 of them not a digit" in text(
        statistics
    )
    assert len(statistics.get("vega_lite_chart")) >= 5
    *_, gallery = [html.proto.body for html in statistics.get("html") if 'class="gallery"' in html.proto.body]
    assert gallery.count("data:image/png;base64,iVBOR") == 4
    assert gallery.count(">not a digit<") == 1
    assert gallery.count('class="wrong"') == 1


def test_false_alarms_are_counted_and_shown(backend, statistics):
    calls.store(picture(7), "image/png", "none", uuid4())
    calls.store(picture(4), "image/png", "none", uuid4())
    statistics.run()
    assert "2 of 2 sketches without a digit** were read as one" in text(statistics)
    assert "taken for 4 (1), 7 (1)." in text(statistics)
    alarms, _latest = [html.proto.body for html in statistics.get("html") if 'class="gallery"' in html.proto.body]
    assert alarms.count(">not a digit<") == 2
    assert "All of them in the Gallery" in [link.proto.label for link in statistics.get("page_link")]


def test_refusal_of_one_visitor_is_not_shared(backend, statistics, monkeypatch):
    def refuse(token):
        raise api.Refused("Too many at once.")

    calls.store(picture(7), "image/png", "7", uuid4())
    with monkeypatch.context() as patched:
        patched.setattr(api, "statistics", refuse)
        assert "Too many at once." in statistics.run().warning[0].value
    assert not statistics.run().warning


def test_visitors_share_what_was_found_for_a_moment_and_a_reviewer_sees_the_latest(backend, statistics):
    calls.store(picture(7), "image/png", "7", uuid4())
    assert "1 sketch " in text(statistics.run())
    calls.store(picture(7), "image/png", "7", uuid4())
    assert "1 sketch " in text(statistics.run())
    statistics.session_state["admin-token"] = ADMIN_TOKEN
    assert "2 sketches" in text(statistics.run())


def test_reviewer_sees_what_visitors_do_not_and_is_signed_out_with_a_wrong_token(shy_backend, statistics, monkeypatch):
    calls.store(picture(7), "image/png", "7", uuid4())
    connect(monkeypatch, shy_backend.url)
    assert "Nothing here yet" in text(statistics.run())
    statistics.session_state["admin-token"] = ADMIN_TOKEN
    assert "1 sketch " in text(statistics.run())
    [gallery] = [html.proto.body for html in statistics.get("html") if 'class="gallery"' in html.proto.body]
    assert "data:image/png;base64" in gallery
    statistics.session_state["admin-token"] = "another"
    assert "Nothing here yet" in text(statistics.run())
    assert "admin-token" not in statistics.session_state


def test_frequent_mistakes_lead_to_their_sketches(backend, statistics):
    for label in ("1", "1", "4"):
        calls.store(picture(7), "image/png", label, uuid4())
    statistics.run()
    links = {link.proto.label: link.proto.query_string for link in statistics.get("page_link")}
    assert links["1 read as 7 (2)"] == "meant=1&read=7&status=Not+rejected"
    assert links["4 read as 7 (1)"] == "meant=4&read=7&status=Not+rejected"


def test_accuracy_is_shown_by_day_and_by_model(backend, statistics):
    calls.store(picture(7), "image/png", "7", uuid4())
    statistics.run()
    assert {"Accuracy by day", "Accuracy by model"} <= set(headlines(statistics))


def test_answers_are_watched_before_anybody_labels_one(backend, statistics, postgres):
    postgres.rows("TRUNCATE predictions")
    statistics.run()
    assert "Unsure answers" not in headlines(statistics)
    postgres.rows(ANSWER + "true, 1", ("a", 0.5))
    st.cache_data.clear()
    statistics.run()
    assert not statistics.exception
    assert "Unsure answers" in headlines(statistics)
    assert "Too early to tell" in text(statistics)
    assert "1 answer is in the log, 100.0% of them unsure." in text(statistics)


def test_drift_is_reported_with_its_number(backend, statistics, postgres, shipped_model):
    postgres.rows("TRUNCATE predictions")
    postgres.rows(ANSWER + "false, 1 FROM generate_series(1, 500)", (shipped_model, 0.95))
    counts = [0] * 9 + [500]
    postgres.rows(
        "UPDATE models SET reference = %s, reference_end = (SELECT max(id) FROM predictions) WHERE version = %s",
        (counts, shipped_model),
    )
    postgres.rows(ANSWER + "false, 1 FROM generate_series(1, 500)", (shipped_model, 0.55))
    statistics.run()
    postgres.rows("UPDATE models SET reference = NULL, reference_end = NULL")
    assert "Much change: the model is less sure" in text(statistics)
    assert "The latest 500 sketches against the first 500." in text(statistics)


def test_only_things_that_are_no_digits_make_no_accuracy(backend, statistics):
    calls.store(picture(7), "image/png", "none", uuid4())
    statistics.run()
    assert not statistics.exception
    assert "– of 0 digits read correctly nothing to count yet" in text(statistics)


def test_absent_backend_is_reported(statistics, monkeypatch):
    connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
    statistics.run()
    assert not statistics.exception
    assert "The recogniser does not answer right now." in text(statistics)


def test_absent_database_is_reported(backend_without_database, statistics, monkeypatch):
    connect(monkeypatch, backend_without_database)
    statistics.run()
    assert "The database is away right now." in text(statistics)

"""The Statistics view, on a real backend."""

from uuid import uuid4

import pytest
from conftest import connect, free_port
from drawings import picture
from pages import text
from streamlit.testing.v1 import AppTest

import api


@pytest.fixture
def statistics(page) -> AppTest:
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
        api.store(picture(7), "image/png", label, uuid4())
    statistics.run()
    assert not statistics.exception
    assert "66.7% read right 4 sketches 1 not a digit" in text(statistics)
    assert len(statistics.get("vega_lite_chart")) == 3
    [gallery] = [html.proto.body for html in statistics.get("html") if 'class="gallery"' in html.proto.body]
    assert gallery.count("data:image/png;base64,iVBOR") == 4
    assert gallery.count("not a digit") == 1
    assert gallery.count('class="wrong"') == 1


def test_only_things_that_are_no_digits_make_no_accuracy(backend, statistics):
    api.store(picture(7), "image/png", "none", uuid4())
    statistics.run()
    assert not statistics.exception
    assert "– read right" in text(statistics)


def test_absent_backend_is_told(statistics, monkeypatch):
    connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
    statistics.run()
    assert not statistics.exception
    assert "The recogniser does not answer right now." in text(statistics)


def test_absent_database_is_told(backend_without_database, statistics, monkeypatch):
    connect(monkeypatch, backend_without_database)
    statistics.run()
    assert "The database is away right now." in text(statistics)

"""The Draw view, on a real backend. AppTest cannot draw, so everything goes in as a picture file."""

import time
from types import SimpleNamespace

import pytest
from conftest import connect, free_port
from drawings import blank, picture
from pages import keys, press, text
from streamlit.testing.v1 import AppTest

import api
from desk import UNDO_FOR_S, UPLOAD

LABELS = [*(f"label-{digit}" for digit in range(10)), "label-none"]


def upload(page: AppTest, data: bytes, name: str = "digit.png") -> AppTest:
    page.run()
    page.segmented_control(key="mode").set_value(UPLOAD).run()
    page.file_uploader[0].set_value((name, data, "image/png")).run()
    assert not page.exception
    return page


def enabled(page: AppTest) -> list[str]:
    return [key for key in LABELS if not page.button(key=key).disabled]


def test_empty_page_invites_and_offers_nothing_to_store(page):
    page.run()
    assert not page.exception
    assert "Draw a digit" in text(page)
    assert enabled(page) == []


def test_picture_is_read_at_once(backend, page):
    upload(page, picture(7))
    assert "That’s a 7" in text(page)
    assert enabled(page) == LABELS
    assert api.statistics().total == 0  # nothing is stored before the click


def test_one_click_stores_and_clears_the_desk(backend, page, postgres):
    press(upload(page, picture(7)), "label-7")
    assert "Stored: you meant 7, the model read 7." in text(page)
    assert "Your sketches" in text(page)
    assert enabled(page) == []
    assert page.file_uploader
    [row] = postgres.rows("SELECT * FROM submissions")
    assert (row["true_label"], row["prediction"], row["correct"]) == (7, 7, True)


def test_not_a_digit_is_stored_as_such(backend, page, postgres):
    press(upload(page, picture(7)), "label-none")
    assert "it is not a digit" in text(page)
    assert postgres.rows("SELECT true_label FROM submissions") == [{"true_label": None}]


def test_undo_takes_back_and_puts_back(backend, page):
    press(upload(page, picture(7)), "label-1")
    press(page, "take-back")
    assert api.statistics().total == 0
    assert "That’s a 7" in text(page)
    assert "Stored" not in text(page)
    press(page, "label-7")
    [submission] = api.submissions(limit=5).items
    assert submission.true_label == 7


def test_undo_goes_back_one_by_one(backend, page):
    for digit in (3, 4):
        press(upload(page, picture(digit)), f"label-{digit}")
    press(page, "take-back")
    assert "you meant 3" in text(page)
    press(page, "take-back")
    assert api.statistics().total == 0


def test_undo_is_offered_for_ten_minutes(backend, page, monkeypatch):
    press(upload(page, picture(7)), "label-7")
    later = time.monotonic() + UNDO_FOR_S + 1
    monkeypatch.setattr("desk.time", SimpleNamespace(monotonic=lambda: later))
    assert "take-back" not in keys(page.run())


def test_undo_after_the_backend_forgot_is_refused_in_words(backend, page, postgres):
    press(upload(page, picture(7)), "label-7")
    postgres.rows("UPDATE submissions SET created_at = created_at - interval '11 minutes'")
    press(page, "take-back")
    assert "too late" in text(page)
    assert "take-back" not in keys(page)
    assert api.statistics().total == 1


def test_blank_picture_is_explained(backend, page):
    upload(page, blank())
    assert "I can’t read this" in text(page)
    assert "no ink" in text(page)
    assert enabled(page) == []


def test_file_that_is_no_picture_is_explained(backend, page):
    upload(page, b"just text")
    assert "I can’t read this" in text(page)
    press(page, "drop")
    assert page.file_uploader


def test_file_that_was_taken_is_not_taken_twice(backend, page):
    upload(page, picture(7))
    desk = page.session_state["desk"]
    taken = desk.upload
    desk.take_file()  # as when the next click interrupts the run that would have emptied the widget
    assert desk.upload is taken


def test_unsure_answer_is_not_shouted(backend, page, monkeypatch):
    real = api.predict

    def hesitant(data, content_type):
        probabilities = [0.02] * 10
        probabilities[3], probabilities[8] = 0.44, 0.4
        change = {"digit": 3, "confidence": 0.44, "unsure": True, "probabilities": probabilities}
        return real(data, content_type).model_copy(update=change)

    monkeypatch.setattr("api.predict", hesitant)
    upload(page, picture(3, side=281))
    assert "I’m not sure" in text(page)
    assert "Maybe a 3 (44%) or an 8 (40%)" in text(page)
    assert "That’s" not in text(page)


def test_explanation_is_shown_on_request(backend, page):
    upload(page, picture(4))
    assert "what I see" in text(page)
    page.toggle(key="explain").set_value(True).run()
    assert not page.exception
    assert "for it · against" in text(page)


def test_absent_backend_is_told_and_the_picture_kept(backend, page, monkeypatch):
    connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
    upload(page, picture(7, side=300))  # a size of its own: the others' answers are in the page's cache
    assert "The recogniser does not answer right now. Your drawing is safe" in text(page)
    assert enabled(page) == []
    connect(monkeypatch, backend.url)
    assert "That’s a 7" in text(page.run())


def test_backend_lost_before_the_click_loses_nothing(backend, page, monkeypatch):
    upload(page, picture(7))
    connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
    press(page, "label-7")
    assert "Nothing is lost" in text(page)
    connect(monkeypatch, backend.url)
    press(page, "label-7")
    assert "Stored: you meant 7" in text(page)
    assert "Nothing is lost" not in text(page)


def test_without_database_it_reads_and_says_that_it_cannot_store(backend_without_database, page, monkeypatch):
    connect(monkeypatch, backend_without_database)
    press(upload(page, picture(7, side=310)), "label-7")
    assert "The database is away right now. Nothing is lost" in text(page)
    assert "That’s a 7" in text(page)


@pytest.fixture
def lost_answer(monkeypatch):
    """The next submission arrives, but not its answer."""
    real = api.store

    def lose(*arguments):
        monkeypatch.setattr("api.store", real)
        real(*arguments)
        raise api.Unreachable

    monkeypatch.setattr("api.store", lose)


def test_second_click_after_a_lost_answer_stores_once(backend, page, lost_answer):
    press(press(upload(page, picture(7)), "label-7"), "label-7")
    assert "Stored: you meant 7" in text(page)
    assert api.statistics().total == 1


def test_other_label_after_a_lost_answer_tells_what_is_stored(backend, page, lost_answer):
    press(press(upload(page, picture(7)), "label-1"), "label-7")
    assert "Stored: you meant 1" in text(page)
    assert api.statistics().total == 1

"""The Gallery view, on a real backend. AppTest cannot click on a sketch; a browser does that in test_browser.py."""

from uuid import uuid4

import pytest
from conftest import ADMIN_TOKEN, connect, free_port
from drawings import picture
from pages import keys, text, tiles
from streamlit.testing.v1 import AppTest

import admin
import api
import review


@pytest.fixture
def gallery(page) -> AppTest:
    page.run()
    page.switch_page("views/gallery.py")
    return page


@pytest.fixture
def four(backend) -> list:
    """Two that are read as they were meant, and two that are not."""
    return [store(7, "7"), store(7, "1"), store(3, "3"), store(4, "none")]


def store(digit: int, label: str):
    return api.store(picture(digit), "image/png", label, uuid4())


def run(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def sign_in(page: AppTest, token: str = ADMIN_TOKEN) -> AppTest:
    run(page)
    page.text_input(key="admin-entry").set_value(token)
    return press(page, "Sign in")


def press(page: AppTest, button: str) -> AppTest:
    """By its key; those of a form have none."""
    [found] = [each for each in page.button if button in (each.key, each.label)]
    found.click().run()
    assert not page.exception
    return page


def choose(page: AppTest, key: str, option: str) -> AppTest:
    page.selectbox(key=key).set_value(option).run()
    assert not page.exception
    return page


def meant(page: AppTest) -> list[str]:
    """What the sketches that are shown were meant to be."""
    return [tile.split("<figcaption>")[1].split("<br>")[0].replace("meant ", "") for tile in tiles(page)]


def statuses(postgres) -> list[str]:
    return [row["status"] for row in postgres.rows("SELECT status FROM submissions ORDER BY created_at DESC")]


def test_empty_gallery_says_what_to_do(backend, gallery):
    run(gallery)
    assert "Nothing here yet" in text(gallery)
    assert [link.proto.label for link in gallery.get("page_link")][-1] == "Draw the first digit"


def test_newest_comes_first_with_all_that_is_known(four, gallery):
    run(gallery)
    assert meant(gallery) == ["not a digit", "<b>3</b>", "<b>1</b>", "<b>7</b>"]
    wrong = tiles(gallery)[2]
    assert 'class="pending wrong"' in wrong
    assert "read <b>7</b>" in wrong
    assert "%" in wrong
    assert four[1].model in wrong
    assert all("data:image/png;base64,iVBOR" in tile for tile in tiles(gallery))


def test_filters_leave_what_fits(four, gallery):
    run(gallery)
    assert meant(choose(gallery, "filter-digit", "Not a digit")) == ["not a digit"]
    choose(gallery, "filter-digit", "All")
    assert meant(choose(gallery, "filter-correct", "Wrong")) == ["<b>1</b>"]
    choose(gallery, "filter-status", "Approved")
    assert "No such sketch" in text(gallery)
    assert len(meant(press(gallery, "show-all"))) == 4
    choose(gallery, "filter-model", four[0].model)
    assert meant(choose(gallery, "filter-predicted", "3")) == ["<b>3</b>"]


def test_likeliest_mislabelled_come_first_on_request(four, gallery):
    assert meant(choose(run(gallery), "order", "Likeliest mislabelled")) == ["<b>1</b>"]


def test_pages_are_turned_there_and_back(four, gallery, monkeypatch):
    monkeypatch.setattr(review, "PAGE", 3)
    run(gallery)
    assert len(meant(gallery)) == 3
    assert meant(press(gallery, "older")) == ["<b>7</b>"]
    assert "Page 2" in text(gallery)
    assert gallery.button(key="older").disabled
    assert len(meant(press(gallery, "newer"))) == 3
    assert gallery.button(key="newer").disabled
    assert len(meant(press(gallery, "older"))) == 1
    assert meant(choose(gallery, "filter-digit", "3")) == ["<b>3</b>"]  # from its first page on
    assert "older" not in keys(gallery)


def test_page_that_was_emptied_gives_way_to_the_one_before(four, gallery, monkeypatch):
    monkeypatch.setattr(review, "PAGE", 3)
    press(sign_in(gallery), "older")
    for button in ("select-all", "delete", "delete-now"):
        press(gallery, button)
    assert len(meant(gallery)) == 3


def test_visitor_can_change_nothing(four, gallery):
    run(gallery)
    assert not {"approve", "delete", "select-all", "export"} & keys(gallery)
    assert not any("data-id" in tile for tile in tiles(gallery))


def test_wrong_token_is_told_and_kept_nowhere(four, gallery):
    sign_in(gallery, "not-the-token")
    assert "This is not the admin token of this server." in text(gallery)
    assert "approve" not in keys(gallery)
    assert gallery.text_input(key="admin-entry").value == ""
    assert admin.TOKEN not in gallery.session_state


def test_disabled_review_is_told(shy_backend, gallery, monkeypatch):
    connect(monkeypatch, shy_backend.url)
    sign_in(gallery)
    assert "No ADMIN_TOKEN is set on this server" in text(gallery)


def test_visitors_see_what_was_approved_and_the_token_shows_all(four, backend, gallery, shy_backend, monkeypatch):
    api.change([four[2].id], ADMIN_TOKEN, status="approved")
    connect(monkeypatch, shy_backend.url)
    assert meant(run(gallery)) == ["<b>3</b>"]
    connect(monkeypatch, backend.url)
    assert len(meant(sign_in(gallery))) == 4
    assert "approve" not in keys(press(gallery, "sign-out"))


def test_selected_are_approved_and_that_can_be_undone(four, gallery, postgres):
    press(sign_in(gallery), "select-all")
    assert "4 selected." in text(gallery)
    press(gallery, "approve")
    assert "4 sketches approved." in text(gallery)
    assert statuses(postgres) == ["approved"] * 4
    press(gallery, "undo-change")
    assert "4 sketches as before." in text(gallery)
    assert statuses(postgres) == ["pending"] * 4


def test_next_ones_come_when_these_no_longer_fit(four, gallery, postgres, monkeypatch):
    monkeypatch.setattr(review, "PAGE", 3)
    choose(sign_in(gallery), "filter-status", "Pending")
    press(press(gallery, "select-all"), "reject")
    assert statuses(postgres) == ["rejected"] * 3 + ["pending"]
    assert meant(gallery) == ["<b>7</b>"]
    assert "selected" not in text(gallery)


def test_relabelling_approves_and_is_undone_to_what_each_was(four, gallery, postgres):
    before = postgres.rows("SELECT id, true_label, status FROM submissions ORDER BY id")
    press(press(sign_in(gallery), "select-all"), "relabel-7")
    assert "4 sketches labelled 7 and approved." in text(gallery)
    rows = postgres.rows("SELECT true_label, status FROM submissions")
    assert rows == [{"true_label": 7, "status": "approved"}] * 4
    press(press(press(gallery, "undo-change"), "select-all"), "relabel-none")
    assert {row["true_label"] for row in postgres.rows("SELECT true_label FROM submissions")} == {None}
    press(gallery, "undo-change")
    assert postgres.rows("SELECT id, true_label, status FROM submissions ORDER BY id") == before


def test_delete_asks_first(four, gallery, postgres):
    press(press(sign_in(gallery), "select-all"), "delete")
    assert "Delete 4 sketches for ever?" in text(gallery)
    assert gallery.button(key="approve").disabled
    press(gallery, "keep")
    assert len(statuses(postgres)) == 4
    press(press(gallery, "delete"), "delete-now")
    assert statuses(postgres) == []
    assert "Nothing here yet" in text(gallery)


def test_nothing_selected_changes_nothing(four, gallery, postgres):
    sign_in(gallery)
    for key in ("approve", "relabel-3", "delete"):
        assert "Nothing is selected" in text(press(gallery, key))
    assert statuses(postgres) == ["pending"] * 4


def test_token_that_is_no_longer_right_makes_a_visitor(four, gallery, postgres):
    press(sign_in(gallery), "select-all")
    gallery.session_state[admin.TOKEN] = "changed meanwhile"
    press(gallery, "approve")
    assert statuses(postgres) == ["pending"] * 4
    run(gallery)
    assert "You are signed out." in text(gallery)
    assert len(meant(gallery)) == 4


def test_archive_goes_in_and_says_what_came_of_it(four, gallery, postgres):
    archive = api.export(ADMIN_TOKEN)
    postgres.rows("TRUNCATE submissions")
    sign_in(gallery)
    gallery.file_uploader[0].set_value(("labels.zip", archive, "application/zip")).run()
    assert "4 sketches imported." in text(gallery)
    assert len(meant(gallery)) == 4
    gallery.file_uploader[0].set_value(("labels.zip", archive, "application/zip")).run()
    assert "0 sketches imported. 4 sketches had been here already." in text(gallery)
    gallery.file_uploader[0].set_value(("labels.zip", b"no ZIP", "application/zip")).run()
    assert not gallery.exception
    assert "Nothing was imported. This is no ZIP" in text(gallery)


def test_absent_backend_is_told(gallery, monkeypatch):
    connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
    run(gallery)
    assert "The recogniser does not answer right now." in text(gallery)


def test_absent_database_is_told(backend_without_database, gallery, monkeypatch):
    connect(monkeypatch, backend_without_database)
    run(gallery)
    assert "The database is away right now. The sketches come back by themselves." in text(gallery)


def test_backend_lost_before_the_click_keeps_the_selection(four, backend, gallery, postgres, monkeypatch):
    press(sign_in(gallery), "select-all")
    connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
    press(gallery, "approve")
    connect(monkeypatch, backend.url)
    run(gallery)
    press(gallery, "approve")
    assert statuses(postgres) == ["approved"] * 4

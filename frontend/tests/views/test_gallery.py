"""The Gallery view, on a real backend. AppTest cannot click on a sketch; a browser does that in test_browser.py."""

import json
import re
from uuid import uuid4

import calls
import pytest
from candidates import start_race
from conftest import ADMIN_TOKEN, connect, free_port
from drawings import picture
from pages import keys, text, tiles
from streamlit.testing.v1 import AppTest

import api
from common import admin, pieces
from gallery import one_by_one, review


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
    return calls.store(picture(digit), "image/png", label, uuid4())


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


def do(page: AppTest, activity: str) -> AppTest:
    """As somebody who is signed in."""
    sign_in(page).segmented_control(key="activity").set_value(activity).run()
    assert not page.exception
    return page


def select(page: AppTest) -> AppTest:
    return do(page, "Select")


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
    assert 'aria-label="A sketch of a 1, read as 7, pending"' in wrong
    assert "read <b>7</b>" in wrong
    assert "%" in wrong
    assert four[1].model in wrong
    assert all("data:image/png;base64,iVBOR" in tile for tile in tiles(gallery))


def test_what_was_reviewed_is_marked_and_what_is_pending_is_not(four, gallery):
    api.change([four[3].id], ADMIN_TOKEN, status="approved")
    assert [tile.count('class="mark"') for tile in tiles(run(gallery))] == [1, 0, 0, 0]


def test_unsure_reading_is_called_so(four, gallery, postgres):
    postgres.rows("UPDATE submissions SET unsure = (id = %s)", [four[2].id])
    assert [tile.count("<i>unsure:</i> <b>3</b>") for tile in tiles(run(gallery))] == [0, 1, 0, 0]


def test_filters_leave_what_fits(four, gallery):
    run(gallery)
    assert meant(choose(gallery, "meant", "Not a digit")) == ["not a digit"]
    choose(gallery, "meant", "All")
    assert meant(choose(gallery, "answer", "Wrong")) == ["<b>1</b>"]
    choose(gallery, "status", "Approved")
    assert "No sketches match these filters" in text(gallery)
    assert len(meant(press(gallery, "show-all"))) == 4
    choose(gallery, "model", four[0].model)
    assert meant(choose(gallery, "read", "3")) == ["<b>3</b>"]


def test_likeliest_mislabelled_come_first_on_request(four, gallery):
    assert meant(choose(run(gallery), "order", "Likeliest mislabelled")) == ["<b>1</b>"]


def test_pages_are_turned_there_and_back(four, gallery, monkeypatch):
    monkeypatch.setattr(review, "PAGE", 3)
    run(gallery)
    assert len(meant(gallery)) == 3
    assert meant(press(gallery, "older")) == ["<b>7</b>"]
    assert "4 sketches, newest first. Page 2 of 2." in text(gallery)
    assert gallery.button(key="older").disabled
    assert len(meant(press(gallery, "newer"))) == 3
    assert gallery.button(key="newer").disabled
    assert len(meant(press(gallery, "older"))) == 1
    assert meant(choose(gallery, "meant", "3")) == ["<b>3</b>"]  # from its first page on
    assert "older" not in keys(gallery)


def test_page_that_was_emptied_gives_way_to_the_one_before(four, gallery, monkeypatch):
    monkeypatch.setattr(review, "PAGE", 3)
    press(select(gallery), "older")
    for button in ("select-all", "delete", "delete-now"):
        press(gallery, button)
    assert len(meant(gallery)) == 3


def test_visitor_can_change_nothing(four, gallery):
    run(gallery)
    assert not {"approve", "delete", "select-all", "export"} & keys(gallery)
    assert all('role="button"' in tile for tile in tiles(gallery))  # opens large
    assert not gallery.get("file_uploader")


def test_wrong_token_is_reported_and_kept_nowhere(four, gallery):
    sign_in(gallery, "not-the-token")
    assert "This is not the admin token of this server." in text(gallery)
    assert "approve" not in keys(gallery)
    assert gallery.text_input(key="admin-entry").value == ""
    assert admin.TOKEN not in gallery.session_state


def test_disabled_review_is_reported(backend_without_database, gallery, monkeypatch):
    connect(monkeypatch, backend_without_database)
    sign_in(gallery)
    assert "No ADMIN_TOKEN is set on this server" in text(gallery)


def test_visitors_see_what_was_approved_and_the_token_shows_all(four, gallery, shy_backend, monkeypatch):
    api.change([four[2].id], ADMIN_TOKEN, status="approved")
    connect(monkeypatch, shy_backend.url)
    assert meant(run(gallery)) == ["<b>3</b>"]
    assert len(meant(sign_in(gallery))) == 4
    assert "approve" not in keys(press(gallery, "sign-out"))


def test_selected_are_approved_and_that_can_be_undone(four, gallery, postgres):
    press(select(gallery), "select-all")
    assert "4 selected." in text(gallery)
    press(gallery, "approve")
    assert "4 sketches approved." in text(gallery)
    assert statuses(postgres) == ["approved"] * 4
    press(gallery, "undo-change")
    assert "4 sketches as before." in text(gallery)
    assert statuses(postgres) == ["pending"] * 4


def test_sketches_that_were_deleted_meanwhile_are_not_counted(four, gallery, postgres):
    press(select(gallery), "select-all")
    postgres.rows("DELETE FROM submissions WHERE id = %s", [four[0].id])
    press(gallery, "approve")
    assert "3 sketches approved; 1 was deleted meanwhile." in text(gallery)
    press(gallery, "select-all")
    press(gallery, "delete")
    postgres.rows("DELETE FROM submissions WHERE id = ANY(%s)", [[four[1].id, four[2].id]])
    store(7, "7")  # for which the page stays
    press(gallery, "delete-now")
    assert "1 sketch deleted; 2 were deleted meanwhile." in text(gallery)


def test_next_ones_come_when_these_no_longer_fit(four, gallery, postgres, monkeypatch):
    monkeypatch.setattr(review, "PAGE", 3)
    choose(select(gallery), "status", "Pending")
    press(press(gallery, "select-all"), "reject")
    assert statuses(postgres) == ["rejected"] * 3 + ["pending"]
    assert meant(gallery) == ["<b>7</b>"]
    assert "selected" not in text(gallery)


def test_relabelling_approves_and_is_undone_to_what_each_was(four, gallery, postgres):
    before = postgres.rows("SELECT id, true_label, status FROM submissions ORDER BY id")
    press(press(select(gallery), "select-all"), "relabel-7")
    assert "4 sketches labelled 7 and approved." in text(gallery)
    rows = postgres.rows("SELECT true_label, status FROM submissions")
    assert rows == [{"true_label": 7, "status": "approved"}] * 4
    press(press(press(gallery, "undo-change"), "select-all"), "relabel-none")
    assert {row["true_label"] for row in postgres.rows("SELECT true_label FROM submissions")} == {None}
    press(gallery, "undo-change")
    assert postgres.rows("SELECT id, true_label, status FROM submissions ORDER BY id") == before


def test_delete_asks_first(four, gallery, postgres):
    press(press(select(gallery), "select-all"), "delete")
    [dialog] = gallery.get("dialog")
    assert dialog.proto.dialog.title == "Delete 4 sketches permanently?"
    assert gallery.button(key="approve").disabled
    press(gallery, "keep")
    assert len(statuses(postgres)) == 4
    press(press(gallery, "delete"), "delete-now")
    assert statuses(postgres) == []
    assert "Nothing here yet" in text(gallery)


def test_nothing_selected_changes_nothing(four, gallery, postgres):
    select(gallery)
    for key in ("approve", "relabel-3", "delete"):
        assert "Nothing is selected" in text(press(gallery, key))
    assert statuses(postgres) == ["pending"] * 4


def test_token_that_is_no_longer_right_makes_a_visitor(four, gallery, postgres):
    press(select(gallery), "select-all")
    gallery.session_state[admin.TOKEN] = "changed meanwhile"
    press(gallery, "approve")
    assert statuses(postgres) == ["pending"] * 4
    run(gallery)
    assert "You are signed out." in text(gallery)
    assert len(meant(gallery)) == 4


def upload(page: AppTest, *files: tuple[str, bytes, str], widget: int = 0) -> AppTest:
    page.file_uploader[widget].set_value(list(files)).run()
    assert not page.exception
    return page


def test_export_is_imported_after_it_was_shown_what_it_holds(four, gallery, postgres):
    archive = "labels.zip", api.export(ADMIN_TOKEN), "application/zip"
    postgres.rows("TRUNCATE submissions, race_readings")
    upload(do(gallery, "Files"), archive)
    assert "Found: 4 sketches" in text(gallery)
    assert "not a digit 1" in text(gallery)
    assert statuses(postgres) == []
    press(gallery, "import")
    assert "4 sketches imported." in text(gallery)
    assert len(statuses(postgres)) == 4
    upload(gallery, archive)
    assert "4 sketches of them are here already" in text(gallery)
    assert "import" not in keys(gallery)


def test_pictures_named_by_digit_are_imported_and_the_others_named(backend, gallery, postgres):
    pictures = [("7-anna.png", picture(7), "image/png"), ("3.jpg", picture(3, "JPEG"), "image/jpeg")]
    upload(do(gallery, "Files"), *pictures, ("anna.png", picture(4), "image/png"))
    assert "Found: 2 sketches" in text(gallery)
    assert "1 file is left out: anna.png : Neither its folder nor its name" in text(gallery)
    press(gallery, "import")
    rows = postgres.rows("SELECT true_label, prediction, status FROM submissions ORDER BY true_label")
    assert [tuple(row.values()) for row in rows] == [(3, 3, "pending"), (7, 7, "pending")]


def test_folder_is_imported_by_its_subfolders(backend, gallery, postgres):
    files = [("mine/4/a.png", picture(4), "image/png"), ("mine/none/a.png", picture(7), "image/png")]
    upload(do(gallery, "Files"), *files, widget=1)
    press(gallery, "import")
    rows = postgres.rows("SELECT true_label FROM submissions ORDER BY true_label")
    assert [row["true_label"] for row in rows] == [4, None]


def test_import_can_be_dropped(backend, gallery, postgres):
    upload(do(gallery, "Files"), ("7-anna.png", picture(7), "image/png"))
    press(gallery, "import-cancel")
    assert "Found" not in text(gallery)
    assert statuses(postgres) == []


def test_what_cannot_be_imported_is_reported(backend, gallery):
    do(gallery, "Files")
    upload(gallery, ("labels.zip", b"no ZIP", "application/zip"))
    assert "Nothing was imported. This is no ZIP" in text(gallery)
    upload(gallery, ("a.zip", b"PK", "application/zip"), ("7.png", picture(7), "image/png"))
    assert "one ZIP alone, or pictures" in text(gallery)
    upload(gallery, ("anna.png", picture(7), "image/png"))
    assert "Neither the labels.csv of an export was found, nor a picture whose folder or name" in text(gallery)
    kinds = [element.type for element in gallery.main]
    assert kinds.index("info") < kinds.index("file_uploader")


def test_filters_come_from_the_url(four, gallery):
    gallery.query_params["meant"] = "1"
    gallery.query_params["status"] = "Not rejected"
    assert meant(run(gallery)) == ["<b>1</b>"]
    assert gallery.selectbox(key="status").value == "Not rejected"


def test_queue_shows_what_is_pending(four, gallery):
    api.change([four[2].id], ADMIN_TOKEN, status="approved")
    do(gallery, "One by one")
    [component] = gallery.get("bidi_component")
    shown = json.loads(component.proto.json or component.proto.mixed.json)
    assert [(sketch["meant"], sketch["read"]) for sketch in shown["sketches"]] == [
        ("not a digit", "4"),
        ("1", "7"),
        ("7", "7"),
    ]
    assert (shown["total"], shown["ended"]) == (3, True)


@pytest.mark.parametrize("doing", ["Look", "Select"])
def test_what_was_read_in_a_sketch_that_decides_a_race_is_not_told(shipped_model, four, gallery, postgres, doing):
    start_race(postgres, [four[1].id], challenger=1, champion=7)
    shown = tiles(do(gallery, doing))
    other, decides = (next(tile for tile in shown if f"meant <b>{label}</b>" in tile) for label in (3, 1))
    assert "read <b>3</b>" in other
    assert "read as 3" in other
    assert "models differ" in decides
    assert "not told" in re.search('data-facts="(.*?)"', decides)[1]
    for telling in ("read <b>", "read as", "sure", 'class="pending wrong"'):
        assert telling not in decides


@pytest.fixture
def no_pictures(monkeypatch):
    """Call what it returns to have them again."""
    with monkeypatch.context() as m:

        def fail(*_args, **_options) -> bytes:
            raise api.Refused("Too many requests.")

        m.setattr(api, "submission_image", fail)
        yield m.undo


def test_picture_that_cannot_be_fetched_is_named_and_comes_later(four, gallery, no_pictures):
    run(gallery)
    assert pieces.MISSING in text(gallery)
    assert len(tiles(gallery)) == 4
    assert not any("<img" in tile or "data-id" in tile for tile in tiles(gallery))
    no_pictures()
    run(gallery)
    assert pieces.MISSING not in text(gallery)
    assert all("data:image/png;base64,iVBOR" in tile for tile in tiles(gallery))


def test_sketch_without_its_picture_cannot_be_selected(four, gallery, no_pictures, postgres):
    select(gallery)
    assert gallery.button(key="select-all").disabled
    assert not any("data-id" in tile for tile in tiles(gallery))
    press(gallery, "approve")
    assert statuses(postgres) == ["pending"] * 4


def test_queue_tries_again_for_pictures_that_cannot_be_fetched(four, gallery, no_pictures):
    do(gallery, "One by one")
    [component] = gallery.get("bidi_component")
    shown = json.loads(component.proto.json or component.proto.mixed.json)
    assert [sketch["picture"] for sketch in shown["sketches"]] == [None] * 4
    assert shown["trouble"] == pieces.MISSING


def test_queue_notes_what_was_deleted_meanwhile(four, postgres, monkeypatch):
    queue = one_by_one.Queue({"status": "pending"}, items=four)
    postgres.rows("DELETE FROM submissions WHERE id = %s", [four[0].id])
    log = [{"n": number, "id": str(each.id), "act": "approve"} for number, each in enumerate(four, 1)]
    monkeypatch.setattr(admin, "token", lambda: ADMIN_TOKEN)
    queue.carry_out({"place": 4, "log": log})
    assert (queue.done, queue.gone) == (4, {four[0].id})
    assert statuses(postgres) == ["approved"] * 3


def test_empty_queue_is_reported(four, gallery):
    choose(sign_in(gallery), "status", "Rejected")
    gallery.segmented_control(key="activity").set_value("One by one").run()
    assert "Nothing to review" in text(gallery)


def test_absent_backend_is_reported(gallery, monkeypatch):
    connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
    run(gallery)
    assert "The recogniser does not answer right now." in text(gallery)


def test_absent_database_is_reported(backend_without_database, gallery, monkeypatch):
    connect(monkeypatch, backend_without_database)
    run(gallery)
    assert "The database is away right now. They will reappear automatically." in text(gallery)


def test_backend_lost_before_the_click_keeps_the_selection(four, backend, gallery, postgres, monkeypatch):
    press(select(gallery), "select-all")
    connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
    press(gallery, "approve")
    connect(monkeypatch, backend.url)
    run(gallery)
    press(gallery, "approve")
    assert statuses(postgres) == ["approved"] * 4

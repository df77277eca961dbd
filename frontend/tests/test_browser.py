"""The Gallery and the Models page in Chromium, on a real backend and a real Postgres."""

import json
import re
import time
import zipfile
from uuid import UUID, uuid4

import calls
import pytest
import screens
from browsing import PHONE
from candidates import REFUSED, start_race, store_candidate
from conftest import ADMIN_TOKEN, PATIENCE_S
from drawings import picture
from playwright.sync_api import Locator, Page, expect


def press(page: Page, key: str) -> None:
    page.locator(f".st-key-{key} button").click()


# --- the gallery ----------------------------------------------------------------------------------

MEANT = ["7", "7", "1", "3", "4", "none"]


@pytest.fixture
def six(backend) -> list[UUID]:
    """Sketches in the order of the gallery: the newest first. One is labelled wrong, one is called no digit."""
    drawn = [7, 7, 7, 3, 4, 4]
    pairs = zip(drawn, MEANT, strict=True)
    stored = [calls.store(picture(digit), "image/png", meant, uuid4()) for digit, meant in pairs]
    return [submission.id for submission in reversed(stored)]


def sketches(page: Page) -> Locator:
    return page.locator(".tiles figure")


def open_gallery(page: Page, count: int = len(MEANT)) -> None:
    page.get_by_role("link", name="Gallery").click()
    expect(sketches(page)).to_have_count(count)


def sign_in(page: Page, token: str = ADMIN_TOKEN) -> None:
    page.locator(".st-key-door button").first.click()
    page.get_by_label("Admin token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def sign_in_to_review(page: Page) -> None:
    sign_in(page)
    do(page, "Select")
    expect(page.locator(".st-key-approve button")).to_be_visible()


def do(page: Page, activity: str) -> None:
    """As somebody who is signed in."""
    expect(page.locator(".st-key-activity")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()  # signing in closes the popover
    page.locator(".st-key-activity").get_by_text(activity, exact=True).click()


def set_filter(page: Page, label: str, choice: str) -> None:
    page.locator(".st-key-filters [data-testid=stSelectbox]", has_text=label).click()
    page.get_by_role("option", name=choice, exact=True).click()
    page.wait_for_timeout(500)  # until it has begun; what is clicked before the answer is there is selected in vain
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()


def stored(postgres, ids: list[UUID]) -> list[tuple[int | None, str]]:
    rows = {row["id"]: row for row in postgres.rows("SELECT id, true_label, status FROM submissions")}
    return [(rows[each]["true_label"], rows[each]["status"]) for each in ids if each in rows]


def test_sketches_are_approved_relabelled_and_deleted(visit, six, postgres):
    page = visit()
    open_gallery(page)
    sign_in_to_review(page)
    sketches(page).nth(5).click()
    sketches(page).nth(4).click()
    expect(page.get_by_text("2 selected.")).to_be_visible()
    press(page, "approve")
    expect(page.get_by_text("2 sketches approved.")).to_be_visible()
    assert stored(postgres, six) == [
        (None, "pending"),
        (4, "pending"),
        (3, "pending"),
        (1, "pending"),
        (7, "approved"),
        (7, "approved"),
    ]
    sketches(page).nth(3).click()
    page.keyboard.press("7")  # at once: the click has hardly reached the server
    expect(page.get_by_text("1 sketch labelled 7 and approved.")).to_be_visible()
    assert stored(postgres, six)[3] == (7, "approved")
    sketches(page).nth(0).click()
    page.keyboard.press("Delete")
    expect(page.get_by_text("Delete 1 sketch permanently?")).to_be_visible()
    assert len(stored(postgres, six)) == 6
    press(page, "delete-now")
    expect(sketches(page)).to_have_count(5)
    assert stored(postgres, six) == [(4, "pending"), (3, "pending"), (7, "approved"), (7, "approved"), (7, "approved")]


@pytest.mark.slow
def test_next_ones_come_without_a_jump(visit, six, postgres):
    page = visit()
    open_gallery(page)
    sign_in_to_review(page)
    set_filter(page, "Status", "Pending")
    sketches(page).nth(0).click()
    sketches(page).nth(3).click(modifiers=["Shift"])  # and those between
    expect(page.locator('.tiles [aria-checked="true"]')).to_have_count(4)
    before = page.locator(".tiles").bounding_box()
    page.keyboard.press("x")
    expect(sketches(page)).to_have_count(2)
    assert [status for _, status in stored(postgres, six)] == ["rejected"] * 4 + ["pending"] * 2
    assert page.locator(".tiles").bounding_box()["y"] == before["y"]
    expect(page.locator('.tiles [aria-checked="true"]')).to_have_count(0)
    press(page, "undo-change")
    expect(sketches(page)).to_have_count(6)
    assert {status for _, status in stored(postgres, six)} == {"pending"}


@pytest.mark.slow
def test_keyboard_alone_selects(visit, six):
    page = visit()
    open_gallery(page)
    sign_in_to_review(page)
    sketches(page).locator("[data-id]").nth(1).focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 selected.")).to_be_visible()
    press(page, "select-none")
    expect(page.locator('.tiles [aria-checked="true"]')).to_have_count(0)
    press(page, "select-all")
    expect(page.locator('.tiles [aria-checked="true"]')).to_have_count(6)


def test_keyboard_stays_where_it_was_and_enter_alone_deletes_nothing(visit, six, postgres):
    page = visit()
    open_gallery(page)
    sign_in_to_review(page)
    tile = sketches(page).locator("[data-id]").nth(1)
    tile.focus()
    page.keyboard.press("Space")
    page.keyboard.press("a")
    expect(page.get_by_text("1 sketch approved.")).to_be_visible()
    expect(tile).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Delete")
    expect(page.get_by_role("dialog")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator(".st-key-keep button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(tile).to_be_focused()
    assert len(stored(postgres, six)) == 6
    expect(page.locator(".st-key-delete button")).to_be_enabled()  # or the key would do nothing
    page.keyboard.press("Delete")
    press(page, "delete-now")
    expect(sketches(page)).to_have_count(5)
    expect(tile).to_be_focused()  # the next one, in its place


def test_focus_goes_to_the_next_sketch_when_its_own_no_longer_fits(visit, six):
    page = visit()
    open_gallery(page)
    sign_in_to_review(page)
    set_filter(page, "Status", "Pending")
    tiles = sketches(page).locator("[data-id]")
    following = tiles.nth(2).get_attribute("data-id")
    tiles.nth(1).focus()
    page.keyboard.press("Space")
    page.keyboard.press("x")
    expect(sketches(page)).to_have_count(5)
    expect(page.locator(f'[data-id="{following}"]')).to_be_focused()


def test_keyboard_sees_where_it_is_in_the_navigation(visit, six):
    page = visit()
    open_gallery(page)
    for name in ("Gallery", "Models"):  # the current page and another
        link = page.get_by_role("link", name=name)
        link.focus()
        page.keyboard.press("Shift")  # a key, so that the focus is shown
        expect(link).to_have_css("outline-style", "solid")


def test_token_stays_where_it_belongs(visit, six, frontend, running_backend):
    page = visit()
    open_gallery(page)
    sign_in(page, "not-the-token")
    expect(page.get_by_text("This is not the admin token of this server.")).to_be_visible()
    page.get_by_label("Admin token").fill(ADMIN_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".st-key-activity")).to_be_visible()
    for secret in (ADMIN_TOKEN, "not-the-token"):
        assert secret not in page.url
        assert secret not in page.content()
        assert secret not in frontend.log.read_text()
        assert secret not in running_backend.log.read_text()
    page.reload()  # a new session
    expect(sketches(page)).to_have_count(6)
    expect(page.locator(".st-key-approve")).to_have_count(0)


@pytest.mark.slow
def test_export_has_what_the_filters_leave(visit, six, tmp_path):
    page = visit()
    open_gallery(page)
    set_filter(page, "Meant", "7")
    expect(sketches(page)).to_have_count(2)
    sign_in(page)
    do(page, "Files")
    with page.expect_download() as download:
        page.locator(".st-key-export button").first.click()
    download.value.save_as(tmp_path / "export.zip")
    names = zipfile.ZipFile(tmp_path / "export.zip").namelist()
    assert len([name for name in names if name.endswith(".png")]) == 2
    assert "labels.csv" in names


@pytest.mark.slow
def test_picture_is_imported(visit, six):
    """uploads.py lets it pass, since this session signed in."""
    page = visit()
    open_gallery(page)
    sign_in(page)
    do(page, "Files")
    file = {"name": "4-anna.png", "mimeType": "image/png", "buffer": picture(4)}
    page.locator("input[type=file]").first.set_input_files(file)
    expect(page.get_by_text("Found: 1 sketch")).to_be_visible()


@pytest.mark.slow
def test_gallery_fits_a_phone(visit, six):
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    open_gallery(page)
    sign_in_to_review(page)
    sketches(page).nth(2).tap()
    expect(page.get_by_text("1 selected.")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for key in ("approve", "relabel-0", "relabel-9", "delete"):
        box = page.locator(f".st-key-{key} button").bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= PHONE["width"]
        assert box["y"] + box["height"] <= PHONE["height"]


@pytest.mark.slow
def test_turned_page_is_seen_from_its_top(visit, six, postgres):
    columns = "request_sha256, image, prediction, confidence, unsure, probabilities, model, true_label"
    postgres.rows(f"INSERT INTO submissions ({columns}) SELECT {columns} FROM submissions, generate_series(1, 10)")
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    open_gallery(page, 48)
    page.locator(".st-key-older button").tap()
    expect(page.get_by_text("66 sketches, newest first. Page 2 of 2.")).to_be_attached()
    expect(sketches(page)).to_have_count(66 - 48)
    expect(sketches(page).first).to_be_in_viewport()


def test_absent_backend_is_reported_and_the_selection_survives(visit, six, backend, postgres):
    page = visit()
    open_gallery(page)
    sign_in_to_review(page)
    sketches(page).nth(0).click()
    expect(page.get_by_text("1 selected.")).to_be_visible()
    backend.stop()
    try:
        press(page, "approve")
        expect(page.get_by_text("The recogniser does not answer right now. Please try again")).to_be_visible()
    finally:
        backend.start()
    press(page, "approve")
    expect(page.get_by_text("1 sketch approved.")).to_be_visible()
    assert stored(postgres, six)[0] == (None, "approved")


def test_sketch_opens_large_and_the_arrows_lead_on(visit, six):
    page = visit()
    open_gallery(page)
    sketches(page).nth(1).click()
    large = page.locator("dialog.large")
    expect(large).to_be_visible()
    expect(large.locator("dd").first).to_have_text("4")
    page.keyboard.press("ArrowRight")
    expect(large.locator("dd").first).to_have_text("3")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")  # that was the first one
    expect(large.locator("dd").first).to_have_text("not a digit")
    page.keyboard.press("Escape")
    expect(large).not_to_be_visible()
    expect(sketches(page).locator("[data-id]").first).to_be_focused()


def test_queue_keeps_up_with_a_quick_reviewer(visit, six, postgres):
    page = visit()
    open_gallery(page)
    sign_in(page)
    do(page, "One by one")
    expect(page.locator(".one .count")).to_have_text("6 sketches to go")
    expect(page.locator(".one .picture img")).to_have_attribute("src", re.compile("^data:"))
    for key in "5axn":  # without a wait
        page.keyboard.press(key)
    expect(page.locator(".one .count")).to_have_text("2 sketches to go")
    page.keyboard.press("ArrowLeft")  # back to the one that is "not a digit" now
    page.keyboard.press("1")
    page.keyboard.press("ArrowRight")  # skipped
    page.keyboard.press("7")
    expect(page.get_by_text("That was the last one.")).to_be_visible()
    wanted = [(5, "approved"), (4, "approved"), (3, "rejected"), (1, "approved"), (7, "pending"), (7, "approved")]
    deadline = time.monotonic() + PATIENCE_S
    while stored(postgres, six) != wanted:
        assert time.monotonic() < deadline, stored(postgres, six)
        page.wait_for_timeout(100)


@pytest.mark.slow
def test_queue_waits_for_an_absent_backend(visit, six, backend, postgres):
    page = visit()
    open_gallery(page)
    sign_in(page)
    do(page, "One by one")
    expect(page.locator(".one .count")).to_have_text("6 sketches to go")
    backend.stop()
    try:
        page.keyboard.press("a")
        page.keyboard.press("x")
        expect(page.get_by_text("Nothing is lost: it continues automatically.")).to_be_visible()
    finally:
        backend.start()
    expect(page.locator(".one .done")).to_have_text("The one before was rejected.")
    assert stored(postgres, six)[:2] == [(None, "approved"), (4, "rejected")]


@pytest.mark.slow
def test_filtered_view_can_be_shared(visit, six):
    page = visit()
    open_gallery(page)
    set_filter(page, "Answer", "Wrong")
    expect(sketches(page)).to_have_count(1)
    assert page.url.endswith("/gallery?answer=Wrong")
    page.reload()
    expect(sketches(page)).to_have_count(1)
    expect(page).to_have_title("Gallery · Digit recogniser")


# --- the statistics -------------------------------------------------------------------------------


def test_click_on_a_mistake_opens_its_sketches(visit, six):
    page = visit(viewport={"width": 1280, "height": 1200})
    page.get_by_role("link", name="Statistics").click()
    box = page.locator(".st-key-matrix svg.marks .mark-rect path").nth(10 * 1 + 7).bounding_box()  # meant 1, read 7
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(sketches(page)).to_have_count(1)
    assert page.url.endswith("/gallery?meant=1&read=7&status=Not+rejected")


# --- every screen ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "theme"),
    [
        pytest.param((320, 568), "light", id="small light"),
        pytest.param((320, 568), "dark", id="small dark", marks=pytest.mark.slow),
        pytest.param((1280, 800), "light", id="large light", marks=pytest.mark.slow),
        pytest.param((1280, 800), "dark", id="large dark", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("view", ["gallery", "statistics", "models"])
def test_view_is_for_everybody_on_every_screen(browser, frontend, six, view, size, theme):
    page = screens.visit(browser, f"{frontend.url}/{view}", size, theme)
    assert screens.look(page).problems == []
    expect(page.locator("h1")).to_have_count(1)
    expect(page).to_have_title(f"{view.title()} · Digit recogniser")
    page.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_review_is_for_everybody(visit, six, theme):
    page = visit(color_scheme=theme)
    open_gallery(page)
    sign_in(page)
    expect(page.locator(".st-key-activity")).to_be_visible()
    assert screens.look(page).axe == []
    for activity, shown in (("Select", ".st-key-approve"), ("One by one", ".one"), ("Files", ".st-key-export")):
        do(page, activity)
        expect(page.locator(shown)).to_be_visible()
        page.mouse.move(0, 0)
        page.wait_for_timeout(500)  # colours fade in
        assert screens.look(page).axe == [], activity


# --- the models -----------------------------------------------------------------------------------


def test_model_is_promoted_against_the_gate_and_rolled_back(visit, shipped_model, postgres):
    version = store_candidate(postgres, REFUSED)
    page = visit()
    page.get_by_role("link", name="Models").click()
    expect(page.locator(".models tbody tr")).to_have_count(2)
    sign_in(page)
    page.locator(f".st-key-promote-{version} button").first.click()
    expect(page.locator(f".st-key-serve-{version} button")).to_be_disabled()
    page.get_by_text("Overrule the gate", exact=True).click()
    page.get_by_label("Why?").locator("visible=true").fill("A try")
    page.locator(f".st-key-serve-{version} button").click()
    expect(page.get_by_text(f"{version} is serving: here at once")).to_be_in_viewport()
    [row] = postgres.rows("SELECT model, previous, overruled, reason FROM promotions")
    assert row == {"model": version, "previous": shipped_model, "overruled": True, "reason": "A try"}
    expect(page.locator(".history")).to_contain_text("A try")
    page.locator(f".st-key-promote-{shipped_model} button").first.click()
    page.locator(f".st-key-serve-{shipped_model} button").click()
    expect(page.get_by_text(f"{shipped_model} is serving: here at once")).to_be_visible()
    assert [row["overruled"] for row in postgres.rows("SELECT overruled FROM promotions ORDER BY id")] == [True, False]


def test_race_is_seen_from_the_first_review_to_promotion(visit, shipped_model, postgres):
    ids = [calls.store(picture(7, side=side), "image/png", "1", uuid4()).id for side in range(200, 207)]
    calls.store(picture(3), "image/png", "3", uuid4())  # newer, and nobody differs on it
    challenger = start_race(postgres, ids, challenger=1, champion=7)
    page = visit()
    page.get_by_role("link", name="Models").click()
    race = page.locator(".race")
    expect(race).to_contain_text("1.0 of 20")
    found = screens.look(page)
    assert (found.axe, found.beyond, found.low) == ([], [], [])
    open_gallery(page, 8)
    sign_in(page)
    do(page, "One by one")
    expect(page.locator(".one .count")).to_have_text("8 sketches to go")
    for _ in ids:
        expect(page.locator(".one .facts")).to_contain_text("two models differ on it; what each reads is not told")
        page.keyboard.press("a")
    expect(page.locator(".one .facts")).to_contain_text("read as 3")
    expect(page.locator(".one .done")).to_have_text("The one before was approved.")

    deadline = time.monotonic() + PATIENCE_S
    while not postgres.rows("SELECT id FROM races WHERE outcome = 'won'"):
        assert time.monotonic() < deadline
        page.wait_for_timeout(200)
    page.get_by_role("link", name="Models").click()
    expect(race).to_contain_text("It has won its race.")
    expect(page.locator("table.models")).to_contain_text("passed")
    page.locator(f".st-key-promote-{challenger} button").click()
    press(page, f"serve-{challenger}")
    expect(page.get_by_text(f"{challenger} reads what people draw now.")).to_be_visible()
    assert postgres.rows("SELECT model, overruled FROM promotions") == [{"model": challenger, "overruled": False}]


def test_retraining_is_followed_without_reloading_until_its_candidate_is_there(visit, six, shipped_model, postgres):
    """What a trainer does is here written into the database; test_trainer.py of the backend has a real one."""
    postgres.rows("UPDATE submissions SET status = 'approved'")
    page = visit()
    page.get_by_role("link", name="Models").click()
    sign_in(page)
    expect(page.get_by_text("No trainer runs")).to_be_visible()
    page.keyboard.press("Escape")
    press(page, "retrain")
    expect(page.locator(".retraining.waiting")).to_contain_text("6 sketches")
    expect(page.locator(".st-key-retrain button")).to_be_disabled()
    [worker] = postgres.rows("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
    postgres.rows("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", [worker["id"]])
    epoch = {"train_loss": 0.1, "validation_loss": 0.2, "validation_accuracy": 0.99, "seconds": 120}
    curve = json.dumps([epoch | {"epoch": number} for number in (1, 2)])
    postgres.rows("UPDATE retrainings SET stage = 'learning', epochs = 6, curve = %s, log = 'epoch  2'", [curve])
    expect(page.locator(".retraining.running")).to_contain_text("2 of 6 epochs")
    expect(page.get_by_text("Learning: about 8 minutes left")).to_be_visible()
    expect(page.locator(".st-key-retraining-log .stVegaLiteChart")).to_be_visible()
    assert screens.look(page).axe == []
    candidate = store_candidate(postgres)
    postgres.rows("UPDATE retrainings SET model = %s", [candidate])
    postgres.rows("UPDATE procrastinate_jobs SET status = 'succeeded'")
    expect(page.locator(".retraining.done")).to_contain_text(candidate)
    expect(page.locator(".models tbody tr")).to_have_count(2)
    expect(page.locator(".st-key-retrain button")).to_be_enabled()


def test_draw_page_tells_what_the_model_has_learned_from_people(visit, shipped_model, postgres):
    assert visit().locator(".learned").is_hidden()
    version = store_candidate(postgres, sketches={"train": 1240, "validation": 110, "held_out": 340})
    postgres.rows("INSERT INTO promotions (model, previous) VALUES (%s, %s)", [version, shipped_model])
    time.sleep(5)  # until every backend serves it
    expect(visit().locator(".learned")).to_have_text(
        "This model has learned from 1,240 sketches that people drew here; "
        "it reads others 1.3 points more accurately than the model before."
    )

"""The Gallery and the Models page in Chromium, on a real backend and a real Postgres."""

import zipfile
from uuid import UUID, uuid4

import pytest
from browsing import PHONE
from candidates import REFUSED, store_candidate
from conftest import ADMIN_TOKEN
from drawings import picture
from playwright.sync_api import Locator, Page, expect

import api


def press(page: Page, key: str) -> None:
    page.locator(f".st-key-{key} button").click()


# --- the gallery ----------------------------------------------------------------------------------

MEANT = ["7", "7", "1", "3", "4", "none"]


@pytest.fixture
def six(backend) -> list[UUID]:
    """Sketches in the order of the gallery: the newest first. One is labelled wrong, one is called no digit."""
    drawn = [7, 7, 7, 3, 4, 4]
    pairs = zip(drawn, MEANT, strict=True)
    stored = [api.store(picture(digit), "image/png", meant, uuid4()) for digit, meant in pairs]
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
    expect(page.locator(".st-key-approve button")).to_be_visible()
    page.keyboard.press("Escape")  # closes the popover


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
        (None, "pending"), (4, "pending"), (3, "pending"), (1, "pending"), (7, "approved"), (7, "approved"),
    ]  # fmt: skip
    sketches(page).nth(3).click()
    page.keyboard.press("7")  # at once: the click has hardly reached the server
    expect(page.get_by_text("1 sketch labelled 7 and approved.")).to_be_visible()
    assert stored(postgres, six)[3] == (7, "approved")
    sketches(page).nth(0).click()
    page.keyboard.press("Delete")
    expect(page.get_by_text("Delete 1 sketch for ever?")).to_be_visible()
    assert len(stored(postgres, six)) == 6
    press(page, "delete-now")
    expect(sketches(page)).to_have_count(5)
    assert stored(postgres, six) == [(4, "pending"), (3, "pending"), (7, "approved"), (7, "approved"), (7, "approved")]


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


def test_keyboard_alone_selects(visit, six):
    page = visit()
    open_gallery(page)
    sign_in_to_review(page)
    sketches(page).nth(1).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 selected.")).to_be_visible()
    press(page, "select-none")
    expect(page.locator('.tiles [aria-checked="true"]')).to_have_count(0)
    press(page, "select-all")
    expect(page.locator('.tiles [aria-checked="true"]')).to_have_count(6)


def test_token_stays_where_it_belongs(visit, six, frontend, running_backend):
    page = visit()
    open_gallery(page)
    sign_in(page, "not-the-token")
    expect(page.get_by_text("This is not the admin token of this server.")).to_be_visible()
    page.get_by_label("Admin token").fill(ADMIN_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".st-key-approve button")).to_be_visible()
    for secret in (ADMIN_TOKEN, "not-the-token"):
        assert secret not in page.url
        assert secret not in page.content()
        assert secret not in frontend.log.read_text()
        assert secret not in running_backend.log.read_text()
    page.reload()  # a new session
    expect(sketches(page)).to_have_count(6)
    expect(page.locator(".st-key-approve")).to_have_count(0)


def test_export_has_what_the_filters_leave(visit, six, tmp_path):
    page = visit()
    open_gallery(page)
    sign_in_to_review(page)
    set_filter(page, "Meant", "7")
    expect(sketches(page)).to_have_count(2)
    page.locator(".st-key-door button").first.click()
    with page.expect_download() as download:
        page.locator(".st-key-export button").first.click()
    download.value.save_as(tmp_path / "export.zip")
    names = zipfile.ZipFile(tmp_path / "export.zip").namelist()
    assert len([name for name in names if name.endswith(".png")]) == 2
    assert "labels.csv" in names


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


def test_turned_page_is_seen_from_its_top(visit, six, postgres):
    columns = "request_sha256, image, prediction, confidence, unsure, probabilities, model, true_label"
    postgres.rows(f"INSERT INTO submissions ({columns}) SELECT {columns} FROM submissions, generate_series(1, 10)")
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    open_gallery(page, 48)
    page.locator(".st-key-older button").tap()
    expect(page.get_by_text("Page 2")).to_be_attached()
    expect(sketches(page)).to_have_count(66 - 48)
    expect(sketches(page).first).to_be_in_viewport()


def test_absent_backend_is_told_and_the_selection_survives(visit, six, backend, postgres):
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


# --- the models -----------------------------------------------------------------------------------


def test_model_is_promoted_against_the_gate_and_rolled_back(visit, shipped_model, postgres):
    version = store_candidate(postgres, REFUSED)
    page = visit()
    page.get_by_role("link", name="Models").click()
    expect(page.locator(".model")).to_have_count(2)
    sign_in(page)
    page.locator(f".st-key-promote-{version} button").first.click()
    expect(page.locator(f".st-key-serve-{version} button")).to_be_disabled()
    page.get_by_text("Overrule the gate", exact=True).click()
    page.get_by_label("Why?").locator("visible=true").fill("A try")
    page.locator(f".st-key-serve-{version} button").click()
    expect(page.get_by_text(f"{version} serves: here at once")).to_be_visible()
    [row] = postgres.rows("SELECT model, previous, overruled, reason FROM promotions")
    assert row == {"model": version, "previous": shipped_model, "overruled": True, "reason": "A try"}
    expect(page.locator(".history")).to_contain_text("A try")
    page.locator(f".st-key-promote-{shipped_model} button").first.click()
    page.locator(f".st-key-serve-{shipped_model} button").click()
    expect(page.get_by_text(f"{shipped_model} serves: here at once")).to_be_visible()
    assert [row["overruled"] for row in postgres.rows("SELECT overruled FROM promotions ORDER BY id")] == [True, False]

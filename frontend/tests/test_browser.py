"""The whole way through in Chromium: mouse and finger draw, a real backend reads, a real Postgres keeps."""

import itertools
import os
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
import screens
from candidates import REFUSED, store_candidate
from conftest import ADMIN_TOKEN, FRONTEND, PATIENCE_S, Server, missing
from drawings import STROKES, picture
from playwright.sync_api import Browser, Error, Locator, Page, Request, expect, sync_playwright

import api

CHROMIUM = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        except Error as e:
            missing(f"no browser: {e.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def frontend(browser: Browser, running_backend: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "{port}"]
    environment = {"BACKEND_URL": running_backend.url}
    log = tmp_path_factory.mktemp("frontend") / "log"
    frontend = Server(command, FRONTEND, environment, "/_stcore/health", log)
    frontend.start()
    yield frontend
    frontend.stop()


@pytest.fixture
def visit(browser: Browser, frontend: Server, backend: Server):
    """Open the page; at the end, no script on it may have failed."""
    contexts, failures, lost = [], [], []

    def note_lost(request: Request) -> None:
        if "ERR_NETWORK_CHANGED" in (request.failure or ""):
            lost.append(request.url)

    def visit(**options) -> Page:
        contexts.append(browser.new_context(**{"viewport": DESKTOP} | options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("pageerror", lambda failure: failures.append(failure))
        page.on("requestfailed", note_lost)
        open_page(page, frontend.url, lost)
        expect_canvas(page, "empty")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert failures == [] or lost


def open_page(page: Page, url: str, lost: list[str]) -> None:
    """Chromium drops what it is loading when the machine gains or loses a network, such as one of Docker's."""
    for _ in range(3):
        lost.clear()
        page.goto(url)
        try:
            return expect(page.locator("canvas.upper-canvas")).to_be_visible()
        except AssertionError:
            if not lost:
                raise
    raise AssertionError(lost)


def canvas_box(page: Page) -> dict:
    canvas = page.locator("canvas.upper-canvas").first  # a second one is on its way out
    expect(canvas).to_be_visible()
    return canvas.bounding_box()


def draw(page: Page, strokes: list) -> None:
    box = canvas_box(page)
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=6)
        page.mouse.up()


def draw_with_a_finger(page: Page, strokes: list) -> None:
    touch = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})

    box = canvas_box(page)
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        send("touchStart", points[0])
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            for step in range(1, 7):
                send("touchMove", (x0 + (x1 - x0) * step / 6, y0 + (y1 - y0) * step / 6))
        send("touchEnd")


def expect_answer(page: Page, text: str | re.Pattern) -> None:
    expect(page.locator(".sentence")).to_have_text(text)


def canvas_state(page: Page) -> str:
    canvas = page.locator("canvas.dc-canvas.lower-canvas").first
    return canvas.evaluate("""canvas => {
        const rgba = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        if (rgba[3] === 0) return "not ready";
        return rgba.some((value, i) => i % 4 === 0 && value > 200) ? "ink" : "empty";
    }""")


def expect_canvas(page: Page, state: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while canvas_state(page) != state:
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)


def press(page: Page, key: str) -> None:
    page.locator(f".st-key-{key} button").click()


def test_guess_follows_the_strokes(visit):
    page = visit()
    down_stroke, cross_stroke = [(0.5, 0.12), (0.5, 0.88)], STROKES[4][0]
    draw(page, [down_stroke])
    expect_answer(page, "That’s a 1")
    draw(page, [cross_stroke])
    expect_answer(page, re.compile("4"))
    assert page.locator(".seen img").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]


def test_one_click_puts_the_row_into_postgres_and_clears_the_canvas(visit, postgres):
    page = visit()
    draw(page, STROKES[7])
    expect_answer(page, "That’s a 7")
    expect_canvas(page, "ink")
    assert postgres.rows("SELECT 1 FROM submissions") == []
    press(page, "label-7")
    expect(page.get_by_text("Stored: you meant 7, the model read 7.")).to_be_visible()
    expect_canvas(page, "empty")
    [row] = postgres.rows("SELECT * FROM submissions")
    assert (row["true_label"], row["prediction"], row["correct"], row["status"]) == (7, 7, True, "pending")
    assert row["idempotency_key"]
    expect(page.locator(".gallery img")).to_have_count(1)


def test_double_click_stores_once(visit, postgres):
    page = visit()
    draw(page, STROKES[7])
    expect_answer(page, "That’s a 7")
    page.locator(".st-key-label-7 button").dblclick()
    expect(page.get_by_text("Stored: you meant 7")).to_be_visible()
    expect_canvas(page, "empty")
    draw(page, STROKES[3])
    expect_answer(page, "That’s a 3")
    assert len(postgres.rows("SELECT 1 FROM submissions")) == 1


def test_digit_key_stores(visit, postgres):
    page = visit()
    draw(page, STROKES[3])
    expect_answer(page, "That’s a 3")
    expect(page.locator(".st-key-label-3 button")).to_be_enabled()
    page.wait_for_timeout(300)  # the key is bound a moment after the button is enabled
    page.keyboard.press("3")
    expect(page.get_by_text("Stored: you meant 3")).to_be_visible()
    assert postgres.rows("SELECT true_label FROM submissions") == [{"true_label": 3}]


def test_undo_takes_the_row_back_and_returns_the_drawing(visit, postgres):
    page = visit()
    draw(page, STROKES[7])
    expect_answer(page, "That’s a 7")
    press(page, "label-1")
    expect(page.get_by_text("Stored: you meant 1")).to_be_visible()
    press(page, "take-back")
    expect_answer(page, "That’s a 7")
    expect_canvas(page, "ink")
    assert postgres.rows("SELECT 1 FROM submissions") == []
    press(page, "label-7")
    expect(page.get_by_text("Stored: you meant 7")).to_be_visible()
    assert postgres.rows("SELECT true_label FROM submissions") == [{"true_label": 7}]


def test_undo_redo_and_clear_do_what_they_say(visit):
    page = visit()
    draw(page, STROKES[7])
    expect_answer(page, "That’s a 7")
    press(page, "undo")
    expect_answer(page, "Draw a digit")
    expect_canvas(page, "empty")
    press(page, "redo")
    expect_answer(page, "That’s a 7")
    expect_canvas(page, "ink")
    press(page, "clear")
    expect_answer(page, "Draw a digit")
    expect_canvas(page, "empty")
    draw(page, STROKES[3])  # nothing of the 7 comes back
    expect_answer(page, "That’s a 3")


def test_file_goes_the_same_way(visit, postgres, tmp_path):
    photo = tmp_path / "four.jpg"
    photo.write_bytes(picture(4, "JPEG"))
    page = visit()
    page.get_by_text("Upload a picture").click()
    page.locator("input[type=file]").set_input_files(photo)
    expect_answer(page, "That’s a 4")
    expect(page.locator(".uploaded img")).to_be_visible()
    press(page, "label-4")
    expect(page.get_by_text("Stored: you meant 4, the model read 4.")).to_be_visible()
    assert postgres.rows("SELECT true_label FROM submissions") == [{"true_label": 4}]


def test_absent_backend_is_told_and_the_drawing_survives(visit, backend, postgres):
    page = visit()
    backend.stop()
    try:
        draw(page, [[(x, y + 0.05) for x, y in STROKES[7][0]]])  # no other test's 7: those answers are in the cache
        expect(page.get_by_text("The recogniser does not answer right now.")).to_be_visible()
        expect_canvas(page, "ink")
    finally:
        backend.start()
    expect_answer(page, "That’s a 7")  # by itself
    expect_canvas(page, "ink")
    press(page, "label-7")
    expect(page.get_by_text("Stored: you meant 7")).to_be_visible()
    assert len(postgres.rows("SELECT 1 FROM submissions")) == 1


def test_drawing_survives_a_look_at_the_statistics(visit):
    page = visit()
    draw(page, STROKES[7])
    expect_answer(page, "That’s a 7")
    page.get_by_role("link", name="Statistics").click()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    page.get_by_role("link", name="Draw", exact=True).click()
    expect_answer(page, "That’s a 7")
    expect_canvas(page, "ink")


def test_finger_draws_on_a_phone_without_scrolling_it(visit, postgres):
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    draw_with_a_finger(page, STROKES[7])
    expect_answer(page, "That’s a 7")
    assert page.evaluate("document.querySelector('.stMain').scrollTop + window.scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for key in ("label-0", "label-4", "label-9", "label-none"):
        box = page.locator(f".st-key-{key} button").bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= PHONE["width"]
        assert box["y"] + box["height"] <= PHONE["height"]  # all on the first screen
    page.locator(".st-key-label-7 button").tap()
    expect(page.get_by_text("Stored: you meant 7")).to_be_in_viewport()
    assert postgres.rows("SELECT true_label FROM submissions") == [{"true_label": 7}]


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
    do(page, "Select")
    expect(page.locator(".st-key-approve button")).to_be_visible()


def do(page: Page, activity: str) -> None:
    """As somebody who is signed in."""
    expect(page.locator(".st-key-activity")).to_be_visible()
    page.keyboard.press("Escape")  # closes the popover
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
    sketches(page).locator("[data-id]").nth(1).focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
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
    expect(page.locator(".st-key-activity")).to_be_visible()
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
    expect(page.get_by_text("66 sketches, newest first. Page 2 of 2.")).to_be_attached()
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
        expect(page.get_by_text("Nothing is lost: it goes on by itself.")).to_be_visible()
    finally:
        backend.start()
    expect(page.locator(".one .done")).to_have_text("The one before was rejected.")
    assert stored(postgres, six)[:2] == [(None, "approved"), (4, "rejected")]


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


@pytest.mark.parametrize("theme", screens.THEMES)
@pytest.mark.parametrize("size", [(320, 568), (1280, 800)], ids=str)
@pytest.mark.parametrize("view", ["gallery", "statistics", "models"])
def test_view_is_for_everybody_on_every_screen(browser, frontend, six, view, size, theme):
    page = screens.visit(browser, f"{frontend.url}/{view}", size, theme)
    assert screens.look(page).problems == []
    expect(page.locator("h1")).to_have_count(1)
    expect(page).to_have_title(f"{view.title()} · Digit recogniser")
    page.context.close()


@pytest.mark.parametrize("theme", screens.THEMES)
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
    expect(page.get_by_text(f"{version} serves: here at once")).to_be_visible()
    [row] = postgres.rows("SELECT model, previous, overruled, reason FROM promotions")
    assert row == {"model": version, "previous": shipped_model, "overruled": True, "reason": "A try"}
    expect(page.locator(".history")).to_contain_text("A try")
    page.locator(f".st-key-promote-{shipped_model} button").first.click()
    page.locator(f".st-key-serve-{shipped_model} button").click()
    expect(page.get_by_text(f"{shipped_model} serves: here at once")).to_be_visible()
    assert [row["overruled"] for row in postgres.rows("SELECT overruled FROM promotions ORDER BY id")] == [True, False]

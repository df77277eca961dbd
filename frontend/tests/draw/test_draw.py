"""The Draw page in Chromium: mouse, finger and file, a real backend that reads, a real Postgres that keeps."""

import io
import itertools
import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from uuid import uuid4

import calls
import pytest
from browsing import open_page
from conftest import ADMIN_TOKEN
from draw_page import (
    FINGER,
    FOUR,
    HOUSE,
    SEVEN,
    THREE,
    choose,
    draw,
    expect_answer,
    expect_canvas,
    expect_rows,
    key,
    tool,
)
from drawings import picture
from hand import DIGITS, Hand, Sketch
from PIL import Image
from playwright.sync_api import Page, expect

import api

# --- reading along --------------------------------------------------------------------------------


def test_reading_follows_the_pen_before_it_is_lifted(visit):
    page = visit()
    hand = Hand(page)
    [stroke] = SEVEN.strokes
    page.mouse.move(*hand.place(*stroke[0]))
    page.mouse.down()
    for point in stroke[1:]:
        page.mouse.move(*hand.place(*point), steps=12)
        page.wait_for_timeout(150)
    expect_answer(page, "That’s a 7")
    assert page.locator(".seen img").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
    page.mouse.up()


def test_reading_along_leaves_no_row_and_a_label_leaves_one(visit, postgres):
    postgres.rows("TRUNCATE predictions")
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.wait_for_timeout(3000)  # they are written every two seconds
    assert postgres.rows("SELECT 1 FROM predictions UNION ALL SELECT 1 FROM submissions") == []
    page.keyboard.press("7")
    expect_rows(postgres, [7])
    page.wait_for_timeout(3000)
    assert postgres.rows("SELECT digit FROM predictions") == [{"digit": 7}]


def test_what_is_read_is_a_grey_png_of_the_pixels_that_are_stored(visit, postgres):
    """Grey is what the backend reads at a third of the cost."""
    page, read = visit(), []
    page.on("request", lambda request: read.append(request.post_data_buffer) if "/page/read" in request.url else None)
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.wait_for_timeout(500)
    page.keyboard.press("7")
    expect_rows(postgres, [7])
    [row] = postgres.rows("SELECT image FROM submissions")
    seen, stored = Image.open(io.BytesIO(read[-1])), Image.open(io.BytesIO(row["image"]))
    assert (seen.format, seen.mode, seen.size) == ("PNG", "L", (280, 280))
    assert seen.tobytes() == stored.convert("L").tobytes()


def test_no_empty_picture_is_sent_when_the_finger_has_not_moved_yet(visit):
    page, read = visit(**FINGER), []
    page.on("request", lambda request: read.append(request.post_data_buffer) if "/page/read" in request.url else None)
    hand = Hand(page, finger=True)
    [stroke] = SEVEN.strokes
    hand._send("touchStart", hand.place(*stroke[0]))
    page.wait_for_timeout(300)
    for point in hand._between([hand.place(*point) for point in stroke]):
        hand._send("touchMove", point)
    hand._send("touchEnd")
    expect_answer(page, "That’s a 7")
    assert all(Image.open(io.BytesIO(each)).getextrema()[1] for each in read)


@pytest.mark.slow
def test_requests_are_few_and_one_at_a_time(visit):
    page = visit()
    page.evaluate("""() => {
        const { fetch } = window;
        window.calls = { running: 0, most: 0, starts: [] };
        window.fetch = async (url, ...rest) => {
            calls.starts.push(performance.now());
            calls.most = Math.max(calls.most, ++calls.running);
            return fetch(url, ...rest).finally(() => (calls.running -= 1));
        };
    }""")
    hand = Hand(page, steps=40)
    for _ in range(3):
        hand.draw(Sketch("8", DIGITS["8"]))
    calls = page.evaluate("calls")
    assert len(calls["starts"]) > 3
    assert calls["most"] == 1
    assert max(sum(start <= other < start + 1000 for other in calls["starts"]) for start in calls["starts"]) <= 8


def hold(page: Page, path: str) -> Callable[[], None]:
    """Hold up requests until the function that this returns is called."""
    held = []
    page.route(path, lambda route: held.append(route))

    def release() -> None:
        page.route(path, lambda route: route.continue_())
        for route in held:
            route.continue_()

    return release


def test_card_says_that_a_reading_takes_long(visit):
    page = visit()
    release = hold(page, "**/page/read")
    draw(page, SEVEN)
    expect_answer(page, "One moment")
    release()
    expect_answer(page, "That’s a 7")
    expect(page.locator(".answer")).not_to_have_class(re.compile("late"))
    release = hold(page, "**/page/read")
    draw(page, Sketch("7", [[(0.35, 0.5), (0.65, 0.5)]]))
    expect(page.locator(".answer")).to_have_class(re.compile("late"))
    expect_answer(page, "That’s a 7")
    release()
    expect(page.locator(".answer")).not_to_have_class(re.compile("late"))


def test_round_still_says_what_it_asks_for_while_a_reading_takes_long(visit):
    page = visit()
    tool(page, "round").first.click()
    asked = page.locator(".answer .sentence").text_content()
    release = hold(page, "**/page/read")
    draw(page, SEVEN)
    expect(page.locator(".answer .detail")).to_have_text("I’m reading it.")
    expect_answer(page, asked)
    release()


def test_why_is_pressed_at_once(visit):
    page = visit()
    draw(page, FOUR)
    expect_answer(page, "That’s a 4")
    release = hold(page, "**/page/explain*")
    why = tool(page, "why")
    why.click()
    expect(why).to_have_attribute("aria-pressed", "true")
    expect(why).to_have_attribute("aria-busy", "true")
    release()
    expect(page.locator(".why")).to_be_visible()
    expect(why).to_have_attribute("aria-busy", "false")
    page.route("**/page/explain*", lambda route: route.abort())
    page.locator(".legend .other").click()
    expect(page.locator(".why")).to_be_hidden()
    expect(why).to_have_attribute("aria-pressed", "false")


def test_nothing_else_moves(visit):
    page = visit()
    places = """() => [...document.querySelectorAll(".draw button, .sheet, .answer")]
        .map((each) => JSON.stringify(each.getBoundingClientRect()))"""
    before = page.evaluate(places)
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    assert page.evaluate(places) == before
    page.keyboard.press("1")
    expect_answer(page, "Ah, a 1")
    assert page.evaluate(places) == before


# --- one gesture ----------------------------------------------------------------------------------


def test_enter_says_yes_to_the_marked_guess(visit, postgres):
    page = visit()
    draw(page, SEVEN)
    expect(key(page, "7")).to_have_class(re.compile("guess"))
    page.keyboard.press("Enter")
    expect_answer(page, "Right, a 7!")
    expect_canvas(page, "empty")
    expect(page.locator(".score")).to_have_text("1 of 1 correct")
    expect_rows(postgres, [7])


def test_enter_before_the_answer_waits_for_it(visit, postgres):
    page = visit()
    draw(page, SEVEN)
    page.keyboard.press("Enter")  # at once
    expect_rows(postgres, [7])


def test_enter_is_not_forgotten_because_the_first_dot_was_refused(visit, postgres):
    page = visit()
    held = []
    page.route("**/page/read", lambda route: held.append(route), times=1)
    draw(page, SEVEN)
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    held[0].fulfill(status=422, json={"error": "BlankImage", "detail": "There is no ink on the image."})
    expect_answer(page, "Right, a 7!")
    expect_rows(postgres, [7])


@pytest.mark.slow
def test_enter_after_a_click_does_not_press_that_key_again(visit, postgres):
    page = visit()
    draw(page, SEVEN)
    key(page, "1").click()
    draw(page, THREE)
    expect_answer(page, "That’s a 3")
    page.keyboard.press("Enter")
    expect_rows(postgres, [1, 3])


def test_right_and_wrong_are_told_apart_and_counted(visit):
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    key(page, "1").click()
    expect_answer(page, "Ah, a 1")
    expect(page.locator(".answer .detail")).to_contain_text("I read a 7")
    draw(page, THREE)
    expect_answer(page, "That’s a 3")
    page.keyboard.press("3")
    expect_answer(page, "Right, a 3!")
    expect(page.locator(".score")).to_have_text("1 of 2 correct")


@pytest.mark.parametrize(
    ("likely", "label", "said", "listed"),
    [
        pytest.param({3: 0.2}, "3", "I saw no digit in it.", "meant 3\nread not a digit", id="no digit"),
        pytest.param({0: 0.4, 2: 0.3}, "none", "I read a 0.", "meant not a digit\nread 0", id="either"),
    ],
)
def test_unsure_reading_counts_as_the_card_says(visit, likely, label, said, listed):
    rest = (1 - sum(likely.values())) / (10 - len(likely))
    probabilities = [likely.get(digit, rest) for digit in range(10)]
    reading = {"prediction": min(likely), "unsure": True, "probabilities": probabilities}
    page = visit()
    page.route("**/page/read", lambda route: route.fulfill(json=reading))
    page.route("**/page/submissions", lambda route: route.fulfill(status=201, json=reading))
    draw(page, HOUSE)
    expect(key(page, "none" if label == "3" else "0")).to_have_class(re.compile("guess"))
    with page.expect_response("**/page/submissions"):
        key(page, label).click()
    expect(page.locator(".answer .detail")).to_contain_text(said)
    expect(page.locator(".score")).to_have_text("0 of 1 correct")
    page.wait_for_timeout(300)
    expect(page.locator(".score")).to_have_text("0 of 1 correct")  # stored meanwhile
    expect(page.locator(".mine figcaption")).to_have_text(listed, use_inner_text=True)


def test_round_asks_for_ten_and_shows_what_came_of_it(visit, postgres):
    page = visit()
    tool(page, "round").first.click()
    asked = []
    for turn in range(10):
        expect_answer(page, re.compile("^Draw an? [0-9]$"))
        asked.append(page.locator(".answer .sign").text_content())
        draw(page, SEVEN if turn == 3 else Sketch(asked[-1], DIGITS[asked[-1]]))
        page.keyboard.press("Enter" if turn % 2 else asked[-1])
    expect(page.locator(".result h2")).to_have_text(re.compile("of 10 correct"))
    assert sorted(asked) == list("0123456789")
    expect_rows(postgres, [int(label) for label in asked])
    expect(page.locator(".result figure")).to_have_count(10)
    if asked[3] != "7":
        expect(page.locator(".result p")).to_contain_text(f"your {asked[3]} looked like a 7")
    tool(page, "again").click()
    expect(page.locator(".result")).to_be_hidden()
    expect_answer(page, re.compile("^Draw an? [0-9]$"))


def test_result_of_a_round_keeps_the_focus_until_it_is_closed(visit):
    page = visit()
    page.evaluate("""() => {
        const mine = [..."0123456789"].map((digit) => ({
            key: digit, label: digit, read: digit, picture: "data:,", state: "stored", at: Date.now(),
        }));
        sessionStorage.setItem("draw.mine", JSON.stringify(mine));
        sessionStorage.setItem("draw.round", JSON.stringify({ order: [..."0123456789"], keys: [..."0123456789"] }));
    }""")
    page.reload()
    expect(page.locator(".result .primary")).to_be_focused()
    for _ in range(5):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('body, .result *')")
    page.keyboard.press("Escape")
    expect(page.locator(".result")).to_be_hidden()
    expect(tool(page, "round").first).to_have_text("Round of ten")


def border(page: Page, name: str) -> str:
    return key(page, name).evaluate("key => getComputedStyle(key).border")


def test_round_marks_the_digit_it_asks_for_and_no_other(visit):
    page = visit()
    plain = border(page, "7")
    tool(page, "round").first.click()
    asked = page.locator(".answer .sign").text_content()
    marked = border(page, asked)
    assert marked != plain
    for digit in (asked, "4" if asked == "7" else "7"):
        draw(page, Sketch(digit, DIGITS[digit]))
        expect(key(page, digit)).to_have_class(re.compile("guess"))
        assert [border(page, each) for each in "0123456789"] == [
            marked if each == asked else plain for each in "0123456789"
        ]
        tool(page, "clear").click()


def test_round_takes_no_other_digit_and_shows_which_one_it_asks_for(visit, postgres):
    page = visit()
    tool(page, "round").first.click()
    asked = page.locator(".answer .sign").text_content()
    other = "1" if asked == "7" else "7"
    draw(page, SEVEN)
    page.keyboard.press(other)
    expect(key(page, asked)).to_have_class(re.compile("nudged"))
    expect_canvas(page, "ink")
    key(page, asked).click()
    expect_rows(postgres, [int(asked)])


def test_round_does_not_take_a_scribble_for_the_digit_asked_for(visit, postgres):
    page = visit()
    tool(page, "round").first.click()
    expect(key(page, "none")).to_be_disabled()
    draw(page, HOUSE)
    page.keyboard.press("n")
    expect_canvas(page, "ink")
    tool(page, "round").first.click()
    page.keyboard.press("n")
    expect_rows(postgres, [None])


# --- in words -------------------------------------------------------------------------------------


def test_what_is_no_digit_is_reported_so_and_marked(visit, postgres):
    page = visit()
    draw(page, HOUSE)
    expect_answer(page, "Not a digit?")
    expect(key(page, "none")).to_have_class(re.compile("guess"))
    page.keyboard.press("Enter")
    expect_answer(page, "Right, not a digit")
    expect_rows(postgres, [None])


@pytest.mark.parametrize(
    ("shares", "sentence", "detail", "rivals"),
    [
        pytest.param({0: 0.85, 2: 0.03}, "Perhaps a 0?", "Only 85% sure", [], id="far ahead"),
        pytest.param({0: 0.6, 2: 0.3}, "A 0 or a 2?", "I’m not sure: 60% 0, 30% 2", ["2"], id="close"),
    ],
)
def test_second_digit_is_named_and_marked_only_if_it_is_close(visit, shares, sentence, detail, rivals):
    page = visit()
    reading = {"unsure": True, "probabilities": [shares.get(digit, 0.01) for digit in range(10)]}
    page.route("**/page/read", lambda route: route.fulfill(json=reading))
    draw(page, SEVEN)
    expect_answer(page, sentence)
    expect(page.locator(".answer .detail")).to_have_text(detail)
    assert page.locator(".keypad .maybe").evaluate_all("keys => keys.map((key) => key.dataset.key)") == rivals


def test_bar_and_sentence_agree(visit):
    page = visit()
    draw(page, SEVEN)
    expect(page.locator(".answer .detail")).to_have_text("99% sure")
    expect(key(page, "7").locator("i")).to_have_text("99%")


def test_why_is_laid_over_the_sketch_for_the_answer_and_for_the_runner_up(visit):
    page = visit()
    draw(page, FOUR)
    expect_answer(page, "That’s a 4")
    tool(page, "why").click()
    expect(page.locator(".legend .for")).to_have_text("for a 4")
    other = page.locator(".legend .other")
    expect(other).to_have_text(re.compile("Why not an? [0-9]\\?"))
    before = page.locator(".why canvas").evaluate("canvas => canvas.toDataURL()")
    rival = other.text_content().split(" ")[-1].rstrip("?")
    other.click()
    expect(page.locator(".legend .for")).to_have_text(re.compile(f"for an? {rival}"))
    assert page.locator(".why canvas").evaluate("canvas => canvas.toDataURL()") != before
    draw(page, Sketch("4", [[(0.2, 0.2), (0.25, 0.25)]]))  # the pen closes it
    expect(page.locator(".why")).to_be_hidden()


def test_first_stroke_is_whole_whatever_had_the_focus(visit):
    page = visit()
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    page.get_by_role("link", name="Draw").click()
    expect(page.locator('.draw[data-ready="true"]')).to_be_visible()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    tool(page, "clear").click()
    tool(page, "round").first.focus()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")


# --- undo -----------------------------------------------------------------------------------------


def test_undo_takes_the_row_back_and_returns_the_drawing(visit, postgres):
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    key(page, "1").click()
    expect_rows(postgres, [1])
    key(page, "undo").click()
    expect_answer(page, "That’s a 7")
    expect_canvas(page, "ink")
    expect_rows(postgres, [])
    page.keyboard.press("7")
    expect_rows(postgres, [7])
    expect(page.locator(".score")).to_have_text("1 of 1 correct")


def test_label_undone_at_once_is_not_there(visit, postgres):
    page = visit()
    for _ in range(5):
        draw(page, SEVEN)
        page.keyboard.press("1")
        key(page, "undo").click()
        tool(page, "clear").click()
    page.wait_for_timeout(1500)
    expect_rows(postgres, [])


def test_strokes_are_undone_redone_and_cleared(visit):
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    tool(page, "undo").click()
    expect_answer(page, "Draw a digit")
    expect_canvas(page, "empty")
    tool(page, "redo").click()
    expect_answer(page, "That’s a 7")
    expect_canvas(page, "ink")
    tool(page, "clear").click()
    expect_answer(page, "Draw a digit")
    expect_canvas(page, "empty")
    page.keyboard.press("Control+z")
    expect_answer(page, "That’s a 7")


# --- a picture file -------------------------------------------------------------------------------


def test_file_goes_the_same_way(visit, postgres):
    page = visit()
    choose(page, picture(4, "JPEG"))
    expect_answer(page, "That’s a 4")
    expect(page.locator("img.photo")).to_be_visible()
    page.keyboard.press("Enter")
    expect_rows(postgres, [4])
    expect(page.locator("img.photo")).to_be_hidden()
    expect(page.locator(".mine figure")).to_have_count(1)
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")


def test_drawing_on_a_picture_replaces_it(visit):
    page = visit()
    choose(page, picture(4, "JPEG"))
    expect_answer(page, "That’s a 4")
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    expect(page.locator("img.photo")).to_be_hidden()


def test_why_a_file_is_refused_is_said_where_the_answer_stands(visit, postgres):
    page = visit()
    choose(page, b"just text", "notes.png", "image/png")
    expect_answer(page, "I can’t read this")
    expect(page.locator(".answer .detail")).to_contain_text("not a picture")
    page.keyboard.press("4")
    choose(page, bytes(10_000_001))
    expect(page.locator(".answer .detail")).to_have_text("The file is larger than 10 MB.")
    expect_rows(postgres, [])


def test_file_that_is_too_large_leaves_the_drawing_and_its_reading(visit, postgres):
    page = visit()
    draw(page, FOUR)
    expect_answer(page, "That’s a 4")
    tool(page, "why").click()
    choose(page, bytes(10_000_001))
    expect_answer(page, "I can’t take this file")
    expect(page.locator(".answer .detail")).to_have_text("The file is larger than 10 MB.")
    expect(page.locator(".why")).to_be_hidden()
    expect(key(page, "4")).to_have_class(re.compile("guess"))
    page.keyboard.press("Enter")
    expect_rows(postgres, [4])


def test_another_picture_closes_the_explanation(visit):
    page = visit()
    draw(page, FOUR)
    expect_answer(page, "That’s a 4")
    tool(page, "why").click()
    expect(page.locator(".why")).to_be_visible()
    choose(page, b"just text", "notes.png", "image/png")
    expect_answer(page, "I can’t read this")
    expect(page.locator(".why")).to_be_hidden()


# --- the queue ------------------------------------------------------------------------------------


def test_backend_away_is_reported_and_nothing_is_lost(visit, backend, postgres):
    page = visit()
    backend.stop()
    try:
        draw(page, SEVEN)
        expect_answer(page, "One moment")
        page.keyboard.press("7")
        expect_canvas(page, "empty")
        draw(page, THREE)
        page.keyboard.press("3")
        expect(page.locator(".queue")).to_contain_text("2 sketches are waiting")
        page.reload()
        expect(page.locator(".queue")).to_contain_text("2 sketches are waiting")
        expect(page.locator(".mine figure")).to_have_count(2)
    finally:
        backend.start()
    expect_rows(postgres, [7, 3])
    expect(page.locator(".queue")).to_have_text("")
    expect(page.locator(".score")).to_have_text("2 of 2 correct")


def test_drawing_goes_on_while_the_page_s_own_server_is_away(visit, frontend, postgres):
    page = visit()
    frontend.stop()
    try:
        hand = Hand(page)
        first, *rest = [hand.place(*point) for point in SEVEN.strokes[0]]
        page.mouse.move(*first)
        page.mouse.down()
        for point in rest:
            page.wait_for_timeout(2000)  # meanwhile Streamlit opens a dialog over the page
            page.mouse.move(*point, steps=9)
        page.mouse.up()
        expect(page.locator(".answer .detail")).to_contain_text("does not answer right now")
        page.keyboard.press("7")
        draw(page, THREE)
        page.keyboard.press("3")
        expect_canvas(page, "empty")
    finally:
        frontend.start()
    expect_rows(postgres, [7, 3])
    assert [row["prediction"] for row in postgres.rows("SELECT prediction FROM submissions ORDER BY created_at")] == [
        7,
        3,
    ]


def test_browser_that_stores_nothing_keeps_what_waits_as_long_as_the_page(visit, backend, postgres):
    page = visit()
    page.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    page.reload()
    backend.stop()
    try:
        for sketch in (SEVEN, THREE, FOUR):
            draw(page, sketch)
            page.keyboard.press(sketch.label)
        expect(page.locator(".queue")).to_contain_text("3 sketches are waiting")
        expect(page.locator(".queue")).to_contain_text("a reload loses what waits")
        key(page, "undo").click()
        expect(page.locator(".queue")).to_contain_text("2 sketches are waiting")
    finally:
        backend.start()
    expect_rows(postgres, [7, 3])
    expect(page.locator(".queue")).to_have_text("")
    key(page, "undo").click()
    expect_rows(postgres, [7])


@pytest.mark.slow
def test_sketch_that_is_undone_while_it_waits_is_never_sent(visit, backend, postgres):
    page = visit()
    backend.stop()
    try:
        for sketch in (SEVEN, THREE, FOUR):
            draw(page, sketch)
            page.keyboard.press(sketch.label)
        expect(page.locator(".queue")).to_contain_text("3 sketches are waiting")
        key(page, "undo").click()
        expect(page.locator(".queue")).to_contain_text("2 sketches are waiting")
        expect_canvas(page, "ink")
    finally:
        backend.start()
    expect_rows(postgres, [7, 3])


@pytest.mark.slow
def test_what_waits_is_sent_while_another_view_is_looked_at(visit, backend, postgres):
    page = visit()
    backend.stop()
    try:
        draw(page, SEVEN)
        page.keyboard.press("7")
        expect(page.locator(".queue")).to_contain_text("1 sketch is waiting")
        page.get_by_role("link", name="Gallery").click()
        expect(page.locator(".draw")).to_have_count(0)
    finally:
        backend.start()
    expect_rows(postgres, [7])
    page.get_by_role("link", name="Draw", exact=True).click()
    expect(page.locator(".score")).to_have_text("1 of 1 correct")


@pytest.mark.slow
def test_two_tabs_send_each_sketch_once_and_keep_their_own(visit, backend, frontend, postgres):
    first = visit()
    second = first.context.new_page()
    open_page(second, frontend.url, [])
    backend.stop()
    try:
        for page, sketch in ((first, SEVEN), (second, THREE), (first, FOUR)):
            draw(page, sketch)
            page.keyboard.press(sketch.label)
            page.wait_for_timeout(200)
        expect(second.locator(".queue")).to_contain_text("3 sketches are waiting")
    finally:
        backend.start()
    expect_rows(postgres, [7, 3, 4])
    expect(first.locator(".mine figure")).to_have_count(2)
    expect(second.locator(".mine figure")).to_have_count(1)
    expect(first.locator(".score")).to_have_text("2 of 2 correct")
    expect(second.locator(".score")).to_have_text("1 of 1 correct")
    visits = postgres.rows("SELECT visit, count(*) AS n FROM submissions GROUP BY visit ORDER BY n")
    assert [row["n"] for row in visits] == [1, 2]


def test_sketch_refused_for_good_says_why_and_shows_its_picture(visit, postgres):
    page = visit()
    hand = Hand(page)
    page.route(
        "**/page/submissions",
        lambda route: route.fulfill(
            status=422, json={"error": "BlankImage", "detail": "There is no ink on the image."}
        ),
    )
    hand.draw(SEVEN)
    page.keyboard.press("7")
    refusal = page.locator(".refused li")
    expect(refusal).to_contain_text("Not stored as 7. There is no ink on the image.")
    expect_answer(page, "Not stored")  # on the card, too: on a phone the list is out of view
    expect(page.locator(".answer .detail")).to_have_text("There is no ink on the image.")
    assert refusal.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 280
    page.unroute("**/page/submissions")
    hand.draw(THREE)
    page.keyboard.press("3")
    expect_rows(postgres, [3])  # it holds up nobody
    refusal.get_by_role("button").click()
    expect(page.locator(".refused li")).to_have_count(0)


def test_server_that_says_later_is_asked_later(visit, postgres):
    page = visit()
    later = {"status": 429, "headers": {"Retry-After": "2"}, "json": {"error": "TooManyRequests", "detail": "Later."}}
    page.route("**/page/submissions", lambda route: route.fulfill(**later), times=1)
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.keyboard.press("7")
    start = time.monotonic()
    expect(page.locator(".queue")).to_have_text("1 sketch is waiting. Later.")
    expect_rows(postgres, [7])
    assert time.monotonic() - start >= 1.8


def test_full_storage_is_said_and_the_sketch_waits(visit, postgres):
    page = visit()
    words = "This server stores no more sketches."
    full = {"status": 507, "headers": {"Retry-After": "1"}, "json": {"error": "StorageFull", "detail": words}}
    page.route("**/page/submissions", lambda route: route.fulfill(**full), times=1)
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.keyboard.press("7")
    expect(page.locator(".queue")).to_have_text(f"1 sketch is waiting. {words}")
    expect_rows(postgres, [7])
    expect(page.locator(".queue")).to_have_text("")


def test_asked_too_often_it_keeps_the_last_answer_and_goes_on_by_itself(visit):
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    words = "Too many at once from your network. Try again in 2 seconds."
    said = "Too many at once from your network. I’ll try again in 2 seconds."
    busy = {"status": 429, "headers": {"Retry-After": "2"}, "json": {"error": "TooManyRequests", "detail": words}}
    asked = []
    page.route("**/page/read", lambda route: (asked.append(time.monotonic()), route.fulfill(**busy)), times=1)
    page.on("request", lambda request: asked.append(time.monotonic()) if "/page/read" in request.url else None)
    draw(page, Sketch("7", [[(0.2, 0.1), (0.25, 0.12)]]))
    expect(page.locator(".answer .detail")).to_have_text(said)
    expect(page.locator(".answer .sentence")).to_have_text("That’s a 7")
    assert page.locator(".seen img").is_visible()
    expect(page.locator(".answer .detail")).not_to_have_text(said)  # read again
    assert max(asked) - min(asked) >= 1.8


# --- the tab --------------------------------------------------------------------------------------


def test_reload_keeps_the_drawing_for_this_tab_alone(visit, frontend):
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.reload()
    expect_answer(page, "That’s a 7")
    expect_canvas(page, "ink")
    other = page.context.new_page()
    open_page(other, frontend.url, [])
    expect_canvas(other, "empty")


@pytest.mark.parametrize("leave", ["reload", "look elsewhere"])
def test_stroke_in_progress_is_kept(visit, leave):
    page = visit()
    hand = Hand(page)
    first, *rest = [hand.place(*point) for point in SEVEN.strokes[0]]
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest:
        page.mouse.move(*point, steps=3)
    if leave == "reload":
        page.reload()
    else:
        page.get_by_role("link", name="Statistics").evaluate("link => link.click()")
        expect(page.locator(".draw")).to_have_count(0)
        page.get_by_role("link", name="Draw", exact=True).evaluate("link => link.click()")
    expect_answer(page, "That’s a 7")
    expect_canvas(page, "ink")


def test_reload_right_after_the_label_loses_nothing(visit, postgres):
    page = visit()
    draw(page, SEVEN)
    page.evaluate("""() => {
        document.dispatchEvent(new KeyboardEvent("keydown", { key: "7", bubbles: true }));
        location.reload();
    }""")
    expect_rows(postgres, [7])


def test_drawing_survives_a_look_at_the_statistics(visit):
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.get_by_role("link", name="Statistics").click()
    expect(page.locator(".draw")).to_have_count(0)
    page.get_by_role("link", name="Draw", exact=True).click()
    expect_answer(page, "That’s a 7")
    expect_canvas(page, "ink")


# --- every screen ---------------------------------------------------------------------------------


def overlap(one: dict, other: dict) -> bool:
    return all(
        max(one[start], other[start]) + 0.5 < min(one[start] + one[length], other[start] + other[length])
        for start, length in (("x", "width"), ("y", "height"))
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "size",
    [
        pytest.param((320, 568), id="320x568"),
        pytest.param((568, 320), id="568x320"),
        pytest.param((640, 360), id="640x360", marks=pytest.mark.slow),
        pytest.param((700, 620), id="700x620", marks=pytest.mark.slow),
        pytest.param((740, 360), id="740x360", marks=pytest.mark.slow),
        pytest.param((390, 844), id="390x844", marks=pytest.mark.slow),
        pytest.param((844, 390), id="844x390", marks=pytest.mark.slow),
        pytest.param((1280, 800), id="1280x800", marks=pytest.mark.slow),
        pytest.param((1920, 1080), id="1920x1080", marks=pytest.mark.slow),
    ],
)
def test_canvas_answer_and_keypad_are_in_view_together(visit, size, scheme):
    width, height = size
    page = visit(viewport={"width": width, "height": height}, color_scheme=scheme)
    for part in (".sheet", ".answer", ".keypad", ".tools"):
        box = page.locator(f".draw {part}").bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
        assert 0 <= box["y"] < box["y"] + box["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for each in page.locator(".draw :is(button, label.file), .st-key-pages a").all():
        if each.is_visible():
            box = each.bounding_box()
            assert min(box["width"], box["height"]) >= 43.9, each.text_content()
    keypad = page.locator(".keypad").bounding_box()
    keys = [each.bounding_box() for each in page.locator(".keypad button").all()]
    assert max(each["x"] + each["width"] for each in keys) <= keypad["x"] + keypad["width"] + 0.5
    assert not any(overlap(one, other) for one, other in itertools.combinations(keys, 2))


def test_finger_draws_without_scrolling(visit, postgres):
    page = visit(**FINGER)
    Hand(page, finger=True).draw(SEVEN)
    expect_answer(page, "That’s a 7")
    assert page.evaluate("document.querySelector('.stMain').scrollTop + window.scrollY") == 0
    key(page, "7").tap()
    expect_rows(postgres, [7])


def test_tapped_key_and_button_keep_no_mark(visit):
    page = visit(**FINGER)
    plain = border(page, "7")
    Hand(page, finger=True).draw(SEVEN)
    expect_answer(page, "That’s a 7")
    tool(page, "pen").tap()
    assert tool(page, "pen").evaluate("button => getComputedStyle(button).border") == plain
    key(page, "1").tap()
    expect_canvas(page, "empty")
    assert border(page, "1") == plain


@pytest.mark.slow
def test_second_finger_on_the_keypad_counts_while_the_first_draws(visit, postgres):
    page = visit(**FINGER)
    hand = Hand(page, finger=True)
    [stroke] = SEVEN.strokes
    points = [hand.place(*point) for point in stroke]
    hand._send("touchStart", points[0])
    for point in hand._between(points):
        hand._send("touchMove", point)
    page.locator('.keypad [data-key="7"]').dispatch_event("click")
    expect_canvas(page, "empty")
    hand._send("touchEnd")
    hand.draw(THREE)
    hand.label("3")
    expect_rows(postgres, [7, 3])


# --- the page's own routes ------------------------------------------------------------------------


def test_foreign_page_is_refused(frontend, backend):
    for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        answer = api.session().post(
            frontend.url + "/page/read", data=picture(7), headers={"Content-Type": "image/png"} | origin
        )
        assert (answer.status_code, answer.json()["error"]) == (403, "ForeignOrigin")


def begin_upload(frontend, announced: int, sent: int) -> socket.socket:
    """A call whose body never ends."""
    host, _, port = frontend.url.removeprefix("http://").partition(":")
    upload = socket.create_connection((host, int(port)))
    names = {"Host": f"{host}:{port}", "Origin": frontend.url, "Content-Length": announced}
    head = "POST /page/read HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in names.items()) + "\r\n"
    upload.sendall(head.encode() + bytes(sent))
    return upload


def test_uploads_that_never_end_hold_up_no_drawing(frontend, backend):
    ours = {"Origin": frontend.url, "Content-Type": "image/png"}
    with ExitStack() as uploads:
        for announced, sent, number in ((5_000, 100, 80), (9_000_000, 200_000, 8)):
            for _ in range(number):
                uploads.enter_context(begin_upload(frontend, announced, sent))
        time.sleep(0.5)
        assert api.session().post(frontend.url + "/page/read", data=picture(7), headers=ours).json()["digit"] == 7
        photo = api.session().post(frontend.url + "/page/read", data=bytes(200_000), headers=ours)
        assert (photo.status_code, photo.json()["error"], photo.headers["Retry-After"]) == (503, "Busy", "1")
    time.sleep(0.5)  # they hung up
    assert api.session().post(frontend.url + "/page/read", data=bytes(200_000), headers=ours).status_code == 415


def test_calls_are_passed_on_with_the_backend_s_words(frontend, backend, postgres):
    ours = {"Origin": frontend.url, "Content-Type": "image/png"}
    read = api.session().post(frontend.url + "/page/read?log=true&preview=false", data=picture(7), headers=ours)
    assert read.json()["digit"] == 7
    assert read.json()["preview"].startswith("data:image/png")
    blank = api.session().post(frontend.url + "/page/read", data=b"no picture", headers=ours)
    assert (blank.status_code, blank.json()["error"]) == (415, "NotAnImage")
    large = api.session().post(frontend.url + "/page/read", data=bytes(10_010_001), headers=ours)
    assert (large.status_code, large.json()["error"]) == (413, "BodyTooLarge")


def test_admin_s_calls_cannot_be_reached_this_way(frontend, backend):
    token = {"Origin": frontend.url, "Authorization": f"Bearer {ADMIN_TOKEN}".encode()}
    submission = calls.store(picture(7), "image/png", "7", uuid4())
    answer = api.session().delete(f"{frontend.url}/page/submissions", headers=token)
    assert answer.status_code == 422
    assert api.session().delete(f"{frontend.url}/page/submissions/{submission.id}", headers=token).status_code in (
        404,
        405,
    )
    assert api.statistics().total == 1


def test_absent_backend_is_reported_in_the_one_form(frontend, backend):
    backend.stop()
    try:
        answer = api.session().post(frontend.url + "/page/read", data=picture(7), headers={"Origin": frontend.url})
    finally:
        backend.start()
    assert (answer.status_code, answer.json()["error"]) == (503, "Unreachable")

"""What a label is for: what was on the sheet when a key was pressed, and nothing else."""

import io
import re

from draw_page import FOUR, SEVEN, THREE, choose, draw, expect_answer, expect_canvas, expect_rows, inked, key, tool
from drawings import picture
from hand import Hand
from PIL import Image
from playwright.sync_api import Page, expect


def detail(page: Page):
    return page.locator(".answer .detail")


# --- Enter ----------------------------------------------------------------------------------------


def test_enter_is_not_for_ink_that_came_after_it(visit, postgres):
    page = visit()
    held = []
    page.route("**/page/read", lambda route: held.append(route))
    hand = draw(page, SEVEN)
    page.keyboard.press("Enter")
    expect(detail(page)).to_have_text("I’ll store it as soon as I have read it.")
    hand.stroke(THREE.strokes[0])
    page.route("**/page/read", lambda route: route.continue_())
    for route in held:
        route.continue_()
    expect(detail(page)).not_to_have_text("I’ll store it as soon as I have read it.")
    page.wait_for_timeout(1000)
    expect_canvas(page, "ink")
    expect_rows(postgres, [])


def test_enter_on_a_file_that_cannot_be_read_labels_nothing_later(visit, postgres):
    page = visit()
    choose(page, b"just text", "notes.png", "image/png")
    expect_answer(page, "I can’t read this")
    page.keyboard.press("Enter")
    Hand(page).stroke(FOUR.strokes[0])
    expect(key(page, "none")).to_have_class(re.compile("guess|maybe|^$"))
    page.wait_for_timeout(1000)
    expect_canvas(page, "ink")
    expect_rows(postgres, [])


def test_enter_says_so_while_nothing_can_be_read(visit, backend, postgres):
    page = visit()
    backend.stop()
    try:
        draw(page, SEVEN)
        expect_answer(page, "One moment")
        expect(detail(page)).to_contain_text("does not answer")
        page.keyboard.press("Enter")
        expect(detail(page)).to_have_text("I can’t read it now. Which digit is it?")
        page.keyboard.press("7")
        expect_answer(page, "Noted: 7")
    finally:
        backend.start()
    expect_rows(postgres, [7])


def test_key_on_an_empty_sheet_says_what_to_do(visit):
    page = visit()
    page.keyboard.press("4")
    expect(detail(page)).to_have_text("Draw a digit first.")


# --- rounds ---------------------------------------------------------------------------------------


def test_round_begins_with_an_empty_sheet(visit, postgres):
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    tool(page, "round").first.click()
    expect_answer(page, re.compile("Draw an? [0-9]"))
    expect_canvas(page, "no ink")
    page.keyboard.press("Enter")
    expect(detail(page)).to_have_text("Draw a digit first.")
    expect_rows(postgres, [])


def test_round_says_which_digit_it_asks_for(visit):
    page = visit()
    tool(page, "round").first.click()
    asked = page.locator(".answer .sign").inner_text()
    draw(page, SEVEN)
    expect(page.locator(".answer [role=status]")).to_contain_text("I read a 7")  # all ink is read
    page.keyboard.press("1" if asked != "1" else "2")
    expect(detail(page)).to_have_text(re.compile(f"This round asks for an? {asked} now."))


# --- a picture or a drawing, never both -----------------------------------------------------------


def test_picture_takes_the_place_of_the_drawing(visit, postgres):
    page = visit()
    draw(page, THREE)
    expect_answer(page, "That’s a 3")
    choose(page, picture(4, "JPEG"))
    expect_answer(page, "That’s a 4")
    expect(tool(page, "undo")).to_be_disabled()
    tool(page, "clear").click()
    expect_answer(page, "Draw a digit")
    expect_canvas(page, "no ink")
    tool(page, "undo").click()
    expect_answer(page, "That’s a 3")


def test_stroke_on_a_picture_is_not_added_to_the_drawing_before(visit, postgres):
    page = visit()
    draw(page, THREE)
    expect_answer(page, "That’s a 3")
    choose(page, picture(4, "JPEG"))
    expect_answer(page, "That’s a 4")
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")


# --- undo -----------------------------------------------------------------------------------------


def test_undo_keeps_what_was_drawn_meanwhile(visit, postgres):
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.keyboard.press("1")
    expect_rows(postgres, [1])
    draw(page, THREE)
    expect_answer(page, "That’s a 3")
    key(page, "undo").click()
    expect_answer(page, "That’s a 7")
    page.keyboard.press("7")
    expect_answer(page, "That’s a 3")
    page.keyboard.press("3")
    expect_rows(postgres, [7, 3])


def test_undo_of_a_picture_keeps_what_was_drawn_meanwhile(visit, postgres):
    page = visit()
    choose(page, picture(4, "JPEG"))
    expect_answer(page, "That’s a 4")
    page.keyboard.press("1")
    draw(page, THREE)
    expect_answer(page, "That’s a 3")
    key(page, "undo").click()
    expect(page.locator("img.photo")).to_be_visible()
    expect_answer(page, "That’s a 4")
    page.keyboard.press("4")
    expect_answer(page, "That’s a 3")
    expect(page.locator("img.photo")).to_be_hidden()
    page.keyboard.press("3")
    expect_rows(postgres, [4, 3])


def test_undo_under_a_picture_shows_the_drawing_that_was_taken_back(visit, postgres):
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.keyboard.press("1")
    choose(page, picture(4, "JPEG"))
    expect_answer(page, "That’s a 4")
    key(page, "undo").click()
    expect(page.locator("img.photo")).to_be_hidden()
    expect_answer(page, "That’s a 7")
    tool(page, "clear").click()
    expect(page.locator("img.photo")).to_be_visible()
    expect_answer(page, "That’s a 4")
    page.keyboard.press("4")
    expect_rows(postgres, [4])


def test_undo_says_what_it_did_if_the_picture_is_gone(visit, postgres):
    page = visit()
    choose(page, picture(4, "JPEG"))
    expect_answer(page, "That’s a 4")
    page.keyboard.press("4")
    expect_rows(postgres, [4])
    page.reload()
    key(page, "undo").click()
    expect_answer(page, "Taken back")
    expect(detail(page)).to_have_text("It is no longer stored as 4.")
    expect_rows(postgres, [])


def test_only_what_can_be_taken_back_is_kept(visit, postgres):
    page = visit()
    page.evaluate("sessionStorage.setItem('draw.original.old', '[1]')")
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.keyboard.press("7")
    expect_rows(postgres, [7])
    kept = page.evaluate("Object.keys(sessionStorage).filter((name) => name.startsWith('draw.original.'))")
    assert len(kept) == 1
    assert kept != ["draw.original.old"]
    page.reload()
    key(page, "undo").click()
    expect_answer(page, "That’s a 7")


# --- files ----------------------------------------------------------------------------------------

LINE = b'<polyline points="28,20 72,20 45,84" fill="none" stroke="black" stroke-width="8"/>'
SVG_OF_7 = b'<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300" viewBox="0 0 100 100">' + LINE + b"</svg>"


def drop(page: Page, where: str, data: bytes) -> bool:
    """Drags a file to an element. Returns whether the browser was kept from opening it."""
    return page.evaluate(
        """([where, bytes]) => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(bytes)], "4.jpg", { type: "image/jpeg" }));
            const event = (type) => new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: files });
            const kept = ["dragover", "drop"].map((type) => !document.querySelector(where).dispatchEvent(event(type)));
            return kept.every(Boolean);
        }""",
        [where, list(data)],
    )


def test_file_may_be_dropped_anywhere(visit):
    page = visit()
    assert drop(page, "body", picture(4, "JPEG"))
    expect_answer(page, "That’s a 4")


SLOW_DECODE = """() => {
  const { decode } = HTMLImageElement.prototype;
  const wait = () => new Promise((resolve) => setTimeout(resolve, 1500));
  HTMLImageElement.prototype.decode = async function () { await wait(); return decode.call(this); };
}"""


def test_what_came_after_a_slow_file_stays(visit, postgres):
    page = visit()
    page.evaluate(SLOW_DECODE)
    choose(page, SVG_OF_7, "7.svg", "image/svg+xml")
    choose(page, picture(4, "JPEG"))
    expect_answer(page, "That’s a 4")
    page.wait_for_timeout(2000)
    expect_answer(page, "That’s a 4")
    page.keyboard.press("Enter")
    expect_rows(postgres, [4])
    choose(page, SVG_OF_7, "7.svg", "image/svg+xml")
    draw(page, THREE)
    page.wait_for_timeout(2000)
    expect_answer(page, "That’s a 3")
    expect(page.locator("img.photo")).to_be_hidden()
    page.keyboard.press("Enter")
    expect_rows(postgres, [4, 3])


def test_file_that_is_no_picture_leaves_the_drawing(visit, postgres):
    page = visit()
    draw(page, THREE)
    expect(page.locator(".answer [role=status]")).to_have_text(re.compile("That’s a 3"))  # all ink is read
    choose(page, b"just text", "notes.txt", "text/plain")
    expect_answer(page, "I can’t take this file")
    expect(detail(page)).to_have_text("Your browser cannot show this picture.")
    page.keyboard.press("Enter")
    expect_rows(postgres, [3])


def test_enter_is_for_the_picture_not_for_the_link_before(visit, postgres):
    page = visit()
    page.get_by_role("link", name="Draw", exact=True).focus()
    drop(page, "body", picture(4, "JPEG"))
    expect_answer(page, "That’s a 4")
    page.keyboard.press("Enter")
    expect_rows(postgres, [4])


def test_large_photo_is_sent_smaller_and_upright(visit, postgres):
    """A 7 on its side, which the file says how to turn; a 7 of 4,000 pixels must stay one."""
    page, sent = visit(), []
    page.on("request", lambda request: sent.append(request.post_data_buffer) if "/page/read" in request.url else None)
    upright = Image.open(io.BytesIO(picture(7))).convert("L").resize((4000, 4000))
    turned = Image.blend(upright, Image.effect_noise((4000, 4000), 60), 0.1).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    file = io.BytesIO()
    turned.save(file, "JPEG", quality=97, exif=exif)
    assert file.tell() > 1_000_000
    choose(page, file.getvalue())
    expect_answer(page, "That’s a 7")
    assert Image.open(io.BytesIO(sent[-1])).size == (2000, 2000)
    page.keyboard.press("7")
    expect_rows(postgres, [7])


def test_format_that_only_the_browser_knows_is_read(visit):
    page = visit()
    choose(page, SVG_OF_7, "7.svg", "image/svg+xml")
    expect_answer(page, "That’s a 7")


def test_empty_file_is_refused_in_plain_words(visit):
    page = visit()
    choose(page, b"", "4.png", "image/png")
    expect(detail(page)).to_have_text("The file is empty.")


# --- for everybody --------------------------------------------------------------------------------


def test_reading_is_announced_once_the_pen_rests(visit):
    page = visit()
    page.evaluate("""() => {
        window.heard = [];
        const place = document.querySelector(".answer [role=status]");
        new MutationObserver(() => window.heard.push(place.textContent)).observe(place, { childList: true });
    }""")
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.wait_for_timeout(1000)
    heard = page.evaluate("window.heard")
    assert len(heard) <= 2
    assert heard[-1].startswith("That’s a 7.")
    page.keyboard.press("7")
    expect(page.locator(".answer [role=status]")).to_have_text("Right, a 7! Draw the next one.")


def test_button_that_is_off_keeps_the_focus(visit):
    page = visit()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    tool(page, "clear").focus()
    page.keyboard.press("Enter")
    expect_canvas(page, "no ink")
    expect(tool(page, "clear")).to_be_disabled()
    expect(tool(page, "clear")).to_be_focused()


def test_session_that_another_release_left_behind_does_not_matter(visit, postgres):
    page = visit()
    page.evaluate("""() => {
        const kept = { mine: { a: 1 }, pen: 99, score: 5, visit: "zz", drawing: 3, round: [1], "just-added": 7 };
        for (const [name, value] of Object.entries(kept)) sessionStorage.setItem(`draw.${name}`, JSON.stringify(value));
    }""")
    page.reload()
    draw(page, SEVEN)
    expect_answer(page, "That’s a 7")
    page.keyboard.press("7")
    expect_rows(postgres, [7])
    expect(page.locator(".score")).to_have_text("1 of 1 correct")
    assert not inked(page)

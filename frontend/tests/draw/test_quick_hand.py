"""Nothing is lost, however quick the hand: each row has its own label and its own picture."""

import io
import random
import time

import pytest
from hand import Hand, Sketch, sketches, whose
from PIL import Image
from playwright.sync_api import Page

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def stored(postgres, count: int, patience_s: float = 60) -> list[dict]:
    deadline = time.monotonic() + patience_s
    while True:
        rows = postgres.rows("SELECT * FROM submissions ORDER BY created_at, id")
        if len(rows) >= count or time.monotonic() > deadline:
            return rows
        time.sleep(0.2)


def check(rows: list[dict], drawn: list[Sketch]) -> None:
    assert [str(row["true_label"]) for row in rows] == [sketch.label for sketch in drawn]
    assert [whose(Image.open(io.BytesIO(row["image"])), drawn) for row in rows] == list(range(len(drawn)))
    assert len({row["idempotency_key"] for row in rows}) == len(drawn)


def draw_and_label(page: Page, drawn: list[Sketch], longest_ms: int, finger: bool = False) -> None:
    hand, rng = Hand(page, finger), random.Random(len(drawn))
    for sketch in drawn:
        for stroke in sketch.strokes:
            hand.stroke(stroke)
            page.wait_for_timeout(rng.uniform(0, longest_ms))
        hand.label(sketch.label)
        page.wait_for_timeout(rng.uniform(0, longest_ms))


@pytest.mark.slow
@pytest.mark.parametrize("finger", [False, True], ids=["mouse", "finger"])
def test_forty_quick_sketches_are_forty_rows(visit, postgres, finger):
    page = visit(**(PHONE if finger else {}))
    drawn = sketches(40, seed=1)
    draw_and_label(page, drawn, 700, finger)
    rows = stored(postgres, 40)
    check(rows, drawn)
    assert len({row["visit"] for row in rows}) == 1
    assert rows[0]["visit"] is not None


@pytest.mark.slow
def test_no_pause_at_all_loses_nothing(visit, postgres):
    page = visit()
    drawn = sketches(20, seed=2)
    draw_and_label(page, drawn, 0)
    check(stored(postgres, 20), drawn)


def test_label_counts_while_the_pen_is_down(visit, postgres):
    page = visit()
    hand, [sketch, after] = Hand(page), sketches(2, seed=3)
    points = [hand.place(*point) for stroke in sketch.strokes[:1] for point in stroke]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=3)
    page.keyboard.press(sketch.label)
    page.mouse.move(*points[0], steps=5)  # the pen goes on, on an empty sheet
    page.mouse.up()
    hand.draw(after)
    hand.label(after.label)
    first = Sketch(sketch.label, sketch.strokes[:1])
    check(stored(postgres, 2), [first, after])

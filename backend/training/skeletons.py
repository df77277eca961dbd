"""How people in different countries write each digit: pen strokes in a box of about 1×1, y downwards.

A skeleton is a list of strokes; a stroke is a list of points, (x, y), through which the pen runs smoothly, and a point
given twice is a corner. Every call draws its own proportions from `rng`; strokes.py adds the hand and the pen.
"""

from collections.abc import Callable

import numpy as np

Point = tuple[float, float]
Stroke = list[Point]
Skeleton = list[Stroke]
Style = Callable[[np.random.Generator], Skeleton]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Stroke:
    """Part of an ellipse around (x, y), from one angle to another, in degrees: 0 is right, 90 down."""
    angles = np.radians(np.linspace(start, end, max(3, int(abs(end - start) / 30) + 1)))
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles]


def corner(x: float, y: float) -> Stroke:
    return [(x, y), (x, y)]


# --- 0 --------------------------------------------------------------------------------------------


def zero(rng: np.random.Generator) -> Skeleton:
    start = rng.uniform(-150, -20)
    turn = rng.choice([-1, 1], p=[0.8, 0.2]) * rng.uniform(335, 405)
    return [arc(0.5, 0.5, rng.uniform(0.25, 0.5), 0.5, start, start + turn)]


def zero_curled(rng: np.random.Generator) -> Skeleton:
    """Its end runs into the inside, or over the top."""
    start = rng.uniform(-110, -50)
    width = rng.uniform(0.25, 0.45)
    end = (0.5 + rng.uniform(-0.3, 0.5), rng.uniform(-0.1, 0.25))
    return [[*arc(0.5, 0.5, width, 0.5, start, start - 350), end]]


def zero_slashed(rng: np.random.Generator) -> Skeleton:
    """Within the ring, or far over it."""
    over = rng.uniform(-0.15, 0.2)
    slash = [
        (rng.uniform(0.7, 0.9) + over, rng.uniform(0.05, 0.25) - over),
        (rng.uniform(0.1, 0.3) - over, rng.uniform(0.75, 0.95) + over),
    ]
    return [*zero(rng), slash if rng.random() < 0.75 else [(1 - x, y) for x, y in slash]]


def zero_barred(rng: np.random.Generator) -> Skeleton:
    """A bar across, level or upright, in the ring or over it."""
    reach, tilt = rng.uniform(0.25, 0.7), rng.uniform(-0.12, 0.12)
    bar = [(0.5 - reach, 0.5 + tilt), (0.5 + reach, 0.5 - tilt)]
    return [*zero(rng), bar if rng.random() < 0.6 else [(y, x) for x, y in bar]]


# --- 1 --------------------------------------------------------------------------------------------


def one_bar(rng: np.random.Generator) -> Skeleton:
    return [[(0.5, 0), (0.5 + rng.normal(0, 0.02), 0.5), (0.5, 1)]]


def one_flag(rng: np.random.Generator) -> Skeleton:
    """From a tick to a flag nearly as long as the stem, rising steeply or not; the stem may end in a small hook."""
    length, angle = rng.uniform(0.12, 0.85), np.radians(rng.uniform(25, 68))
    start = (0.5 - length * float(np.cos(angle)), length * float(np.sin(angle)))
    middle = (0.5 - length / 2 * float(np.cos(angle)) + rng.normal(0, 0.04), start[1] / 2 + rng.normal(0, 0.04))
    top = corner(0.5, 0) if rng.random() < 0.75 else [(0.47, 0.02), (0.51, 0.04)]
    stem = [(0.5 + rng.normal(0, 0.03), 0.5), (0.5 + rng.normal(0, 0.05), 1)]
    if rng.random() < 0.2:
        stem = [(0.5, 0.5), (0.5, 0.92), (0.5 + rng.uniform(-0.15, 0.25), rng.uniform(0.93, 1.0))]
    return [[start, middle, *top, *stem]]


def one_flag_foot(rng: np.random.Generator) -> Skeleton:
    left, right, y = rng.uniform(0.12, 0.45), rng.uniform(0.12, 0.45), rng.uniform(0.95, 1.02)
    return [*one_flag(rng), [(0.5 - left, y), (0.5 + right, y + rng.normal(0, 0.02))]]


def one_foot(rng: np.random.Generator) -> Skeleton:
    width = rng.uniform(0.15, 0.35)
    return [[(0.5, 0), (0.5, 1)], [(0.5 - width, 1), (0.5 + width, 1)]]


# --- 2 --------------------------------------------------------------------------------------------


def two(rng: np.random.Generator) -> Skeleton:
    y = rng.uniform(0.22, 0.34)
    right = rng.uniform(0.75, 0.95)
    head = arc(0.48, y, right - 0.48, y, rng.uniform(170, 215), rng.uniform(370, 400))
    foot = [(rng.uniform(0.5, 0.9), 1 + rng.normal(0, 0.03)), (rng.uniform(0.85, 1.1), rng.uniform(0.88, 1.02))]
    return [[*head, (0.45, 0.72), *corner(rng.uniform(0, 0.1), 1), *foot]]


def two_looped(rng: np.random.Generator) -> Skeleton:
    y, loop = rng.uniform(0.22, 0.32), rng.uniform(0.05, 0.14)
    head = arc(0.48, y, 0.4, y, rng.uniform(170, 230), 385)
    foot = [(0.45, 0.92), (0.75, rng.uniform(0.95, 1.03)), (1.02, rng.uniform(0.8, 0.98))]
    return [[*head, (0.5, 0.65), *arc(0.12, 1 - loop, 0.14, loop, 60, 270), *foot]]


def two_angular(rng: np.random.Generator) -> Skeleton:
    """Like a Z, but round at the top right."""
    top = [(rng.uniform(0, 0.15), rng.uniform(0.02, 0.2)), (0.5, rng.uniform(-0.02, 0.04))]
    knee = [(0.85, 0.12), (0.8, 0.35)]
    return [[*top, *knee, *corner(rng.uniform(0, 0.12), 1), (0.5, 1), (rng.uniform(0.85, 1.05), 0.98)]]


# --- 3 --------------------------------------------------------------------------------------------


def three(rng: np.random.Generator) -> Skeleton:
    waist, inner = rng.uniform(0.4, 0.52), rng.uniform(0.2, 0.5)
    upper = arc(0.42, waist / 2, rng.uniform(0.3, 0.45), waist / 2, rng.uniform(190, 230), rng.uniform(420, 440))
    lower_height = (1 - waist) / 2
    lower = arc(0.42, waist + lower_height, rng.uniform(0.4, 0.55), lower_height, -75, rng.uniform(110, 170))
    return [[*upper, *corner(inner, waist), *lower]]


def three_round(rng: np.random.Generator) -> Skeleton:
    """No corner in the middle: a small loop, or a plain wave."""
    loop = rng.uniform(-0.03, 0.1)
    start = [(rng.uniform(0, 0.25), rng.uniform(0.05, 0.22)), (0.5, 0)]
    end = [(0.5, 1), (rng.uniform(0, 0.25), rng.uniform(0.78, 0.98))]
    middle = [(0.85, 0.2), (0.55, 0.45 + loop), (0.35, 0.46), (0.5, 0.46 - loop), (0.9, 0.7)]
    return [[*start, *middle, *end]]


def three_flat(rng: np.random.Generator) -> Skeleton:
    """A straight top, as in a Z."""
    knee = (rng.uniform(0.3, 0.5), rng.uniform(0.35, 0.45))
    top = [(rng.uniform(0.05, 0.2), rng.uniform(0, 0.06)), *corner(rng.uniform(0.8, 0.95), 0.02)]
    return [
        [*top, *corner(*knee), (0.75, 0.47), (0.92, 0.7), (0.55, 1), (rng.uniform(0, 0.15), rng.uniform(0.85, 0.98))]
    ]


def three_narrow(rng: np.random.Generator) -> Skeleton:
    """Two shallow bows, nearly a line; the lower one may hang far to the left."""
    waist, wide = rng.uniform(0.38, 0.55), rng.uniform(0.1, 0.28)
    start, end = (0.5 - wide * rng.uniform(0.3, 1.2), rng.uniform(0, 0.1)), (0.5 - rng.uniform(0.1, 0.5), 1)
    inner = [*corner(0.5 - wide * rng.uniform(0, 0.4), waist)] if rng.random() < 0.6 else [(0.5, waist)]
    return [
        [
            start,
            (0.5 + wide * 0.7, waist * 0.3),
            (0.5 + wide * 0.6, waist * 0.7),
            *inner,
            (0.5 + wide, (1 + waist) / 2),
            end,
        ]
    ]


# --- 4 --------------------------------------------------------------------------------------------


def four_open(rng: np.random.Generator) -> Skeleton:
    y, stem = rng.uniform(0.45, 0.82), rng.uniform(0.5, 0.8)
    left = [(rng.uniform(0.05, 0.45), 0), (rng.uniform(0.0, 0.2), y / 2), *corner(rng.uniform(0, 0.1), y)]
    bar = [(0.5, y + rng.normal(0, 0.02)), (rng.uniform(stem + 0.02, 1.1), y + rng.normal(0, 0.04))]
    down = [
        (stem + rng.normal(0, 0.05), rng.uniform(-0.05, y - 0.15)),
        (stem, 0.6),
        (stem - rng.uniform(-0.05, 0.15), 1),
    ]
    return [[*left, *bar], down]


def four_round(rng: np.random.Generator) -> Skeleton:
    """The left part is a bowl, as in a u or a y."""
    y, stem = rng.uniform(0.42, 0.62), rng.uniform(0.6, 0.85)
    bowl = [
        (rng.uniform(0, 0.2), 0),
        (rng.uniform(-0.02, 0.1), y * 0.6),
        (0.3, y),
        (stem, y - rng.uniform(-0.03, 0.12)),
    ]
    if rng.random() < 0.5:  # in one stroke, up again and down
        return [[*bowl, *corner(stem + 0.03, rng.uniform(-0.05, 0.15)), (stem - rng.uniform(-0.05, 0.15), 1)]]
    return [bowl, [(stem + 0.03, rng.uniform(-0.05, 0.2)), (stem - rng.uniform(-0.05, 0.15), 1)]]


def four_closed(rng: np.random.Generator) -> Skeleton:
    y, stem = rng.uniform(0.55, 0.75), rng.uniform(0.6, 0.8)
    bar = [*corner(0, y), (rng.uniform(stem + 0.05, 1.1), y + rng.normal(0, 0.04))]
    return [[(stem, 0), *bar], [(stem, rng.uniform(-0.03, 0.05)), (stem - rng.uniform(-0.05, 0.1), 1)]]


def four_one_stroke(rng: np.random.Generator) -> Skeleton:
    """The bar turns up to the top of the stem."""
    y, stem = rng.uniform(0.5, 0.7), rng.uniform(0.6, 0.8)
    bar = [*corner(0, y), (stem, y - 0.02), (stem + 0.25, y - rng.uniform(0.05, 0.2))]
    return [[(rng.uniform(0.3, 0.6), 0), *bar, *corner(stem + 0.08, rng.uniform(0, 0.3)), (stem - 0.05, 1)]]


def four_never_closed(rng: np.random.Generator) -> Skeleton:
    """One stroke, down, across and up to the stem, whose top stays far from where the pen began."""
    y, stem = rng.uniform(0.4, 0.65), rng.uniform(0.65, 0.95)
    left = [(rng.uniform(0, 0.3), rng.uniform(-0.05, 0.1)), (rng.uniform(-0.05, 0.12), y * 0.6)]
    turn = corner(rng.uniform(0, 0.1), y) if rng.random() < 0.5 else [(rng.uniform(0.05, 0.2), y)]
    across = [(0.45, y + rng.normal(0, 0.03)), (stem, y * rng.uniform(0.55, 0.9))]
    top = (stem + rng.uniform(0, 0.12), rng.uniform(-0.1, y * 0.5))
    return [[*left, *turn, *across, *corner(*top), (stem - rng.uniform(-0.05, 0.2), 1)]]


# --- 5 --------------------------------------------------------------------------------------------


def _bowl_of_five(rng: np.random.Generator, y: float) -> Stroke:
    height = (1 - y) / 2
    return arc(0.42, y + height, rng.uniform(0.35, 0.55), height, rng.uniform(-110, -80), rng.uniform(110, 170))


def five_two_strokes(rng: np.random.Generator) -> Skeleton:
    y, x = rng.uniform(0.32, 0.48), rng.uniform(0.1, 0.25)
    body = [(x, rng.uniform(-0.03, 0.1)), *corner(rng.uniform(0.05, 0.2), y + 0.04), *_bowl_of_five(rng, y)]
    bar_y = rng.uniform(-0.06, 0.05)
    return [body, [(x + rng.uniform(-0.05, 0.12), bar_y), (rng.uniform(0.75, 1.1), bar_y + rng.normal(0, 0.04))]]


def five_one_stroke(rng: np.random.Generator) -> Skeleton:
    y, x = rng.uniform(0.32, 0.48), rng.uniform(0.1, 0.25)
    top = [(rng.uniform(0.75, 1.05), rng.uniform(-0.04, 0.08)), *corner(x, 0.02)]
    return [[*top, *corner(x - rng.uniform(0, 0.08), y + 0.03), *_bowl_of_five(rng, y)]]


def five_curved(rng: np.random.Generator) -> Skeleton:
    """Like an S with a straight top, no corner anywhere."""
    start = [(rng.uniform(0.8, 1.05), rng.uniform(-0.02, 0.12)), (0.5, 0.02)]
    return [
        [
            *start,
            (0.2, 0.12),
            (0.2, 0.35),
            (0.55, 0.45),
            (0.88, 0.68),
            (0.5, 1),
            (rng.uniform(0, 0.15), rng.uniform(0.82, 1.0)),
        ]
    ]


# --- 6 --------------------------------------------------------------------------------------------


def six(rng: np.random.Generator) -> Skeleton:
    size = rng.uniform(0.2, 0.32)
    width = rng.uniform(0.35, 0.48)
    start = (rng.uniform(0.45, 0.95), rng.uniform(-0.03, 0.1))
    loop = arc(0.5, 1 - size, width, size, 180, rng.uniform(-190, -120))
    return [[start, (rng.uniform(0.25, 0.4), 0.22), (rng.uniform(0.03, 0.12), 0.5), *loop]]


def six_hooked(rng: np.random.Generator) -> Skeleton:
    """The top runs out far to the right, or turns down again."""
    size = rng.uniform(0.22, 0.32)
    top = [(rng.uniform(0.8, 1.15), rng.uniform(0.05, 0.25)), (0.65, 0)]
    loop = arc(0.5, 1 - size, rng.uniform(0.4, 0.5), size, 180, rng.uniform(-185, -130))
    return [[*top, (0.25, 0.2), (0.05, 0.5), *loop]]


def six_straight(rng: np.random.Generator) -> Skeleton:
    """A straight back with a loop at its foot, like a b."""
    size = rng.uniform(0.2, 0.3)
    x = rng.uniform(0.02, 0.15)
    return [
        [(x + rng.uniform(0, 0.45), 0), (x + 0.05, 0.5), *arc(0.48, 1 - size, 0.45, size, 170, rng.uniform(-180, -150))]
    ]


# --- 7 --------------------------------------------------------------------------------------------


def seven(rng: np.random.Generator) -> Skeleton:
    tilt = rng.uniform(-0.08, 0.12)
    top = [(0, tilt), (0.5, tilt / 2 + rng.normal(0, 0.03)), *corner(rng.uniform(0.8, 1), 0)]
    if rng.random() < 0.25:  # round, not pointed
        top = [(0, tilt), (0.6, 0), (0.9, 0.08)]
    down = [(rng.uniform(0.48, 0.75), 0.5), (rng.uniform(0.15, 0.55), 1)]
    return [[*top, *down]]


def seven_tick(rng: np.random.Generator) -> Skeleton:
    """A short downstroke where the bar begins."""
    (first, *rest), *others = seven(rng)
    tick = (first[0] + rng.uniform(-0.06, 0.06), first[1] + rng.uniform(0.08, 0.25))
    return [[tick, *corner(*first), *rest], *others]


def seven_curly(rng: np.random.Generator) -> Skeleton:
    """The bar begins with a curl and swings, as a 2's head does."""
    start = [(rng.uniform(-0.05, 0.1), rng.uniform(0.1, 0.32)), (rng.uniform(0.08, 0.2), rng.uniform(0.0, 0.08))]
    bar = [(0.5, rng.uniform(0.0, 0.12)), (rng.uniform(0.8, 0.95), rng.uniform(-0.02, 0.08))]
    down = [(rng.uniform(0.48, 0.7), 0.5), (rng.uniform(0.2, 0.55), 1)]
    return [[*start, *bar, *down]]


def seven_looped(rng: np.random.Generator) -> Skeleton:
    """In one stroke: the bar begins with a loop."""
    x, y, size = rng.uniform(0.08, 0.2), rng.uniform(0.05, 0.15), rng.uniform(0.05, 0.14)
    loop = arc(
        x, y, size * rng.uniform(0.7, 1.3), size, rng.uniform(-60, 60), rng.choice([-1, 1]) * rng.uniform(300, 380)
    )
    tip = corner(rng.uniform(0.8, 1), rng.uniform(-0.03, 0.06)) if rng.random() < 0.6 else [(0.9, 0.03)]
    return [[*loop, (0.5, rng.uniform(0, 0.12)), *tip, (rng.uniform(0.5, 0.75), 0.5), (rng.uniform(0.15, 0.55), 1)]]


def seven_narrow(rng: np.random.Generator) -> Skeleton:
    """A short, level bar and a steep stem: next to it a one's flag rises."""
    left, right = rng.uniform(0.08, 0.3), rng.uniform(0.62, 0.8)
    top = [(left, rng.uniform(-0.02, 0.1)), *corner(right, rng.uniform(-0.02, 0.03))]
    return [[*top, (right - rng.uniform(0.03, 0.15), 0.5), (right - rng.uniform(0.08, 0.35), 1)]]


def seven_crossed(rng: np.random.Generator) -> Skeleton:
    style = (seven, seven_tick, seven_curly, seven_looped)[rng.choice(4, p=[0.5, 0.2, 0.2, 0.1])]
    y, middle = rng.uniform(0.38, 0.62), rng.uniform(0.5, 0.65)
    left, right, tilt = rng.uniform(0.12, 0.4), rng.uniform(0.12, 0.4), rng.uniform(-0.1, 0.06)
    return [*style(rng), [(middle - left, y - tilt), (middle + right, y + tilt)]]


# --- 8 --------------------------------------------------------------------------------------------


def eight(rng: np.random.Generator) -> Skeleton:
    """In one stroke like an S and back again; its ends may not meet."""
    waist, wide = rng.uniform(0.32, 0.6), rng.uniform(0.2, 0.5)
    high = [(rng.uniform(0.6, 0.9), rng.uniform(0.02, 0.2)), (0.5, 0), (0.5 - wide * 0.8, waist / 2), (0.5, waist)]
    low = [(0.5 + wide, (1 + waist) / 2), (0.5, 1), (0.5 - wide, (1 + waist) / 2), (0.5, waist)]
    end = (high[0][0] + rng.normal(0, 0.08), high[0][1] + rng.normal(0, 0.08))
    return [[*high, *low, (0.5 + wide * 0.75, waist / 2), end]]


def eight_mirrored(rng: np.random.Generator) -> Skeleton:
    return [[(1 - x, y) for x, y in stroke] for stroke in eight(rng)]


def eight_open(rng: np.random.Generator) -> Skeleton:
    """A loop below, two arms above that do not meet, or only just."""
    waist, gap = rng.uniform(0.35, 0.6), rng.uniform(0, 0.7)
    right, left = 0.5 + gap / 2, 0.5 - gap / 2
    arms = [(right, rng.uniform(0, 0.12)), (0.72, waist / 2)], [(0.28, waist / 2), (left, rng.uniform(-0.03, 0.12))]
    height = (1 - waist) / 2
    loop = arc(0.5, waist + height, rng.uniform(0.22, 0.4), height, 200, -20)
    stroke = [*arms[0], (0.5, waist), *loop, (0.5, waist), *arms[1]]
    return [stroke if rng.random() < 0.5 else [(1 - x, y) for x, y in stroke]]


def eight_circles(rng: np.random.Generator) -> Skeleton:
    waist, start = rng.uniform(0.4, 0.55), rng.uniform(-150, -30)
    upper = arc(0.5, waist / 2, rng.uniform(0.25, 0.42), waist / 2, start, start - rng.uniform(340, 390))
    height = (1 - waist) / 2
    return [upper, arc(0.5, waist + height, rng.uniform(0.3, 0.5), height, -90, -90 - rng.uniform(340, 390))]


# --- 9 --------------------------------------------------------------------------------------------


def _loop_of_nine(rng: np.random.Generator) -> Stroke:
    """Sometimes not closed, sometimes hardly more than a line."""
    height = rng.uniform(0.12, 0.3)
    turn = rng.uniform(235, 370)
    return arc(0.45, height, rng.uniform(0.3, 0.45), height, -20, -20 - turn)


def nine(rng: np.random.Generator) -> Skeleton:
    x = rng.uniform(0.78, 0.92)
    return [
        [*_loop_of_nine(rng), *corner(x, rng.uniform(0.05, 0.2)), (x - 0.04, 0.6), (x - rng.uniform(-0.05, 0.35), 1)]
    ]


def nine_hooked(rng: np.random.Generator) -> Skeleton:
    """The tail swings to the left, a little or as far as a g's."""
    x, reach = rng.uniform(0.78, 0.92), rng.uniform(-0.3, 0.4)
    tail = [(x, 0.6), (x - 0.1, 0.9), (0.45, 1), (reach, rng.uniform(0.78, 1.0))]
    joint = corner(x, 0.12) if rng.random() < 0.5 else [(x, 0.2)]
    return [[*_loop_of_nine(rng), *joint, *tail]]


def nine_curled(rng: np.random.Generator) -> Skeleton:
    """An open head, and a tail that runs far to the left and up again."""
    height, x = rng.uniform(0.14, 0.28), rng.uniform(0.75, 0.92)
    head = arc(0.48, height, rng.uniform(0.28, 0.42), height, -30, -30 - rng.uniform(200, 330))
    reach, low = rng.uniform(-0.5, 0.1), rng.uniform(0.9, 1.05)
    tail = [
        (x, 0.45),
        (x - 0.08, 0.8),
        (0.4, low),
        (reach, rng.uniform(0.75, 0.95)),
        (reach - rng.uniform(-0.1, 0.1), 0.65),
    ]
    return [[*head, (x, rng.uniform(0.05, 0.25)), *tail[: rng.integers(3, 6)]]]


def nine_two_strokes(rng: np.random.Generator) -> Skeleton:
    """A loop or an open c, and a stem next to it."""
    height, start, x = rng.uniform(0.18, 0.3), rng.uniform(-60, -10), rng.uniform(0.75, 0.9)
    loop = arc(0.42, height, 0.4, height, start, start - rng.uniform(230, 350))
    return [loop, [(x, rng.uniform(0, 0.15)), (x, 0.5), (x - rng.uniform(-0.05, 0.3), 1)]]


# what is written, and how often
STYLES: dict[int, list[tuple[Style, float]]] = {
    0: [(zero, 0.68), (zero_curled, 0.2), (zero_slashed, 0.09), (zero_barred, 0.03)],
    1: [(one_bar, 0.2), (one_flag, 0.5), (one_flag_foot, 0.25), (one_foot, 0.05)],
    2: [(two, 0.5), (two_looped, 0.3), (two_angular, 0.2)],
    3: [(three, 0.45), (three_round, 0.25), (three_flat, 0.18), (three_narrow, 0.12)],
    4: [(four_open, 0.3), (four_round, 0.25), (four_closed, 0.2), (four_one_stroke, 0.13), (four_never_closed, 0.12)],
    5: [(five_two_strokes, 0.45), (five_one_stroke, 0.3), (five_curved, 0.25)],
    6: [(six, 0.5), (six_hooked, 0.3), (six_straight, 0.2)],
    7: [
        (seven, 0.24),
        (seven_tick, 0.1),
        (seven_curly, 0.08),
        (seven_crossed, 0.42),
        (seven_looped, 0.08),
        (seven_narrow, 0.08),
    ],
    8: [(eight, 0.4), (eight_mirrored, 0.15), (eight_open, 0.2), (eight_circles, 0.25)],
    9: [(nine, 0.32), (nine_hooked, 0.32), (nine_curled, 0.12), (nine_two_strokes, 0.24)],
}

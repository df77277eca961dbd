from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest

from app.held_out import SHARE, HeldOut, Origin, fraction, origin
from app.imaging import prepare
from tests.drawings import draw

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(days=1), NOW + timedelta(days=1)
HELD, LEARNED = SHARE / 2, (1 + SHARE) / 2  # fractions


def test_a_fifth_is_always_held_out():
    ids = [UUID(int=n * 7919**9 % 2**128).bytes for n in range(20_000)]
    assert np.mean([fraction(each) < SHARE for each in ids]) == pytest.approx(SHARE, abs=0.01)
    always = UUID("00000000-0000-0000-0000-000000000001")  # every release must give it the same fraction
    assert fraction(always.bytes) == pytest.approx(0.4853, abs=1e-3)


def test_sketches_of_one_visit_lie_on_one_side():
    visit, pictures = uuid4(), [prepare(draw(digit)) for digit in range(10)]
    assert len({origin(uuid4(), NOW, visit, picture).by_visit for picture in pictures}) == 1
    assert len({origin(uuid4(), NOW, None, picture).by_visit for picture in pictures}) == 10


def test_same_sketch_sent_twice_lies_on_one_side():
    first, again = (origin(uuid4(), when, None, prepare(draw(7))) for when in (NOW, LATER))
    assert first.by_visit == again.by_visit
    assert first.by_id != again.by_id


@pytest.mark.parametrize(
    ("model", "sketch", "covers"),
    [
        (HeldOut(), Origin(NOW, LEARNED, LEARNED), True),  # learned from no sketch at all
        (HeldOut(until_by_visit=NOW), Origin(NOW, LEARNED, HELD), True),
        (HeldOut(until_by_visit=NOW), Origin(NOW, HELD, LEARNED), False),
        (HeldOut(until_by_visit=NOW), Origin(LATER, LEARNED, LEARNED), True),  # drawn since
        (HeldOut(until_by_id=NOW), Origin(EARLIER, HELD, LEARNED), True),
        (HeldOut(until_by_id=NOW), Origin(EARLIER, LEARNED, HELD), False),
        # started from one that held out by ids
        (HeldOut(until_by_id=EARLIER, until_by_visit=NOW), Origin(EARLIER, LEARNED, HELD), False),
        (HeldOut(until_by_id=EARLIER, until_by_visit=NOW), Origin(EARLIER, HELD, HELD), True),
        (HeldOut(until_by_id=EARLIER, until_by_visit=NOW), Origin(NOW, LEARNED, HELD), True),
    ],
)
def test_only_what_was_certainly_not_learned_from_counts(model, sketch, covers):
    assert model.covers(sketch) is covers

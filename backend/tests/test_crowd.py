"""crowd.py in a short form, and what it takes for a fault."""

import os
import re
import subprocess
import sys
from uuid import uuid4

import pytest

from app import imaging
from app.config import BACKEND
from benchmarks import sketches
from benchmarks.outcome import Outcome, Sent, Tally
from benchmarks.report import faults
from tests.conftest import UV

KEY = uuid4()
ID = str(uuid4())


@pytest.mark.slow
def test_a_few_visitors_lose_nothing():
    command = [sys.executable, "crowd.py", "--visitors", "10", "--minutes", "0.5"]
    environment = os.environ | {"UV": UV, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=BACKEND, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    sent, answered, found, right = map(
        int, re.search(r"(\d+) sent, (\d+) answered with 201; (\d+) found, (\d+) of them", done.stdout).groups()
    )
    assert sent == answered == found == right > 10
    assert int(re.search(r"(\d+) readings \(", done.stdout)[1]) > 200
    assert "0 by the old one" in done.stdout
    assert "The restart of Postgres took inf" not in done.stdout
    assert "422" in done.stdout  # what the hostile client got


@pytest.fixture
def outcome() -> Outcome:
    """One sketch, answered and found."""
    tally = Tally()
    [sketch] = sketches.make(1, "RGBA", seed=0)
    tally.sent[KEY] = Sent("0", sketch)
    tally.stored[KEY] = ID
    picture = imaging.to_png(imaging.read(sketch.whole))
    return Outcome(1, 60.0, tally, memory=None, rows={KEY: (ID, "0", picture)})


def test_what_is_stored_once_as_it_was_sent_is_no_fault(outcome):
    assert faults(outcome) == []


def test_a_lost_sketch_is_a_fault(outcome):
    outcome.rows.clear()
    assert faults(outcome) == ["lost: 1"]


def test_a_sketch_that_nobody_answered_is_a_fault(outcome):
    outcome.tally.stored.clear()
    assert faults(outcome) == ["never answered with 201: 1"]


def test_two_ids_for_one_sketch_are_a_fault(outcome):
    outcome.tally.contradictions.append("another")
    assert faults(outcome) == ["stored twice: 1"]


def test_another_label_is_a_fault(outcome):
    id_, _, picture = outcome.rows[KEY]
    outcome.rows[KEY] = (id_, "3", picture)
    assert faults(outcome) == ["stored with another label or picture: 1"]


def test_another_picture_is_a_fault(outcome):
    *_, other = sketches.make(2, "RGBA", seed=0)
    outcome.rows[KEY] = (ID, "0", other.whole)
    assert faults(outcome) == ["stored with another label or picture: 1"]


def test_a_500_is_a_fault_whoever_saw_it(outcome):
    outcome.tally.problems["reading at the page: 500 InternalError"] += 1
    outcome.attacks = [{"kind": "", "start": 0, "end": 1, "statuses": {"500": 2, "422": 1}}]
    assert faults(outcome) == ["answers with 500: 3"]


def test_a_sketch_grows_until_it_is_whole():
    for mode in ("RGBA", "L"):
        [sketch] = sketches.make(1, mode, seed=1)
        ink = [int(imaging.read(part).sum()) for part in sketch.parts]
        assert ink == sorted(ink)
        assert 0 < ink[0] < ink[-1]

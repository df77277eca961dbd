"""rehearse.py against a running server: a few made-up writers submit, the others are measured."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import BACKEND
from tests.conftest import TOKEN
from tests.service import Service
from tests.training.test_unipen import write_unipen

WRITERS = 3


@pytest.fixture(scope="module")
def running(postgres) -> Iterator[Service]:
    with Service(postgres.environment) as service:
        yield service


@pytest.fixture
def service(running, database) -> Service:
    """On an empty database."""
    return running


@pytest.fixture
def file(tmp_path) -> Path:
    """Ten digits of each writer, as pendigits notes them."""
    path = write_unipen(tmp_path / "writers.txt", [n % 10 for n in range(10 * WRITERS)])
    lines, written = [], 0
    for line in path.read_text().splitlines():
        lines.append(line)
        if line.startswith(".SEGMENT"):
            lines.append(f".COMMENT {written % 10} {7 + written // 10} 300")
            written += 1
    path.write_text("\n".join(lines))
    return path


def rehearse(service: Service, *options, token: str = TOKEN) -> tuple[int, str]:
    command = [sys.executable, "rehearse.py", *options, "--url", str(service.client.base_url)]
    environment = os.environ | {"ADMIN_TOKEN": token, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=BACKEND, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_writers_submit_and_all_is_approved(service, database, file):
    status, said = rehearse(service, "submit", file, "--learn-from", "2")
    assert status == 0, said
    assert "20 sketches submitted, 0 of them with a wrong label" in said
    assert database.execute("SELECT count(DISTINCT visit) AS writers FROM submissions").fetchone()["writers"] == 2
    rows = database.execute("SELECT true_label, status, count(*) AS n FROM submissions GROUP BY 1, 2").fetchall()
    assert sorted(row["true_label"] for row in rows) == list(range(10))
    assert {(row["status"], row["n"]) for row in rows} == {("approved", 2)}


def test_the_rest_submit_on_request_and_some_labels_are_wrong(service, database, file):
    status, said = rehearse(service, "submit", file, "--learn-from", "2", "--rest", "--wrong-labels", "1")
    assert status == 0, said
    assert "10 sketches submitted, 10 of them with a wrong label" in said
    read_right = database.execute("SELECT count(*) AS n FROM submissions WHERE correct").fetchone()["n"]
    assert read_right <= 1


def test_the_others_are_measured_and_leave_nothing(service, database, file, model):
    status, said = rehearse(service, "measure", file, "--learn-from", "2")
    assert status == 0, said
    share, rest = said.strip().splitlines()[-1].split("% of ")
    assert float(share) >= 90
    assert rest == f"30 drawings read right by {model.version}"
    assert database.execute("SELECT count(*) AS n FROM submissions").fetchone()["n"] == 0


def test_too_few_writers_are_said_to_be_so(service, file):
    status, said = rehearse(service, "measure", file)
    assert status != 0
    assert "The file has 3 writers" in said


def test_a_wrong_token_is_said_to_be_so(service, file):
    status, said = rehearse(service, "submit", file, "--learn-from", "1", token="wrong")
    assert status != 0
    assert "403" in said
    assert "Traceback" not in said

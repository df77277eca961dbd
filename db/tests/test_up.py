"""`git clone` and `./up.sh --local`: the three services as processes. The tests build on each other, in this order."""

import contextlib
import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PORTS, Checkout


@pytest.fixture(scope="module", autouse=True)
def stopped_afterwards(checkout: Checkout):
    yield
    checkout.run("./up.sh", "--down")


def pid(checkout: Checkout, service: str) -> int:
    file = "db/data/postgres.pid" if service == "db" else f".run/{service}.pid"
    return int((checkout.folder / file).read_text())


def working_folders() -> Iterator[str]:
    """Of every process, where there is /proc."""
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):  # ended meanwhile
            yield os.readlink(link)


def assert_it_answers(checkout: Checkout) -> None:
    for url in (checkout.url("BACKEND", "/health/ready"), checkout.url("FRONTEND", "/_stcore/health")):
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.status == 200


def test_nothing_runs_at_first(checkout: Checkout):
    assert checkout.run("./up.sh", "--status").returncode == 1
    assert checkout.run("./up.sh", "--down").returncode == 0


def test_a_fresh_clone_comes_up(checkout: Checkout):
    # from another folder, as scripts are often called
    up = checkout.run("bash", "-c", f"cd / && '{checkout.folder}/up.sh' --local")
    assert up.returncode == 0, up.stdout + up.stderr
    assert_it_answers(checkout)
    for told in ("Made .env", f":{checkout.settings['FRONTEND_PORT']}", ".run/backend.log", "--down"):
        assert told in up.stdout


def test_its_secrets_are_random_and_for_the_owner_alone(checkout: Checkout):
    assert (checkout.folder / ".env").stat().st_mode & 0o777 == 0o600
    assert len(checkout.password) >= 32
    assert checkout.password not in (checkout.folder / ".env.example").read_text()


def test_torch_was_not_installed(checkout: Checkout):
    installed = {path.name for path in (checkout.folder / "backend/.venv-serve").glob("lib/python*/site-packages/*")}
    assert "onnxruntime" in installed
    assert "torch" not in installed
    assert not (checkout.folder / "backend/.venv").exists()


def test_status_tells_the_three(checkout: Checkout):
    status = checkout.run("./up.sh", "--status")
    assert status.returncode == 0, status.stderr
    assert status.stdout.count("running") == 3


def test_once_more_is_fine(checkout: Checkout):
    before = pid(checkout, "db")
    up = checkout.run("./up.sh", "--local")
    assert up.returncode == 0, up.stderr
    assert "Made .env" not in up.stdout
    assert pid(checkout, "db") == before
    assert_it_answers(checkout)


def test_after_a_crash_it_comes_up_with_its_data(checkout: Checkout):
    with checkout.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    for service in ("backend", "db"):
        os.kill(pid(checkout, service), signal.SIGKILL)
    assert checkout.run("./up.sh", "--status").returncode == 1
    up = checkout.run("./up.sh", "--local")
    assert up.returncode == 0, up.stderr
    assert_it_answers(checkout)
    with checkout.connect() as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_changed_password_is_explained(checkout: Checkout):
    refused = checkout.run("./up.sh", "--local", POSTGRES_PASSWORD="other")
    assert refused.returncode == 1
    assert "made with another" in refused.stderr


@pytest.mark.parametrize("variable", PORTS)
def test_a_busy_port_is_told_with_the_variable_to_change(checkout: Checkout, variable: str):
    with socket.create_server(("127.0.0.1", 0)) as other:
        refused = checkout.run("./up.sh", "--local", **{variable: other.getsockname()[1]})
    assert refused.returncode == 1
    assert variable in refused.stderr


def test_it_mends_what_that_left_half_done(checkout: Checkout):
    assert checkout.run("./up.sh", "--local").returncode == 0
    assert_it_answers(checkout)


def test_down_ends_what_it_started_and_nothing_else(checkout: Checkout):
    assert checkout.run("./up.sh", "--down").returncode == 0
    assert checkout.run("./up.sh", "--status").returncode == 1
    assert not [folder for folder in working_folders() if folder.startswith(str(checkout.folder))]
    # the pids of a run long ago may be others' by now
    (checkout.folder / ".run/backend.pid").write_text(str(os.getpid()))
    assert checkout.run("./up.sh", "--down").returncode == 0


def test_an_unknown_option_is_refused(checkout: Checkout):
    assert checkout.run("./up.sh", "--dwon").returncode == 1
    assert "--local" in checkout.run("./up.sh", "--help").stdout

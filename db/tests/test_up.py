"""`git clone` and `./up.sh --local`: the three services as processes. The tests build on each other, in this order."""

import contextlib
import os
import shutil
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Checkout
from losing import everything_comes_back, submissions


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


def test_busy_ports_are_told_all_at_once_and_what_runs_goes_on(checkout: Checkout):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        taken = {"BACKEND_PORT": one.getsockname()[1], "FRONTEND_PORT": two.getsockname()[1]}
        refused = checkout.run("./up.sh", "--local", **taken)
    assert refused.returncode == 1
    for variable, port in taken.items():
        assert f"Port {port} is taken (Address already in use): set {variable}" in refused.stderr
    assert "DB_PORT" not in refused.stderr
    assert_it_answers(checkout)


@pytest.mark.slow
def test_two_at_once_take_turns(checkout: Checkout):
    two = [checkout.start("./up.sh", "--local") for _ in range(2)]
    said = [each.communicate(timeout=300)[0] for each in two]
    assert [each.returncode for each in two] == [0, 0], said
    assert sorted("Another up.sh is running" in each for each in said) == [False, True]
    assert_it_answers(checkout)


def test_psql_takes_arguments_and_standard_input(checkout: Checkout):
    said = checkout.run("./up.sh", "--psql", "-Atc", "SELECT current_user, 6 * 7")
    assert said.stdout == "digits|42\n", said.stderr
    said = checkout.run("bash", "-c", "echo 'SELECT count(*) FROM digit_statistics;' | ./up.sh --psql -At")
    assert said.stdout == "10\n", said.stderr


def test_a_backup_that_fails_leaves_no_file(checkout: Checkout, tmp_path: Path):
    refused = checkout.run("./up.sh", "--backup", str(tmp_path / "digits.dump"), POSTGRES_PASSWORD="other")
    assert refused.returncode == 1
    assert "authentication failed" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_everything_comes_back_from_a_backup(checkout: Checkout, tmp_path: Path):
    def lose() -> None:
        assert checkout.run("./up.sh", "--down").returncode == 0
        shutil.rmtree(checkout.folder / "db/data")

    everything_comes_back(checkout, tmp_path / "digits.dump", lose, "./up.sh", "--local")


def test_backup_and_restore_overwrite_only_when_told_to(checkout: Checkout, tmp_path: Path):
    before = submissions(checkout)
    file = tmp_path / "digits.dump"
    assert checkout.run("bash", "-c", f"cd db && ../up.sh --backup '{file}'").returncode == 0
    kept = file.read_bytes()
    refused = checkout.run("./up.sh", "--backup", str(file))
    assert refused.returncode == 1
    assert "never overwrites" in refused.stderr
    assert file.read_bytes() == kept
    with checkout.connect() as connection:
        connection.execute("UPDATE submissions SET status = 'approved'")
    refused = checkout.run("./up.sh", "--restore", str(file))
    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    assert submissions(checkout) != before
    assert checkout.run("./up.sh", "--restore", str(file), "--overwrite").returncode == 0
    assert submissions(checkout) == before
    assert_it_answers(checkout)


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


def test_without_a_running_database_there_is_no_backup(checkout: Checkout, tmp_path: Path):
    refused = checkout.run("./up.sh", "--local", "--backup", str(tmp_path / "digits.dump"))
    assert refused.returncode == 1
    assert "The database is not running" in refused.stderr
    assert "Which file?" in checkout.run("./up.sh", "--backup").stderr


def test_an_unknown_option_is_refused(checkout: Checkout):
    assert checkout.run("./up.sh", "--dwon").returncode == 1
    assert "--local" in checkout.run("./up.sh", "--help").stdout

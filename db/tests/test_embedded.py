"""embedded.py, called as a person calls it."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import Database, free_port

import local


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of one with a row in a table of its own, stopped."""
    made = Database(tmp_path_factory.mktemp("template") / "data", free_port())
    made.run("start")
    with made.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    made.run("stop")
    return made.data


@pytest.fixture
def postgres(tmp_path: Path, template: Path) -> Iterator[Database]:
    """One that is not running, with a row in a table of its own."""
    copied = Database(shutil.copytree(template, tmp_path / "data"), free_port())
    yield copied
    copied.run("stop")


def kept(database: Database) -> int:
    with database.connect() as connection:
        return connection.execute("SELECT answer FROM kept").fetchone()[0]


def test_it_is_reached_by_address_with_the_password(database: Database):
    with database.connect() as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == ("digits", "digits")
        assert connection.execute("SELECT * FROM prediction_accuracy").fetchone()[0] == 0


def test_a_wrong_password_is_refused(database: Database):
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        database.connect(password="wrong")


def test_it_does_not_run_as_root(database: Database):
    pid = int((database.data / "postgres.pid").read_text())
    assert Path(f"/proc/{pid}").stat().st_uid != 0 if Path("/proc/self").exists() else os.geteuid() != 0


def test_starting_twice_leaves_it_running(database: Database):
    before = (database.data / "postgres.pid").read_text()
    assert database.run("start").returncode == 0
    assert (database.data / "postgres.pid").read_text() == before


def test_status_and_stop_say_what_is(postgres: Database):
    assert postgres.run("status").returncode == 1
    assert postgres.run("start").returncode == 0
    assert str(postgres.port) in postgres.run("status").stdout
    assert postgres.run("stop").stdout.strip() == "Postgres has stopped."
    assert postgres.run("stop").stdout.strip() == "Postgres was not running."


def test_a_busy_port_is_told_with_the_variable_to_change(postgres: Database):
    with socket.create_server(("127.0.0.1", 0)) as other:
        refused = postgres.run("start", DB_PORT=other.getsockname()[1])
    assert refused.returncode == 1
    assert "DB_PORT" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_data_made_with_another_password_are_explained_and_kept(postgres: Database):
    for changed in ({"POSTGRES_PASSWORD": "other"}, {"POSTGRES_USER": "other"}, {"POSTGRES_DB": "other"}):
        refused = postgres.run("start", **changed)
        assert refused.returncode == 1
        assert "made with another POSTGRES_USER, POSTGRES_PASSWORD or POSTGRES_DB" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert postgres.run("status").returncode == 1, "what it cannot use, it does not leave running"
    assert postgres.run("start").returncode == 0
    assert kept(postgres) == 42


def test_without_a_password_it_says_where_to_set_one(postgres: Database):
    if local.read_env(local.ROOT / ".env").get("POSTGRES_PASSWORD"):
        pytest.skip("this checkout's .env has a password")
    assert "POSTGRES_PASSWORD" in postgres.run("start", POSTGRES_PASSWORD="").stderr


def test_it_moves_to_another_port(postgres: Database):
    postgres.run("start")
    postgres.port = free_port()
    assert postgres.run("start").returncode == 0
    assert kept(postgres) == 42


def test_after_a_crash_it_starts_again_with_all_its_data(postgres: Database):
    postgres.run("start")
    os.kill(int((postgres.data / "postgres.pid").read_text()), signal.SIGKILL)
    assert postgres.run("start").returncode == 0
    assert kept(postgres) == 42


def test_a_pid_that_is_now_somebody_elses_does_not_keep_it_from_starting(postgres: Database):
    postgres.run("start")
    lock = postgres.data / "cluster" / "postmaster.pid"
    left = lock.read_text()
    postgres.run("stop")
    lock.write_text(left.replace(left.splitlines()[0], str(os.getpid()), 1))
    assert postgres.run("start").returncode == 0


def test_a_half_made_one_is_made_anew(tmp_path: Path):
    cut_off = Database(tmp_path / "data", free_port())
    (cut_off.data / "cluster.new" / "base").mkdir(parents=True)
    assert cut_off.run("start").returncode == 0
    assert cut_off.run("stop").returncode == 0

"""backup.sh: what it dumps comes back, all or nothing; what cannot come back is refused in words."""

import os
import subprocess
from itertools import count
from pathlib import Path

import pytest
from conftest import APP_PASSWORD, ROOT, UV, Database
from test_migrate import KEPT, NEWEST, ROWS, definitions, make_old, make_unversioned, migrate

NUMBERS = count()


def backup(database: Database, name: str, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess:
    """Calls backup.sh on the database of that name."""
    settings = {
        "POSTGRES_USER": "digits",
        "POSTGRES_PASSWORD": database.password,
        "POSTGRES_DB": name,
        "DB_PASSWORD": APP_PASSWORD,
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(database.port),
    }
    command = [
        UV,
        "run",
        "--quiet",
        "--script",
        ROOT / "db/embedded.py",
        "run",
        "sh",
        ROOT / "db/backup.sh",
        *arguments,
    ]
    return subprocess.run(command, env=os.environ | settings, input=given, capture_output=True)


def dump(database: Database, name: str) -> bytes:
    done = backup(database, name, "dump")
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(database: Database, name: str) -> list[tuple]:
    with database.connect(dbname=name) as connection:
        return connection.execute(KEPT).fetchall()


def empty(database: Database) -> str:
    """Returns the name of a database without tables."""
    name = f"backup_{next(NUMBERS)}"
    with database.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return name


def new(database: Database) -> str:
    """... with the tables of this release."""
    name = empty(database)
    assert migrate(database, name).returncode == 0
    return name


def filled(database: Database) -> str:
    """... and with rows in each."""
    name = new(database)
    with database.connect(dbname=name) as connection:
        connection.execute(ROWS)
    return name


@pytest.fixture(scope="module")
def source(database: Database) -> str:
    return filled(database)


@pytest.fixture(scope="module")
def good(database: Database, source: str) -> bytes:
    return dump(database, source)


def test_what_was_dumped_comes_back(database: Database, source: str, good: bytes):
    name = new(database)
    restored = backup(database, name, "restore", given=good)
    assert restored.returncode == 0, restored.stderr
    assert b"11 submissions, 1 models, and the promotion of cnn-1" in restored.stdout
    assert migrate(database, name).returncode == 0
    assert rows(database, name) == rows(database, source)
    assert definitions(database, name) == definitions(database, "digits")
    with database.connect(dbname=name) as connection:
        # numbers go on where they were
        connection.execute("INSERT INTO promotions (model, previous) VALUES ('cnn-1', 'cnn-1')")
        assert connection.execute("SELECT max(id) FROM promotions").fetchone() == (2,)


@pytest.mark.parametrize(
    "version", [0, NEWEST, *(pytest.param(each, marks=pytest.mark.slow) for each in range(1, NEWEST))]
)
def test_backup_of_an_older_release_is_brought_up_to_date(database: Database, version: int):
    old, name = empty(database), new(database)
    before = make_old(database, old, version) if version else make_unversioned(database, old)
    assert backup(database, name, "restore", given=dump(database, old)).returncode == 0
    done = migrate(database, name)
    assert done.returncode == 0, done.stderr
    assert rows(database, name) == before
    assert definitions(database, name) == definitions(database, "digits")


def test_backup_holds_no_trace_of_clients(database: Database):
    source, name = new(database), new(database)
    with database.connect(dbname=source) as connection:
        connection.execute("INSERT INTO rate_limit_salts VALUES ('2026-01-01', decode(repeat('07', 32), 'hex'))")
        connection.execute("INSERT INTO rate_limits VALUES (decode(repeat('07', 16), 'hex'), now())")
    assert backup(database, name, "restore", given=dump(database, source)).returncode == 0
    with database.connect(dbname=name) as connection:
        for table in ("rate_limits", "rate_limit_salts"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_backup_of_a_newer_release_is_refused(database: Database):
    name = new(database)
    with database.connect(dbname=name) as connection:
        connection.execute("INSERT INTO schema_migrations (version, name) VALUES (%s, 'later')", [NEWEST + 1])
    refused = backup(database, name, "check", given=dump(database, name))
    assert refused.returncode == 1
    assert (
        f"newer release, whose tables are at version {NEWEST + 1}; this one knows {NEWEST}" in refused.stderr.decode()
    )


def test_good_one_passes_the_check(database: Database, source: str, good: bytes):
    assert backup(database, source, "check", given=good).returncode == 0


def test_submissions_are_overwritten_only_when_told_to(database: Database, good: bytes):
    name = filled(database)
    with database.connect(dbname=name) as connection:
        connection.execute("DELETE FROM promotions; DELETE FROM submissions WHERE true_label IS NOT NULL")
    before = rows(database, name)
    refused = backup(database, name, "restore", given=good)
    assert refused.returncode != 0
    assert b"--overwrite" in refused.stderr
    assert b"damaged" not in refused.stderr
    assert rows(database, name) == before
    assert backup(database, name, "restore", "--overwrite", given=good).returncode == 0
    assert len(rows(database, name)) == 11


@pytest.mark.parametrize(
    "length", [0, 3, 3000, -2000], ids=["nothing", "its first letters", "its beginning", "not its end"]
)
def test_damaged_one_changes_nothing(database: Database, good: bytes, length: int):
    name = filled(database)
    before = rows(database, name)
    cut = good[:length]
    for what in (["check"], ["restore", "--overwrite"]):
        refused = backup(database, name, *what, given=cut)
        assert refused.returncode != 0 or what == ["check"]  # which reads on until it knows the version
    assert b"damaged" in refused.stderr
    assert rows(database, name) == before


def test_somebody_elses_database_is_refused(database: Database):
    other, name = empty(database), filled(database)
    with database.connect(dbname=other) as connection:
        connection.execute("CREATE TABLE bills AS SELECT 42 AS euros")
    before = rows(database, name)
    assert b"no tables of Digit recogniser" in backup(database, other, "dump").stderr
    with database.connect(dbname=other) as connection:
        connection.execute("CREATE SCHEMA a; CREATE TABLE a.submissions ()")
        connection.execute(f"ALTER DATABASE {other} SET search_path = a")
    refused = backup(database, name, "restore", "--overwrite", given=dump(database, other))
    assert b"not the tables of Digit recogniser" in refused.stderr
    assert rows(database, name) == before


def test_usage_is_told(database: Database, source: str):
    assert b"Usage" in backup(database, source, "everything").stderr
    assert Path(ROOT / "db/backup.sh").stat().st_mode & 0o111

"""migrate.sh: an older database becomes what init.sql makes; what fails changes nothing, and says why."""

import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from itertools import count
from pathlib import Path

import pytest
from conftest import APP_PASSWORD, ROOT, Database, free_port

MIGRATIONS = sorted((ROOT / "db/migrations").glob("*.sql"))
NEWEST = int(MIGRATIONS[-1].name.split("_")[0])
NUMBERS = count()

# every definition, as Postgres itself words it
DEFINITIONS = """
    SELECT 'column', table_name, column_name,
           data_type || is_nullable || coalesce(column_default, '') || coalesce(generation_expression, '')
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'view', viewname, '', definition FROM pg_views WHERE schemaname = 'public'
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'statistics', stxrelid::regclass::text, stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
    UNION ALL SELECT 'function', proname, '', pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'rights', relname, relkind::text, coalesce(relacl::text, '')
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S')
    UNION ALL SELECT 'comment', objoid::regclass::text, objsubid::text, description
    FROM pg_description JOIN pg_class ON objoid = pg_class.oid WHERE relnamespace = 'public'::regnamespace
    ORDER BY 1, 2, 3, 4
"""  # noqa: E501
ROWS = """
    INSERT INTO models (version, onnx, sha256, card, verdict, reference, reference_end)
    VALUES ('cnn-1', 'network', decode(repeat('00', 32), 'hex'), '{}', '{"passed": true}', array_fill(1, ARRAY[10]), 9);
    INSERT INTO promotions (model, previous) VALUES ('cnn-1', 'cnn-0');
    INSERT INTO predictions (created_at, model, digit, confidence, unsure, milliseconds)
    VALUES ('2026-01-01', 'cnn-1', 7, 0.9, false, 1.5);
    INSERT INTO submissions (request_sha256, image, prediction, confidence, unsure, probabilities, model, true_label)
    SELECT decode(repeat('00', 32), 'hex'), '\\x89504e470d0a1a0a', 7, 0.9, false, array_fill(0.1, ARRAY[10]), 'cnn-1',
           nullif(label, 10)
    FROM generate_series(0, 10) AS label
"""
KEPT = "SELECT id, created_at, image, prediction, true_label, correct, status FROM submissions ORDER BY true_label"


@pytest.fixture
def name(database: Database) -> str:
    """Of an empty database beside the others."""
    name = f"empty_{next(NUMBERS)}"
    with database.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return name


def migrate(database: Database, name: str, **settings: str | int) -> subprocess.CompletedProcess:
    return database.run("migrate", **{"DB_HOST": "127.0.0.1", "POSTGRES_DB": name} | settings)


def definitions(database: Database, name: str) -> list[tuple]:
    with database.connect(dbname=name) as connection:
        return connection.execute(DEFINITIONS).fetchall()


def version(database: Database, name: str) -> int:
    with database.connect(dbname=name) as connection:
        return connection.execute("SELECT max(version) FROM schema_migrations").fetchone()[0]


def make_old(database: Database, name: str, version: int) -> list[tuple]:
    """A database as the release of that version left it, with rows in it; returns the submissions."""
    with database.connect(dbname=name) as connection:
        for file in MIGRATIONS[:version]:
            connection.execute(file.read_text())
            number, title = file.stem.split("_", 1)
            connection.execute("INSERT INTO schema_migrations (version, name) VALUES (%s, %s)", [int(number), title])
        connection.execute(ROWS)
        return connection.execute(KEPT).fetchall()


def make_unversioned(database: Database, name: str) -> list[tuple]:
    """As before there were migrations."""
    rows = make_old(database, name, 1)
    with database.connect(dbname=name) as connection:
        connection.execute("DROP TABLE schema_migrations")
    return rows


# --- upgrades ---------------------------------------------------------------------------------------


def test_versions_of_schema_migrations_and_code_agree():
    assert [int(file.name[:4]) for file in MIGRATIONS] == list(range(1, NEWEST + 1))
    assert f"VALUES ({NEWEST}, '{MIGRATIONS[-1].stem[5:]}')" in (ROOT / "db/init.sql").read_text()
    assert re.search(rf"^SCHEMA_VERSION = {NEWEST}\b", (ROOT / "backend/app/store/health.py").read_text(), re.MULTILINE)


def test_tables_of_the_queue_are_those_that_procrastinate_expects():
    """Where this fails, procrastinate has been updated: its sql/migrations say what the next migration has to do."""
    theirs = (resources.files("procrastinate") / "sql/schema.sql").read_text().strip()
    assert theirs in next(ROOT.glob("db/migrations/*_retrainings.sql")).read_text()


@pytest.mark.parametrize("old", range(1, NEWEST + 1))
def test_database_of_each_version_becomes_as_a_new_one_and_keeps_its_rows(database: Database, name: str, old: int):
    before = make_old(database, name, old)
    done = migrate(database, name)
    assert done.returncode == 0, done.stderr
    assert definitions(database, name) == definitions(database, "digits")
    with database.connect(dbname=name) as connection:
        assert connection.execute(KEPT).fetchall() == before


def test_database_from_before_migrations_becomes_as_a_new_one(database: Database, name: str):
    before = make_unversioned(database, name)
    done = migrate(database, name)
    assert done.returncode == 0, done.stderr
    assert definitions(database, name) == definitions(database, "digits")
    with database.connect(dbname=name) as connection:
        assert connection.execute(KEPT).fetchall() == before


def test_still_older_one_gains_what_it_lacks(database: Database, name: str):
    make_unversioned(database, name)
    with database.connect(dbname=name) as connection:
        connection.execute("DROP TABLE promotions, models, predictions; DROP VIEW digit_statistics")
        connection.execute("DROP INDEX submissions_wrong, submissions_by_model")
    assert migrate(database, name).returncode == 0
    assert definitions(database, name) == definitions(database, "digits")


def test_new_one_is_at_the_newest_version_and_running_it_again_changes_nothing(database: Database, name: str):
    assert f"version {NEWEST}" in migrate(database, name).stdout
    before = definitions(database, name)
    again = migrate(database, name)
    assert (again.returncode, again.stdout) == (0, "")
    assert definitions(database, name) == before


def test_several_at_once_take_turns(database: Database, name: str):
    make_unversioned(database, name)
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: migrate(database, name), range(3)))
    assert [each.returncode for each in done] == [0] * 3, [each.stderr for each in done]
    assert version(database, name) == NEWEST


# --- a release of the future -------------------------------------------------------------------------


@pytest.fixture
def future(database: Database, tmp_path: Path) -> Path:
    """A copy of db/ to which a test adds migrations; `run_in` calls it."""
    return Path(shutil.copytree(ROOT / "db", tmp_path / "db", ignore=shutil.ignore_patterns("data", "tests")))


def run_in(folder: Path, database: Database, name: str) -> subprocess.CompletedProcess:
    return Database(database.data, database.port, script=folder / "embedded.py").run(
        "migrate", DB_HOST="127.0.0.1", POSTGRES_DB=name
    )


def test_migrations_run_once_in_their_order(database: Database, name: str, future: Path):
    make_unversioned(database, name)
    (future / "migrations/0998_a.sql").write_text("CREATE TABLE extra (n int); ALTER TABLE submissions ADD b int;")
    (future / "migrations/0999_b.sql").write_text("INSERT INTO extra VALUES (1);")
    for _ in range(2):
        done = run_in(future, database, name)
        assert done.returncode == 0, done.stderr
    with database.connect(dbname=name) as connection:
        assert connection.execute("SELECT n FROM extra").fetchall() == [(1,)]
    assert version(database, name) == 999


def test_one_that_fails_takes_all_back(database: Database, name: str, future: Path):
    make_unversioned(database, name)
    before = definitions(database, name)
    (future / "migrations/0998_a.sql").write_text("DROP TABLE predictions;")
    (future / "migrations/0999_b.sql").write_text("ALTER TABLE nowhere ADD b int;")
    failed = run_in(future, database, name)
    assert failed.returncode == 1
    assert 'relation "nowhere" does not exist' in failed.stderr
    assert "Nothing was changed" in failed.stderr
    assert definitions(database, name) == before


def test_others_are_let_through_while_an_export_holds_a_migration_up(database: Database, name: str, future: Path):
    make_unversioned(database, name)
    (future / "migrations/0999_a.sql").write_text("ALTER TABLE submissions ADD a int;")
    with ThreadPoolExecutor() as pool, database.connect(dbname=name) as export, database.connect(dbname=name) as other:
        export.execute("BEGIN; SELECT count(*) FROM submissions")
        migration = pool.submit(run_in, future, database, name)
        other.execute("SET statement_timeout = '4s'")  # below that of the backend, 5 s
        until = time.monotonic() + 10
        while time.monotonic() < until:
            other.execute("SELECT count(*) FROM submissions")
            time.sleep(0.1)
        assert not migration.done()
        export.execute("COMMIT")
        done = migration.result()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("version 0999") == 1
    assert version(database, name) == 999


def test_one_that_is_held_up_for_too_long_changes_nothing(database: Database, name: str, future: Path):
    migrate(database, name)
    script = future / "migrate.sh"
    script.write_text(script.read_text().replace("TRIES=150", "TRIES=2"))
    with database.connect(dbname=name, user="digits_app", password=APP_PASSWORD) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtext('digit-recogniser schema'))")
        failed = run_in(future, database, name)
    assert failed.returncode == 1
    assert "uses the tables" in failed.stderr
    assert "lock timeout" in failed.stderr
    assert "Nothing was changed" in failed.stderr


def test_new_database_is_made_whole_or_not_at_all(database: Database, name: str, future: Path):
    with (future / "init.sql").open("a") as file:
        file.write("SELECT 1 / 0;")
    schema = (future / "init.sql").read_text()
    (future / "init.sql").write_text(schema.replace("COMMIT;", "").replace("SELECT 1 / 0;", "SELECT 1 / 0; COMMIT;"))
    assert run_in(future, database, name).returncode == 1
    assert definitions(database, name) == []


def test_database_of_a_newer_release_is_left_alone(database: Database, name: str):
    migrate(database, name)
    with database.connect(dbname=name) as connection:
        connection.execute("INSERT INTO schema_migrations (version, name) VALUES (1000, 'future')")
    before = definitions(database, name)
    refused = migrate(database, name)
    assert refused.returncode == 1
    assert "A newer release has changed this database" in refused.stderr
    assert definitions(database, name) == before


# --- what it says ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"POSTGRES_PASSWORD": "wrong"}, "made with another POSTGRES_USER"),
        ({"POSTGRES_USER": "nobody"}, "made with another POSTGRES_USER"),
        ({"POSTGRES_DB": "elsewhere"}, "Is POSTGRES_DB in .env right?"),
        ({"DB_PORT": free_port()}, "cannot be reached"),
        ({"DB_HOST": "no-such-host.invalid"}, "cannot be reached"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_else(database: Database, name: str, settings: dict, told: str):
    refused = migrate(database, name, **settings)
    assert refused.returncode == 1
    assert told in refused.stderr
    everything = {"made with another POSTGRES_USER", "Is POSTGRES_DB in .env right?", "cannot be reached"}
    assert not any(other in refused.stderr for other in everything - {told})
    assert "Traceback" not in refused.stderr


def test_secrets_come_from_files_too(database: Database, name: str, tmp_path: Path):
    (tmp_path / "owner").write_text(database.password + "\n")
    (tmp_path / "app").write_text("from a file\n")
    files = {"POSTGRES_PASSWORD_FILE": str(tmp_path / "owner"), "DB_PASSWORD_FILE": str(tmp_path / "app")}
    done = migrate(database, name, POSTGRES_PASSWORD="", DB_PASSWORD="", DB_USER="filed", **files)
    assert done.returncode == 0, done.stderr
    database.connect(dbname=name, user="filed", password="from a file").close()


def test_the_script_alone_takes_files_too(database: Database, name: str, tmp_path: Path):
    """As in a container, where there is only psql."""
    if not shutil.which("psql"):
        pytest.skip("psql is not installed")
    (tmp_path / "owner").write_text(database.password + "\n")
    (tmp_path / "app").write_text("from a file\n")
    environment = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(database.port),
        "PGUSER": "digits",
        "PGDATABASE": name,
        "PGPASSWORD_FILE": str(tmp_path / "owner"),
        "DB_USER": "script",
        "DB_PASSWORD_FILE": str(tmp_path / "app"),
    }
    done = subprocess.run([ROOT / "db/migrate.sh"], env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    database.connect(dbname=name, user="script", password="from a file").close()

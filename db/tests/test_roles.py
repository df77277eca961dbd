"""roles.sql: the role of the backend and the trainer reads and writes rows, and can do nothing else."""

import psycopg
import pytest
from conftest import APP_PASSWORD, Database


@pytest.fixture
def app(database: Database):
    with database.connect(user="digits_app", password=APP_PASSWORD) as connection:
        yield connection


def test_it_reads_and_writes_rows(app):
    for table in ("submissions", "models", "promotions", "predictions", "prediction_accuracy", "digit_statistics"):
        app.execute(f"SELECT * FROM {table}")
    app.execute(
        "INSERT INTO predictions (created_at, model, digit, confidence, unsure, milliseconds) VALUES "
        "(now(), 'cnn-1', 7, 0.9, false, 1)"
    )
    assert app.execute("UPDATE predictions SET digit = 1").rowcount == 1
    assert app.execute("DELETE FROM predictions").rowcount == 1
    assert app.execute("SELECT max(version) FROM schema_migrations").fetchone()[0] >= 1


def test_it_can_ask_for_a_retraining_and_be_its_trainer(app):
    app.execute("SELECT procrastinate_register_worker_v1()")
    job = """SELECT unnest(procrastinate_defer_jobs_v1(ARRAY[
        ROW('q', 't', 0, NULL, NULL, '{}', NULL)::procrastinate_job_to_defer_v1]))"""
    number = app.execute(job).fetchone()[0]
    app.execute("INSERT INTO retrainings (job, approved) VALUES (%s, 1)", [number])
    worker = app.execute("SELECT id FROM procrastinate_workers").fetchone()[0]
    app.execute("SELECT procrastinate_fetch_job_v2(ARRAY['q']::varchar[], %s)", [worker])
    app.execute("SELECT procrastinate_finish_job_v1(%s, 'succeeded', true)", [number])
    assert app.execute("SELECT count(*) FROM retrainings").fetchone() == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (n int)",
        "CREATE TEMPORARY TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        "ALTER TABLE submissions ADD mine int",
        "ALTER ROLE digits_app SUPERUSER",
        "DROP TABLE predictions",
        "DROP VIEW digit_statistics",
        "TRUNCATE predictions",
        "TRUNCATE procrastinate_jobs CASCADE",
        "DROP FUNCTION procrastinate_register_worker_v1",
        "INSERT INTO schema_migrations (version, name) VALUES (1000, 'mine')",
        "COPY submissions TO PROGRAM 'cat'",
        "COPY predictions FROM PROGRAM 'true'",
        "COPY predictions TO '/tmp/rows'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT rolpassword FROM pg_authid",
        "SET ROLE digits",
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'x')",
        "UPDATE models SET onnx = 'x'",
        "DELETE FROM models",
        "DELETE FROM promotions",
    ],
)
def test_it_can_do_nothing_else(app, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement)


def test_it_cannot_enter_the_other_databases(database: Database):
    for name in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            database.connect(user="digits_app", password=APP_PASSWORD, dbname=name)


def test_settings_that_it_gave_itself_are_taken_back(database: Database, app):
    app.execute("ALTER ROLE digits_app SET statement_timeout = 1")
    app.execute("ALTER ROLE digits_app IN DATABASE digits SET default_transaction_read_only = on")
    assert database.run("start").returncode == 0
    with database.connect(user="digits_app", password=APP_PASSWORD) as again:
        assert again.execute("SHOW statement_timeout").fetchone() == ("0",)
        assert again.execute("SHOW default_transaction_read_only").fetchone() == ("off",)


def test_new_password_ends_the_sessions_of_the_old_one_and_an_unchanged_one_does_not(database: Database, app):
    assert database.run("start").returncode == 0
    app.execute("SELECT 1")
    assert database.run("start", DB_PASSWORD="another").returncode == 0
    with pytest.raises(psycopg.OperationalError, match="terminating connection"):
        app.execute("SELECT 1")
    assert database.run("start").returncode == 0


def test_new_password_is_taken(database: Database):
    assert database.run("start", DB_PASSWORD="another").returncode == 0
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        database.connect(user="digits_app", password=APP_PASSWORD)
    assert database.run("start").returncode == 0
    database.connect(user="digits_app", password=APP_PASSWORD).close()


def test_role_with_more_rights_is_not_touched(database: Database):
    with database.connect() as connection:
        connection.execute("CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'kept'")
    refused = database.run("start", DB_USER="boss")
    assert refused.returncode == 1
    assert "Choose another name" in refused.stderr
    database.connect(user="boss", password="kept").close()


# --- a database of one's own, whose owner is no superuser --------------------------------------------


@pytest.fixture(scope="module")
def rented(database: Database) -> dict[str, str]:
    with database.connect() as connection:
        connection.execute("CREATE ROLE tenant LOGIN PASSWORD 'rent'")
        connection.execute("CREATE DATABASE rented OWNER tenant")
    return {"DB_HOST": "127.0.0.1", "POSTGRES_USER": "tenant", "POSTGRES_PASSWORD": "rent", "POSTGRES_DB": "rented"}


def test_owner_that_cannot_make_roles_is_told_what_to_ask_for(database: Database, rented: dict[str, str]):
    refused = database.run("migrate", **rented, DB_USER="lodger", DB_PASSWORD="room")
    assert refused.returncode == 1
    assert "CREATE ROLE" in refused.stderr
    with database.connect() as connection:
        connection.execute("CREATE ROLE lodger LOGIN PASSWORD 'room'")
    done = database.run("migrate", **rented, DB_USER="lodger", DB_PASSWORD="room")
    assert done.returncode == 0, done.stderr
    with database.connect(user="lodger", password="room", dbname="rented") as connection:
        assert connection.execute("SELECT count(*) FROM submissions").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine (n int)")


def test_owner_that_can_make_roles_needs_no_other_right(database: Database):
    with database.connect() as connection:
        connection.execute("CREATE ROLE landlord LOGIN CREATEROLE PASSWORD 'rent'")
        connection.execute("CREATE DATABASE managed OWNER landlord")
    owner = {"POSTGRES_USER": "landlord", "POSTGRES_PASSWORD": "rent", "POSTGRES_DB": "managed"}
    for password in ("one", "one", "two"):
        done = database.run("migrate", DB_HOST="127.0.0.1", **owner, DB_USER="guest", DB_PASSWORD=password)
        assert (done.returncode, done.stderr) == (0, "")
    with database.connect(user="guest", password="two", dbname="managed") as connection:
        assert connection.execute("SELECT count(*) FROM submissions").fetchone() == (0,)


def test_single_user_may_be_owner_and_backend_in_one(database: Database, rented: dict[str, str]):
    done = database.run("migrate", **rented, DB_USER="tenant", DB_PASSWORD="rent")
    assert done.returncode == 0, done.stderr

import re
from pathlib import Path

import psycopg
import pytest
from pydantic import ValidationError

from app.config import BACKEND, Settings

EXAMPLE = BACKEND.parent / ".env.example"
# settings of other parts of the project: scripts and Compose, the frontend, training
OF_OTHERS = {
    "BIND_ADDRESS",
    "BACKEND_PORT",
    "FRONTEND_PORT",
    "BACKEND_URL",
    "MNIST_DIR",
    "DEBUG_MODE",
    "TRAIN_USER",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_PASSWORD_FILE",
    "COMPOSE_PROJECT_NAME",
    "TORCH_INDEX",
    "PGADMIN_PORT",
    "PGADMIN_EMAIL",
    "PGADMIN_PASSWORD",
    "DOMAIN",
    "HTTP_PORT",
    "HTTPS_PORT",
    "STROKES_DIR",
}


def example() -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


@pytest.fixture
def nothing_set(monkeypatch, tmp_path):
    """No setting in the environment, and no .env."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    return tmp_path / ".env"


def test_every_setting_is_in_the_example_and_nothing_else():
    assert {name.upper() for name in Settings.model_fields} == set(example()) - OF_OTHERS


def test_every_setting_of_the_example_is_explained():
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\w+=", line):
            above = next(before for before in reversed(lines[:number]) if not re.match(r"\w+=", before))
            assert above.startswith("#"), line


def test_defaults_are_those_of_the_example(nothing_set):
    bare = Settings()
    nothing_set.write_text(EXAMPLE.read_text())
    assert Settings() == bare


def test_password_and_token_have_no_default(nothing_set):
    assert Settings().db_password is None
    assert Settings().admin_token is None
    assert "password" not in Settings().conninfo


def test_empty_variable_counts_as_not_set(nothing_set, monkeypatch):
    monkeypatch.setenv("DB_PORT", "")
    monkeypatch.setenv("MODEL_PATH", "")
    monkeypatch.setenv("ADMIN_TOKEN", "")
    assert Settings() == Settings.model_construct() == Settings()
    assert Settings().admin_token is None


def test_environment_comes_before_the_file(nothing_set, monkeypatch):
    nothing_set.write_text("DB_PORT=1111\nPOSTGRES_DB=from_file\nUNKNOWN=ignored\n")
    monkeypatch.setenv("DB_PORT", "2222")
    assert (Settings().db_port, Settings().postgres_db) == (2222, "from_file")


def test_any_password_survives_the_connection_string(nothing_set, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "a b' \\ %20=host=evil")
    monkeypatch.setenv("DB_HOST", "db.example")
    found = psycopg.conninfo.conninfo_to_dict(Settings().conninfo)
    assert (found["password"], found["host"]) == ("a b' \\ %20=host=evil", "db.example")


def test_secrets_come_from_files_too(nothing_set, monkeypatch, tmp_path):
    (tmp_path / "password").write_text("from a file\n")
    (tmp_path / "token").write_text("of a file")
    monkeypatch.setenv("DB_PASSWORD", "from a variable")
    monkeypatch.setenv("DB_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("ADMIN_TOKEN_FILE", str(tmp_path / "token"))
    settings = Settings()
    assert settings.db_password.get_secret_value() == "from a file"
    assert settings.admin_token.get_secret_value() == "of a file"


def test_secret_file_that_cannot_be_read_is_refused_at_the_start(nothing_set, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD_FILE", "/no/such/file")
    with pytest.raises(ValidationError, match="/no/such/file cannot be read"):
        Settings()


def test_secrets_are_not_shown(nothing_set, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    monkeypatch.setenv("ADMIN_TOKEN", "hunter2")
    assert "hunter2" not in repr(Settings())


@pytest.mark.parametrize(("name", "value"), [("DB_PORT", "many"), ("LOG_LEVEL", "loud"), ("GALLERY", "none")])
def test_wrong_setting_is_refused_at_the_start(nothing_set, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_model_path_is_relative_to_the_backend(nothing_set, monkeypatch):
    assert Settings().model_file == BACKEND / "models/default/model.onnx"
    monkeypatch.setenv("MODEL_PATH", "/elsewhere/model.onnx")
    assert Settings().model_file == Path("/elsewhere/model.onnx")


@pytest.mark.parametrize(
    ("quota", "most"), [("100000 100000", 1), ("150000 100000", 2), ("50000 100000", 1), ("max 100000", 8)]
)
def test_as_many_workers_as_a_container_may_use_cores(nothing_set, monkeypatch, tmp_path, quota, most):
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    monkeypatch.setattr("app.config.CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64), raising=False)
    assert Settings().worker_count == most
    monkeypatch.setenv("WORKERS", "3")
    assert Settings().worker_count == 3


@pytest.mark.parametrize(
    ("written", "meant"), [("/api", "/api"), ("api", "/api"), ("/api/", "/api"), ("/", ""), ("a/b-c.d/", "/a/b-c.d")]
)
def test_root_path_may_be_written_with_or_without_slashes(nothing_set, monkeypatch, written, meant):
    monkeypatch.setenv("ROOT_PATH", written)
    assert Settings().root_path == meant


@pytest.mark.parametrize("written", ["https://example.org/api", "/a//b", "/a b", "/api?x"])
def test_root_path_that_is_no_path_is_refused(nothing_set, monkeypatch, written):
    monkeypatch.setenv("ROOT_PATH", written)
    with pytest.raises(ValidationError, match="root_path"):
        Settings()

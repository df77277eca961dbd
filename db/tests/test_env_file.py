"""env_file.py: what .env begins with, and what it gets later. What Docker knows is in test_compose.py."""

import re
import shutil
import stat
from pathlib import Path

import pytest
from conftest import ROOT

import env_file
import local

SECRETS = ["POSTGRES_PASSWORD", "DB_PASSWORD", "ADMIN_TOKEN", "PROXY_SECRET"]


@pytest.fixture
def folder(monkeypatch, tmp_path: Path) -> Path:
    """A checkout without .env."""
    made = tmp_path / "My Digits"
    made.mkdir()
    shutil.copy(ROOT / ".env.example", made)
    monkeypatch.setattr(local, "ROOT", made)
    for name in (*SECRETS, "COMPOSE_PROJECT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return made


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_new_one_has_random_secrets_and_a_project_of_its_own(folder: Path):
    env_file.main("up")
    first = local.read_env(folder / ".env")
    (folder / ".env").unlink()
    env_file.main("up")
    second = local.read_env(folder / ".env")
    for name in SECRETS:
        assert len(first[name]) >= 32
        assert first[name] != second[name]
    assert re.fullmatch("mydigits-[0-9a-f]{6}", first["COMPOSE_PROJECT_NAME"])
    assert first["COMPOSE_PROJECT_NAME"] != second["COMPOSE_PROJECT_NAME"]
    assert mode(folder / ".env") == 0o600


def test_it_differs_from_the_example_in_nothing_else(folder: Path):
    env_file.main("up")
    example, made = local.read_env(folder / ".env.example"), local.read_env(folder / ".env")
    changed = {name for name in made if made[name] != example.get(name)}
    assert changed - {"TRAIN_USER"} == {*SECRETS, "COMPOSE_PROJECT_NAME"}
    assert list(made) == list(example)


def test_once_more_changes_nothing(folder: Path):
    env_file.main("up")
    before = (folder / ".env").read_text()
    env_file.main("up")
    env_file.main()
    assert (folder / ".env").read_text() == before


def test_without_one_only_up_makes_it(folder: Path):
    env_file.main()
    assert not (folder / ".env").exists()


def test_one_that_others_can_read_becomes_private_and_that_is_said(folder: Path, capsys):
    (folder / ".env").write_text("POSTGRES_PASSWORD=x\nDB_PASSWORD=y\nCOMPOSE_PROJECT_NAME=mine\n")
    (folder / ".env").chmod(0o644)
    env_file.main("up")
    assert mode(folder / ".env") == 0o600
    assert "only its owner can" in capsys.readouterr().out


def test_one_of_an_older_release_gets_what_it_lacks_and_keeps_the_rest(folder: Path):
    old = "# mine\nPOSTGRES_PASSWORD='a b'  # old\nADMIN_TOKEN=\nDB_PORT=5433"
    (folder / ".env").write_text(old)
    env_file.main("up")
    text = (folder / ".env").read_text()
    assert text.startswith(old + "\n")
    for added in ("DB_PASSWORD", "PROXY_SECRET"):
        assert len(local.read_env(folder / ".env")[added]) >= 32
    assert mode(folder / ".env") == 0o600


def test_one_that_was_copied_by_hand_gets_the_databases_passwords_too(folder: Path):
    shutil.copy(folder / ".env.example", folder / ".env")
    env_file.main("up")
    made = local.read_env(folder / ".env")
    for name in ("POSTGRES_PASSWORD", "DB_PASSWORD", "PROXY_SECRET"):
        assert len(made[name]) >= 32
    assert made["ADMIN_TOKEN"] == ""


def test_no_password_is_made_for_a_database_elsewhere(folder: Path):
    (folder / ".env").write_text("DB_HOST=db.example.org\nPOSTGRES_PASSWORD=\n")
    with pytest.raises(SystemExit, match="POSTGRES_PASSWORD is empty"):
        env_file.main("up")
    assert local.read_env(folder / ".env")["POSTGRES_PASSWORD"] == ""


def test_an_empty_line_is_filled_where_it_stands(tmp_path: Path):
    (tmp_path / ".env").write_text("ONE=1\nNAME=\nTWO=2\n")
    env_file.write(tmp_path / ".env", {"NAME": "value"})
    assert (tmp_path / ".env").read_text() == "ONE=1\nNAME=value\nTWO=2\n"


def test_a_link_to_it_stays_one(folder: Path):
    elsewhere = folder.parent / "settings"
    elsewhere.write_text("POSTGRES_PASSWORD=x\n")
    (folder / ".env").symlink_to(elsewhere)
    env_file.main("up")
    assert (folder / ".env").is_symlink()
    assert "DB_PASSWORD" in elsewhere.read_text()


@pytest.mark.parametrize(
    ("name", "project"),
    [("Digit Recogniser", "digitrecogniser"), ("_digits.v2-x", "digitsv2-x"), ("数字", "digits")],
)
def test_a_folders_name_becomes_what_compose_makes_of_it(name: str, project: str):
    assert env_file.by_default(Path("/srv") / name) == project

"""How the source is written: what linters can see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import BACKEND

ROOT = BACKEND.parent
SCRIPTS = ["up.sh", "upforce.sh", "test.sh", ".ci/run", ".ci/pin", "db/migrate.sh", "db/backup.sh", "db/pgadmin.sh"]

ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # the linters


def check(*command: str, folder: str = ".") -> None:
    done = subprocess.run(
        command, cwd=ROOT / folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_parse_and_can_be_executed(script: str):
    check("bash", "-n", script)
    assert (ROOT / script).stat().st_mode & 0o111


def test_scripts_are_clean_to_shellcheck():
    check("shellcheck", *SCRIPTS)


@pytest.mark.parametrize("folder", ["backend", "frontend", "db"])
@pytest.mark.parametrize("how", [["check"], ["format", "--check"]], ids=" ".join)
def test_python_is_clean_to_ruff(how: list[str], folder: str):
    check("ruff", *how, folder)


def test_types_are_clean_to_mypy():
    check("mypy", folder="backend")  # which checks what pyproject.toml says there

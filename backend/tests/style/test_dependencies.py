"""What each project imports is declared in its pyproject.toml, and what is declared is imported."""

import re
import subprocess
import sys
import tomllib

import pytest

from app.config import BACKEND

ROOT = BACKEND.parent
NOT_SERVING = {  # what the groups in pyproject.toml are for
    "backend": r"^(tests|training|benchmarks|notebooks)/|^\w+\.py",
    "frontend": "^tests/",
    "db": "^tests/",
}


def check(project: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "deptry", *arguments, "--exclude", r"\.venv|^data/"]
    done = subprocess.run(command, cwd=ROOT / project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("project", NOT_SERVING)
def test_what_serves_imports_its_dependencies_and_nothing_else(project: str):
    check(project, ".", "--extend-exclude", NOT_SERVING[project])


@pytest.mark.parametrize("project", NOT_SERVING)
def test_the_rest_imports_only_what_is_declared(project: str):
    folders = ["."] if project == "backend" else ["tests", "."]  # what modules are imported from
    check(project, *folders, "--ignore", "DEP002,DEP004")  # it may need groups, and need not import everything


def test_script_that_declares_its_own_dependencies_declares_the_same():
    inline = re.search(r"^# dependencies = (.*)$", (ROOT / "db/embedded.py").read_text(), re.MULTILINE)[1]
    declared = tomllib.loads((ROOT / "db/pyproject.toml").read_text())["project"]["dependencies"]
    assert tomllib.loads(f"dependencies = {inline}")["dependencies"] == declared

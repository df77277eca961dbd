"""What is imported is declared in pyproject.toml, and what is declared is imported."""

import subprocess
import sys

import pytest
from conftest import FRONTEND


@pytest.mark.parametrize(
    "options",
    [
        [".", "--extend-exclude", "tests/"],
        ["tests", "--ignore", "DEP002,DEP004"],  # tests may import from the group `dev`, and need not import everything
    ],
    ids=["pages", "tests"],
)
def test_imports_and_declared_dependencies_agree(options: list[str]):
    command = [sys.executable, "-m", "deptry", *options]
    done = subprocess.run(command, cwd=FRONTEND, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr

"""The versions that are installed everywhere, in requirements*.txt: written by .ci/pin, and up to date."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.config import BACKEND

ROOT = BACKEND.parent
PINNED = sorted(path.relative_to(ROOT) for path in ROOT.glob("*/requirements*.txt"))


def versions(path: Path) -> list[str]:
    """Name, version and condition of each package; a mirror may lack some of the files whose hashes the index has."""
    return [line.removesuffix(" \\") for line in path.read_text().splitlines() if not line.startswith(" ")]


@pytest.mark.parametrize("path", PINNED, ids=str)
def test_every_package_has_a_version_and_hashes_and_no_file_names_an_index(path: Path):
    text = (ROOT / path).read_text()
    packages = re.split(r"\n(?=\S)", text.strip())
    assert len(packages) > 2
    for package in packages:
        assert re.match(r"[\w.-]+==\S+", package), package
        assert "--hash=sha256:" in package, package
    assert "://" not in text


def test_torch_is_in_no_server():
    for project in ("backend", "frontend"):
        assert not any(line.startswith("torch") for line in versions(ROOT / project / "requirements.txt"))
    assert any(line.startswith("torch==") for line in versions(ROOT / "backend/requirements-train.txt"))


@pytest.mark.slow
def test_pins_are_what_the_projects_ask_for(tmp_path: Path):
    for path in (Path(".ci/pin"), *PINNED, *{path.with_name("pyproject.toml") for path in PINNED}):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    uv = os.environ.get("UV") or subprocess.check_output(["python3", ROOT / "db/local.py", "uv"], text=True).strip()
    done = subprocess.run(
        [tmp_path / ".ci/pin"], env=os.environ | {"UV": uv}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if "Failed to fetch" in done.stdout:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stdout
    for path in PINNED:
        assert versions(tmp_path / path) == versions(ROOT / path), f"{path} is stale: run .ci/pin"

"""benchmark.py in a short form: what it prints, and what it says where it cannot run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import BACKEND

NEEDED = ("litserve", "locust", "uvicorn", "matplotlib", "torch")


def run(*options: object, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmark.py", *map(str, options)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | more
    return subprocess.run(command, cwd=BACKEND, env=environment, capture_output=True, text=True, timeout=400)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_every_server_is_measured_beside_the_empty_route(tmp_path):
    done = run(
        "--seconds", 2, "--clients", 2, "--workers", 1, "--json", tmp_path / "f.json", "--plot", tmp_path / "p.png"
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "f.json").read_text())
    assert len({cell["server"] for cell in cells}) == 4
    assert [cell["picture"] for cell in cells if cell["server"] == "ours"] == ["grey", "the page's", "RGBA"]
    assert cells[0]["times_empty"] == 1
    for cell in cells:
        assert cell["failed"] == 0, cell
        assert cell["requests_per_s"] > 1
        assert 0 < cell["p50_ms"] <= cell["p99_ms"]
        assert cell["cpu_ms"] > 0
        assert cell["resident_mb"] > 20
        assert cell["server"].split(",")[0] in done.stdout
    assert max(cell["times_empty"] for cell in cells) > 2
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_without_wrk_it_says_what_to_install(tmp_path):
    done = run(PATH=str(tmp_path))
    assert done.returncode == 1
    assert "apt install wrk" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", ["benchmark.py", "crowd.py"])
def test_help_needs_no_package_of_its_own(script: str, tmp_path: Path):
    for package in NEEDED:
        (tmp_path / f"{package}.py").write_text("raise ImportError('not installed')")
    command = [sys.executable, script, "--help"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=BACKEND, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "uv run --group" in done.stdout

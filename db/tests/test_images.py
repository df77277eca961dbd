"""The quicker tests of all three projects, on the Python and the Postgres that the images have."""

import os
import subprocess
from collections.abc import Iterator

import pytest
from conftest import ROOT
from test_compose import docker_answers

NAME = f"digits-test-images-{os.getpid()}"
QUICK = ["-q", "-m", "not slow and not long", "--numprocesses=2", "--dist=loadscope"]
TESTS = {
    "db": [f"tests/test_{name}.py" for name in ("backup", "init_sql", "migrate", "roles")],
    "backend": [
        "tests/app/routes",
        "tests/app/store",
        *(f"tests/app/test_{name}.py" for name in ("imaging", "server")),
    ],
    "frontend": ["tests/common", "tests/models", "tests/views", "tests/test_api.py", "tests/test_client.py"],
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not docker_answers() and not os.environ.get("REQUIRE_DOCKER"), reason="no Docker daemon answers"
    ),
]


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """With the project as `git clone` would bring it."""
    listed = subprocess.check_output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    there = b"\0".join(name for name in listed.split(b"\0") if name and (ROOT / os.fsdecode(name)).exists())
    source = subprocess.check_output(["tar", "-c", "--null", "-T", "-"], input=there, cwd=ROOT)
    build = ["docker", "build", "--quiet", "--tag", NAME, "--file", "db/tests/images.Dockerfile", "-"]
    subprocess.run(build, input=source, check=True)
    yield NAME
    subprocess.run(["docker", "image", "rm", NAME], check=True, capture_output=True)


def run(image: str, *command: str, folder: str = ".") -> str:
    done = subprocess.run(
        ["docker", "run", "--rm", "--init", "--workdir", f"/project/{folder}", image, *command],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_they_are_the_versions_that_the_images_have(image: str):
    assert "Python 3.13." in run(image, ".venv/bin/python", "--version", folder="backend")
    assert "PostgreSQL) 17." in run(image, "sh", "-c", "$POSTGRES_BIN/postgres --version")
    for project, base in {"backend": "python:3.13-slim", "frontend": "python:3.13-slim", "db": "postgres:17"}.items():
        assert f"FROM {base}\n" in (ROOT / project / "Dockerfile").read_text().replace(" AS serve", "")


@pytest.mark.parametrize("project", TESTS)
def test_tests_pass_on_them(image: str, project: str):
    run(image, ".venv/bin/pytest", *TESTS[project], *QUICK, folder=project)

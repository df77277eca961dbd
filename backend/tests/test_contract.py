"""The API keeps to what its OpenAPI says, whatever is sent: schemathesis makes calls that it allows, and others.

The same calls each time (a fixed seed), over the wire, on a real database; with the admin token and without it. By
hand, on a backend that runs with RATE_LIMITS=off:

    PYTHONPATH=. uv run schemathesis --config-file tests/contract.toml run http://localhost:8000/openapi.json --seed 13
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.config import BACKEND
from tests.calls import ADMIN
from tests.service import Service

SEED = 13


@pytest.fixture(scope="module")
def service(postgres) -> Iterator[Service]:
    with Service(postgres.environment | {"RATE_LIMITS": "off"}) as service:
        yield service


def explore(service: Service, examples: int, phases: str, token: bool, patience_s: int) -> None:
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file=tests/contract.toml",
        "run",
        f"{service.client.base_url}/openapi.json",
        f"--seed={SEED}",
        f"--max-examples={examples}",
        f"--phases={phases}",
        "--no-color",
        "--no-shrink",
        "--warnings=off",
    ]
    if token:
        command += ["--header", f"Authorization: {ADMIN['Authorization']}"]
    environment = os.environ | {"PYTHONPATH": str(BACKEND)}
    done = subprocess.run(command, cwd=BACKEND, env=environment, capture_output=True, text=True, timeout=patience_s)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr
    assert service.client.get("/health/ready").status_code == 200


@pytest.mark.long
@pytest.mark.parametrize("token", [False, True], ids=["visitor", "admin"])
def test_short_exploration_finds_nothing(service, token):
    explore(service, 1, "examples,fuzzing", token, patience_s=300)


@pytest.mark.slow
@pytest.mark.parametrize("token", [False, True], ids=["visitor", "admin"])
def test_long_exploration_finds_nothing(service, token):
    explore(service, 40, "examples,coverage,fuzzing,stateful", token, patience_s=900)

"""deploy/compose.scale.yml: three backends and two pages behind Caddy, some of which stop or are killed meanwhile.

The tests build on each other, in this order.
"""

import json
import os
import sys
import time
from contextlib import closing, suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests
from conftest import Checkout, free_port
from crowding import SEVEN, Crowd
from test_compose import PATIENCE_S, docker_answers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not docker_answers() and not os.environ.get("REQUIRE_DOCKER"), reason="no Docker daemon answers"
    ),
]

FILES = ["-f", "docker-compose.yml", "-f", "deploy/compose.scale.yml"]
SCALE = ["--scale", "backend=3", "--scale", "frontend=2"]
AT_ONCE = 8  # people in the crowd: this many calls are in flight at most


@pytest.fixture(scope="module", autouse=True)
def project(checkout: Checkout):
    checkout.settings |= {"HTTP_PORT": free_port(), "HTTPS_PORT": free_port(), "WORKERS": 1}
    made = checkout.run(sys.executable, "db/env_file.py", "up")
    assert made.returncode == 0, made.stderr
    try:
        compose(checkout, "up", "--build", "--detach", *SCALE)
        wait_for(checkout)
        yield
    finally:
        compose(checkout, "down", "--volumes", "--rmi", "local", "--remove-orphans")


def wait_for(checkout: Checkout) -> None:
    """Until Caddy, which waits for all others, answers."""
    url = f"http://127.0.0.1:{checkout.settings['HTTP_PORT']}/api/health/ready"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with suppress(requests.ConnectionError):
            if requests.get(url, timeout=PATIENCE_S).status_code == 200:
                return
        assert time.monotonic() < deadline, compose(checkout, "logs", "--tail=30")
        time.sleep(0.5)


def wait_for_health(checkout: Checkout, container: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    look = ["docker", "inspect", "--format", "{{.State.Health.Status}}", container]
    while checkout.run(*look).stdout.strip() != "healthy":
        assert time.monotonic() < deadline
        time.sleep(1)


def compose(checkout: Checkout, *arguments: str) -> str:
    done = checkout.run("docker", "compose", *FILES, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def base(checkout: Checkout) -> str:
    return f"http://127.0.0.1:{checkout.settings['HTTP_PORT']}"


def containers(checkout: Checkout, service: str) -> list[str]:
    listed = compose(checkout, "ps", "--format", "json", service).splitlines()
    return sorted(json.loads(line)["Name"] for line in listed)


def test_page_and_api_are_behind_one_address(base: str):
    assert "streamlit" in requests.get(base, timeout=20).text.lower()
    answer = requests.post(f"{base}/api/predict", data=SEVEN, headers={"Content-Type": "image/png"}, timeout=20)
    assert answer.json()["digit"] == 7


def test_documentation_works_under_the_prefix(base: str):
    page = requests.get(f"{base}/api/docs", timeout=20).text
    assert "/api/static-offline-docs/swagger-ui-bundle.js" in page
    assert requests.get(f"{base}/api/static-offline-docs/swagger-ui-bundle.js", timeout=20).status_code == 200
    assert requests.get(f"{base}/api/openapi.json", timeout=20).json()["servers"] == [{"url": "/api"}]


@pytest.mark.parametrize(
    "path",
    [
        "api/metrics",
        "api//metrics",
        "api/METRICS",
        "api/%6detrics",
        "api/x/../metrics",
        "_stcore/metrics",
        "api/api/metrics",
        "API/api/metrics",
        "api/%61pi/metrics",
        "api//api/metrics",
    ],
)
def test_metrics_are_not_public(base: str, path: str):
    url = requests.Request("GET", base).prepare()
    url.url = f"{base}/{path}"  # as it is, without being tidied up
    assert requests.Session().send(url, timeout=20).status_code == 404


def test_only_caddy_can_be_reached(checkout: Checkout):
    for service in ("backend", "frontend"):
        for container in containers(checkout, service):
            assert checkout.run("docker", "port", container).stdout == ""


@pytest.mark.parametrize(
    "path", ["api/predict", "api/submissions", "page/read", "page/submissions", "_stcore/upload_file"]
)
def test_what_is_too_large_is_said_to_be(base: str, path: str):
    address = urlsplit(base).netloc
    for _ in range(5):
        with closing(HTTPConnection(address, timeout=20)) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):  # it was answered before all was sent
                connection.request("POST", f"/{path}", bytes(20_000_000), {"Content-Type": "image/png", "Origin": base})
            answer = connection.getresponse()
            assert (answer.status, json.load(answer)["error"]) == (413, "BodyTooLarge")


def test_a_visit_stays_with_its_page(base: str):
    with requests.Session() as visit:
        first = visit.get(base, timeout=20).cookies["page"]
        assert {visit.get(base, timeout=20).cookies.get("page", first) for _ in range(10)} == {first}
    assert len({requests.get(base, timeout=20).cookies["page"] for _ in range(40)}) == 2


def test_every_backend_answers(checkout: Checkout, base: str):
    for _ in range(60):
        requests.post(f"{base}/api/predict", data=SEVEN, headers={"Content-Type": "image/png"}, timeout=20)
    count = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:8000/metrics').read().decode())"
    for container in containers(checkout, "backend"):
        told = checkout.run("docker", "exec", container, "python", "-c", count).stdout
        assert 'route="/predict"' in told


def test_nothing_fails_while_one_of_each_stops_and_nothing_is_lost_when_one_of_each_is_killed(
    checkout: Checkout, base: str
):
    backends, pages = containers(checkout, "backend"), containers(checkout, "frontend")
    with Crowd(base) as crowd:
        crowd.wait_for(100)
        for container in (backends[0], pages[0]):
            assert checkout.run("docker", "stop", container).returncode == 0
            crowd.wait_for(50)
        assert crowd.failures == []
        compose(checkout, "up", "--detach", "--no-recreate", *SCALE)
        for container in (backends[0], pages[0]):
            wait_for_health(checkout, container)
        crowd.wait_for(50)
        assert crowd.failures == []
        for container in (backends[1], pages[1]):
            assert checkout.run("docker", "kill", container).returncode == 0
            crowd.wait_for(50)
        assert len(crowd.failures) <= 2 * AT_ONCE, "more than what was in flight"
    with checkout.connect() as connection:
        rows = connection.execute("SELECT idempotency_key::text, id::text FROM submissions").fetchall()
    assert dict(rows) == crowd.stored

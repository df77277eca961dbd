"""`git clone` and `./up.sh` with Docker: the real containers, under a project name and on ports of their own.

The tests build on each other, in this order.
"""

import io
import json
import os
import shutil
import socket
import subprocess
import time

import psycopg
import pytest
import requests
from conftest import PORTS, Checkout
from PIL import Image, ImageDraw

SERVICES = ["db", "backend", "frontend"]
PATIENCE_S = 120


def docker_answers() -> bool:
    return bool(shutil.which("docker")) and subprocess.run(["docker", "version"], capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(
    not docker_answers() and not os.environ.get("REQUIRE_DOCKER"), reason="no Docker daemon answers"
)


@pytest.fixture(scope="module", autouse=True)
def project(checkout: Checkout):
    yield
    checkout.run("docker", "compose", "down", "--volumes", "--rmi", "local", "--remove-orphans")


@pytest.fixture(scope="module")
def seven() -> bytes:
    """A drawing of a seven, black on white, as PNG."""
    picture = Image.new("L", (280, 280), 255)
    ImageDraw.Draw(picture).line([(80, 70), (200, 70), (130, 220)], fill=0, width=22, joint="curve")
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def compose(checkout: Checkout, *arguments: str, **settings) -> str:
    done = checkout.run("docker", "compose", *arguments, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_until_ready(checkout: Checkout) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if requests.get(checkout.url("BACKEND", "/health/ready"), timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        assert time.monotonic() < deadline, compose(checkout, "logs", "--tail=30")
        time.sleep(0.5)


def test_a_fresh_clone_comes_up(checkout: Checkout):
    up = checkout.run("./up.sh")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "Made .env" in up.stdout
    assert requests.get(checkout.url("FRONTEND", "/"), timeout=10).status_code == 200
    assert requests.get(checkout.url("BACKEND", "/health/ready"), timeout=10).json()["ready"]


def test_all_three_are_healthy(checkout: Checkout):
    for _ in range(PATIENCE_S):
        listed = compose(checkout, "ps", "--format", "json", *SERVICES).splitlines()
        health = {each["Service"]: each["Health"] for each in map(json.loads, listed)}
        if set(health.values()) == {"healthy"}:
            break
        time.sleep(1)
    assert health == dict.fromkeys(SERVICES, "healthy")


def test_once_more_is_fine(checkout: Checkout):
    up = checkout.run("./up.sh")
    assert up.returncode == 0, up.stdout + up.stderr
    assert checkout.run("./up.sh", "--status").returncode == 0


def test_it_reads_a_drawing(checkout: Checkout, seven: bytes):
    answer = requests.post(checkout.url("BACKEND", "/predict"), data=seven, headers={"Content-Type": "image/png"})
    assert answer.json()["digit"] == 7


def test_a_submission_is_there_after_a_restart(checkout: Checkout, seven: bytes):
    stored = requests.post(
        checkout.url("BACKEND", "/submissions"), files={"file": ("7.png", seven, "image/png")}, data={"true_label": "7"}
    )
    assert stored.status_code == 201, stored.text
    compose(checkout, "restart", *SERVICES)
    wait_until_ready(checkout)
    found = requests.get(checkout.url("BACKEND", f"/submissions/{stored.json()['id']}")).json()
    assert found == stored.json()
    with checkout.connect() as connection:
        assert connection.execute("SELECT submissions, correct FROM prediction_accuracy").fetchone() == (1, 1)


def test_the_submission_survives_down_and_up(checkout: Checkout):
    assert checkout.run("./up.sh", "--down").returncode == 0
    assert checkout.run("./up.sh", "--status").returncode == 1
    assert checkout.run("./up.sh").returncode == 0
    assert requests.get(checkout.url("BACKEND", "/statistics")).status_code == 200
    with checkout.connect() as connection:
        assert connection.execute("SELECT submissions FROM prediction_accuracy").fetchone() == (1,)


@pytest.mark.parametrize("service", SERVICES)
def test_no_container_is_root(checkout: Checkout, service: str):
    assert compose(checkout, "exec", "-T", service, "id", "-u").strip() != "0"
    of_each = compose(checkout, "exec", "-T", service, "sh", "-c", "grep -h ^Uid /proc/[0-9]*/status")
    assert "0" not in of_each.split()


def test_torch_is_not_in_the_backend(checkout: Checkout):
    search = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is not None)"
    compose(checkout, "exec", "-T", "backend", "python", "-c", search)


def test_the_page_finds_the_backend(checkout: Checkout):
    ask = "import os, requests; requests.get(os.environ['BACKEND_URL'] + '/health/ready').raise_for_status()"
    compose(checkout, "exec", "-T", "frontend", "python", "-c", ask)


def test_the_tables_can_be_brought_up_to_date_again(checkout: Checkout):
    with checkout.connect() as connection:
        connection.execute("DROP TABLE schema_migrations; DROP VIEW digit_statistics")  # as before migrations
        compose(checkout, "up", "--no-deps", "--exit-code-from", "migrate", "migrate")
        assert connection.execute("SELECT count(*) FROM digit_statistics").fetchone() == (10,)
        assert connection.execute("SELECT count(*) FROM submissions").fetchone() == (1,)


def test_a_changed_password_is_explained_and_nothing_is_lost(checkout: Checkout):
    refused = checkout.run("./up.sh", POSTGRES_PASSWORD="other")
    assert refused.returncode == 1
    assert "made with another POSTGRES_USER" in refused.stdout + refused.stderr
    assert checkout.run("./up.sh").returncode == 0
    with checkout.connect() as connection:
        assert connection.execute("SELECT count(*) FROM submissions").fetchone() == (1,)


def test_a_busy_port_is_told_with_the_variable_to_change(checkout: Checkout):
    for variable in PORTS:
        with socket.create_server(("127.0.0.1", 0)) as other:
            refused = checkout.run("./up.sh", **{variable: other.getsockname()[1]})
        assert refused.returncode == 1
        assert variable in refused.stderr


def test_changed_ports_are_taken(checkout: Checkout):
    checkout.change_ports()
    assert checkout.run("./up.sh").returncode == 0
    assert requests.get(checkout.url("BACKEND", "/health/ready")).status_code == 200
    assert requests.get(checkout.url("FRONTEND", "/_stcore/health")).status_code == 200


def test_by_hand_it_wants_a_password(checkout: Checkout):
    refused = checkout.run("docker", "compose", "--env-file", ".env.example", "config", "--quiet")
    assert refused.returncode != 0
    assert "POSTGRES_PASSWORD" in refused.stderr


def test_a_database_of_ones_own_takes_the_place_of_ours(checkout: Checkout):
    """Ours, from outside, plays somebody else's."""
    compose(checkout, "stop", "backend", "frontend")
    network = f"{checkout.settings['COMPOSE_PROJECT_NAME']}_default"
    name = f"{checkout.settings['COMPOSE_PROJECT_NAME']}-other"
    started = checkout.run(
        "docker", "run", "--rm", "--detach", "--name", name, "--network", network, "--publish", "127.0.0.1::5432",
        "--env=POSTGRES_USER=somebody", "--env=POSTGRES_PASSWORD=else", "--env=POSTGRES_DB=theirs", "postgres:17",
    )  # fmt: skip
    assert started.returncode == 0, started.stderr
    try:
        port = int(checkout.run("docker", "port", name, "5432").stdout.rsplit(":", 1)[1])
        theirs = {"host": "127.0.0.1", "port": port, "user": "somebody", "password": "else", "dbname": "theirs"}
        wait_for(theirs)
        settings = {"POSTGRES_USER": "somebody", "POSTGRES_PASSWORD": "else", "POSTGRES_DB": "theirs"}
        up = checkout.run("./up.sh", DB_HOST=name, DB_PORT=5432, **settings)
        assert up.returncode == 0, up.stdout + up.stderr
        assert "db" not in compose(checkout, "ps", "--services").split()
        with psycopg.connect(**theirs) as connection:
            assert connection.execute("SELECT submissions FROM prediction_accuracy").fetchone() == (0,)
    finally:
        checkout.run("docker", "stop", name)


def wait_for(database: dict) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return psycopg.connect(**database).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.5)

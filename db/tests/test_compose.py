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
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import requests
from conftest import PORTS, ROOT, Checkout, Database
from losing import everything_comes_back, submissions
from PIL import Image, ImageDraw
from test_backup import backup, dump, filled, rows

import env_file
import local

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
    look = "grep -h ^Uid /proc/[0-9]*/status"
    # more than once: a health check begins as root, for as long as Docker takes to become the container's user
    assert any("0" not in compose(checkout, "exec", "-T", service, "sh", "-c", look).split() for _ in range(5))


@pytest.mark.parametrize("service", SERVICES)
def test_containers_are_limited(checkout: Checkout, service: str):
    container = compose(checkout, "ps", "--quiet", service).strip()
    look = checkout.run("docker", "inspect", "--format", "{{json .HostConfig}}", container)
    limits = json.loads(look.stdout)
    assert 0 < limits["Memory"] <= 4 * 2**30
    assert 0 < limits["PidsLimit"] <= 500
    assert limits["CapDrop"] == ["ALL"]


def test_torch_is_not_in_the_backend(checkout: Checkout):
    search = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is not None)"
    compose(checkout, "exec", "-T", "backend", "python", "-c", search)


def test_the_page_finds_the_backend(checkout: Checkout):
    ask = "import os, requests; requests.get(os.environ['BACKEND_URL'] + '/health/ready').raise_for_status()"
    compose(checkout, "exec", "-T", "frontend", "python", "-c", ask)


def test_migrations_that_have_run_are_not_run_again(checkout: Checkout):
    with checkout.connect() as connection:
        before = connection.execute("SELECT * FROM schema_migrations").fetchall()
        said = compose(checkout, "run", "--rm", "--no-deps", "-T", "migrate")
        assert "is at version" not in said
        assert connection.execute("SELECT * FROM schema_migrations").fetchall() == before
        assert connection.execute("SELECT count(*) FROM submissions").fetchone() == (1,)


def test_database_of_the_release_before_is_brought_up_to_date(checkout: Checkout):
    baseline = (checkout.folder / "db/migrations/0001_baseline.sql").read_text()
    with checkout.connect() as connection:
        connection.execute("CREATE DATABASE older")
    with checkout.connect(dbname="older") as connection:
        connection.execute(baseline + "DROP TABLE schema_migrations;")
    said = compose(checkout, "run", "--rm", "--no-deps", "-T", "-e", "PGDATABASE=older", "migrate")
    assert "is at version 0002 now" in said
    with checkout.connect(dbname="older") as connection:
        assert connection.execute("SELECT visit FROM submissions").fetchall() == []
    with checkout.connect() as connection:
        connection.execute("DROP DATABASE older")


def test_a_changed_password_is_explained_and_nothing_is_lost(checkout: Checkout):
    refused = checkout.run("./up.sh", POSTGRES_PASSWORD="other")
    assert refused.returncode == 1
    assert "made with another POSTGRES_USER" in refused.stdout + refused.stderr
    assert checkout.run("./up.sh").returncode == 0
    with checkout.connect() as connection:
        assert connection.execute("SELECT count(*) FROM submissions").fetchone() == (1,)


def test_busy_ports_are_told_all_at_once_with_the_variables_to_change(checkout: Checkout):
    others = {variable: socket.create_server(("127.0.0.1", 0)) for variable in PORTS}
    refused = checkout.run("./up.sh", **{variable: other.getsockname()[1] for variable, other in others.items()})
    assert refused.returncode == 1
    for variable, other in others.items():
        assert f"Port {other.getsockname()[1]} is taken (Address already in use): set {variable}" in refused.stderr
        other.close()


def test_a_paused_container_goes_on(checkout: Checkout):
    compose(checkout, "pause", "backend", "db")
    up = checkout.run("./up.sh")
    assert up.returncode == 0, up.stdout + up.stderr
    assert "Paused until now: backend db" in up.stdout
    assert requests.get(checkout.url("BACKEND", "/health/ready"), timeout=10).status_code == 200


def test_psql_takes_arguments_and_standard_input(checkout: Checkout):
    said = checkout.run("./up.sh", "--psql", "-Atc", "SELECT current_user, 6 * 7")
    assert said.stdout == "digits|42\n", said.stderr
    said = checkout.run("bash", "-c", "echo 'SELECT count(*) FROM digit_statistics;' | ./up.sh --psql -At")
    assert said.stdout == "10\n", said.stderr


def test_everything_comes_back_from_a_backup(checkout: Checkout, tmp_path: Path):
    everything_comes_back(checkout, tmp_path / "digits.dump", lambda: compose(checkout, "down", "--volumes"), "./up.sh")


def test_a_restore_overwrites_only_when_told_to(checkout: Checkout, tmp_path: Path):
    before = submissions(checkout)
    file = tmp_path / "digits.dump"
    assert checkout.run("./up.sh", "--backup", str(file)).returncode == 0
    with checkout.connect() as connection:
        connection.execute("DELETE FROM submissions WHERE created_at > (SELECT min(created_at) FROM submissions)")
    refused = checkout.run("./up.sh", "--restore", str(file))
    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    assert "damaged" not in refused.stderr
    assert len(submissions(checkout)) == 1
    assert checkout.run("./up.sh", "--restore", str(file), "--overwrite").returncode == 0
    assert submissions(checkout) == before


def test_a_backup_goes_from_the_newer_postgres_into_the_older_and_back(
    checkout: Checkout, database: Database, tmp_path: Path
):
    """18 is the one without Docker, 17 the container's."""
    source, file = filled(database), tmp_path / "18.dump"
    file.write_bytes(dump(database, source))
    down = checkout.run("./up.sh", "--restore", str(file), "--overwrite")
    assert down.returncode == 0, down.stderr
    assert {row[1:3] for row in submissions(checkout).values()} == {(row[0], None) for row in rows(database, source)}
    assert checkout.run("./up.sh", "--backup", str(tmp_path / "17.dump")).returncode == 0
    up = backup(database, source, "restore", "--overwrite", given=(tmp_path / "17.dump").read_bytes())
    assert up.returncode == 0, up.stderr
    assert len(rows(database, source)) == 11


def test_changed_ports_are_taken(checkout: Checkout):
    checkout.change_ports()
    assert checkout.run("./up.sh").returncode == 0
    assert requests.get(checkout.url("BACKEND", "/health/ready")).status_code == 200
    assert requests.get(checkout.url("FRONTEND", "/_stcore/health")).status_code == 200


def test_by_hand_it_wants_a_password(checkout: Checkout):
    refused = checkout.run("docker", "compose", "--env-file", ".env.example", "config", "--quiet")
    assert refused.returncode != 0
    assert "PASSWORD is missing a value: is empty; set it in .env" in refused.stderr


@pytest.fixture
def theirs(checkout: Checkout) -> Iterator[dict]:
    """A Postgres that plays somebody else's: how this machine reaches it, and its name for containers."""
    name = f"{checkout.settings['COMPOSE_PROJECT_NAME']}-other"
    network = f"{checkout.settings['COMPOSE_PROJECT_NAME']}_default"
    started = checkout.run(
        "docker",
        "run",
        "--rm",
        "--detach",
        "--name",
        name,
        "--network",
        network,
        "--publish",
        "127.0.0.1::5432",
        "--env=POSTGRES_USER=somebody",
        "--env=POSTGRES_PASSWORD=else",
        "--env=POSTGRES_DB=theirs",
        "postgres:17",
    )
    assert started.returncode == 0, started.stderr
    try:
        port = int(checkout.run("docker", "port", name, "5432").stdout.rsplit(":", 1)[1])
        reached = {"host": "127.0.0.1", "port": port, "user": "somebody", "password": "else", "dbname": "theirs"}
        wait_for(reached)
        yield reached | {"name": name}
    finally:
        checkout.run("docker", "stop", name)


def test_a_switch_that_fails_leaves_all_as_it_was(checkout: Checkout):
    failed = checkout.run("./up.sh", DB_HOST="nowhere.invalid", DB_PORT=5432)
    assert failed.returncode == 1
    assert "nowhere.invalid" in failed.stderr
    assert "|" not in failed.stdout, "no log of an earlier run"
    assert checkout.run("./up.sh", "--status").returncode == 0
    assert "db" in compose(checkout, "ps", "--services").split()


def test_a_database_of_ones_own_takes_the_place_of_ours(checkout: Checkout, theirs: dict, tmp_path: Path):
    """With backup, restore and psql."""
    name = theirs.pop("name")
    settings = {
        "POSTGRES_USER": "somebody",
        "POSTGRES_PASSWORD": "else",
        "POSTGRES_DB": "theirs",
        "DB_HOST": name,
        "DB_PORT": 5432,
    }
    ours = tmp_path / "ours.dump"
    assert checkout.run("./up.sh", "--backup", str(ours)).returncode == 0
    up = checkout.run("./up.sh", **settings)
    assert up.returncode == 0, up.stdout + up.stderr
    assert "db" not in compose(checkout, "ps", "--services").split()
    with psycopg.connect(**theirs) as connection:
        assert connection.execute("SELECT submissions FROM prediction_accuracy").fetchone() == (0,)
    restored = checkout.run("./up.sh", "--restore", str(ours), **settings)
    assert restored.returncode == 0, restored.stderr
    said = checkout.run("./up.sh", "--psql", "-Atc", "SELECT current_user, count(*) FROM submissions", **settings)
    assert said.stdout == "somebody|11\n", said.stderr
    assert checkout.run("./up.sh", "--backup", str(tmp_path / "theirs.dump"), **settings).returncode == 0


def wait_for(database: dict) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return psycopg.connect(**database).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.5)


# --- two checkouts ----------------------------------------------------------------------------------


@pytest.fixture
def folders(monkeypatch, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes checkouts in which a container runs that does nothing, in the project that .env or Compose says."""
    monkeypatch.delenv("COMPOSE_PROJECT_NAME", raising=False)
    made = []

    def make(parent: str, env: str | None = "DB_PASSWORD=x\n") -> Path:
        folder = tmp_path / parent / f"twin-{os.getpid()}"
        folder.mkdir(parents=True)
        (folder / "docker-compose.yml").write_text(
            "services: {idle: {image: 'postgres:17', command: [sleep, '600'], init: true}}"
        )
        (folder / ".env.example").write_bytes((ROOT / ".env.example").read_bytes())
        if env is not None:
            (folder / ".env").write_text(env)
        subprocess.run(["docker", "compose", "up", "--detach"], cwd=folder, check=True, capture_output=True)
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["docker", "compose", "down", "--timeout", "0"], cwd=folder, capture_output=True)


def project_of(monkeypatch, folder: Path, what: str = "") -> str:
    """As up.sh finds it when it is called there."""
    monkeypatch.setattr(local, "ROOT", folder)
    env_file.main(what)
    return local.read_env(folder / ".env")["COMPOSE_PROJECT_NAME"]


def test_an_older_checkout_keeps_its_project_and_so_its_volumes(monkeypatch, folders: Callable):
    folder = folders("one")
    assert project_of(monkeypatch, folder) == folder.name


def test_a_second_checkout_of_the_same_name_gets_another(monkeypatch, folders: Callable, tmp_path: Path):
    first = folders("one")
    second = tmp_path / "two" / first.name
    second.mkdir(parents=True)
    (second / ".env").write_text("DB_PASSWORD=x\n")
    assert project_of(monkeypatch, second).startswith(f"{first.name}-")
    assert project_of(monkeypatch, first) == first.name


def test_a_copy_of_a_checkout_is_refused_and_says_why(monkeypatch, folders: Callable, tmp_path: Path):
    first = folders("one", "COMPOSE_PROJECT_NAME=twins\nDB_PASSWORD=x\n")
    copy = shutil.copytree(first, tmp_path / "copy")
    with pytest.raises(SystemExit, match=f"belongs to the checkout in {first}"):
        project_of(monkeypatch, copy)
    (copy / ".env").write_text((copy / ".env").read_text().replace("=twins", "="))
    assert project_of(monkeypatch, copy) == "copy"


def test_a_moved_checkout_keeps_its_project(monkeypatch, folders: Callable, tmp_path: Path):
    first = folders("one")
    assert project_of(monkeypatch, first) == first.name
    moved = first.rename(tmp_path / "moved")
    try:
        assert project_of(monkeypatch, moved) == first.name
    finally:
        moved.rename(first)


def test_a_lost_env_finds_the_project_again(monkeypatch, folders: Callable):
    folder = folders("one", "COMPOSE_PROJECT_NAME=found\nDB_PASSWORD=x\n")
    (folder / ".env").rename(folder / "lost")
    assert project_of(monkeypatch, folder, "up") == "found"

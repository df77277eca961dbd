"""The trainer's container: where it finds MNIST, how it ends, and what it says when it cannot begin.

Its image holds torch (several GB), so all of this is slow. The tests build on each other, in this order.
"""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from conftest import BACKEND_PYTHON, ROOT, Checkout
from test_compose import compose, docker_answers, project  # noqa: F401 (a fixture)

PATIENCE_S = 300
RETRAIN = ["python", "retrain.py"]
SMALL = [
    "--architecture=lenet",
    "--epochs=500",
    "--writer-digits=0",
    "--synthetic-digits=100",
    "--non-digits=20",
    "--held-out=100",
    "--batch-size=32",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not docker_answers() and not os.environ.get("REQUIRE_DOCKER"), reason="no Docker daemon answers"
    ),
]


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MNIST, of drawings, that any user may read."""
    folder = tmp_path_factory.mktemp("mnist")
    write = (
        f"from pathlib import Path; from tests.training import small; small.write_mnist(Path({str(folder)!r}), 600, 50)"
    )
    subprocess.run([BACKEND_PYTHON, "-c", write], cwd=ROOT / "backend", check=True)
    for path in [*folder.parents[:2], folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o055)
    return folder


@pytest.fixture(scope="module")
def stack(checkout: Checkout) -> Checkout:
    """A database and a backend, both set up; the trainer's image is built."""
    up = checkout.run("./up.sh")
    assert up.returncode == 0, up.stdout + up.stderr
    checkout.settings["TRAIN_USER"] = "1234:1234"
    for folder in ("models", "plots"):
        shutil.chown(checkout.folder / "backend" / folder, 1234, 1234)
    compose(checkout, "--profile", "train", "build", "--quiet", "trainer")
    return checkout


def train(checkout: Checkout, *command: str, options: tuple[str, ...] = (), **settings) -> tuple[int, str]:
    """(exit status, what `docker compose run trainer` said)."""
    done = checkout.run(
        "docker", "compose", "--profile", "train", "run", "--rm", "-T", *options, "trainer", *command, **settings
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    return done.returncode, said


def test_without_mnist_and_without_the_internet_it_says_so(stack: Checkout):
    offline = ("--env=http_proxy=http://127.0.0.1:1", "--env=https_proxy=http://127.0.0.1:1")
    training = ["python", "train.py", "--model-path", "models/try", "--plots", "plots/try"]
    status, said = train(stack, *training, options=offline)
    assert status == 1
    assert "MNIST in /app/data is missing and cannot be downloaded" in said.splitlines()[-1]


def test_with_nothing_approved_it_says_so(stack: Checkout, mnist: Path):
    status, said = train(stack, *RETRAIN, MNIST_DIR=mnist)
    assert status == 1
    assert "There is no sketch to learn from" in said


def test_a_path_that_is_not_there_is_named(stack: Checkout, mnist: Path):
    status, said = train(stack, MNIST_DIR=mnist / "elsewhere")
    assert status != 0
    assert str(mnist / "elsewhere") in said
    assert not (mnist / "elsewhere").exists()


@pytest.mark.parametrize("relative", [False, True])
def test_mnist_is_found_in_the_host_s_folder(stack: Checkout, mnist: Path, relative: bool):
    folder = os.path.relpath(mnist, stack.folder / "backend") if relative else mnist
    evaluation = ["python", "evaluate.py", "--output", "plots/try"]
    status, said = train(stack, *evaluation, MNIST_DIR=folder)
    assert status == 0, said
    assert "on 50 pictures from MNIST's test set" in said


def test_a_folder_of_somebody_else_is_named(stack: Checkout, mnist: Path):
    status, said = train(stack, *RETRAIN, MNIST_DIR=mnist, TRAIN_USER="4321:4321")
    assert status == 1
    assert "models/candidate: Permission denied (this runs as user 4321, group 4321)" in said


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("DB_PASSWORD", "wrong", "password authentication failed"),
        ("DB_HOST", "nowhere.invalid", "nowhere.invalid"),
        ("POSTGRES_DB", "untouched", "is not set up for this version"),
    ],
)
def test_a_database_that_cannot_be_used_is_said_to_be_so(stack: Checkout, setting: str, value: str, reason: str):
    if value == "untouched":  # one without tables
        assert stack.run("./up.sh", "--psql", "-c", "CREATE DATABASE untouched").returncode == 0
    status, said = train(stack, *RETRAIN, options=("--no-deps", f"--env={setting}={value}"))
    assert status == 1
    assert reason in said.splitlines()[-1]


def test_it_ends_at_once_when_it_is_stopped_and_goes_on_afterwards(stack: Checkout, mnist: Path):
    training = ["python", "train.py", *SMALL, "--model-path", "models/try", "--plots", "plots/try"]
    name = f"{stack.settings['COMPOSE_PROJECT_NAME']}-training"
    detached = ["--detach", "--env=OMP_NUM_THREADS=1", "--name", name]
    compose(stack, "--profile", "train", "run", *detached, "trainer", *training, MNIST_DIR=mnist)
    try:
        wait_for(stack, name, "epoch  2  train loss")
        start = time.monotonic()
        assert stack.run("docker", "stop", name).returncode == 0
        assert time.monotonic() - start < 5  # Docker itself would kill it after 10 s
        done = int(re.findall(r"epoch +(\d+)  train loss", logs(stack, name))[-1])
        assert stack.run("docker", "start", name).returncode == 0
        wait_for(stack, name, "going on after epoch")
        went_on = int(re.search(r"going on after epoch (\d+)", logs(stack, name))[1])
        assert done - 1 <= went_on <= done  # the line of an epoch comes just before its checkpoint
        wait_for(stack, name, f"epoch {done + 2:2}  train loss")
    finally:
        stack.run("docker", "rm", "--force", name)


def logs(checkout: Checkout, name: str) -> str:
    said = checkout.run("docker", "logs", name)
    return said.stdout + said.stderr


def wait_for(checkout: Checkout, name: str, line: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while line not in logs(checkout, name):
        assert time.monotonic() < deadline, logs(checkout, name)
        time.sleep(0.3)


def test_the_loop_can_be_rehearsed_from_it(stack: Checkout, tmp_path: Path):
    pens, ones = tmp_path / "pens.txt", '.SEGMENT CHARACTER 0 ? "1"\n.COMMENT 1 {} 300\n.PEN_DOWN\n9 0\n0 90\n.PEN_UP\n'
    pens.write_text("".join(ones.format(writer) for writer in (1, 1, 2)))
    there = (f"--volume={pens}:/tmp/pens.txt:ro",)
    rehearse = ["python", "rehearse.py", "--learn-from", "1"]
    status, said = train(stack, *rehearse, "submit", "/tmp/pens.txt", options=there)
    assert status == 0, said
    assert "2 sketches submitted, 0 of them with a wrong label, and approved" in said
    with stack.connect() as connection:
        assert connection.execute("SELECT count(*) FROM submissions WHERE status = 'approved'").fetchone() == (2,)
    status, said = train(stack, *rehearse, "measure", "/tmp/pens.txt", options=there)
    assert status == 0, said
    assert "of 3 drawings read right by" in said

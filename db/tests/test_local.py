"""local.py: what the shell cannot do."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import local
import pytest
from conftest import ROOT


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("NAME = value ", "value"),
        ("export NAME=value", "value"),
        ("NAME=a b", "a b"),
        ("NAME=value # why", "value"),
        ("NAME=a#b", "a#b"),
        ("NAME='$a # b'  # why", "$a # b"),
        ('NAME="a b"', "a b"),
        ("NAME=a=b", "a=b"),
        ("NAME=", ""),
        ("NAME= # why", ""),
        ("NAME=value\r", "value"),
        ("#NAME=value", None),
        ("", None),
    ],
)
def test_env_lines_are_read_as_compose_reads_them(tmp_path: Path, line: str, value: str | None):
    (tmp_path / ".env").write_text(line + "\n")
    assert local.read_env(tmp_path / ".env").get("NAME") == value


def test_every_setting_that_is_not_a_secret_can_be_left_as_it_is_in_the_example():
    example = local.read_env(ROOT / ".env.example")
    assert example["DB_PORT"] == "5432"
    assert example["BIND_ADDRESS"] == "127.0.0.1"
    assert not any(value for name, value in example.items() if "PASSWORD" in name or "TOKEN" in name)


def test_the_environment_comes_before_env_unless_it_is_empty(monkeypatch, tmp_path: Path):
    (tmp_path / ".env").write_text("ONE=file\nTWO=file\nTHREE=\n")
    monkeypatch.setattr(local, "ROOT", tmp_path)
    monkeypatch.setenv("ONE", "environment")
    monkeypatch.setenv("TWO", "")
    found = local.settings()
    assert (found["ONE"], found["TWO"], found.get("THREE")) == ("environment", "file", None)


def test_a_taken_port_is_noticed_whoever_listens():
    for host in ("127.0.0.1", "0.0.0.0"):
        with socket.create_server((host, 0)) as listener:
            port = listener.getsockname()[1]
            assert "in use" in local.port_trouble(port)
        assert local.port_trouble(port) is None


def test_a_program_is_known_as_long_as_it_lives(tmp_path: Path):
    pid_file, log = tmp_path / "sleeper.pid", tmp_path / "sleeper.log"
    assert local.running(pid_file) is None
    local.launch([sys.executable, "-c", "print('hello', flush=True); import time; time.sleep(60)"], pid_file, log)
    pid = local.running(pid_file)
    with pytest.raises(BlockingIOError):  # not a second one
        local.launch(["true"], pid_file, log)
    while not log.read_text():
        time.sleep(0.02)
    assert os.getpgid(pid) == pid, "Ctrl-C in the terminal must not reach it"
    assert local.end(pid_file)
    assert local.running(pid_file) is None
    assert not local.end(pid_file)
    assert log.read_text() == "hello\n"


def test_one_that_will_not_end_is_killed(tmp_path: Path):
    pid_file, log = tmp_path / "stubborn.pid", tmp_path / "stubborn.log"
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    local.launch([sys.executable, "-c", stubborn], pid_file, log)
    while not log.read_text():
        time.sleep(0.02)
    assert local.end(pid_file, signal.SIGTERM, patience_s=0.2)
    assert local.running(pid_file) is None


def test_a_pid_that_is_now_somebody_elses_is_left_alone(tmp_path: Path):
    pid_file = tmp_path / "gone.pid"
    pid_file.write_text(str(os.getpid()))
    assert local.running(pid_file) is None
    assert not local.end(pid_file)

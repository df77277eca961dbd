"""local.py: what the shell cannot do."""

import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, free_port

import local
import log_pump


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
    assert not any(value for name, value in example.items() if name.endswith(("PASSWORD", "TOKEN", "SECRET")))


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
    assert written(log, "hello\n") == "hello\n"


def written(log: Path, wanted: str) -> str:
    """What is in the log as soon as `wanted` is: another process writes it."""
    deadline = time.monotonic() + 10
    while wanted not in (text := log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return text


def test_a_log_is_bounded_and_its_end_is_kept(tmp_path: Path):
    log, megabytes = tmp_path / "talker.log", 60
    line = "x" * 999 + "\n"
    talk = f"import sys; [sys.stdout.write({line!r}) for _ in range({megabytes} * 1000)]; print('the end')"
    local.launch([sys.executable, "-c", talk], tmp_path / "talker.pid", log)
    while local.running(tmp_path / "talker.pid"):
        time.sleep(0.02)
    assert written(log, "the end").endswith("the end\n")
    files = sorted(tmp_path.glob("talker.log*"))
    assert len(files) == 1 + log_pump.OLD_FILES
    assert sum(file.stat().st_size for file in files) <= (1 + log_pump.OLD_FILES) * log_pump.BYTES
    assert local.tail(log, 2) == line + "the end"


def test_the_end_of_a_log_is_told_when_a_new_file_has_just_begun(tmp_path: Path):
    (tmp_path / "a.log").write_text("three\n")
    (tmp_path / "a.log.1").write_text("one\ntwo\n")
    assert local.tail(tmp_path / "a.log", 2) == "two\nthree"
    assert local.tail(tmp_path / "none.log") == ""


def test_what_a_program_started_ends_with_it(tmp_path: Path):
    pid_file, log = tmp_path / "parent.pid", tmp_path / "parent.log"
    parent = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    local.launch([sys.executable, "-c", parent], pid_file, log)
    while not log.read_text():
        time.sleep(0.02)
    child = int(log.read_text())
    assert local.end(pid_file)
    deadline = time.monotonic() + 10
    while is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")  # one that nobody waits for is still there, and dead
    return not status.exists() or status.read_text().split()[2] != "Z"


def test_two_take_turns_and_what_they_start_does_not_hold_the_lock(tmp_path: Path):
    with open(tmp_path / "lock", "a") as mine, open(tmp_path / "lock", "a") as other:
        local.take_turn(mine.fileno())
        os.set_inheritable(mine.fileno(), True)  # as the shell leaves it
        local.launch(["sleep", "60"], tmp_path / "sleeper.pid", tmp_path / "sleeper.log")
        waiting = threading.Thread(target=local.take_turn, args=[other.fileno()])
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        mine.close()
        waiting.join(10)
        assert not waiting.is_alive()
    assert local.end(tmp_path / "sleeper.pid")


def test_all_ports_that_cannot_be_had_are_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        taken = [str(listener.getsockname()[1]) for listener in (one, two)]
        wanted = ["A_PORT", taken[0], "B_PORT", taken[1], "C_PORT", "eighty", "D_PORT", "eighty"]
        complaints = local.port_complaints(*(word for pair in pairs(wanted) for word in (*pair, "127.0.0.1")))
    assert [re.search("([A-D])_PORT", complaint)[1] for complaint in complaints] == ["A", "B", "C", "D"]


def pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    return zip(words[::2], words[1::2], strict=True)


def test_one_port_for_two_is_noticed():
    port = str(free_port())
    (complaint,) = local.port_complaints("A_PORT", port, "127.0.0.1", "B_PORT", port, "127.0.0.1")
    assert re.findall("[AB]_PORT", complaint) == ["B_PORT", "A_PORT"]


def test_the_port_of_what_runs_here_is_no_trouble(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(local, "RUN", tmp_path)
    port = str(free_port())
    server = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    local.main("start", "backend", port, str(tmp_path), sys.executable, "-c", server)
    while not local.port_trouble(int(port)):
        time.sleep(0.02)
    assert local.port_complaints("BACKEND_PORT", port, "127.0.0.1") == []
    assert local.end(tmp_path / "backend.pid")
    assert local.own_ports() == set()


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

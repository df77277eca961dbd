"""What up.sh and embedded.py need and a shell lacks: settings, ports, programs in the background. Needs no package.

    python3 db/local.py uv                                # the path of uv, which is installed into .cache if need be
    python3 db/local.py env                               # .env as lines for `eval`; what is set already wins
    python3 db/local.py turn FD                           # waits until no other up.sh is running here
    python3 db/local.py ports [VARIABLE NUMBER HOST]...   # complains about all that others have taken
    python3 db/local.py start NAME PORT FOLDER COMMAND... # in the background; PORT is the one it listens on
    python3 db/local.py stop NAME
    python3 db/local.py status NAME                       # its pid; or exit status 1
    python3 db/local.py answers URL                       # complains when it does not, or not with 200
    python3 db/local.py wait URL [NAME]                   # until URL answers 200, or the program NAME has ended

A pid alone may belong to somebody else by now. So a program started here inherits a locked file, .run/NAME.pid: as long
as the lock holds, the program lives and the pid in the file is its own. What it writes goes through
log_pump.py into .run/NAME.log.
"""

import contextlib
import errno
import fcntl
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / ".run"
UV = "uv==0.13.8"  # as in the Dockerfiles
OLDEST_UV = (0, 7)  # that knows what the projects' files ask of it
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PATIENCE_S = 120  # a first start on a slow machine

SECRETS = ("POSTGRES_PASSWORD", "DB_PASSWORD", "ADMIN_TOKEN", "PROXY_SECRET")  # NAME_FILE names a file that holds it

_ASSIGNMENT = re.compile(r"""\s*(?:export\s+)?(\w+)\s*=\s*(?:'([^']*)'|"([^"]*)"|(.*?))\s*(?:(?<=\s)\#.*)?$""")


def read_env(file: Path) -> dict[str, str]:
    """NAME=value lines, quotes and # comments as Compose understands them; nothing is expanded."""
    if not file.exists():
        return {}
    found = (_ASSIGNMENT.match(line) for line in file.read_text(encoding="utf-8").splitlines())
    return {m[1]: next(value for value in (m[2], m[3], m[4]) if value is not None) for m in found if m}


def settings() -> dict[str, str]:
    """The environment before .env; an empty variable counts as one that is not set; secrets also from files."""
    both = (*read_env(ROOT / ".env").items(), *((name, value) for name, value in os.environ.items() if value))
    every = {name: value for name, value in dict(both).items() if value}
    for name in SECRETS:
        if file := every.get(f"{name}_FILE"):
            every[name] = (ROOT / file).read_text(encoding="utf-8").rstrip("\r\n")
    return every


def running(pid_file: Path) -> int | None:
    """The pid of the program that holds the lock on `pid_file`."""
    try:
        with open(pid_file) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int(pid_file.read_text())
    return None


def launch(command: list[str], pid_file: Path, log: Path, **how) -> None:
    """Starts `command` in its own session, so that closing the terminal or Ctrl-C does not reach it."""
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    with open(pid_file, "a+") as lock, _pump_to(log) as output:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=[lock.fileno()],
            **how,
        )
        lock.truncate(0)
        lock.write(str(process.pid))


def _pump_to(log: Path) -> BinaryIO:
    """A pipe into a process that writes `log`, and ends when nobody holds the other end any more."""
    log.touch()  # where it cannot be written, that is said now
    pump = [sys.executable, str(ROOT / "db" / "log_pump.py"), str(log)]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(
        pump, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, start_new_session=True, cwd="/"
    ).stdin


def end(pid_file: Path, how: signal.Signals = signal.SIGTERM, patience_s: float = 20) -> bool:
    """Asks the program to end and waits for it; whether there was one."""
    pid = running(pid_file)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)
    deadline = time.monotonic() + patience_s
    while running(pid_file):
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            deadline += patience_s
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):  # helpers that it left behind
        os.killpg(pid, signal.SIGKILL)
    return True


def port_trouble(port: int, host: str = "127.0.0.1") -> str | None:
    """Why nothing can listen there; None when something can."""
    with socket.socket() as caller:
        caller.settimeout(1)
        # asked first: BSD lets a second program listen on 127.0.0.1 where a first one listens on every address
        if caller.connect_ex(("127.0.0.1" if host == "0.0.0.0" else host, port)) == 0:
            return os.strerror(errno.EADDRINUSE)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not held up by connections that just closed
        try:
            listener.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


def own_ports() -> set[int]:
    """Those that what runs here listens on."""
    found = set()
    for name in ("backend", "frontend"):
        if running(RUN / f"{name}.pid") and (file := RUN / f"{name}.port").exists():
            found.add(int(file.read_text()))
    data = ROOT / "db" / "data"
    if running(data / "postgres.pid"):
        with contextlib.suppress(OSError):
            # Postgres writes it into the fourth line of this file
            found.add(int((data / "cluster" / "postmaster.pid").read_text().splitlines()[3]))
    return found


def port_complaints(*wanted: str) -> list[str]:
    """What is wrong with these ports, each given as variable, number and host: a sentence each."""
    complaints, seen = [], {}
    own = own_ports()
    for variable, number, host in zip(*[iter(wanted)] * 3, strict=True):
        if not (number.isdecimal() and 0 < int(number) < 65536):
            complaints.append(f"{variable} in .env is not a port: {number}")
        elif other := seen.get(number):
            complaints.append(f"{variable} and {other} in .env are the same port, {number}: set one to another.")
        elif int(number) not in own and (trouble := port_trouble(int(number), host)):
            complaints.append(f"Port {number} is taken ({trouble}): set {variable} in .env to another one.")
        seen[number] = variable
    return complaints


def take_turn(lock: int) -> None:
    """Waits for the lock on this open file, which its owner, up.sh, then holds until it ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another up.sh is running in this folder; waiting for it to finish ...", file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)


def tail(log: Path, lines: int = 15) -> str:
    """Its last lines, also when a new file has just begun."""
    files = (log.with_name(log.name + ".1"), log)
    text = "".join(file.read_text(errors="replace") for file in files if file.exists())
    return "\n".join(text.splitlines()[-lines:])


def complaint(url: str) -> str | None:
    """Why `url` does not answer 200; None when it does."""
    try:
        with NO_PROXY.open(url, timeout=5):
            return None
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace")
    except OSError as error:
        return str(error)


def wait(url: str, name: str = "") -> None:
    """Until `url` answers 200; gives up early when the program `name` has ended."""
    log = RUN / f"{name}.log"
    deadline = time.monotonic() + PATIENCE_S
    while said := complaint(url):
        if name and not running(RUN / f"{name}.pid"):
            time.sleep(0.5)  # its last words are on their way to the log
            sys.exit(f"The {name} has stopped. The end of {log}:\n{tail(log)}")
        if time.monotonic() > deadline:
            sys.exit(f"Not ready after {PATIENCE_S} seconds: {url} says: {said}")
        time.sleep(0.2)


def find_uv() -> str:
    """An installed uv that is not too old, else one of our own."""
    installed = shutil.which("uv")
    if installed:
        said = subprocess.run([installed, "--version"], capture_output=True, text=True).stdout  # "uv 0.13.8 (…)"
        if tuple(map(int, re.findall(r"\d+", said)[:2])) >= OLDEST_UV:
            return installed
    own = ROOT / ".cache" / "uv-venv"
    if not (own / "bin" / "uv").exists():
        print("Getting uv, which installs everything else ...", file=sys.stderr)
        try:
            venv.create(own, clear=True, with_pip=True)
        except subprocess.CalledProcessError:
            sys.exit("This Python cannot make a virtual environment. Install uv, or (Debian, Ubuntu) python3-venv.")
        subprocess.run([own / "bin" / "pip", "install", "--quiet", UV], check=True, stdout=sys.stderr)
    return str(own / "bin" / "uv")


def main(what: str, *given: str) -> None:
    match what, given:
        case "uv", ():
            print(find_uv())
        case "env", ():
            every = settings()
            for name in (*read_env(ROOT / ".env"), *SECRETS):
                if name in every:
                    print(f"{name}={shlex.quote(every[name])}")
        case "turn", (lock,):
            take_turn(int(lock))
        case "start", (name, port, folder, *command):
            end(RUN / f"{name}.pid")
            launch(command, RUN / f"{name}.pid", RUN / f"{name}.log", cwd=folder)
            (RUN / f"{name}.port").write_text(port)
        case "stop", (name,):
            print(f"{name}: stopped" if end(RUN / f"{name}.pid") else f"{name}: was not running")
        case "status", (name,):
            pid = running(RUN / f"{name}.pid")
            print(f"{name}: " + (f"running (pid {pid}), log in .run/{name}.log" if pid else "not running"))
            sys.exit(0 if pid else 1)
        case "ports", wanted:
            if complaints := port_complaints(*wanted):
                sys.exit("\n".join(complaints))
        case "answers", (url,):
            if said := complaint(url):
                sys.exit(f"{url} does not answer as it should: {said}")
        case "wait", (url, *name):
            wait(url, *name)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:] or [""])

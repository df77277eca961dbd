"""Settings, read from the environment and from the project's .env."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from psycopg.conninfo import make_conninfo
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.logs import LogFormat

BACKEND = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """An empty variable counts as one that is not set."""

    model_config = SettingsConfigDict(env_file=BACKEND.parent / ".env", env_ignore_empty=True, extra="ignore")

    db_host: str = "127.0.0.1"
    db_port: int = 5432
    postgres_user: str = "digits"
    postgres_password: SecretStr | None = None  # none set: the service predicts, and stores nothing
    postgres_db: str = "digits"

    admin_token: SecretStr | None = None  # none set: admin calls are refused
    gallery: Literal["all", "approved"] = "all"  # which submissions are shown without the token
    model_path: Path = Path("models/default/model.onnx")
    prediction_days: int = Field(90, ge=1)  # how long the log of answers is kept
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: LogFormat = "text"

    @property
    def conninfo(self) -> str:
        """How psycopg reaches the database."""
        password = self.postgres_password.get_secret_value() if self.postgres_password else None
        return make_conninfo(
            host=self.db_host, port=self.db_port, user=self.postgres_user, password=password, dbname=self.postgres_db
        )

    @property
    def model_file(self) -> Path:
        return BACKEND / self.model_path


@lru_cache
def get_settings() -> Settings:
    return Settings()

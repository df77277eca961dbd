"""Settings of the scripts; app/config.py holds those of the service."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

BACKEND = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Read from the environment and from the project's .env; an empty variable counts as one that is not set."""

    model_config = SettingsConfigDict(env_file=BACKEND.parent / ".env", env_ignore_empty=True, extra="ignore")

    mnist_dir: Path = Path("data")
    strokes_dir: Path = Path("data/strokes")
    debug_mode: bool = False
    backend_url: str = ""
    backend_port: int = 8000

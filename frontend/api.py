"""The backend's HTTP API: the only file that knows a URL."""

from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import requests
from pydantic import BaseModel
from pydantic_settings import BaseSettings, SettingsConfigDict

from answers import Explanation, Prediction, Statistics, Submission, SubmissionPage

TIMEOUT_S = (2, 5)  # to connect, to answer

T = TypeVar("T", bound=BaseModel)


class Settings(BaseSettings):
    """Read from the environment and from the project's .env; an empty variable counts as one that is not set."""

    model_config = SettingsConfigDict(
        env_file=Path(__file__).resolve().parent.parent / ".env", env_ignore_empty=True, extra="ignore"
    )

    backend_url: str | None = None  # none set: the backend on this machine
    backend_port: int = 8000

    @property
    def base_url(self) -> str:
        return (self.backend_url or f"http://127.0.0.1:{self.backend_port}").rstrip("/")


class BackendError(Exception):
    """Something went wrong."""

    def __init__(self, detail: str | None = None, name: str = "") -> None:
        super().__init__(detail or type(self).__doc__)
        self.name = name  # as in the backend's errors.py


class Unreachable(BackendError):
    """The recogniser does not answer right now."""


class DatabaseAway(BackendError):
    """The database is away right now."""


class Refused(BackendError):
    """This was not accepted."""


@lru_cache
def settings() -> Settings:
    return Settings()


@lru_cache
def session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # the backend is a neighbour: no proxy, no .netrc, and no search for them on each call
    return session


def predict(picture: bytes, content_type: str) -> Prediction:
    headers = {"Content-Type": content_type}
    answer = _call("POST", "/predict", params={"preview": "true"}, data=picture, headers=headers)
    return _parse(Prediction, answer)


def explain(picture: bytes, content_type: str) -> Explanation:
    return _parse(Explanation, _call("POST", "/explain", data=picture, headers={"Content-Type": content_type}))


def store(picture: bytes, content_type: str, label: str, key: UUID) -> Submission:
    """Store a picture with what was meant, "0" to "9" or "none"; sent again with the same key it is stored once."""
    files = {"file": ("picture", picture, content_type)}
    headers = {"Idempotency-Key": str(key)}
    return _parse(Submission, _call("POST", "/submissions", files=files, data={"true_label": label}, headers=headers))


def take_back(submission_id: UUID, key: UUID) -> None:
    """Delete what was stored with `key` in the last 10 minutes."""
    _call("DELETE", f"/submissions/{submission_id}", headers={"Idempotency-Key": str(key)})


def submissions(limit: int, cursor: str | None = None) -> SubmissionPage:
    """The newest first."""
    return _parse(SubmissionPage, _call("GET", "/submissions", params={"limit": limit, "cursor": cursor}))


def submission_image(submission_id: UUID) -> bytes:
    return _call("GET", f"/submissions/{submission_id}/image").content


def statistics() -> Statistics:
    return _parse(Statistics, _call("GET", "/statistics"))


def _call(method: str, path: str, **options) -> requests.Response:
    """Raise `Unreachable`, `DatabaseAway` or `Refused` for whatever is no success."""
    try:
        response = _send(method, settings().base_url + path, **options)
    except requests.RequestException as e:
        raise Unreachable from e
    if response.ok:
        return response
    raise _problem(response)


def _send(method: str, url: str, **options) -> requests.Response:
    try:
        return session().request(method, url, timeout=TIMEOUT_S, **options)
    except requests.Timeout:
        raise
    except requests.ConnectionError:
        # perhaps a kept connection that the backend has closed meanwhile; every call here may be repeated
        return session().request(method, url, timeout=TIMEOUT_S, **options)


def _problem(response: requests.Response) -> BackendError:
    try:
        body = response.json()
        name, detail = str(body["error"]), str(body["detail"])
    except (ValueError, KeyError, TypeError):  # not from our backend
        return Unreachable()
    if name == "DatabaseUnavailable":
        return DatabaseAway(name=name)
    return Unreachable(name=name) if response.status_code >= 500 else Refused(detail, name)


def _parse(model: type[T], response: requests.Response) -> T:
    try:
        return model.model_validate_json(response.content)
    except ValueError as e:  # something else listens where the backend should
        raise Unreachable from e

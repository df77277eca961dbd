"""The backend's HTTP API: the only file that knows a URL."""

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx2
import requests
from pydantic import TypeAdapter
from pydantic_settings import BaseSettings, SettingsConfigDict

from answers import (
    Imported,
    Model,
    Promotion,
    Statistics,
    Status,
    SubmissionCount,
    SubmissionPage,
)

TIMEOUT_S = (2, 5)  # to connect, to answer
PATIENT_S = (2, 300)  # where an archive goes in or out
MAX_EXPORT = 300_000_000  # bytes: it passes through this process's memory

T = TypeVar("T")


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


@lru_cache
def pool() -> httpx2.AsyncClient:
    """For what the page's own routes pass on, on the server's event loop."""
    timeout = httpx2.Timeout(TIMEOUT_S[1], connect=TIMEOUT_S[0])
    return httpx2.AsyncClient(base_url=settings().base_url, timeout=timeout, trust_env=False)


async def close() -> None:
    await pool().aclose()
    pool.cache_clear()


async def forward(method: str, path: str, **request: Any) -> httpx2.Response:
    """The backend's answer, whatever it says. Raises Unreachable where there is none."""
    try:
        return await pool().request(method, path, **request)
    except httpx2.HTTPError as e:
        raise Unreachable from e


def submissions(
    limit: int, cursor: str | None = None, order: str = "newest", token: str | None = None, **filters: Any
) -> SubmissionPage:
    """The newest first, or those likeliest "mislabelled". Without the token, those that the backend shows visitors."""
    params = {"limit": limit, "cursor": cursor, "order": order} | filters
    return _parse(SubmissionPage, _call("GET", "/submissions", params=params, headers=_bearer(token)))


def count(token: str | None = None, **filters: Any) -> int:
    """How many all pages of `submissions` hold; `order` may be among the filters."""
    found = _call("GET", "/submissions/count", params=filters, headers=_bearer(token))
    return _parse(SubmissionCount, found).submissions


def submission_image(submission_id: UUID, key: UUID | None = None, token: str | None = None) -> bytes:
    """`key`: whoever stored it may see it before it is approved."""
    headers = _bearer(token) | ({"Idempotency-Key": str(key)} if key else {})
    return _call("GET", f"/submissions/{submission_id}/image", headers=headers).content


def check_token(token: str) -> None:
    """Raises Refused, with the reason, if it is not the admin's."""
    _call("GET", "/admin", headers=_bearer(token))


def change(ids: Collection[UUID], token: str, label: str | None = None, status: Status | None = None) -> None:
    """Give up to 200 submissions a new label, "0" to "9" or "none", a new status or both."""
    wanted = {"true_label": label, "status": status}
    body = {"ids": [str(each) for each in ids]} | {name: value for name, value in wanted.items() if value}
    _call("PATCH", "/submissions", json=body, headers=_bearer(token))


def delete(ids: Collection[UUID], token: str) -> None:
    """Up to 200 at once."""
    _call("POST", "/submissions/delete", json={"ids": [str(each) for each in ids]}, headers=_bearer(token))


def export(token: str, **filters: Any) -> bytes:
    """A ZIP of the submissions that the filters leave."""
    options = {"params": filters, "headers": _bearer(token), "timeout": PATIENT_S, "stream": True}
    archive = bytearray()
    with _call("GET", "/submissions/export", **options) as response:
        try:
            for piece in response.iter_content(1 << 20):
                archive += piece
                if len(archive) > MAX_EXPORT:
                    raise Refused("This export is too large for a page.")
        except requests.RequestException as e:  # it ended too early
            raise Unreachable from e
    return bytes(archive)


def import_archive(archive: bytes, token: str, dry_run: bool = False) -> Imported:
    """Store what a ZIP holds, an export or labelled pictures; or only say what it holds."""
    options = {"headers": _bearer(token) | {"Content-Type": "application/zip"}, "timeout": PATIENT_S}
    answer = _call("POST", "/submissions/import", data=archive, params={"dry_run": dry_run}, **options)
    return _parse(Imported, answer)


def models() -> list[Model]:
    """The newest first."""
    return _parse(list[Model], _call("GET", "/models"))


def promotions() -> list[Promotion]:
    """The newest first."""
    return _parse(list[Promotion], _call("GET", "/promotions"))


def promote(version: str, token: str, reason: str, overrule: bool) -> Promotion:
    """Make a model serve; `overrule`: although the gate has not passed it."""
    path, body = f"/models/{quote(version, safe='')}/promote", {"reason": reason, "overrule": overrule}
    return _parse(Promotion, _call("POST", path, json=body, headers=_bearer(token), timeout=PATIENT_S))


def statistics() -> Statistics:
    return _parse(Statistics, _call("GET", "/statistics"))


def _bearer(token: str | None) -> dict[str, bytes]:
    """As bytes: what is not Latin-1 is sent as UTF-8."""
    return {"Authorization": b"Bearer " + token.encode()} if token else {}


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
    options = {"timeout": TIMEOUT_S} | options
    try:
        return session().request(method, url, **options)
    except requests.Timeout:
        raise
    except requests.ConnectionError:
        # perhaps a kept connection that the backend has closed meanwhile; every call here may be repeated
        return session().request(method, url, **options)


def _problem(response: requests.Response) -> BackendError:
    try:
        body = response.json()
        name, detail = str(body["error"]), str(body["detail"])
    except (ValueError, KeyError, TypeError):  # not from our backend
        return Unreachable()
    if name == "DatabaseUnavailable":
        return DatabaseAway(name=name)
    return Unreachable(name=name) if response.status_code >= 500 else Refused(detail, name)


def _parse(kind: type[T], response: requests.Response) -> T:
    try:
        return TypeAdapter(kind).validate_json(response.content)
    except ValueError as e:  # something else listens where the backend should
        raise Unreachable from e

"""The backend's HTTP API: the only file that knows a URL."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote
from uuid import UUID

import aiohttp
import requests
from pydantic import SecretStr, TypeAdapter, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

import client
from schemas import (
    Changed,
    Deleted,
    Imported,
    Model,
    Promotion,
    Retraining,
    Retrainings,
    Statistics,
    Status,
    SubmissionCount,
    SubmissionPage,
)

TIMEOUT_S = (2, 5)  # to connect, and between two reads
LONG_TIMEOUT_S = (2, 300)  # for archives and promotions
ROOT = Path(__file__).resolve().parent.parent
MAX_EXPORT = 300_000_000  # bytes: it passes through this process's memory

T = TypeVar("T")


class Settings(BaseSettings):
    """Read from the environment and from the project's .env; an empty variable counts as one that is not set."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", env_ignore_empty=True, extra="ignore")

    backend_url: str | None = None  # none set: the backend on this machine
    backend_port: int = 8000
    allowed_hosts: str = ""  # host names that are allowed besides those of server/hosts.py
    proxy_secret: SecretStr | None = None  # makes the backend believe what we say of the client
    proxy_secret_file: Path | None = None  # a file that holds it instead; relative to the project's folder

    @model_validator(mode="after")
    def _read_secret(self) -> Self:
        if self.proxy_secret_file:
            self.proxy_secret = SecretStr((ROOT / self.proxy_secret_file).read_text(encoding="utf-8").rstrip("\r\n"))
        return self

    @property
    def secret(self) -> str | None:
        return self.proxy_secret.get_secret_value() if self.proxy_secret else None

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
    session.trust_env = False  # no proxy, no .netrc, and no search for them on each call
    return session


@lru_cache
def pool() -> aiohttp.ClientSession:
    """For the calls that server/routes.py passes on, on the server's event loop."""
    timeout = aiohttp.ClientTimeout(connect=TIMEOUT_S[0], sock_read=TIMEOUT_S[1])
    return aiohttp.ClientSession(settings().base_url, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())


async def close() -> None:
    await pool().close()
    pool.cache_clear()


class Forwarded(NamedTuple):
    content: bytes
    status_code: int
    headers: Mapping[str, str]  # case-insensitive


async def forward(method: str, path: str, content: bytes, **request: Any) -> Forwarded:
    """The backend's response, whatever its status. Raises Unreachable if there is none."""
    try:
        async with pool().request(method, path, data=content or None, allow_redirects=False, **request) as answer:
            return Forwarded(await answer.read(), answer.status, answer.headers)
    except (aiohttp.ClientError, TimeoutError) as e:
        raise Unreachable from e


def submissions(
    limit: int, cursor: str | None = None, order: str = "newest", token: str | None = None, **filters: Any
) -> SubmissionPage:
    """The newest first, or those likeliest "mislabelled". Without the token, those that the backend shows visitors."""
    params = {"limit": limit, "cursor": cursor, "order": order} | filters
    return _parse(SubmissionPage, _call("GET", "/submissions", params=params, headers=_bearer(token)))


def count(token: str | None = None, **filters: Any) -> int:
    """The number of submissions on all pages; `order` may be among the filters."""
    found = _call("GET", "/submissions/count", params=filters, headers=_bearer(token))
    return _parse(SubmissionCount, found).submissions


def session_headers() -> client.Headers:
    """Headers that name this session's browser. Call it before handing work to other threads."""
    return client.of_session(settings().secret)


def submission_image(
    submission_id: UUID, key: UUID | None = None, token: str | None = None, client_headers: client.Headers | None = None
) -> bytes:
    """`key`: who stored it may see it before it is approved. `client_headers`: session_headers(), in other threads."""
    headers = _bearer(token) | ({"Idempotency-Key": str(key)} if key else {}) | (client_headers or {})
    return _call("GET", f"/submissions/{submission_id}/image", headers=headers).content


def check_token(token: str) -> None:
    """Raises Refused, with the reason, if it is not the admin's."""
    _call("GET", "/admin", headers=_bearer(token))


def change(ids: Collection[UUID], token: str, label: str | None = None, status: Status | None = None) -> int:
    """Give up to 200 submissions a new label, "0" to "9" or "none", a new status or both.

    Returns how many of them were there.
    """
    wanted = {"true_label": label, "status": status}
    body = {"ids": [str(each) for each in ids]} | {name: value for name, value in wanted.items() if value}
    return _parse(Changed, _call("PATCH", "/submissions", json=body, headers=_bearer(token))).changed


def delete(ids: Collection[UUID], token: str) -> int:
    """Up to 200 at once. Returns how many of them were there."""
    body = {"ids": [str(each) for each in ids]}
    return _parse(Deleted, _call("POST", "/submissions/delete", json=body, headers=_bearer(token))).deleted


def export(token: str, **filters: Any) -> bytes:
    """A ZIP of the submissions that match the filters."""
    options = {"params": filters, "headers": _bearer(token), "timeout": LONG_TIMEOUT_S, "stream": True}
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
    """Store the contents of a ZIP, an export or labelled pictures; with `dry_run`, only report them."""
    options = {"headers": _bearer(token) | {"Content-Type": "application/zip"}, "timeout": LONG_TIMEOUT_S}
    answer = _call("POST", "/submissions/import", data=archive, params={"dry_run": dry_run}, **options)
    return _parse(Imported, answer)


def models(token: str | None = None) -> list[Model]:
    """The newest first. Without the token, their figures count what the backend shows visitors."""
    return _parse(list[Model], _call("GET", "/models", headers=_bearer(token)))


def promotions() -> list[Promotion]:
    """The newest first."""
    return _parse(list[Promotion], _call("GET", "/promotions"))


def promote(version: str, token: str, reason: str, overrule: bool) -> Promotion:
    """Make a model serve. `overrule`: even if the gate has not passed it."""
    path, body = f"/models/{quote(version, safe='')}/promote", {"reason": reason, "overrule": overrule}
    return _parse(Promotion, _call("POST", path, json=body, headers=_bearer(token), timeout=LONG_TIMEOUT_S))


def retrainings(token: str) -> Retrainings:
    """The latest, newest first, and how many trainers run."""
    return _parse(Retrainings, _call("GET", "/retrainings", headers=_bearer(token)))


def retrain(token: str) -> Retraining:
    """Request a retraining, which a trainer will run."""
    return _parse(Retraining, _call("POST", "/retrainings", headers=_bearer(token)))


def cancel_retraining(number: int, token: str) -> Retraining:
    return _parse(Retraining, _call("POST", f"/retrainings/{number}/cancel", headers=_bearer(token)))


def statistics(token: str | None = None) -> Statistics:
    """Without the token, of what the backend shows visitors."""
    return _parse(Statistics, _call("GET", "/statistics", headers=_bearer(token)))


def _bearer(token: str | None) -> dict[str, bytes]:
    """As bytes, so that a token may hold any characters: requests would encode a str as Latin-1."""
    return {"Authorization": b"Bearer " + token.encode()} if token else {}


def _call(method: str, path: str, **options) -> requests.Response:
    """Raises Unreachable, DatabaseAway or Refused unless the call succeeds."""
    try:
        response = _send(method, settings().base_url + path, **options)
    except requests.RequestException as e:
        raise Unreachable from e
    if response.ok:
        return response
    raise _problem(response)


def _send(method: str, url: str, **options) -> requests.Response:
    options = {"timeout": TIMEOUT_S} | options
    headers = session_headers() | options.get("headers", {})
    options["headers"] = {name: value.encode() if isinstance(value, str) else value for name, value in headers.items()}
    try:
        return session().request(method, url, **options)
    except requests.Timeout:
        raise
    except requests.ConnectionError:
        # perhaps a pooled connection that the backend has closed; every call here may be repeated
        return session().request(method, url, **options)


def _problem(response: requests.Response) -> BackendError:
    try:
        body = response.json()
        name, detail = str(body["error"]), str(body["detail"])
    except (ValueError, KeyError, TypeError):  # not from our backend
        return Unreachable()
    if name == "DatabaseUnavailable":
        return DatabaseAway(name=name)
    explained = response.status_code < 500 or name in ("StorageFull", "Busy")
    return Refused(detail, name) if explained else Unreachable(name=name)


def _parse(kind: type[T], response: requests.Response) -> T:
    try:
        return TypeAdapter(kind).validate_json(response.content)
    except ValueError as e:  # something else is listening on the backend's port
        raise Unreachable from e

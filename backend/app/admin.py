"""The admin token, which allows a client to change other people's submissions."""

import hmac
import logging
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.client import CurrentClient
from app.config import get_settings
from app.database import Pool
from app.errors import AdminDisabled, TokenMissing, WrongToken
from app.limits import CurrentLimits

log = logging.getLogger("app")

Credentials = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(scheme_name="AdminToken", description="ADMIN_TOKEN of .env", auto_error=False)),
]


async def _is_admin(
    request: Request, credentials: Credentials, limits: CurrentLimits, pool: Pool, client: CurrentClient
) -> bool:
    """False for a visitor, who sends no token. Raises WrongToken, AdminDisabled, TooManyRequests, DatabaseUnavailable.

    Guesses are counted in the database, so none are allowed while it is unavailable. A route that also depends on a
    connection must list this dependency first: to hold one connection while waiting for another could deadlock.
    """
    if credentials is None:
        return False
    if (token := get_settings().admin_token) is None:
        raise AdminDisabled
    # headers are decoded as latin-1; compared in constant time, so that the time reveals nothing
    is_right = hmac.compare_digest(credentials.credentials.encode("latin-1"), token.get_secret_value().encode())
    await limits.count_guess(pool, client, is_right)
    if not is_right:
        log.warning("a wrong token: %s", _call(request))
        raise WrongToken
    return True


def _call(request: Request) -> str:
    path = quote(request.scope["path"])  # quoted: it may contain line breaks
    return f"{request.method} {path}"


IsAdmin = Annotated[bool, Depends(_is_admin)]


async def _admin_only(request: Request, is_admin: IsAdmin) -> None:
    if not is_admin:
        raise TokenMissing if get_settings().admin_token else AdminDisabled
    log.info("admin: %s", _call(request))


# for a route's `dependencies`: a request without the token is refused before its body is read
AdminOnly = Depends(_admin_only)


async def _sees_all(is_admin: IsAdmin) -> bool:
    return is_admin or get_settings().gallery == "all"


# a route's `openapi_extra` where the token is optional
WITH_OR_WITHOUT_TOKEN: dict[str, Any] = {"security": [{}]}

# whether submissions that are not approved are shown
SeesAll = Annotated[bool, Depends(_sees_all)]

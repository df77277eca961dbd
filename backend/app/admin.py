"""Who may change other people's submissions: whoever sends ADMIN_TOKEN."""

import hmac
import logging
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.config import get_settings
from app.errors import AdminDisabled, TokenMissing, WrongToken

log = logging.getLogger("app")

Credentials = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(scheme_name="AdminToken", description="ADMIN_TOKEN of .env", auto_error=False)),
]


async def _is_admin(request: Request, credentials: Credentials) -> bool:
    """False for a visitor, who sends no token. Raises WrongToken, AdminDisabled."""
    if credentials is None:
        return False
    if (token := get_settings().admin_token) is None:
        raise AdminDisabled
    # headers come as latin-1, whatever was sent; compared in constant time, so that nothing can be learnt from it
    if not hmac.compare_digest(credentials.credentials.encode("latin-1"), token.get_secret_value().encode()):
        log.warning("a wrong token: %s", _call(request))
        raise WrongToken
    return True


def _call(request: Request) -> str:
    path = quote(request.scope["path"])  # quoted: it may hold line breaks
    return f"{request.method} {path}"


IsAdmin = Annotated[bool, Depends(_is_admin)]


async def _admin_only(request: Request, is_admin: IsAdmin) -> None:
    if not is_admin:
        raise TokenMissing if get_settings().admin_token else AdminDisabled
    log.info("admin: %s", _call(request))


# for a route's `dependencies`: it is refused before its body is read
AdminOnly = Depends(_admin_only)


async def _sees_all(is_admin: IsAdmin) -> bool:
    return is_admin or get_settings().gallery == "all"


# whether submissions that nobody approved are shown
SeesAll = Annotated[bool, Depends(_sees_all)]

"""Which client a request comes from. A proxy that sends PROXY_SECRET may name it, as the page's server does."""

import hmac
import ipaddress
import re
from functools import lru_cache
from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from starlette.types import Scope

from app.config import get_settings

CACHED = 10_000  # parsed addresses
PREFIX = 64  # bits of an IPv6 address that identify a household or a host

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NAMES = (b"x-proxy-secret", b"x-forwarded-for", b"x-visit")


class Client(NamedTuple):
    """`address`: for IPv6 the first 64 bits. It is only for counting, and must not be stored or logged."""

    address: str
    visit: str | None = None  # a UUID that the page's script generates; None: unknown

    @property
    def key(self) -> str:
        """What tells it from others where each client may only take its share."""
        return self.visit or self.address


def find_client(scope: Scope) -> Client:
    """The sender; or the client that it names, if it sends the secret."""
    sender = network(scope["client"][0]) if scope.get("client") else ""  # none on a Unix socket
    headers = {name: value for name, value in scope["headers"] if name in NAMES}
    if not _is_trusted(headers.get(b"x-proxy-secret")):
        return Client(sender)
    address, visit = (headers.get(name, b"").decode("latin-1") for name in NAMES[1:])
    return Client(network(address) or sender, visit.lower() if UUID.fullmatch(visit.lower()) else None)


def _is_trusted(secret: bytes | None) -> bool:
    ours = get_settings().proxy_secret
    if ours is None or secret is None:
        return False
    return hmac.compare_digest(secret, ours.get_secret_value().encode())


@lru_cache(CACHED)
def network(address: str) -> str:
    """What counts as one client; empty if it is not an address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped:  # IPv4 on a dual-stack socket
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed, PREFIX), strict=False).network_address)


async def _client(request: Request) -> Client:
    return find_client(request.scope)


CurrentClient = Annotated[Client, Depends(_client)]

"""Headers that tell the backend which client a request is for, so that it limits each client separately.

The backend believes them because PROXY_SECRET comes with them.
"""

import hmac
import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network

import streamlit as st
from starlette.requests import HTTPConnection, Request
from streamlit.runtime.scriptrunner import get_script_run_ctx

SECRET, ADDRESS, VISIT = "X-Proxy-Secret", "X-Forwarded-For", "X-Visit"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HERE = "127.0.0.1"
PREFIX = 64  # bits
CACHED = 10_000  # addresses

Headers = dict[str, str]


def of_request(request: Request, secret: str | None) -> Headers:
    """The browser's address, and the visit that the page's script sent."""
    headers = _headers(request.headers, _sender(request), secret)
    return headers | {VISIT: visit} if headers and (visit := find_visit(request)) else headers


def find_visit(request: Request) -> str:
    """The visit that the page's script sent; empty if it did not."""
    visit = request.headers.get(VISIT, "")
    return visit if UUID.fullmatch(visit) else ""


def address(connection: HTTPConnection, secret: str | None) -> str:
    """The browser's address, as far as it is known, for counting; of an IPv6 address the first 64 bits."""
    sender = _sender(connection)
    return network(_headers(connection.headers, sender, secret).get(ADDRESS, sender))


@lru_cache(CACHED)
def network(address: str) -> str:
    """What counts as one client: an IPv4 address, or the 64 bits of an IPv6 address that a household or a host has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((parsed.packed, PREFIX), strict=False).network_address)


def _sender(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else HERE


def of_session(secret: str | None) -> Headers:
    """The address of the browser for which Streamlit runs this script; empty in a thread of our own."""
    if not secret or get_script_run_ctx() is None:
        return {}
    return _headers(st.context.headers, st.context.ip_address or HERE, secret)  # Streamlit says None for this machine


def _headers(headers: Mapping[str, str], sender: str, secret: str | None) -> Headers:
    """`sender`: the client's address, unless the request comes from a proxy that sends the secret, too."""
    if not secret:
        return {}
    believed = hmac.compare_digest(headers.get(SECRET, "").encode("latin-1", "replace"), secret.encode())
    return {SECRET: secret, ADDRESS: (believed and headers.get(ADDRESS)) or sender}

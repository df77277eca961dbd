"""Which host names this server answers to: any other could be a DNS rebinding attack."""

import re
from functools import lru_cache
from ipaddress import ip_address

HOST = re.compile(r"(?:\[(?P<address>[\da-f:.]+)\]|(?P<name>[\w.-]*?)\.?)(?::\d*)?", re.ASCII)
# names that end so cannot be registered
PRIVATE = (".localhost", ".local", ".lan", ".internal", ".home.arpa")
LONGEST = 255  # characters of a header; longer ones would fill the cache


def answers_to(host: str, configured: str) -> bool:
    """Whether a `Host` header names this server. `configured`: ALLOWED_HOSTS.

    These do: IP addresses, names without a dot (`localhost`, a service of Compose), names of private networks, and
    configured ones: `digits.example.org`, `*.example.org`, or `*` for any.
    """
    return len(host) <= LONGEST and _answers_to(host, configured)


@lru_cache(1024)
def _answers_to(host: str, configured: str) -> bool:
    found = HOST.fullmatch(host.lower())
    if found is None:
        return False
    name = found["address"] or found["name"]
    if "." not in name or name.endswith(PRIVATE) or _is_address(name):
        return True
    return any(_covers(pattern, name) for pattern in re.split(r"[\s,]+", configured.lower()))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _covers(pattern: str, name: str) -> bool:
    return pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:]))

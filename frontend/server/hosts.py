"""Which host names this server answers to: DNS rebinding attacks use a name that the attacker owns."""

import re
from functools import lru_cache
from ipaddress import ip_address

HOST = re.compile(r"(?:\[(?P<address>[\da-f:.]+)\]|(?P<name>[\w.-]*?)\.?)(?::\d*)?", re.ASCII)
# endings that nobody can register
PRIVATE = (".localhost", ".local", ".lan", ".internal", ".home.arpa")


@lru_cache(1024)
def answers_to(host: str, configured: str) -> bool:
    """Whether a `Host` header names this server. `configured`: ALLOWED_HOSTS.

    It does if it is an IP address, a name without a dot (`localhost`, a service of Compose), one of a private network,
    or a configured one: `digits.example.org`, `*.example.org`, or `*` for any.
    """
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

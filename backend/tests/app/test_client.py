"""client.py: only a proxy that sends the secret may name the client."""

from collections.abc import Iterator

import pytest

from app.client import Client, find_client
from app.config import Settings, get_settings

SECRET = "between neighbours, ü"
VISIT = "0b6f8c1e-52f4-4a5e-9d5c-111111111111"
HEADERS = {"X-Forwarded-For": "203.0.113.7", "X-Visit": VISIT}


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PROXY_SECRET", SECRET)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def ask(headers: dict[str, str], sender: str | None = "198.51.100.1") -> Client:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return find_client({"type": "http", "client": (sender, 4711) if sender else None, "headers": raw})


def test_a_proxy_with_the_secret_may_name_the_client():
    assert ask(HEADERS | {"X-Proxy-Secret": SECRET}) == Client("203.0.113.7", VISIT)
    assert ask({"X-Proxy-Secret": SECRET, "X-Visit": VISIT.upper()}) == Client("198.51.100.1", VISIT)


@pytest.mark.parametrize("secret", [{}, {"X-Proxy-Secret": ""}, {"X-Proxy-Secret": "wrong"}])
def test_without_the_secret_the_sender_counts(secret: dict):
    assert ask(HEADERS | secret) == Client("198.51.100.1")


@pytest.mark.parametrize("secret", ["", "anything"])
def test_without_a_configured_secret_no_proxy_is_trusted(monkeypatch: pytest.MonkeyPatch, secret: str):
    monkeypatch.setenv("PROXY_SECRET", "")
    get_settings.cache_clear()
    assert ask(HEADERS | {"X-Proxy-Secret": secret}) == Client("198.51.100.1")


@pytest.mark.parametrize("address", ["", "nobody", "203.0.113.7, 203.0.113.8", "1.2.3.4'; --", "203.0.113.7:80"])
@pytest.mark.parametrize("visit", ["", "mine", VISIT + "0", "{" + VISIT + "}"])
def test_invalid_address_or_visit_is_ignored(address: str, visit: str):
    headers = {"X-Proxy-Secret": SECRET, "X-Forwarded-For": address, "X-Visit": visit}
    assert ask(headers) == Client("198.51.100.1")


@pytest.mark.parametrize(
    ("sender", "counted"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::"),
        ("testclient", ""),
        (None, ""),
    ],
)
def test_of_ipv6_a_whole_network_counts_as_one(sender: str | None, counted: str):
    assert ask({}, sender).address == counted

"""Which names the server answers to."""

import pytest

from app import hosts
from app.hosts import LONGEST, answers_to

NEIGHBOURS = [
    "localhost",
    "localhost:8000",
    "LOCALHOST",
    "127.0.0.1:8000",
    "[::1]:8000",
    "[fe80::1]",
    "192.168.178.21:8501",
    "backend:8000",
    "testserver",
    "my_machine",
    "raspberry.local",
    "printer.lan:8000",
    "host.docker.internal:8000",
    "app.localhost",
    "nas.home.arpa",
    "localhost.",
    "x.internal.",
    "",
]
STRANGERS = [
    "evil.example",
    "evil.example:8000",
    "evil.example.",
    "127.0.0.1.evil.example",
    "local.evil.example",
    "evillocal.com",
    "localhost:8000.evil.example",
    "evil.example@localhost",
    "localhost/evil.example",
    "1.2.3",
    "127.0.0.1.nip.io",
    "[evil.example]",
    "[::1",
    "a b",
    "ex\xe4mple.org",
]


@pytest.mark.parametrize("host", NEIGHBOURS)
def test_names_that_cannot_be_registered_are_answered_to(host):
    assert answers_to(host, "")


@pytest.mark.parametrize("host", STRANGERS)
def test_other_names_are_not_answered_to(host):
    assert not answers_to(host, "")


@pytest.mark.parametrize("configured", ["digits.example.org", "Digits.Example.org", "a.org, digits.example.org", "*"])
@pytest.mark.parametrize("host", ["digits.example.org", "DIGITS.example.org:443", "digits.example.org."])
def test_configured_name_is_answered_to(host, configured):
    assert answers_to(host, configured)


def test_wildcard_covers_what_is_below_it():
    assert answers_to("a.b.example.org", "*.example.org")
    assert not answers_to("example.org", "*.example.org")
    assert not answers_to("badexample.org", "*.example.org")
    assert not answers_to("evil.example", "digits.example.org a.org")


def test_wildcard_covers_no_malformed_one():
    assert not answers_to("a b", "*")


def test_longer_ones_are_refused_without_taking_memory():
    before = hosts._answers_to.cache_info().currsize
    assert not any(answers_to(letter * (LONGEST + 1), "*") for letter in "abc")
    assert hosts._answers_to.cache_info().currsize == before
    assert answers_to("a" * LONGEST, "")

"""Protection in browsers: against foreign names, foreign forms, and responses used as something else."""

import re
from itertools import chain
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from app.main import app
from app.recognizer import Recognizer
from tests.calls import ADMIN, assert_problem, count, predict, submit
from tests.conftest import serving
from tests.drawings import seven

WRITES = {
    "POST /predict": {"content": seven(), "headers": {"Content-Type": "image/png"}},
    "POST /explain": {"content": seven(), "headers": {"Content-Type": "image/png"}},
    "POST /submissions": {"files": {"file": ("7.png", seven(), "image/png")}, "data": {"true_label": "7"}},
    "DELETE /submissions": {"headers": {"Idempotency-Key": str(uuid4())}},
    "POST /submissions/delete": {"json": {"ids": [str(uuid4())]}, "headers": ADMIN},
    "PATCH /submissions": {"json": {"ids": [str(uuid4())], "status": "approved"}, "headers": ADMIN},
}
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},  # another port, or a sibling domain
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://testserver:81"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": ""},
]
OWN = [
    {},  # a program
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"},
    {"Origin": "http://testserver"},  # a phone, to an address without TLS
    {"Origin": "https://testserver"},  # TLS ends at a proxy
]


def write(client, name: str, headers: dict[str, str]):
    method, path = name.split()
    call = WRITES[name]
    return client.request(method, path, **call | {"headers": call.get("headers", {}) | headers})


# --- sites ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("name", WRITES)
def test_page_of_another_site_cannot_write(client, database, name, headers):
    assert_problem(write(client, name, headers), 403, "ForeignOrigin")
    assert count(database) == 0


@pytest.mark.parametrize("headers", OWN, ids=str)
@pytest.mark.parametrize("name", WRITES)
def test_programs_and_our_own_pages_do(client, name, headers):
    assert write(client, name, headers).is_success


def test_following_a_link_is_allowed(client):
    for headers in FOREIGN:
        assert client.get("/submissions", headers=headers).status_code == 200
        assert client.get("/docs", headers=headers).status_code == 200


# --- names ------------------------------------------------------------------------------------------


def test_foreign_name_is_refused_with_advice(client):
    for method, path in (("GET", "/submissions"), ("POST", "/predict"), ("GET", "/docs"), ("GET", "/nowhere")):
        refused = client.request(method, path, headers={"Host": "evil.example"})
        assert_problem(refused, 421, "MisdirectedRequest")
        assert "ALLOWED_HOSTS" in refused.json()["detail"]


def test_health_check_by_ip_address_is_answered(client):
    for host in ("127.0.0.1:8000", "localhost", "backend:8000", "10.1.2.3"):
        assert client.get("/health/live", headers={"Host": host}).status_code == 200


# --- headers ----------------------------------------------------------------------------------------


@pytest.fixture
def answers(client, database) -> dict:
    stored = submit(client).json()["id"]
    return {
        "data": [
            client.get("/submissions"),
            predict(client, seven()),
            predict(client, b"no picture"),
            client.get("/nowhere"),
            client.get("/predict"),
            client.get("/metrics"),
            client.get("/submissions/export", headers=ADMIN),
            client.get("/openapi.json"),
            client.get("/health/live", headers={"Host": "evil.example"}),
            client.get(f"/submissions/{stored}/image"),
        ],
        "pages": [client.get("/docs"), client.get("/redoc")],
        "files": [client.get("/static-offline-docs/swagger-ui.css")],
    }


def test_every_response_has_security_headers(answers):
    for answer in chain.from_iterable(answers.values()):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_data_responses_load_nothing(answers):
    for answer in answers["data"]:
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")


def test_nothing_is_cached_without_caching_headers(answers):
    *others, image = answers["data"]
    for answer in others:
        assert answer.headers["Cache-Control"] == "no-store"
    assert image.headers["Cache-Control"] == "private, max-age=86400, immutable"
    assert image.headers["Vary"] == "Authorization, Idempotency-Key"
    assert "Cache-Control" not in answers["files"][0].headers


def test_documentation_may_only_run_scripts_of_this_server(answers):
    for answer in answers["pages"]:
        policy = answer.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert not re.search(r"https?:|\*", policy)


def test_internal_error_has_security_headers(client, monkeypatch):
    def broken(*_):
        raise RuntimeError

    monkeypatch.setattr(Recognizer, "read_all", broken)
    answer = predict(TestClient(app, raise_server_exceptions=False), seven())
    assert answer.status_code == 500
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_configured_name_is_answered_to(postgres, application):
    """Last: it gives the application other settings."""
    with serving(postgres.environment | {"ALLOWED_HOSTS": "digits.example.org"}) as client:
        assert client.get("/health/live", headers={"Host": "digits.example.org"}).status_code == 200
        assert client.get("/health/live", headers={"Host": "evil.example"}).status_code == 421

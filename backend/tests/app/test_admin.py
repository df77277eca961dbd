"""Which clients may make the calls that change other people's submissions."""

import hmac
from types import SimpleNamespace
from uuid import uuid4

import pytest
from fastapi.routing import iter_route_contexts

from app import admin
from app.database import _connection
from app.main import app
from tests.calls import ADMIN, assert_problem, count, insert
from tests.conftest import TOKEN
from tests.drawings import seven

CALLS = {
    "GET /admin": {},
    "PATCH /submissions/{submission_id}": {"json": {"status": "approved"}},
    "PATCH /submissions": {"json": {"status": "approved", "ids": [str(uuid4())]}},
    "POST /submissions/delete": {"json": {"ids": [str(uuid4())]}},
    "GET /submissions/export": {},
    "POST /submissions/import": {"content": b"PK"},
    "POST /models/{version}/promote": {},
    "GET /retrainings": {},
    "POST /retrainings": {},
    "POST /retrainings/{retraining_id}/cancel": {},
}
# calls with an optional token; without one they respond as to any visitor
ALSO_WITHOUT = [
    "GET /models",
    "GET /statistics",
    "GET /submissions",
    "GET /submissions/count",
    "GET /submissions/{submission_id}",
    "GET /submissions/{submission_id}/image",
    "DELETE /submissions/{submission_id}",
]
WRONG = ["wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ü", "x" * 5000, TOKEN + " " + TOKEN]
NONE = [None, "", TOKEN, "Bearer", "Bearer ", f"Basic {TOKEN}", f"Token {TOKEN}", f"Bearer{TOKEN}"]


def call(client, name: str, authorization: str | None = None, submission_id=None):
    method, path = name.split()
    path = (
        path.replace("{submission_id}", str(submission_id or uuid4()))
        .replace("{version}", "unknown")
        .replace("{retraining_id}", "1")
    )
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    return client.request(method, path, headers=headers, **CALLS.get(name, {}))


def test_these_are_all_the_calls_that_take_a_token():
    secured = {
        f"{method.upper()} {path}"
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
        if operation.get("security")
    }
    assert secured == {*CALLS, *ALSO_WITHOUT}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("authorization", NONE)
def test_without_a_token_it_is_refused(client, name, authorization):
    refused = call(client, name, authorization)
    assert_problem(refused, 401, "TokenMissing")
    assert refused.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("name", [*CALLS, *ALSO_WITHOUT])
@pytest.mark.parametrize("token", WRONG, ids=lambda token: token[:20])
def test_with_a_wrong_token_it_is_refused(client, name, token):
    refused = call(client, name, f"Bearer {token}")
    assert_problem(refused, 403, "WrongToken")
    assert "WWW-Authenticate" not in refused.headers


def test_wrong_token_changes_nothing(client, database):
    submission_id = insert(database)
    for name in [*CALLS, *ALSO_WITHOUT]:
        call(client, name, "Bearer wrong", submission_id)
    assert count(database) == 1
    assert database.execute("SELECT status FROM submissions").fetchone()["status"] == "pending"


@pytest.mark.parametrize("authorization", NONE)
def test_visitors_may_make_the_calls_without_a_required_token(client, database, authorization):
    submission_id = insert(database)
    statuses = {name: call(client, name, authorization, submission_id).status_code for name in ALSO_WITHOUT}
    assert statuses == dict.fromkeys(ALSO_WITHOUT, 200) | {"DELETE /submissions/{submission_id}": 403}
    assert count(database) == 1


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_right_token_is_let_through(client, scheme):
    response = call(client, "GET /admin", f"{scheme} {TOKEN}")
    assert (response.status_code, response.content) == (204, b"")


def test_tokens_are_compared_in_constant_time(client, monkeypatch):
    compared = []

    def compare(*pair: bytes) -> bool:
        compared.append(pair)
        return hmac.compare_digest(*pair)

    monkeypatch.setattr(admin, "hmac", SimpleNamespace(compare_digest=compare))
    for token in ("wrong", TOKEN):
        call(client, "GET /admin", f"Bearer {token}")
    assert compared == [(b"wrong", TOKEN.encode()), (TOKEN.encode(), TOKEN.encode())]


def test_admin_calls_are_in_the_log_and_tokens_are_not(client, caplog):
    with caplog.at_level("INFO", "app"):
        call(client, "GET /admin", f"Bearer {TOKEN}")
        call(client, "POST /models/7%0Dadmin:well/promote", "Bearer guessed")
    assert caplog.messages == [
        "admin: GET /admin",
        "a wrong token: POST /models/7%0Dadmin%3Awell/promote",
    ]
    assert TOKEN not in caplog.text
    assert "guessed" not in caplog.text


def test_body_without_a_token_is_not_read(client):
    def body():
        yield b"PK"
        raise AssertionError("read on")

    refused = client.post("/submissions/import", content=body(), headers={"Authorization": "Bearer wrong"})
    assert_problem(refused, 403, "WrongToken")


def test_examples_of_docs_work(client, database):
    """What Swagger UI puts into the body of each admin call."""
    spec = app.openapi()
    for name in ("PATCH /submissions", "POST /submissions/delete", "PATCH /submissions/{submission_id}"):
        method, path = name.split()
        body = spec["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
        example = {field: schema["examples"][0] for field, schema in body["properties"].items()}
        submission_id = insert(database)
        response = client.request(method, path.format(submission_id=submission_id), json=example, headers=ADMIN)
        assert response.status_code == 200, response.text


def test_import_s_example_is_an_export(client, database):
    insert(database, image=seven())
    exported = client.get("/submissions/export", headers=ADMIN)
    assert exported.headers["content-type"] == "application/zip"
    assert client.post("/submissions/import", content=exported.content, headers=ADMIN).json() == {
        "imported": 0,
        "skipped": 1,
        "left_out": 0,
        "by_label": {"7": 1},
        "examples": [],
    }


def test_no_call_holds_a_connection_while_its_token_is_checked():
    """That takes another one: all who wait for a second one would wait in vain."""

    def uses(dependant, call) -> bool:
        return dependant.call is call or any(uses(each, call) for each in dependant.dependencies)

    checked = 0
    for route in iter_route_contexts(app.routes):
        parts = getattr(getattr(route, "route", route), "dependant", SimpleNamespace(dependencies=[])).dependencies
        tokens = [number for number, part in enumerate(parts) if uses(part, admin._is_admin)]
        connections = [number for number, part in enumerate(parts) if uses(part, _connection)]
        if tokens and connections:
            assert max(tokens) < min(connections), route.path
            checked += 1
    assert checked >= 8

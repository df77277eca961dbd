"""Bodies that are not pictures: who may send them, and how large they may be."""

import json
from uuid import UUID

import pytest

from app.body import FORM, MAX_JSON
from tests.calls import ADMIN, assert_problem, count, insert
from tests.drawings import seven

JSON_CALLS = {
    "PATCH /submissions": {"ids": [str(UUID(int=n)) for n in range(200)], "status": "approved"},
    "POST /submissions/delete": {"ids": [str(UUID(int=n)) for n in range(200)]},
    f"PATCH /submissions/{UUID(int=7)}": {"status": "approved"},
    "POST /models/unknown/promote": {"reason": "x" * 500, "overrule": True},
}
KIND = {"Content-Type": "application/json"}


def call(client, name: str, body, headers: dict[str, str] = ADMIN | KIND):
    method, path = name.split()
    return client.request(method, path, content=body, headers=headers)


@pytest.mark.parametrize("name", JSON_CALLS)
def test_largest_body_of_use_fits(client, name):
    assert call(client, name, json.dumps(JSON_CALLS[name]).encode()).status_code in (200, 404)


@pytest.mark.parametrize("name", JSON_CALLS)
def test_larger_one_is_refused(client, name):
    refused = call(client, name, b" " * (MAX_JSON + 1))
    assert_problem(refused, 413, "BodyTooLarge")
    assert refused.json()["detail"] == "The request is larger than 100 kB."


@pytest.mark.parametrize("name", JSON_CALLS)
@pytest.mark.parametrize(("token", "status"), [({}, 401), ({"Authorization": "Bearer wrong"}, 403)])
def test_nothing_is_read_without_a_token(client, name, token, status):
    def body():
        raise AssertionError("read")
        yield b""

    assert_problem(call(client, name, body(), KIND | token), status)


@pytest.mark.parametrize("name", JSON_CALLS)
@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff", b"[" * 99_000, b'{"ids": 7, "overrule": "?"}'])
def test_invalid_body_is_refused(client, name, body):
    assert_problem(call(client, name, body), 422, "InvalidRequest")


@pytest.mark.parametrize("name", JSON_CALLS)
def test_json_must_be_called_json(client, name):
    body = json.dumps(JSON_CALLS[name]).encode()
    assert_problem(call(client, name, body, ADMIN | {"Content-Type": "text/plain"}), 422, "InvalidRequest")
    in_capitals = ADMIN | {"Content-Type": "Application/JSON; charset=utf-8"}
    assert call(client, name, body, in_capitals).status_code in (200, 404)


def test_change_may_not_be_left_out(client, database):
    submission_id = insert(database)
    assert_problem(call(client, f"PATCH /submissions/{submission_id}", b"", ADMIN), 422, "InvalidRequest")


# --- forms ------------------------------------------------------------------------------------------


def test_form_in_capitals_is_a_form(client):
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="7.png"\r\n\r\n' + seven() + b"\r\n--x"
    label = b'\r\nContent-Disposition: form-data; name="true_label"\r\n\r\n7\r\n--x--\r\n'
    kind = {"Content-Type": "Multipart/Form-Data; boundary=x"}
    assert client.post("/predict", content=form + b"--\r\n", headers=kind).json()["digit"] == 7
    assert client.post("/submissions", content=form + label, headers=kind).status_code == 201
    not_a_zip = client.post("/submissions/import", content=form + b"--\r\n", headers=kind | ADMIN)
    assert_problem(not_a_zip, 422, "BadArchive")
    assert "ZIP" in not_a_zip.json()["detail"]


@pytest.mark.parametrize("path", ["/predict", "/submissions", "/submissions/import"])
def test_form_of_many_fields_is_refused(client, database, path):
    many = {f"field{n}": "x" for n in range(FORM["max_fields"] + 1)}
    answer = client.post(path, files={"file": ("7.png", seven())}, data={"true_label": "7"} | many, headers=ADMIN)
    assert_problem(answer, 400, "BadRequest")
    files = [("file", (f"{n}.png", seven(), "image/png")) for n in range(2)]
    assert_problem(client.post(path, files=files, data={"true_label": "7"}, headers=ADMIN), 400, "BadRequest")
    assert count(database) == 0


@pytest.mark.parametrize("path", ["/predict", "/submissions", "/submissions/import"])
def test_long_field_is_refused(client, path):
    fields = {"true_label": "7", "visit": "x" * 20_000}
    assert_problem(client.post(path, files={"file": ("7.png", seven())}, data=fields, headers=ADMIN), 400, "BadRequest")


@pytest.mark.parametrize("headers", [b"X: " + b"y" * 1_000_000, b"X: y\r\n" * 100_000], ids=["long", "many"])
@pytest.mark.parametrize("path", ["/predict", "/submissions"])
def test_headers_in_a_form_are_bounded(client, path, headers):
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="7"\r\n' + headers + b"\r\n\r\n\r\n--x--\r\n"
    answer = client.post(path, content=form, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert_problem(answer, 400, "BadRequest")

"""Calls that many tests make, and what every error answer must look like."""

import re
from typing import Any
from uuid import UUID

import numpy as np
from httpx2 import Client, Response
from psycopg import Connection

from tests.conftest import TOKEN
from tests.drawings import encode, seven

ADMIN = {"Authorization": f"Bearer {TOKEN}"}

LEAK = re.compile(r'Traceback|File "|\.py\b|/[a-z]+/[a-z]+/|SELECT|INSERT|psycopg|cv2|0x[0-9a-f]{6}', re.IGNORECASE)


def predict(client: Client, data: bytes, kind: str = "image/png", **query: Any) -> Response:
    return client.post("/predict", content=data, headers={"Content-Type": kind}, params=query)


def submit(
    client: Client, data: bytes | None = None, label: str = "7", key: UUID | None = None, **more: str
) -> Response:
    """Posts a picture with its label; `more`: further fields of the form."""
    return client.post(
        "/submissions",
        files={"file": ("sketch.png", seven() if data is None else data, "image/png")},
        data={"true_label": label, **more},
        headers={"Idempotency-Key": str(key)} if key else {},
    )


def assert_problem(response: Response, status: int, error: str | None = None) -> None:
    """An error of that status and name, in the one form that errors have, that betrays nothing."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error", "detail"}
    assert re.fullmatch(r"[A-Z]\w+", body["error"])
    assert body["detail"]
    assert error in (None, body["error"])
    assert not LEAK.search(body["detail"]), body["detail"]


def walk(client: Client, limit: int, headers: dict[str, str] | None = None, **query: Any) -> list[str]:
    """The ids of all pages of submissions, in order."""
    ids, cursor = [], None
    while True:
        given = {"limit": limit, **query, **({"cursor": cursor} if cursor else {})}
        page = client.get("/submissions", params=given, headers=headers)
        assert page.status_code == 200, page.text
        items, cursor = page.json()["items"], page.json()["next_cursor"]
        assert len(items) == limit if cursor else len(items) <= limit
        ids += [item["id"] for item in items]
        if not cursor:
            return ids


def count(database: Connection) -> int:
    """The submissions that are stored."""
    return database.execute("SELECT count(*) AS n FROM submissions").fetchone()["n"]


def insert(database: Connection, **columns: Any) -> UUID:
    """Stores a row without asking the model; returns its id."""
    row = {
        "request_sha256": b"\0" * 32,
        "image": seven(),
        "prediction": 7,
        "confidence": 0.95,
        "unsure": False,
        "probabilities": [0.0] * 7 + [1.0, 0.0, 0.0],
        "model": "test-model",
        "true_label": 7,
    } | columns
    names, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    return database.execute(f"INSERT INTO submissions ({names}) VALUES ({values}) RETURNING id", row).fetchone()["id"]


def blank() -> bytes:
    """A canvas that nobody drew on."""
    return encode(np.zeros((280, 280), np.uint8))

"""Models, their cards and verdicts."""

from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row, scalar_row
from psycopg.types.json import Jsonb
from pydantic import ValidationError

from app.card import Card, UnusableCard, Verdict
from app.errors import ModelRefused
from app.schemas.models import Model
from app.store.rows import fetch_one


class NewModel(NamedTuple):
    """A model to store."""

    version: str
    onnx: bytes
    weights: bytes | None
    sha256: bytes
    card: Card
    verdict: Verdict | None = None


class StoredModel(NamedTuple):
    """What is needed to serve a model, and to decide whether it may."""

    version: str
    onnx: bytes
    sha256: bytes
    card: Card
    verdict: Verdict | None


async def insert(connection: AsyncConnection, new: NewModel) -> bool:
    """Returns whether it was new: the same version or network is stored only once."""
    cursor = await connection.execute(
        """
        INSERT INTO models (version, onnx, weights, sha256, card, verdict)
        VALUES (%(version)s, %(onnx)s, %(weights)s, %(sha256)s, %(card)s, %(verdict)s)
        ON CONFLICT DO NOTHING
        """,
        new._asdict()
        | {
            "card": Jsonb(new.card.as_json()),
            "verdict": Jsonb(new.verdict.model_dump(mode="json")) if new.verdict else None,
        },
    )
    return cursor.rowcount == 1


async def is_known(connection: AsyncConnection, version: str) -> bool:
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT EXISTS (SELECT FROM models WHERE version = %(version)s)", {"version": version})
        return bool(await fetch_one(cursor))


async def update_card(connection: AsyncConnection, version: str, card: Card) -> None:
    await connection.execute(
        "UPDATE models SET card = %(card)s WHERE version = %(version)s AND card <> %(card)s",
        {"version": version, "card": Jsonb(card.as_json())},
    )


async def find(connection: AsyncConnection, version: str) -> StoredModel | None:
    """Raises ModelRefused if its card or verdict is invalid."""
    async with connection.cursor(row_factory=dict_row, binary=True) as cursor:
        await cursor.execute(
            "SELECT version, onnx, sha256, card, verdict FROM models WHERE version = %(version)s", {"version": version}
        )
        row = await cursor.fetchone()
    if row is None:
        return None
    try:
        parsed = {"card": Card.of(row["card"]), "verdict": row["verdict"] and Verdict.model_validate(row["verdict"])}
    except UnusableCard as e:
        raise ModelRefused(f"Its card cannot be used: {e}.") from e
    except ValidationError as e:
        raise ModelRefused("What the gate said of it cannot be read.") from e
    return StoredModel(**row | parsed)


async def find_weights(connection: AsyncConnection, version: str) -> bytes | None:
    """As torch.save wrote them; None if the model or its weights do not exist."""
    async with connection.cursor(row_factory=scalar_row, binary=True) as cursor:
        await cursor.execute("SELECT weights FROM models WHERE version = %(version)s", {"version": version})
        return await cursor.fetchone()


async def list_all(connection: AsyncConnection, serving: str) -> list[Model]:
    """Newest first. `serving`: the version that serves in this process."""
    async with connection.cursor(row_factory=class_row(Model)) as cursor:
        await cursor.execute(
            """
            SELECT version, created_at, version = %(serving)s AS serving, encode(sha256, 'hex') AS sha256, card,
                   verdict, promoted_at
            FROM models
            LEFT JOIN (
                SELECT model AS version, max(created_at) AS promoted_at FROM promotions GROUP BY model
            ) AS promoted USING (version)
            ORDER BY created_at DESC, version
            """,
            {"serving": serving},
        )
        return await cursor.fetchall()


async def set_verdict(connection: AsyncConnection, version: str, verdict: Verdict) -> None:
    await connection.execute(
        "UPDATE models SET verdict = %(verdict)s WHERE version = %(version)s",
        {"version": version, "verdict": Jsonb(verdict.model_dump(mode="json"))},
    )


async def find_gain(connection: AsyncConnection, version: str) -> float | None:
    """The model's accuracy on held-out sketches minus that of the model before.

    None: unknown, or the gate did not pass it, so the difference may be chance.
    """
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            """
            SELECT (held_out ->> 'candidate')::float8 - (held_out ->> 'champion')::float8
            FROM models, jsonb_extract_path(verdict, 'figures', 'held_out') AS held_out
            WHERE version = %(version)s AND verdict -> 'passed' = 'true'::jsonb
            """,
            {"version": version},
        )
        return await cursor.fetchone()

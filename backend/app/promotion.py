"""How a model comes to serve: it is looked at, judged by what the gate said, and written down."""

import hashlib

import psycopg
from anyio import to_thread

from app import smoke, store
from app.errors import AlreadyServing, GateNotPassed, ModelNotFound, ModelRefused
from app.recognizer import Recognizer
from app.schemas import Promotion


async def promote(
    connection: psycopg.AsyncConnection, version: str, shipped: str, reason: str = "", overrule: bool = False
) -> tuple[Promotion, Recognizer]:
    """Makes a model the one that serves, as soon as the transaction is committed. Whoever comes second waits.

    `shipped`: the version that serves where nothing was ever promoted. What the gate has not passed is promoted if a
    person overrules it, or if it served before: that is the rollback.
    Raises ModelNotFound, AlreadyServing, GateNotPassed and ModelRefused; then nothing is written.
    """
    await store.lock_promotions(connection)
    stored = await store.find_model(connection, version)
    if stored is None:
        raise ModelNotFound
    newest = await store.find_newest_promotion(connection)
    previous = newest.model if newest else shipped
    if version == previous:
        raise AlreadyServing
    allowed = stored.has_passed or await store.has_served(connection, version)
    if not (allowed or overrule):
        raise GateNotPassed
    model = await to_thread.run_sync(revive, stored)
    return await store.insert_promotion(connection, version, previous, not allowed, reason), model


def revive(stored: store.StoredModel) -> Recognizer:
    """A model from the database that is fit to serve. Raises ModelRefused."""
    if hashlib.sha256(stored.onnx).digest() != stored.sha256:
        raise ModelRefused("It is damaged: its sha256 is not the one that was stored with it.")
    try:
        model = Recognizer(stored.onnx, stored.card)
        trouble = smoke.trouble(model)
    except Exception as e:  # whatever a network or a card can do wrong: it must not serve
        raise ModelRefused("It does not load, or does not answer.") from e
    if model.version != stored.version:
        trouble = "Its card is another model's."
    if trouble:
        raise ModelRefused(trouble)
    return model

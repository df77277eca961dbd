"""Promotion: checks that a model may serve, and stores that it does."""

import hashlib

import psycopg
from anyio import fail_after, to_thread

from app import smoke, store
from app.errors import AlreadyServing, GateNotPassed, ModelNotFound, ModelRefused
from app.recognizer import Recognizer
from app.schemas.models import Promotion

LOAD_S = 30.0  # that loading and testing a model may take; usually less than one


async def promote(
    connection: psycopg.AsyncConnection, version: str, shipped: str, reason: str = "", overrule: bool = False
) -> tuple[Promotion, Recognizer]:
    """Makes a model the serving one as soon as the transaction is committed. Concurrent promotions wait for each other.

    `shipped`: the version that serves if nothing was ever promoted. The gate must have passed the model against the
    champion that serves now; otherwise it is promoted if a person overrules the gate, or if it served before (a
    rollback). Raises ModelNotFound, AlreadyServing, GateNotPassed and ModelRefused; then nothing is written.
    """
    await store.promotions.lock(connection)
    stored = await store.models.find(connection, version)
    if stored is None:
        raise ModelNotFound
    newest = await store.promotions.find_newest(connection)
    previous = newest.model if newest else shipped
    if version == previous:
        raise AlreadyServing
    trouble = _gate_trouble(stored, previous)
    allowed = not trouble or await store.promotions.has_served(connection, version)
    if not (allowed or overrule):
        raise GateNotPassed(trouble)
    model = await load_in_time(stored)
    return await store.promotions.insert(connection, version, previous, not allowed, reason), model


def _gate_trouble(stored: store.models.StoredModel, champion: str) -> str | None:
    """Why the gate does not allow it to replace the champion; None if it does."""
    verdict = stored.verdict
    if verdict is None or not verdict.passed:
        return GateNotPassed.__doc__
    if verdict.holds_against(champion, stored.card.parent):
        return None
    against = verdict.champion or stored.card.parent or "a model that is not known"
    return (
        f"The gate passed this model against {against}, and {champion} serves now, with which it was never compared: "
        "train a new candidate, or overrule the gate."
    )


async def load_in_time(stored: store.models.StoredModel) -> Recognizer:
    """As `load`. The thread of a network that never answers goes on, since no thread can be ended."""
    try:
        with fail_after(LOAD_S):
            return await to_thread.run_sync(load, stored, abandon_on_cancel=True)
    except TimeoutError as e:
        raise ModelRefused(f"It does not answer within {LOAD_S:.0f} seconds.") from e


def load(stored: store.models.StoredModel) -> Recognizer:
    """A model from the database, checked to be fit to serve. Raises ModelRefused."""
    if hashlib.sha256(stored.onnx).digest() != stored.sha256:
        raise ModelRefused("It is damaged: its sha256 is not the one that was stored with it.")
    try:
        model = Recognizer(stored.onnx, stored.card)
        trouble = smoke.trouble(model)
    except Exception as e:  # whatever is wrong with the network or the card, it must not serve
        raise ModelRefused("It does not load, or does not answer.") from e
    if model.version != stored.version:
        trouble = "Its card is another model's."
    if trouble:
        raise ModelRefused(trouble)
    return model

"""Other models than the one that ships, for tests: its network with weights a little off, or far off."""

import hashlib
from functools import cache
from typing import Any

import numpy as np
import onnx
from httpx2 import Client, Response
from onnx import numpy_helper
from psycopg import Connection
from psycopg.types.json import Jsonb

from app.card import Card, Verdict
from app.config import BACKEND
from app.store.models import NewModel
from tests.conftest import SHIPPED, TOKEN

CHAMPION = Card.read((BACKEND / SHIPPED).with_name("card.json")).version
PASSED = Verdict(passed=True, champion=CHAMPION, outcome="passed", reasons=["Better."], figures={"held_out": 0.97})
FAILED = Verdict(passed=False, champion=CHAMPION, outcome="refused", reasons=["Worse."])
UNDECIDED = Verdict(passed=False, champion=CHAMPION, outcome="undecided", reasons=["Too few to tell."])
HARMLESS, RUINOUS = 1e-4, 3.0  # noise, as a share of each weight's size


@cache
def variant(seed: int, noise: float = HARMLESS) -> tuple[bytes, Card]:
    """The network and its card."""
    network = onnx.load(BACKEND / SHIPPED)
    dice = np.random.default_rng(seed)
    for weights in network.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.ndim > 1:
            off = values * (1 + noise * dice.standard_normal(values.shape))
            if values.dtype == np.int8:
                off = off.round().clip(-64, 64)
            weights.CopyFrom(numpy_helper.from_array(off.astype(values.dtype), weights.name))
    data = network.SerializeToString()
    sha256 = hashlib.sha256(data).hexdigest()
    card = Card.read((BACKEND / SHIPPED).with_name("card.json"))
    return data, card.model_copy(update={"sha256": sha256, "version": f"compact-{sha256[:8]}"})


def candidate(seed: int, noise: float = HARMLESS, verdict: Verdict | None = PASSED, **changes: Any) -> NewModel:
    """A model to store; `changes`: fields that differ from what they should be."""
    network, card = variant(seed, noise)
    right = NewModel(card.version, network, b"weights", hashlib.sha256(network).digest(), card, verdict)
    return right._replace(**changes)


def store_model(database: Connection, new: NewModel, card: Any = None) -> str:
    """Returns its version. `card`: JSON that takes the place of the model's own, whatever it says."""
    row = new._asdict() | {"card": Jsonb(new.card.as_json() if card is None else card)}
    row |= {"verdict": Jsonb(new.verdict.model_dump(mode="json")) if new.verdict else None}
    names, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    database.execute(f"INSERT INTO models ({names}) VALUES ({values}) ON CONFLICT (version) DO NOTHING", row)
    return new.version


def promote(client: Client, version: str, token: str | None = TOKEN, **wanted: Any) -> Response:
    """`wanted`: the body; none at all where nothing is wanted."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post(f"/models/{version}/promote", headers=headers, json=wanted or None)

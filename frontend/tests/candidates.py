"""Other models than the one that ships, in the database: the same network with a remark in it, under another name."""

import hashlib
import json
from typing import Any
from uuid import uuid4

from conftest import SHIPPED, Postgres

DOC_STRING = b"\x32"  # of ONNX's ModelProto: field 6, then its length; what is appended last counts
FIGURES = {"held_out": {"pictures": 240, "candidate": 0.971, "champion": 0.958}}
PASSED = {"passed": True, "reasons": ["Better on 240 held-out sketches."], "figures": FIGURES}
REFUSED = {"passed": False, "reasons": ["They differ on 2 alone: <b>too few</b> to tell."], "figures": FIGURES}


def store_candidate(postgres: Postgres, verdict: dict | None = PASSED, **card: Any) -> str:
    """Returns its version."""
    remark = str(uuid4()).encode()
    network = SHIPPED.read_bytes() + DOC_STRING + bytes([len(remark)]) + remark
    sha256 = hashlib.sha256(network).hexdigest()
    version = f"candidate-{sha256[:8]}"
    card = json.loads(SHIPPED.with_name("card.json").read_text()) | {"sha256": sha256, "version": version} | card
    postgres.rows(
        "INSERT INTO models (version, onnx, sha256, card, verdict) VALUES (%s, %s, %s, %s, %s)",
        (version, network, bytes.fromhex(sha256), json.dumps(card), verdict and json.dumps(verdict)),
    )
    return version

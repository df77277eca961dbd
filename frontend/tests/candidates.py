"""Other models than the one that ships, in the database: the same network with a remark in it, under another name."""

import hashlib
import json
from typing import Any
from uuid import UUID, uuid4

from conftest import SHIPPED, Postgres

DOC_STRING = b"\x32"  # of ONNX's ModelProto: field 6, then its length; what is appended last counts
FIGURES = {"held_out": {"pictures": 240, "candidate": 0.971, "champion": 0.958}}
CHAMPION = json.loads(SHIPPED.with_name("card.json").read_text())["version"]
PASSED = {"passed": True, "champion": CHAMPION, "reasons": ["Better on 240 held-out sketches."], "figures": FIGURES}
UNDECIDED = {
    "passed": False,
    "champion": CHAMPION,
    "outcome": "undecided",
    "reasons": ["Too few to tell."],
    "figures": FIGURES,
}
REFUSED = {"passed": False, "reasons": ["They differ on 2 alone: <b>too few</b> to tell."], "figures": FIGURES}


def start_race(postgres: Postgres, ids: list[UUID], challenger: int, champion: int) -> str:
    """The version of a challenger that read all of these submissions in one way, and the champion in another."""
    version = store_candidate(postgres, UNDECIDED)
    postgres.rows(
        """
        WITH race AS (INSERT INTO races (challenger, champion) VALUES (%s, %s) RETURNING id)
        INSERT INTO race_readings (race, submission, challenger, champion, counts)
        SELECT race.id, submission, %s, %s, true FROM race, unnest(%s::uuid[]) AS submission
        """,
        (version, CHAMPION, challenger, champion, ids),
    )
    return version


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

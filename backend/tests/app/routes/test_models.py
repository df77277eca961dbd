import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from app import registry
from app.card import Card, Verdict
from app.config import BACKEND
from tests.calls import ADMIN, assert_problem, insert, predict
from tests.conftest import SHIPPED, serving
from tests.drawings import seven
from tests.models import CHAMPION, FAILED, PASSED, RUINOUS, candidate, promote, store_model


@pytest.fixture(scope="module")
def application(postgres):
    """The application, looking for promotions more often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "POLL_S", 0.1)
        with serving(postgres.environment) as client:
            yield client


@pytest.fixture(autouse=True)
def shipped_serves(client, model):
    """Undoes the previous test's promotions."""
    deadline = time.monotonic() + 5
    while serves(client) != model.version:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def serves(client) -> str:
    return predict(client, seven()).json()["model"]


def promotions(database) -> list[dict]:
    return database.execute("SELECT * FROM promotions ORDER BY id").fetchall()


# --- the list ---------------------------------------------------------------------------------------


def test_serving_model_is_listed_with_its_card(client):
    (listed,) = client.get("/models").json()
    card = Card.read((BACKEND / SHIPPED).with_name("card.json"))
    assert listed["serving"] is True
    assert Card.of(listed["card"]) == card
    assert listed["version"] == card.version == predict(client, seven()).json()["model"]
    assert listed["sha256"] == hashlib.sha256((BACKEND / SHIPPED).read_bytes()).hexdigest()


def test_card_tells_where_the_model_comes_from_and_how_good_it_is(client):
    card = client.get("/models").json()[0]["card"]
    assert {"architecture", "data", "hyperparameters", "metrics", "temperature", "unsure_below", "created_at"} <= set(
        card
    )
    assert card["metrics"]["mnist_test"]["accuracy"] >= 0.994


def test_every_model_is_listed_newest_first_with_its_verdict(client, database, model):
    passed, failed = store_model(database, candidate(1)), store_model(database, candidate(2, verdict=FAILED))
    listed = {entry["version"]: entry for entry in client.get("/models").json()}
    assert list(listed) == [failed, passed, model.version]
    assert [entry["serving"] for entry in listed.values()] == [False, False, True]
    assert [entry["verdict"] and Verdict(**entry["verdict"]) for entry in listed.values()] == [FAILED, PASSED, None]
    assert listed[passed]["sha256"] == candidate(1).sha256.hex()
    assert Card.of(listed[passed]["card"]) == candidate(1).card
    assert abs(datetime.now(UTC) - datetime.fromisoformat(listed[passed]["created_at"])) < timedelta(minutes=1)
    assert "onnx" not in listed[passed]


def test_accuracy_is_that_on_the_sketches_that_each_judged_itself(client, database, model):
    version = store_model(database, candidate(1))
    for label, count in ((7, 3), (1, 1)):
        for _ in range(count):
            insert(database, model=version, true_label=label)
    insert(database, model=version, true_label=None)
    insert(database, model=version, true_label=1, status="rejected")
    insert(database, model="of long ago", true_label=1)
    listed = {entry["version"]: (entry["submissions"], entry["accuracy"]) for entry in client.get("/models").json()}
    assert listed == {version: (4, 0.75), model.version: (0, None)}


def test_which_serves_and_since_when_is_listed(client, database, model):
    version = store_model(database, candidate(1))
    promoted = promote(client, version).json()
    listed = {entry["version"]: entry for entry in client.get("/models").json()}
    assert listed[version]["serving"] is True
    assert listed[version]["promoted_at"] == promoted["created_at"]
    assert listed[model.version]["serving"] is False
    assert listed[model.version]["promoted_at"] is None


def test_model_that_serves_is_listed_before_the_database_knows_it(client, database, model):
    database.execute("DELETE FROM models")
    try:
        (listed,) = client.get("/models").json()
        assert (listed["version"], listed["serving"], listed["created_at"]) == (model.version, True, None)
    finally:
        store_model(database, shipped(model))


def shipped(model):
    return candidate(
        1,
        version=model.version,
        onnx=(BACKEND / SHIPPED).read_bytes(),
        card=model.card,
        verdict=None,
        sha256=bytes.fromhex(model.card.sha256),
    )


# --- promotion --------------------------------------------------------------------------------------


def test_promoted_model_serves_and_the_promotion_is_stored(client, database, model):
    version = store_model(database, candidate(1))
    response = promote(client, version, reason="Better on people's sketches")
    assert response.status_code == 201
    promoted = response.json()
    assert (promoted["model"], promoted["previous"], promoted["overruled"]) == (version, model.version, False)
    assert promoted["reason"] == "Better on people's sketches"
    assert client.get("/promotions").json() == [promoted]
    assert serves(client) == version
    assert client.get("/health/ready").json()["model"]["detail"] == version


@pytest.mark.parametrize(("verdict", "points"), [(PASSED, 1.3), (FAILED, None)])
def test_what_it_learned_is_told_and_its_gain_only_if_the_gate_found_it(client, database, model, verdict, points):
    assert client.get("/models/serving").json() == {"version": model.version, "learned": None}
    verdict = verdict.model_copy(update={"figures": {"held_out": {"candidate": 0.971, "champion": 0.958}}})
    card = candidate(1).card.as_json() | {"sketches": {"train": 1240, "validation": 110, "held_out": 340}}
    version = store_model(database, candidate(1, verdict=verdict), card=card)
    promote(client, version, overrule=True)
    learned = {"sketches": 1240, "points": points}
    assert client.get("/models/serving").json() == {"version": version, "learned": learned}


def test_promoting_an_older_one_is_the_rollback(client, database, model):
    """Also that of the one in the image, which no gate judged, and of one for which a person overruled the gate."""
    odd = store_model(database, candidate(2, verdict=FAILED))
    for version, overrule in ((odd, True), (model.version, False), (odd, False), (model.version, False)):
        assert promote(client, version, overrule=overrule).status_code == 201
        assert serves(client) == version
    assert [row["overruled"] for row in promotions(database)] == [True, False, False, False]
    assert [row["previous"] for row in promotions(database)] == [model.version, odd, model.version, odd]


@pytest.mark.parametrize("verdict", [FAILED, None])
def test_refused_model_must_be_overruled_to_serve(client, database, model, verdict):
    version = store_model(database, candidate(1, verdict=verdict))
    assert_problem(promote(client, version), 409, "GateNotPassed")
    assert_problem(promote(client, version, overrule=False), 409, "GateNotPassed")
    assert promotions(database) == []
    assert serves(client) == model.version
    promoted = promote(client, version, overrule=True, reason="I have seen it")
    assert promoted.json()["overruled"] is True
    assert serves(client) == version


def test_verdict_holds_against_the_champion_that_it_was_reached_against_alone(client, database, model):
    """Both are better than the model that ships; they were not compared with each other."""
    first, second = (store_model(database, candidate(seed)) for seed in (1, 2))
    assert promote(client, first).status_code == 201
    refused = promote(client, second)
    assert_problem(refused, 409, "GateNotPassed")
    assert f"passed this model against {model.version}, and {first} serves now" in refused.json()["detail"]
    assert serves(client) == first
    assert promote(client, second, overrule=True).json()["overruled"] is True
    assert promote(client, first).json()["overruled"] is False  # it served before
    assert promote(client, model.version).json()["overruled"] is False
    assert serves(client) == model.version


@pytest.mark.parametrize(("parent", "status"), [(CHAMPION, 201), ("another", 409), (None, 409)])
def test_verdict_of_an_older_release_holds_against_the_model_that_it_started_from(client, database, parent, status):
    old = Verdict(passed=True, reasons=["Better."])
    card = candidate(1).card.model_copy(update={"parent": parent})
    assert promote(client, store_model(database, candidate(1, verdict=old, card=card))).status_code == status


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"unsure_below": "nan"}, "unsure_below: Input should be a valid number"),
        ({"unsure_below": 1.5}, "unsure_below: Input should be less than or equal to 1"),
        ({"temperature": 0}, "temperature: Input should be greater than 0"),
        ({"sha256": "abc"}, "sha256: "),
        ({"version": None}, "version: "),
    ],
)
def test_card_that_cannot_be_used_is_refused_in_clear_words_and_still_listed(client, database, changes, why):
    version = store_model(database, candidate(1), card=candidate(1).card.as_json() | changes)
    refused = promote(client, version, overrule=True)
    assert_problem(refused, 422, "ModelRefused")
    assert f"Its card cannot be used: {why}" in refused.json()["detail"]
    assert promotions(database) == []
    listed = {entry["version"]: entry["card"] for entry in client.get("/models").json()}
    assert listed[version].items() >= changes.items()


def test_overruling_a_passed_model_does_not_count_as_overruling(client, database):
    assert promote(client, store_model(database, candidate(1)), overrule=True).json()["overruled"] is False


def test_model_that_serves_already_is_refused(client, database, model):
    assert_problem(promote(client, model.version), 409, "AlreadyServing")
    version = store_model(database, candidate(1))
    promote(client, version)
    assert_problem(promote(client, version), 409, "AlreadyServing")
    assert len(promotions(database)) == 1


@pytest.mark.parametrize("version", ["unknown", "compact 1", "' OR true --", "%25"])
def test_unknown_model_is_not_found(client, version):
    assert_problem(promote(client, version), 404, "ModelNotFound")


def test_odd_version_is_refused(client):
    assert_problem(promote(client, "%00"), 422, "InvalidRequest")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (lambda: candidate(1, onnx=candidate(1).onnx[:-1]), "damaged"),
        (lambda: candidate(1, card=candidate(2).card), "does not load"),
        (lambda: candidate(1, RUINOUS), "Of ten clear digits"),
    ],
    ids=["cut off", "another's card", "ruined"],
)
def test_model_that_is_not_fit_is_refused_and_nothing_is_written(client, database, model, bad, why):
    """Even if the gate passed it, or a person overrules the gate."""
    version = store_model(database, bad())
    for wanted in ({}, {"overrule": True}):
        refused = promote(client, version, **wanted)
        assert_problem(refused, 422, "ModelRefused")
        assert why in refused.json()["detail"]
    assert promotions(database) == []
    assert serves(client) == model.version


@pytest.mark.parametrize(
    "body", [{"reason": "x" * 501}, {"reason": "a\0b"}, {"reason": 7}, {"overrule": "perhaps"}, [], "reason"]
)
def test_bad_body_is_refused(client, database, body):
    version = store_model(database, candidate(1))
    response = client.post(f"/models/{version}/promote", json=body, headers=ADMIN)
    assert_problem(response, 422, "InvalidRequest")
    assert promotions(database) == []


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("wrong", 403)])
def test_promotion_takes_the_token(client, database, model, token, status):
    version = store_model(database, candidate(1))
    assert_problem(promote(client, version, token), status)
    assert serves(client) == model.version


def test_promotions_at_once_take_turns(client, database, model):
    """So that each one's `previous` is the one before it, across backends, too."""
    versions = [store_model(database, candidate(seed)) for seed in range(1, 7)]
    with ThreadPoolExecutor(len(versions)) as people:
        answers = list(people.map(lambda version: promote(client, version, overrule=True), versions))
    assert [answer.status_code for answer in answers] == [201] * len(versions)
    written = promotions(database)
    assert [row["previous"] for row in written] == [model.version, *[row["model"] for row in written[:-1]]]
    assert serves(client) == written[-1]["model"]


def test_same_promotion_at_once_happens_once(client, database):
    version = store_model(database, candidate(1))
    with ThreadPoolExecutor(4) as people:
        answers = list(people.map(lambda _: promote(client, version), range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert len(promotions(database)) == 1


def test_promotion_waits_for_another_backend_s(client, database, postgres, model):
    first, second = (store_model(database, candidate(seed)) for seed in (1, 2))
    with postgres.connect() as other, ThreadPoolExecutor(1) as person:
        with other.transaction():
            other.execute("LOCK TABLE promotions IN SHARE ROW EXCLUSIVE MODE")
            waiting = person.submit(promote, client, second, overrule=True)
            time.sleep(0.5)
            assert not waiting.done()
            assert serves(client) == model.version
            other.execute("INSERT INTO promotions (model, previous) VALUES (%s, %s)", [first, model.version])
        assert waiting.result().json()["previous"] == first


def test_history_is_newest_first_and_as_long_as_wanted(client, database):
    versions = [store_model(database, candidate(seed)) for seed in (1, 2, 3)]
    for version in versions:
        promote(client, version, overrule=True)
    history = client.get("/promotions").json()
    assert [entry["model"] for entry in history] == versions[::-1]
    assert client.get("/promotions", params={"limit": 2}).json() == history[:2]
    for limit in (0, 101, "many"):
        assert_problem(client.get("/promotions", params={"limit": limit}), 422, "InvalidRequest")


def test_long_history_is_cut_off_at_fifty(client, database):
    version = store_model(database, candidate(1))
    for _ in range(60):
        database.execute("INSERT INTO promotions (model, previous) VALUES (%s, 'before')", [version])
    assert len(client.get("/promotions").json()) == 50


@pytest.mark.parametrize("version", ["run/7", "a b/c?d#e", "promote", "x/promote"])
def test_version_may_be_any_text(client, database, version):
    new = candidate(seed=11)
    store_model(database, new._replace(version=version, card=new.card.model_copy(update={"version": version})))
    answer = promote(client, quote(version, safe=""))
    assert answer.status_code == 201, answer.text
    assert answer.json()["model"] == version
    assert serves(client) == version

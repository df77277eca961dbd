"""Which model serves, in one backend and in several, during promotions and outages of the database."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from threading import Event

import httpx2
import pytest

from app import promotion, registry, smoke
from app.card import Card
from app.config import BACKEND
from app.recognizer import Recognizer
from app.store.models import NewModel
from tests.calls import assert_problem, predict
from tests.conftest import SHIPPED, free_port, serving
from tests.drawings import seven
from tests.models import RUINOUS, candidate, promote, store_model
from tests.service import Service

pytestmark = pytest.mark.long  # it takes other backends seconds to notice; routes/test_models.py promotes, too
NOTICED_WITHIN_S = 5


def serves(client) -> str:
    """The version that serves."""
    return predict(client, seven()).json()["model"]


def state(client) -> dict:
    return client.get("/health/ready").json()["model"]


def seconds_until(true: Callable[[], bool], patience_s: float = 10) -> float:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < patience_s, "in vain"
        time.sleep(0.05)
    return time.monotonic() - start


def write_promotion(database, version: str, previous: str = "before") -> None:
    """As another backend would."""
    database.execute("INSERT INTO promotions (model, previous) VALUES (%s, %s)", [version, previous])


@pytest.fixture
def environment(postgres) -> dict[str, str]:
    return postgres.environment


# --- several backends -------------------------------------------------------------------------------


def test_promotion_reaches_all_workers(environment, database):
    version = store_model(database, candidate(1))
    with Service(environment | {"WORKERS": "2"}) as service:
        seconds_until(lambda: service.log.count("serving ") == 2, 20)
        write_promotion(database, version)
        assert seconds_until(lambda: service.log.count(f"serving {version} in place of") == 2) < NOTICED_WITHIN_S


def test_promotion_is_noticed_by_another_backend_and_so_is_the_rollback(environment, database, model):
    versions = [store_model(database, candidate(seed)) for seed in (1, 2)]
    with Service(environment) as other, serving(environment) as client:
        for version in (*versions, versions[0], model.version):
            assert promote(client, version, overrule=True).status_code == 201
            assert serves(client) == version  # here at once
            assert seconds_until(lambda: serves(other.client) == version) < NOTICED_WITHIN_S  # noqa: B023
            assert state(other.client) == {"ready": True, "detail": version}
        other.stop()
        assert other.log.count("in place of") == 4


def test_model_that_was_promoted_serves_from_the_first_answer(environment, database, monkeypatch):
    monkeypatch.setattr(registry, "FIRST_LOOK_S", 20)  # the machine may be busy
    version = store_model(database, candidate(1))
    write_promotion(database, version)
    with serving(environment) as client:
        assert serves(client) == version


def test_database_without_promotions_again_means_the_model_in_the_image(environment, database, model):
    version = store_model(database, candidate(1))
    write_promotion(database, version)
    with serving(environment) as client:
        seconds_until(lambda: serves(client) == version)
        database.execute("DELETE FROM promotions")
        assert seconds_until(lambda: serves(client) == model.version) < NOTICED_WITHIN_S


def test_promotion_of_another_database_is_noticed_though_it_has_the_same_id(environment, database):
    first, second = [store_model(database, candidate(seed)) for seed in (1, 2)]
    write_promotion(database, first)
    with serving(environment) as client:
        seconds_until(lambda: serves(client) == first)
        database.execute("UPDATE promotions SET model = %s", [second])  # as in another database
        assert seconds_until(lambda: serves(client) == second) < NOTICED_WITHIN_S


def test_model_that_ships_is_registered_in_a_database_that_takes_the_place_of_another(environment, database, model):
    with serving(environment):
        database.execute("DELETE FROM models")
        known = "SELECT FROM models WHERE version = %s"
        assert seconds_until(lambda: database.execute(known, [model.version]).rowcount == 1) < NOTICED_WITHIN_S


# --- a model that must not serve --------------------------------------------------------------------


def flipped(onnx: bytes) -> bytes:
    """One bit in the middle of the weights is flipped."""
    damaged = bytearray(onnx)
    damaged[len(onnx) // 2] ^= 1
    return bytes(damaged)


BAD = {
    "a flipped bit": (lambda: candidate(3, onnx=flipped(candidate(3).onnx)), {}, "damaged"),
    "cut off": (lambda: candidate(3, onnx=candidate(3).onnx[:1000]), {}, "damaged"),
    "another's sha256": (lambda: candidate(3, sha256=candidate(4).sha256), {}, "damaged"),
    "another's card": (lambda: candidate(3, card=candidate(4).card), {}, "does not load"),
    "a card without a temperature": (lambda: candidate(3), {"temperature": None}, "temperature: Input should be"),
    "a card without a threshold": (lambda: candidate(3), {"unsure_below": None}, "unsure_below: Input should be"),
    "a threshold that is no number": (lambda: candidate(3), {"unsure_below": "nan"}, "unsure_below: Input should be"),
    "a card of another version": (lambda: candidate(3), {"version": "x"}, "another model's"),
    "no network": (lambda: no_network(), {}, "does not load"),
    "ruined weights": (lambda: candidate(3, RUINOUS), {}, "Of ten clear digits it reads"),
}


def no_network() -> NewModel:
    """Not ONNX, but its sha256 is right everywhere."""
    data = b"not a network"
    sha256 = hashlib.sha256(data)
    card = candidate(3).card.model_copy(update={"sha256": sha256.hexdigest()})
    return candidate(3, onnx=data, sha256=sha256.digest(), card=card)


@pytest.fixture(scope="module")
def token_client(postgres):
    """One application for many promotions, which looks for them more often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "POLL_S", 0.2)
        with serving(postgres.environment) as client:
            yield client


@pytest.mark.parametrize("bad", BAD)
def test_bad_model_is_refused_and_the_old_one_keeps_serving(token_client, database, bad):
    make, changes, why = BAD[bad]
    good = store_model(database, candidate(1))
    write_promotion(database, good)
    seconds_until(lambda: state(token_client)["detail"] == good)
    version = store_model(database, make(), card=make().card.as_json() | changes)
    write_promotion(database, version, good)
    assert seconds_until(lambda: "refused" in state(token_client)["detail"]) < NOTICED_WITHIN_S
    ready = token_client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["ready"] is ready.json()["model"]["ready"] is True
    assert ready.json()["model"]["detail"].startswith(f"{good}; {version} was promoted, but is refused: ")
    assert why in ready.json()["model"]["detail"]
    assert serves(token_client) == good

    other = store_model(database, candidate(2))
    write_promotion(database, other, version)
    assert seconds_until(lambda: serves(token_client) == other) < NOTICED_WITHIN_S
    assert state(token_client)["detail"] == other


@pytest.fixture
def endless(monkeypatch) -> Iterator[str]:
    """The version of a model whose network never answers."""
    answer, version, trouble = Event(), candidate(3).version, smoke.trouble

    def wait(model: Recognizer) -> str | None:
        return answer.wait(60) and None if model.version == version else trouble(model)

    monkeypatch.setattr(smoke, "trouble", wait)
    monkeypatch.setattr(promotion, "LOAD_S", 2)
    yield version
    answer.set()


def test_model_that_never_answers_is_refused_and_others_can_be_promoted(token_client, database, endless):
    store_model(database, candidate(3))
    good = store_model(database, candidate(1))
    assert_problem(promote(token_client, endless, overrule=True), 422, "ModelRefused")
    write_promotion(database, endless)
    seconds_until(lambda: "does not answer within" in state(token_client)["detail"])
    assert promote(token_client, good, overrule=True).status_code == 201
    assert serves(token_client) == good


def test_start_does_not_wait_for_a_model_that_never_answers(environment, database, endless, model):
    store_model(database, candidate(3))
    write_promotion(database, endless)
    start = time.monotonic()
    with serving(environment) as client:
        assert time.monotonic() - start < 20
        assert serves(client) == model.version


@pytest.mark.slow
def test_refusal_is_logged_once_with_its_cause(environment, database):
    version = store_model(database, candidate(3, onnx=flipped(candidate(3).onnx)))
    write_promotion(database, version)
    with Service(environment) as service:
        seconds_until(lambda: "refused" in state(service.client)["detail"])
        time.sleep(4.5)  # two more looks
        service.stop()
        assert service.log.count("refused") == service.log.count("ERROR") == 1
        assert version in service.log


def test_repaired_model_serves_after_a_restart(environment, database, model):
    right = candidate(3)
    version = store_model(database, candidate(3, onnx=flipped(right.onnx)))
    write_promotion(database, version)
    with serving(environment) as client:
        seconds_until(lambda: "refused" in state(client)["detail"])
        assert serves(client) == model.version
        database.execute("UPDATE models SET onnx = %s WHERE version = %s", [right.onnx, version])
    with serving(environment) as client:
        seconds_until(lambda: serves(client) == version)


# --- the database comes and goes --------------------------------------------------------------------


def test_edited_card_of_the_model_that_ships_is_shown_and_serves_again(environment, database, model, tmp_path):
    def shown(client) -> float:
        return {each["version"]: each["card"] for each in client.get("/models").json()}[model.version]["unsure_below"]

    for name, content in (("model.onnx", (BACKEND / SHIPPED).read_bytes()), ("card.json", edited_card(0.9999999))):
        (tmp_path / name).write_bytes(content)
    with serving(environment | {"MODEL_PATH": str(tmp_path / "model.onnx")}) as client:
        seconds_until(lambda: shown(client) == 0.9999999)
        promote(client, store_model(database, candidate(1)))
        promote(client, model.version)
        answer = predict(client, seven()).json()
        assert (answer["model"], answer["unsure"]) == (model.version, True)
    with serving(environment) as client:
        seconds_until(lambda: shown(client) == model.unsure_below)


def edited_card(unsure_below: float) -> bytes:
    card = json.loads((BACKEND / SHIPPED).with_name("card.json").read_bytes())
    return json.dumps(card | {"unsure_below": unsure_below}).encode()


def test_model_that_ships_is_registered_when_the_database_comes(postgres, environment, database, model):
    version = store_model(database, candidate(1))
    write_promotion(database, version)
    database.execute("DELETE FROM models WHERE version = %s", [model.version])
    postgres.stop()
    try:
        with Service(environment) as service:
            assert serves(service.client) == model.version
            postgres.start()
            assert seconds_until(lambda: serves(service.client) == version) < 10
            with postgres.connect() as again:
                query = "SELECT onnx, weights, sha256, card, verdict FROM models WHERE version = %s"
                seconds_until(lambda: again.execute(query, [model.version]).fetchone() is not None)
                row = again.execute(query, [model.version]).fetchone()
    finally:
        postgres.start()
    assert row["sha256"].hex() == model.card.sha256
    assert Card.of(row["card"]) == model.card
    assert row["verdict"] is None
    assert len(row["onnx"]) > 400_000
    assert len(row["weights"]) > 1_000_000


def test_promoted_model_keeps_serving_while_the_database_is_away(postgres, environment, database):
    version, next_one = (store_model(database, candidate(seed)) for seed in (1, 2))
    write_promotion(database, version)
    with serving(environment) as client:
        postgres.stop()
        try:
            time.sleep(3)
            assert serves(client) == version
        finally:
            postgres.start()
        with postgres.connect() as again:
            write_promotion(again, next_one, version)
        assert seconds_until(lambda: serves(client) == next_one) < 10


@pytest.mark.slow
def test_absent_database_neither_fills_the_log_nor_delays_the_start(environment):
    start = time.monotonic()
    with Service(environment | {"DB_PORT": str(free_port())}) as service:
        predict(service.client, seven())
        assert time.monotonic() - start < 10
        time.sleep(9)
        assert service.stop() < 5
        assert service.log.count("WARNING") <= 4
        assert len(service.log.splitlines()) < 15
        assert "Traceback" not in service.log


def test_database_without_the_tables_is_waited_for(environment, database, model):
    version = store_model(database, candidate(1))
    write_promotion(database, version)
    database.execute("ALTER SCHEMA public RENAME TO away")
    try:
        with serving(environment) as client:
            assert serves(client) == model.version
            database.execute("ALTER SCHEMA away RENAME TO public")
            assert seconds_until(lambda: serves(client) == version) < NOTICED_WITHIN_S
    finally:
        if database.execute("SELECT to_regnamespace('away') AS away").fetchone()["away"]:
            database.execute("ALTER SCHEMA away RENAME TO public")


# --- while people ask -------------------------------------------------------------------------------

CLIENTS, EACH_PER_S = 8, 25


def ask(url: str, enough: Event) -> list[tuple[int, str, int]]:
    """The responses to one client with 25 requests a second: status, model and digit, in order."""
    picture, answers, next_at = seven(), [], time.monotonic()
    with httpx2.Client(base_url=url, timeout=10) as client:
        while not enough.wait(max(next_at - time.monotonic(), 0)):
            next_at += 1 / EACH_PER_S
            answer = predict(client, picture)
            answers.append((answer.status_code, answer.json()["model"], answer.json()["digit"]))
    return answers


def test_promotions_under_load_lose_no_request_and_switch_once(environment, database, model):
    versions = [store_model(database, candidate(seed)) for seed in (1, 2, 3)]
    enough = Event()
    with Service(environment) as service, ThreadPoolExecutor(CLIENTS) as people:
        start = time.monotonic()
        asking = [people.submit(ask, str(service.client.base_url), enough) for _ in range(CLIENTS)]
        for version in versions:
            time.sleep(1)
            assert promote(service.client, version, overrule=True).status_code == 201
        time.sleep(0.5)
        enough.set()
        answers, seconds = [asked.result() for asked in asking], time.monotonic() - start
    everything = [answer for asked in answers for answer in asked]
    assert Counter(status for status, _, _ in everything) == {200: len(everything)}
    assert {digit for _, _, digit in everything} == {7}
    for asked in answers:
        assert [version for version, _ in groupby(version for _, version, _ in asked)] == [model.version, *versions]
    assert len(everything) > 0.2 * CLIENTS * EACH_PER_S * seconds  # all of them, unless the machine is busy

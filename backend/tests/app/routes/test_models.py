import hashlib
import json

from app.config import BACKEND
from tests.calls import predict
from tests.conftest import SHIPPED
from tests.drawings import seven


def test_serving_model_is_listed_with_its_card(client):
    (listed,) = client.get("/models").json()
    card = json.loads((BACKEND / SHIPPED).with_name("card.json").read_text())
    assert listed["serving"] is True
    assert listed["card"] == card
    assert listed["version"] == card["version"] == predict(client, seven()).json()["model"]
    assert listed["sha256"] == hashlib.sha256((BACKEND / SHIPPED).read_bytes()).hexdigest()


def test_card_tells_where_the_model_comes_from_and_how_good_it_is(client):
    card = client.get("/models").json()[0]["card"]
    assert {"architecture", "data", "hyperparameters", "metrics", "temperature", "unsure_below", "created_at"} <= set(
        card
    )
    assert card["metrics"]["mnist_test"]["accuracy"] >= 0.994

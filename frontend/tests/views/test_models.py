"""The Models view, on a real backend."""

import json
from uuid import uuid4

import calls
import pytest
from candidates import PASSED, REFUSED, start_race, store_candidate
from conftest import ADMIN_TOKEN, SHIPPED, connect, free_port
from drawings import picture
from pages import keys, press, text
from streamlit.testing.v1 import AppTest

import api
from common import admin
from models import cards


@pytest.fixture
def models(page) -> AppTest:
    page.run()
    page.switch_page("views/models.py")
    return page


def run(page: AppTest, token: str | None = None) -> AppTest:
    if token:
        page.session_state[admin.TOKEN] = token
    page.run()
    assert not page.exception
    return page


def serving() -> list[str]:
    return [model.version for model in api.models() if model.serving]


def test_model_that_ships_is_shown_with_its_figures(shipped_model, models):
    run(models)
    assert f"{shipped_model} reads what people draw now." in text(models)
    card = json.loads(SHIPPED.with_name("card.json").read_text())
    right, unsure = (
        f"{card['metrics']['mnist_test']['accuracy']:.2%} correct",
        f"Unsure below {card['unsure_below']:.0%}",
    )
    for words in (f"MNIST test set {right}", "Digits of 12 people", unsure, "not tested", "none read yet"):
        assert words in text(models)
    assert "History" not in text(models)


def test_verdict_and_reasons_are_words(shipped_model, models, postgres):
    store_candidate(postgres, PASSED)
    store_candidate(postgres, REFUSED)
    html = " ".join(each.proto.body for each in run(models).get("html"))
    assert "The gate passed it." in html
    assert "Better on 240 held-out sketches." in html
    assert "The gate refused it." in html
    assert "&lt;b&gt;too few&lt;/b&gt;" in html
    assert "97.10% read correctly instead of 95.80%: 1.30 points better." in html
    assert "▲ 1.30 better" in html


def test_every_figure_of_the_table_is_explained(shipped_model, models):
    """Also what stands in the cells, in a stranger's words."""
    words = text(run(models))
    for column in cards.COLUMNS:
        assert words.count(column) >= 2, column
    assert "percentage points: from 98% to 99% is one point" in words


def test_visitor_can_promote_nothing(shipped_model, models, postgres):
    store_candidate(postgres)
    assert not [key for key in keys(run(models)) if key and key.startswith("serve-")]


def test_promotion_is_said_kept_and_rolled_back(shipped_model, models, postgres):
    version = store_candidate(postgres)
    run(models, ADMIN_TOKEN)
    models.text_input(key=f"why-{version}").set_value("Better on <b>people’s</b> sketches").run()
    press(models, f"serve-{version}")
    assert serving() == [version]
    assert f"{version} is serving: here at once, everywhere within 5 seconds." in models.toast[0].value
    assert f"{version} in place of {shipped_model}" in text(models)
    assert "&lt;b&gt;people’s&lt;/b&gt;" in " ".join(each.proto.body for each in models.get("html"))
    [row] = postgres.rows("SELECT model, previous, overruled, reason FROM promotions")
    assert row == {
        "model": version,
        "previous": shipped_model,
        "overruled": False,
        "reason": "Better on <b>people’s</b> sketches",
    }
    press(models, f"serve-{shipped_model}")  # it served before: the gate is not asked
    assert serving() == [shipped_model]
    assert [row["overruled"] for row in postgres.rows("SELECT overruled FROM promotions")] == [False, False]


@pytest.mark.parametrize("verdict", [REFUSED, None])
def test_what_the_gate_has_not_passed_takes_somebody_to_overrule(shipped_model, models, postgres, verdict):
    version = store_candidate(postgres, verdict)
    run(models, ADMIN_TOKEN)
    assert "The gate has not passed it" in text(models)
    assert models.button(key=f"serve-{version}").disabled
    models.checkbox(key=f"overrule-{version}").check().run()
    press(models, f"serve-{version}")
    assert serving() == [version]
    assert postgres.rows("SELECT overruled FROM promotions") == [{"overruled": True}]
    assert "gate overruled" in text(models)


def test_model_that_is_damaged_is_refused_in_words(shipped_model, models, postgres):
    version = store_candidate(postgres)
    postgres.rows("UPDATE models SET onnx = onnx || '\\x00' WHERE version = %s", (version,))
    press(run(models, ADMIN_TOKEN), f"serve-{version}")
    assert "Nothing was promoted. It is damaged" in text(models)
    assert serving() == [shipped_model]


def test_token_that_is_no_longer_right_makes_a_visitor(shipped_model, models, postgres):
    version = store_candidate(postgres)
    run(models, ADMIN_TOKEN)
    models.session_state[admin.TOKEN] = "wrong"  # as if it had been changed on the server since
    press(models, f"serve-{version}")
    assert "Nothing was promoted." in text(models)
    assert f"serve-{version}" not in keys(models)
    assert postgres.rows("SELECT 1 FROM promotions") == []


def test_many_models_are_not_shown_at_once(shipped_model, models, postgres):
    versions = [store_candidate(postgres) for _ in range(13)]
    run(models)
    assert versions[0] not in text(models)  # the oldest
    models.toggle(key="all-models").set_value(True).run()
    assert all(version in text(models) for version in versions)


def test_candidates_that_passed_or_race_are_shown_before_newer_ones(shipped_model, models, postgres):
    racing, passed = start_race(postgres, [], challenger=1, champion=7), store_candidate(postgres, PASSED)
    for _ in range(13):
        store_candidate(postgres, REFUSED)
    words = text(run(models))
    assert words.index(shipped_model) < words.index(passed) < words.index(racing)


def test_promotion_that_has_not_come_here_is_reported(shipped_model, models, postgres):
    version = store_candidate(postgres)
    postgres.rows("UPDATE models SET onnx = '\\x00' WHERE version = %s", (version,))
    postgres.rows(
        "INSERT INTO promotions (model, previous, overruled) VALUES (%s, %s, false)", (version, shipped_model)
    )
    assert f"{version} was promoted last." in text(run(models))


def test_absent_backend_is_reported(models, monkeypatch):
    connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
    assert "The recogniser does not answer right now." in text(run(models))


def test_without_database_the_one_that_serves_is_shown(backend_without_database, models, monkeypatch):
    connect(monkeypatch, backend_without_database)
    run(models)
    assert "reads what people draw now." in text(models)
    assert "The database is away right now. What is missing" in text(models)
    assert [each.icon for each in models.warning] == [":material/cloud_off:"]
    for untrue in ("none read yet", "not tested"):
        assert untrue not in text(models)


# --- retraining -------------------------------------------------------------------------------------


@pytest.fixture
def approved(postgres, shipped_model) -> None:
    calls.store(picture(7), "image/png", "7", uuid4())
    postgres.rows("UPDATE submissions SET status = 'approved'")


def test_visitor_sees_nothing_of_retraining(shipped_model, models):
    assert "Retrain" not in text(run(models))


def test_retraining_waits_where_no_trainer_runs_and_is_cancelled(approved, models, postgres):
    assert "No trainer runs" in text(run(models, ADMIN_TOKEN))
    press(models, "retrain")
    assert "Waiting for a trainer" in text(models)
    assert models.button(key="retrain").disabled
    press(models, "cancel-retraining")
    assert "Cancelled" in text(models)
    assert not models.button(key="retrain").disabled


def test_nothing_to_learn_from_is_said(shipped_model, models):
    press(run(models, ADMIN_TOKEN), "retrain")
    assert "No sketch is approved, so there is nothing to learn from." in text(models)


def test_progress_log_and_outcome_are_shown(approved, models, postgres):
    candidate = store_candidate(postgres)
    press(run(models, ADMIN_TOKEN), "retrain")
    [worker] = postgres.rows("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
    postgres.rows("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", [worker["id"]])
    curve = [
        {"epoch": n, "train_loss": 1 / n, "validation_loss": 2 / n, "validation_accuracy": 0.9, "seconds": 90}
        for n in (1, 2)
    ]
    postgres.rows(
        "UPDATE retrainings SET stage = 'learning', epochs = 6, curve = %s, log = 'epoch 2 <b>done</b>'",
        [json.dumps(curve)],
    )
    run(models)
    assert "1 trainer runs" in text(models)
    assert "Running" in text(models)
    assert "2 of 6 epochs" in text(models)
    assert models.code[0].value == "epoch 2 <b>done</b>"
    postgres.rows("UPDATE procrastinate_jobs SET status = 'succeeded'")
    postgres.rows("UPDATE retrainings SET model = %s", [candidate])
    run(models)
    assert f"It made the candidate {candidate} ; the table shows how it compares." in text(models)


def test_why_it_failed_is_said(approved, models, postgres):
    press(run(models, ADMIN_TOKEN), "retrain")
    postgres.rows("UPDATE procrastinate_jobs SET status = 'failed'")
    postgres.rows("UPDATE retrainings SET error = 'MNIST is <i>missing</i>.'")
    assert "Failed" in text(run(models))
    assert "MNIST is &lt;i&gt;missing&lt;/i&gt;." in " ".join(each.proto.body for each in models.get("html"))

import logging
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.training.small import small_digits
from training import loop
from training.architectures import compact
from training.augmentation import Augmentation
from training.config import RENAMED, Config
from training.data import NO_DIGIT, NOTHING, Digits, as_input
from training.loop import fit, predict

CONFIG = Config(
    epochs=6,
    batch_size=20,
    learning_rate=1e-2,
    weight_decay=0.01,
    ema_decay=0.9,
    bfloat16=False,
    patience=10,
    seed=0,
    muon_learning_rate=0,
    drawn_per_epoch=40,
    augmentation=Augmentation(rotation=5, bend=0.5),
)
MUON = replace(CONFIG, muon_learning_rate=0.02)
TRAIN, VALIDATION = small_digits(300, seed=3), small_digits(100, seed=4)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return compact(width=4)


def run(path, config=CONFIG, train=TRAIN, validation=VALIDATION, model=None, drawn=NOTHING):
    model = model or network()
    return model, fit(model, train, drawn, validation, config, path / "checkpoint.pt")


def losses(history) -> list[tuple[float, float]]:
    return [(epoch.train_loss, epoch.validation_loss) for epoch in history]


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return run(tmp_path_factory.mktemp("uninterrupted"))


def interrupt(monkeypatch, path, batches: int, config=CONFIG, train=TRAIN) -> None:
    """A run that Ctrl-C ends after this many batches."""
    done, real = 0, loop.augment

    def counting(*args):
        nonlocal done
        done += 1
        if done > batches:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(loop, "augment", counting)
    with pytest.raises(KeyboardInterrupt):
        run(path, config, train)
    monkeypatch.setattr(loop, "augment", real)


# --- learning ---------------------------------------------------------------------------------------


def test_network_learns_made_up_digits(uninterrupted):
    model, history = uninterrupted
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].train_loss < 0.5 * history[0].train_loss
    assert history[-1].validation_accuracy > 0.9
    assert (predict(model, VALIDATION.images).argmax(1) == VALIDATION.labels).float().mean() > 0.9
    assert all(epoch.seconds > 0 for epoch in history)


def test_best_epoch_s_weights_are_kept(uninterrupted):
    model, history = uninterrupted
    best = min(history, key=lambda epoch: epoch.validation_loss)
    loss = F.cross_entropy(predict(model, VALIDATION.images), VALIDATION.labels).item()
    assert loss == pytest.approx(best.validation_loss, rel=1e-4)


def test_best_epoch_is_kept_when_later_ones_are_worse(tmp_path):
    wrong = Digits(VALIDATION.images, (VALIDATION.labels + 1) % 10)  # what is learned makes it worse
    model, history = run(tmp_path, validation=wrong)
    best = min(history, key=lambda epoch: epoch.validation_loss)
    assert best.epoch < len(history)
    loss = F.cross_entropy(predict(model, wrong.images), wrong.labels).item()
    assert loss == pytest.approx(best.validation_loss, rel=1e-4)
    assert loss < history[-1].validation_loss


@pytest.mark.parametrize("patience", [1, 3])
def test_training_stops_early(tmp_path, patience):
    wrong = Digits(VALIDATION.images, (VALIDATION.labels + 1) % 10)
    config = replace(CONFIG, epochs=30, patience=patience, learning_rate=2e-2)
    _, history = run(tmp_path, config, validation=wrong)
    best = min(history, key=lambda epoch: epoch.validation_loss)
    assert len(history) == best.epoch + patience < 30


def test_same_seed_gives_the_same_network(tmp_path, uninterrupted):
    model, history = run(tmp_path)
    assert losses(history) == losses(uninterrupted[1])
    assert_same_weights(model, uninterrupted[0])


def test_drawings_that_are_no_digits_make_it_unsure(tmp_path):
    dice = torch.Generator().manual_seed(0)
    noise = Digits(
        torch.randint(0, 256, (100, 28, 28), generator=dice, dtype=torch.uint8), torch.full((100,), NO_DIGIT)
    )
    model, history = run(tmp_path, train=TRAIN + noise, validation=VALIDATION + noise)
    assert history[-1].validation_accuracy > 0.9  # of the digits alone
    confidence = F.softmax(predict(model, noise.images), 1).amax(1)
    assert confidence.mean() < 0.3


def test_an_epoch_sees_all_of_mnist_and_a_few_of_the_drawn(tmp_path, monkeypatch):
    """Told apart by brightness: a picture of MNIST's is made of 1, a drawn one of its own number from 2 on."""
    ones = Digits(torch.ones(60, 28, 28, dtype=torch.uint8), torch.arange(60) % 10)
    numbers = torch.arange(2, 102, dtype=torch.uint8)[:, None, None].expand(100, 28, 28)
    drawn = Digits(numbers.contiguous(), torch.full((100,), NO_DIGIT))
    seen = []
    monkeypatch.setattr(loop, "augment", lambda inputs, *_: (seen.append((inputs * 255).amax((1, 2, 3))), inputs)[1])
    run(tmp_path, replace(CONFIG, epochs=2, drawn_per_epoch=40), train=ones, drawn=drawn)
    first, second = torch.cat(seen).round().int().split(100)
    for epoch in (first, second):
        assert (epoch == 1).sum() == 60
        assert len(epoch[epoch > 1].unique()) == 40
    assert set(first[first > 1].tolist()) != set(second[second > 1].tolist())


def test_too_few_pictures_for_a_batch_are_refused(tmp_path):
    with pytest.raises(ValueError, match="batch"):
        run(tmp_path, replace(CONFIG, batch_size=500))


@pytest.mark.slow
@pytest.mark.parametrize("setting", [{"bfloat16": True}, {"muon_learning_rate": 0.02}], ids=str)
def test_other_settings_learn_too(tmp_path, setting):
    _, history = run(tmp_path, replace(CONFIG, **setting))
    assert history[-1].validation_accuracy > 0.9


def test_every_epoch_is_logged(tmp_path, caplog):
    with caplog.at_level(logging.DEBUG, "train"):
        run(tmp_path, replace(CONFIG, epochs=2))
    text = caplog.text
    assert "epoch  1  train loss" in text
    assert "epoch  2  train loss" in text
    assert "epoch 1 batch 15 " in text


# --- continuing ------------------------------------------------------------------------------------

BATCHES = len(TRAIN) // CONFIG.batch_size  # in an epoch


@pytest.mark.parametrize("batches", [BATCHES, 2 * BATCHES + 7])
def test_interrupted_run_ends_as_an_uninterrupted_one(tmp_path, monkeypatch, uninterrupted, batches):
    interrupt(monkeypatch, tmp_path, batches)
    model, history = run(tmp_path)
    assert losses(history) == losses(uninterrupted[1])
    assert_same_weights(model, uninterrupted[0])


def test_interrupted_run_goes_on_after_the_last_finished_epoch(tmp_path, monkeypatch, caplog):
    interrupt(monkeypatch, tmp_path, 2 * BATCHES + 7)
    caplog.clear()  # of the interrupted run's epochs, which are there where another test has set the level
    with caplog.at_level(logging.INFO, "train"):
        _, history = run(tmp_path)
    assert "going on after epoch 2" in caplog.text
    assert "epoch  3" in caplog.text
    assert "epoch  2" not in caplog.text
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_interrupted_run_with_muon_ends_as_an_uninterrupted_one(tmp_path, monkeypatch):
    model, history = run(tmp_path, MUON)
    (tmp_path / "checkpoint.pt").unlink()
    interrupt(monkeypatch, tmp_path, 2 * BATCHES + 7, MUON)
    again, same = run(tmp_path, MUON)
    assert losses(same) == losses(history)
    assert_same_weights(again, model)


def test_finished_run_is_not_trained_again(tmp_path):
    model, history = run(tmp_path, replace(CONFIG, epochs=2))
    again, same = run(tmp_path, replace(CONFIG, epochs=2), model=network(seed=5))
    assert losses(same) == losses(history)
    assert_same_weights(again, model)


def test_checkpoint_of_other_settings_is_not_taken(tmp_path, monkeypatch, caplog):
    interrupt(monkeypatch, tmp_path, BATCHES + 1)
    with caplog.at_level(logging.INFO, "train"):
        _, history = run(tmp_path, replace(CONFIG, epochs=2))
    assert "other settings" in caplog.text
    assert len(history) == 2


def change_checkpoint(path, change) -> None:
    state = torch.load(path / "checkpoint.pt", weights_only=True)
    change(state)
    torch.save(state, path / "checkpoint.pt")


def test_checkpoint_of_an_older_release_is_taken(tmp_path, monkeypatch, uninterrupted):
    """Which has other names for some settings."""

    def rename(state) -> None:
        for old, name in RENAMED.items():
            state["run"]["config"][old] = state["run"]["config"].pop(name)

    interrupt(monkeypatch, tmp_path, 2 * BATCHES + 7)
    change_checkpoint(tmp_path, rename)
    _, history = run(tmp_path)
    assert losses(history) == losses(uninterrupted[1])


def test_checkpoint_of_another_device_is_taken(tmp_path, monkeypatch, uninterrupted, caplog):
    """Which may compute in bfloat16, and whose random numbers cannot be continued here."""

    def move(state) -> None:
        state["run"]["config"]["bfloat16"] = True
        state["generator"] = torch.zeros(16, dtype=torch.uint8)  # as CUDA's

    interrupt(monkeypatch, tmp_path, 2 * BATCHES + 7)
    change_checkpoint(tmp_path, move)
    with caplog.at_level(logging.INFO, "train"):
        _, history = run(tmp_path)
    assert "going on after epoch 2" in caplog.text
    assert losses(history[:2]) == losses(uninterrupted[1][:2])
    assert losses(history[2:]) != losses(uninterrupted[1][2:])
    assert history[-1].validation_accuracy > 0.9


def test_checkpoint_of_other_data_is_not_taken(tmp_path, monkeypatch):
    config = replace(CONFIG, epochs=2)
    interrupt(monkeypatch, tmp_path, BATCHES + 1, config)
    more = small_digits(400, seed=5)
    _, history = run(tmp_path, config, train=more)
    (tmp_path / "checkpoint.pt").unlink()
    _, again = run(tmp_path, config, train=more)
    assert losses(history) == losses(again)


def test_interruption_while_writing_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    real = torch.save
    calls = 0

    def breaking(state, path):
        nonlocal calls
        calls += 1
        real(state, path)
        if calls == 2:
            path.write_bytes(path.read_bytes()[:100])
            raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, replace(CONFIG, epochs=3))
    monkeypatch.setattr(torch, "save", real)
    _, history = run(tmp_path, replace(CONFIG, epochs=3))
    assert len(history) == 3


# --- predict ----------------------------------------------------------------------------------------


def test_predict_takes_raw_and_prepared_pictures_in_any_batch():
    model = network()
    whole = predict(model, VALIDATION.images)
    assert whole.shape == (100, 10)
    torch.testing.assert_close(predict(model, as_input(VALIDATION.images)), whole)
    torch.testing.assert_close(predict(model, VALIDATION.images, batch_size=7), whole, atol=1e-5, rtol=1e-4)


def test_untrained_network_knows_nothing():
    loss = F.cross_entropy(predict(network(), VALIDATION.images), VALIDATION.labels).item()
    assert loss == pytest.approx(math.log(10), abs=0.3)

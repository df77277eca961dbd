import json
import logging
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from app.imaging import prepare
from teach import TEACHERS
from tests.drawings import draw
from tests.training.small import small_digits
from training.architectures import ARCHITECTURES, compact
from training.augmentation import Augmentation
from training.config import Config
from training.data import BACKEND, NOTHING, Digits, as_input
from training.distillation import VIEWS, Lessons, load_lessons, load_teacher, loss, make_lessons, mean_log_probabilities
from training.loop import accuracy, fit

TRAIN, VALIDATION = small_digits(300, seed=3), small_digits(100, seed=4)
SHIPPED = sorted((BACKEND / TEACHERS).glob("*/"))
SMALL = Augmentation(rotation=5, bend=0.5)
CONFIG = Config(
    epochs=6, batch_size=20, learning_rate=1e-2, weight_decay=0.01, ema_decay=0.9, bfloat16=False, augmentation=SMALL
)


def dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def teachers(tmp_path_factory) -> list[torch.nn.Module]:
    both = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        both.append(compact(width=4))
        fit(both[-1], TRAIN, NOTHING, VALIDATION, CONFIG, tmp_path_factory.mktemp("teacher") / "checkpoint.pt")
        both[-1].eval()
    return both


@pytest.fixture(scope="module")
def lessons(teachers) -> Lessons:
    return make_lessons(TRAIN.images, teachers, 3, SMALL, dice())


# --- what teachers say ------------------------------------------------------------------------------


def test_answer_is_the_mean_over_the_teachers(teachers):
    inputs = as_input(VALIDATION.images)
    one, other = (mean_log_probabilities([teacher], inputs) for teacher in teachers)
    torch.testing.assert_close(mean_log_probabilities(teachers, inputs), (one + other) / 2)
    torch.testing.assert_close(one, F.log_softmax(teachers[0](inputs), 1))


def test_every_view_of_a_digit_is_that_digit(teachers):
    inputs = as_input(VALIDATION.images)
    alone, views = mean_log_probabilities(teachers, inputs), mean_log_probabilities(teachers, inputs, views=len(VIEWS))
    assert not torch.allclose(alone, views)
    assert (views.argmax(1) == VALIDATION.labels).float().mean() > 0.95


def test_first_copy_is_the_pictures_as_they_are(lessons):
    assert lessons.images.shape == (4, 300, 28, 28)
    assert lessons.logits.shape == (4, 300, 10)
    assert torch.equal(lessons.images[0], TRAIN.images)
    assert not torch.equal(lessons.images[1], lessons.images[2])


def test_teachers_saw_what_is_stored(lessons, teachers):
    for images, logits in zip(lessons.images, lessons.logits, strict=True):
        torch.testing.assert_close(
            logits.float(), mean_log_probabilities(teachers, as_input(images)), atol=0.02, rtol=0.002
        )


def test_same_seed_makes_the_same_lessons(lessons, teachers):
    again = make_lessons(TRAIN.images, teachers, 3, SMALL, dice())
    assert torch.equal(again.images, lessons.images)
    assert not torch.equal(make_lessons(TRAIN.images, teachers, 3, SMALL, dice(1)).images, lessons.images)


def test_lessons_are_read_as_they_were_written(lessons, tmp_path):
    lessons.save(tmp_path / "lessons.pt")
    read = load_lessons(tmp_path / "lessons.pt", 300)
    assert torch.equal(read.images, lessons.images)
    assert torch.equal(read.logits, lessons.logits)
    with pytest.raises(ValueError, match="teaches 300 pictures, not the 299"):
        load_lessons(tmp_path / "lessons.pt", 299)


def test_file_of_something_else_is_refused(tmp_path):
    file = tmp_path / "other.pt"
    torch.save({"weights": torch.zeros(3)}, file)
    with pytest.raises(ValueError, match="no lessons"):
        load_lessons(file, 300)
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="no lessons"):
        load_lessons(file, 300)
    with pytest.raises(FileNotFoundError):
        load_lessons(tmp_path / "missing.pt", 300)


def test_teacher_is_what_its_folder_holds(tmp_path):
    torch.manual_seed(5)
    network = ARCHITECTURES["lenet"]()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    card = json.loads((SHIPPED[0] / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"architecture": "lenet"}))
    inputs = as_input(VALIDATION.images)
    torch.testing.assert_close(load_teacher(tmp_path)(inputs), network.eval()(inputs))


@pytest.mark.parametrize("folder", SHIPPED, ids=[folder.name for folder in SHIPPED])
def test_teacher_that_ships_reads_digits(folder):
    inputs = torch.stack([torch.as_tensor(prepare(draw(digit))) for digit in range(10)]).view(-1, 1, 28, 28)
    said = mean_log_probabilities([load_teacher(folder)], inputs).argmax(1)
    assert (said == torch.arange(10)).sum() >= 9


def test_teachers_ship():
    assert len(SHIPPED) > 1


# --- what a student learns --------------------------------------------------------------------------


def test_plain_share_picks_pictures_as_they_are(lessons):
    index = torch.arange(300)
    plain, _ = lessons.pick(index, 1.0, dice())
    assert torch.equal(plain, TRAIN.images)
    changed, logits = lessons.pick(index, 0.0, dice())
    assert not (changed == TRAIN.images).all((1, 2)).any()  # though Augmentation itself leaves a quarter alone
    of_which = (lessons.images[1:] == changed).all((2, 3)).nonzero()
    assert set(of_which[:, 0].tolist()) == {0, 1, 2}
    for copy, picture in of_which[:50]:
        assert any(torch.equal(logits[picture], said.float()) for said in lessons.logits[1:, picture]), copy


def test_who_says_the_same_has_nothing_to_learn():
    said = torch.randn(8, 10, generator=dice())
    assert loss(said + 3, said, 4.0).item() == pytest.approx(0, abs=1e-4)  # a constant changes no probability
    assert loss(said.flip(1), said, 4.0) > 1


@pytest.mark.parametrize("temperature", [2.0, 8.0])
def test_temperature_does_not_change_how_much_a_lesson_weighs(temperature):
    """At high temperatures the loss is half the squared distance of the centred logits over 10 (Hinton et al., 2.1)."""
    student, said = torch.randn(2, 500, 10, generator=dice()).mul(0.3)
    centred = (student - student.mean(1, keepdim=True)) - (said - said.mean(1, keepdim=True))
    assert loss(student, said, temperature).item() == pytest.approx(centred.square().sum().item() / 20, rel=0.1)


def test_student_learns_from_teachers_whatever_the_labels(lessons, tmp_path):
    torch.manual_seed(9)
    student, wrong = compact(width=4), Digits(TRAIN.images, (TRAIN.labels + 1) % 10)
    history = fit(student, wrong, NOTHING, VALIDATION, CONFIG, tmp_path / "checkpoint.pt", lessons)
    assert accuracy(student, VALIDATION) > 0.9
    assert history[-1].train_loss < 0.3 * history[0].train_loss


def test_drawn_digits_keep_their_labels(lessons, tmp_path):
    """Teachers know 0 to 4 alone; what is drawn are the other digits."""
    low = TRAIN.labels < 5
    student = compact(width=4)
    taught = Lessons(lessons.images[:, low], lessons.logits[:, low])
    config = replace(CONFIG, drawn_per_epoch=150)
    fit(student, TRAIN.take(low), TRAIN.take(~low), VALIDATION, config, tmp_path / "checkpoint.pt", taught)
    assert accuracy(student, VALIDATION) > 0.9


def test_checkpoint_of_other_lessons_is_not_taken(lessons, tmp_path, caplog):
    config = replace(CONFIG, epochs=1)
    for logits in (lessons.logits, lessons.logits + 1):
        with caplog.at_level(logging.INFO, "train"):
            fit(
                compact(width=4),
                TRAIN,
                NOTHING,
                VALIDATION,
                config,
                tmp_path / "checkpoint.pt",
                Lessons(lessons.images, logits),
            )
    assert "other settings" in caplog.text

"""train.py from its first line to its last, on a few made-up digits in MNIST's format: interrupted, then finished."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

import train
from app.config import BACKEND
from app.recognizer import Recognizer
from tests.training.small import small_digits, write_mnist
from training.architectures import ARCHITECTURES
from training.config import Config
from training.data import load_mnist, split
from training.loop import predict
from training.strokes import make_drawn

PATIENCE_S = 300
OPTIONS = [
    "--epochs=3",
    "--held-out=60",
    "--synthetic-digits=60",
    "--non-digits=30",
    "--batch-size=32",
    "--no-cuda",
    "--writer-digits=0",
    "--seed=4",
]


def start(folder: Path, debug: bool) -> subprocess.Popen:
    command = [sys.executable, "train.py", *OPTIONS, "--model-path", folder / "model", "--plots", folder / "plots"]
    environment = os.environ | {
        "MNIST_DIR": str(folder / "data"),
        "DEBUG_MODE": str(int(debug)),
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        command, cwd=BACKEND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


EARLIER, SEEN = "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"
EARLIER_AT, SEEN_AT = map(datetime.fromisoformat, (EARLIER, SEEN))
CARD = {"version": "broad-1", "sha256": "0" * 64, "architecture": "broad", "temperature": 1.0, "unsure_below": 0.5}


class Trained(NamedTuple):
    """What two runs of train.py said and wrote: Ctrl-C ended the first after an epoch, the second continued."""

    folder: Path
    first: str
    second: str


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("train")
    write_mnist(folder / "data", train=500, test=80)
    first, said = start(folder, debug=True), ""
    for line in first.stdout:
        said += line
        if "epoch 2 batch 1 " in line:  # the first epoch is in the checkpoint
            first.send_signal(signal.SIGINT)
            break
    said += first.communicate(timeout=PATIENCE_S)[0]
    assert first.returncode == 130, said
    second = start(folder, debug=False)
    went_on = second.communicate(timeout=PATIENCE_S)[0]
    assert second.returncode == 0, went_on
    return Trained(folder, said, went_on)


@pytest.fixture(scope="module")
def card(trained) -> dict:
    return json.loads((trained.folder / "model" / "card.json").read_text())


def test_interrupted_run_went_on(trained):
    assert "Stopped. The same command continues" in trained.first
    assert "Traceback" not in trained.first
    assert "going on after epoch" in trained.second


def test_everything_promised_is_written(trained):
    assert sorted(file.name for file in (trained.folder / "model").iterdir()) == [
        "card.json",
        "config.yaml",
        "model.onnx",
        "model.pt",
        "train.log",
    ]
    assert sorted(file.name for file in (trained.folder / "plots").iterdir()) == [
        "accuracy.png",
        "confusion.png",
        "loss.png",
        "test_report.json",
    ]
    for plot in (trained.folder / "plots").glob("*.png"):
        assert min(Image.open(plot).size) > 300


def test_card_is_complete(card):
    assert card["version"] == f"broad-{card['sha256'][:8]}"
    assert {"data", "weights", "created_at"} <= set(card)
    assert 0.2 <= card["temperature"] <= 5
    assert 0 < card["unsure_below"] < 1
    assert set(card["hyperparameters"]) == {field.name for field in fields(Config)}
    assert (card["hyperparameters"]["epochs"], card["hyperparameters"]["seed"]) == (3, 4)
    assert set(card["metrics"]) == {"validation", "mnist_test"}
    assert 1 <= card["metrics"]["validation"]["epoch"] <= 3


def test_test_report_says_what_the_card_says(trained, card):
    report = json.loads((trained.folder / "plots" / "test_report.json").read_text())
    assert report["pictures"] == 80 == sum(map(sum, report["confusion_matrix"]))
    assert {name: report[name] for name in card["metrics"]["mnist_test"]} == card["metrics"]["mnist_test"]
    assert "MNIST test set" in trained.second


def test_what_was_trained_can_serve(trained, card):
    model = Recognizer.load(trained.folder / "model" / "model.onnx")
    test = small_digits(80, seed=2)
    answers = model.logits(test.images.numpy().astype("float32") / 255).argmax(1)
    assert (answers == test.labels.numpy()).mean() == pytest.approx(card["metrics"]["mnist_test"]["accuracy"])


def test_torch_and_onnx_hold_the_same_network(trained):
    network = ARCHITECTURES["broad"]()
    network.load_state_dict(torch.load(trained.folder / "model" / "model.pt", weights_only=True))
    images = small_digits(20, seed=2).images
    served = Recognizer.load(trained.folder / "model" / "model.onnx").logits(images.numpy().astype("float32") / 255)
    wanted = predict(network, images).numpy()
    assert np.abs(served - wanted).max() < 0.05 * np.ptp(wanted)  # it has 8-bit weights
    assert "ONNX agrees with torch" in trained.second


def test_log_lies_next_to_the_model(trained):
    log = (trained.folder / "model" / "train.log").read_text()
    assert "epoch  1  train loss" in log
    assert "wrote" in log


def test_debug_mode_tells_of_every_batch(trained):
    assert "epoch 1 batch 1 loss" in trained.first
    assert "batch 1 loss" not in trained.second


def test_test_set_plays_no_part_in_training(tmp_path):
    write_mnist(tmp_path, train=200, test=10)
    for file in (tmp_path / "MNIST" / "raw").glob("t10k-*"):
        file.write_bytes(b"nobody may read this")
    training, validation = split(load_mnist(tmp_path, train=True), 50)
    drawn, drawn_validation = make_drawn(20, 10, seed=0, share=1 / 3)
    assert len(training) == 150
    assert len(drawn) == 30
    assert len(validation) == 50
    assert 5 <= len(drawn_validation) <= 10
    seen = {picture.numpy().tobytes() for picture in torch.cat([training.images, drawn.images])}
    assert not seen & {picture.numpy().tobytes() for picture in (validation + drawn_validation).images}


def test_its_own_settings_file_repeats_a_run(trained, tmp_path, monkeypatch):
    folders = ["--model-path", str(tmp_path / "model"), "--plots", str(tmp_path / "plots")]
    settings = trained.folder / "model" / "config.yaml"
    monkeypatch.setattr(sys, "argv", ["train.py", "--config", str(settings), *folders])
    config, _ = train.parse_arguments()
    assert (config.epochs, config.synthetic_digits, config.seed, config.batch_size) == (3, 60, 4, 32)


@pytest.mark.parametrize(
    ("card", "mnist"),
    [
        ({"format": 1, "held_out": {"mnist": 2000, "until_by_visit": SEEN, "until_by_id": EARLIER}}, 2000),
        ({"format": 1, "held_out": {"mnist": 9000, "until_by_visit": SEEN, "until_by_id": EARLIER}}, 5000),
        ({"format": 1, "held_out": {"until_by_visit": SEEN, "until_by_id": EARLIER}}, None),
    ],
)
def test_what_the_model_at_the_start_learned_from_this_one_has_learned_from_too(tmp_path, card, mnist):
    """Else the gate would take such sketches for ones that neither model knows."""
    (tmp_path / "card.json").write_text(json.dumps(CARD | card))
    held_out = train.held_out_of(Config(start=str(tmp_path), held_out=5000))
    assert held_out.mnist == mnist
    assert (held_out.until_by_visit, held_out.until_by_id) == (SEEN_AT, EARLIER_AT)


@pytest.mark.parametrize(("parent", "mnist"), [(None, 2000), ("lenet-0", None)])
def test_old_card_says_nothing_of_what_its_parent_learned_from(tmp_path, parent, mnist):
    card = CARD | {"parent": parent, "hyperparameters": {"held_out": 2000}, "sketches": {"train": 9}}
    (tmp_path / "card.json").write_text(json.dumps(card | {"created_at": SEEN}))
    held_out = train.held_out_of(Config(start=str(tmp_path), held_out=5000))
    assert (held_out.mnist, held_out.until_by_id) == (mnist, SEEN_AT)


# --- distillation -----------------------------------------------------------------------------------


def run(folder: Path, *command) -> subprocess.CompletedProcess:
    environment = os.environ | {"MNIST_DIR": str(folder / "data"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=BACKEND,
        env=environment,
        timeout=PATIENCE_S,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def lessons(trained) -> Path:
    file = trained.folder / "lessons.pt"
    teaching = ["--teachers", trained.folder / "model", "--copies", 2, "--held-out", 60, "--output", file, "--no-cuda"]
    done = run(trained.folder, "teach.py", *teaching)
    assert done.returncode == 0, done.stderr
    assert "3 copies of 440 pictures" in done.stderr
    return file


@pytest.mark.slow  # training/test_distillation.py covers the parts
def test_student_learns_from_the_teacher_s_lessons(trained, lessons, tmp_path):
    student = [*OPTIONS, "--lessons", lessons, "--model-path", tmp_path / "student", "--plots", tmp_path / "plots"]
    done = run(trained.folder, "train.py", *student)
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "student" / "card.json").read_text())
    assert "labelled by other networks" in card["data"]
    assert card["hyperparameters"]["lessons"] == str(lessons)
    assert card["metrics"]["mnist_test"]["accuracy"] > 0.5


@pytest.mark.slow
def test_lessons_on_other_pictures_are_refused(trained, lessons, tmp_path):
    folders = ["--model-path", tmp_path / "student", "--plots", tmp_path / "plots"]
    done = run(trained.folder, "train.py", *OPTIONS, "--held-out", 70, "--lessons", lessons, *folders)
    assert done.returncode != 0
    assert "teaches 440 pictures, not the 430" in done.stderr


@pytest.mark.slow
def test_missing_lessons_are_named(trained, tmp_path):
    folders = ["--model-path", tmp_path / "student", "--plots", tmp_path / "plots"]
    done = run(trained.folder, "train.py", *OPTIONS, "--lessons", "nothing.pt", *folders)
    assert done.returncode == 1
    assert "nothing.pt: No such file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_missing_teacher_is_named(tmp_path):
    done = run(tmp_path, "teach.py", "--teachers", tmp_path / "nobody")
    assert done.returncode == 2
    assert "no card.json in" in done.stderr
    assert "nobody" in done.stderr

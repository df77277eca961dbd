import argparse
from dataclasses import asdict, fields, replace

import pytest
import torch
import yaml

from app.config import BACKEND
from training.augmentation import AUGMENTATIONS, Augmentation
from training.config import FAST, RENAMED, Config, add_options, as_yaml, from_options
from training.device import CPU, has_bfloat16


def parse(*options: str) -> Config:
    parser = argparse.ArgumentParser()
    add_options(parser, Config())
    parser.add_argument("--fast", action="store_true")
    return from_options(parser, Config(), list(options))[0]


def test_without_options_the_defaults_hold():
    assert parse("--no-cuda") == Config()


def test_every_setting_is_an_option():
    given = {
        "architecture": "lenet",
        "epochs": 7,
        "batch_size": 9,
        "learning_rate": 0.5,
        "weight_decay": 0.1,
        "ema_decay": 0.5,
        "bfloat16": not has_bfloat16(),
        "patience": 2,
        "held_out": 11,
        "synthetic_digits": 12,
        "non_digits": 13,
        "drawn_per_epoch": 14,
        "unsure_share": 0.2,
        "lessons": "some.pt",
        "distillation_temperature": 2.0,
        "seed": 3,
        "muon_learning_rate": 0.04,
        "writer_digits": 15,
        "start": "models/start",
    }
    assert set(given) == {f.name for f in fields(Config)} - {"augmentation"}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if name != "bfloat16"]
    assert parse(*options, "--bfloat16" if given["bfloat16"] else "--no-bfloat16") == Config(**given)


def test_every_part_of_the_augmentation_is_an_option():
    given = {f.name: 1 if isinstance(f.default, int) else 0.125 for f in fields(Augmentation)}
    options = [f"--{name}={value}" for name, value in given.items()]
    assert parse(*options).augmentation == Augmentation(**given)


def test_augmentation_is_chosen_by_name_and_changed_in_part():
    assert parse("--augmentation", "rotation-45", "--slant", "0.5").augmentation == replace(
        AUGMENTATIONS["rotation-45"], slant=0.5
    )


def test_file_sets_and_the_command_line_wins(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 3\nbfloat16: false\nlearning_rate: 1e-4\nrotation: 20\n")
    config = parse("--config", str(file), "--epochs", "5")
    assert (config.epochs, config.bfloat16, config.learning_rate) == (5, False, 1e-4)
    assert config.augmentation == Augmentation(rotation=20)


def test_what_a_run_writes_can_be_read_again(tmp_path):
    config = Config(epochs=3, architecture="wide", bfloat16=True, augmentation=Augmentation(bend=0.25))
    (tmp_path / "config.yaml").write_text(as_yaml(config))
    assert parse("--config", str(tmp_path / "config.yaml")) == config


def test_fast_is_a_preset_that_other_options_change():
    fast = parse("--fast")
    assert {name: (asdict(fast) | asdict(fast.augmentation))[name] for name in FAST} == FAST
    assert parse("--fast", "--epochs", "9") == replace(fast, epochs=9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense: 1", "mine.yaml: nonsense is not a setting"),
        ("config: nonsense", "mine.yaml: config is not a setting"),
        ("epochs: nonsense", "argument --epochs: "),
        ("architecture: nonsense", "argument --architecture: "),
        ("nonsense", "mine.yaml must hold lines"),
        ("epochs: [nonsense", "mine.yaml cannot be read"),
    ],
)
def test_wrong_file_is_refused_by_name(tmp_path, capsys, text, said):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(SystemExit):
        parse("--config", str(file))
    assert said in capsys.readouterr().err


def test_absent_file_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse("--config", str(tmp_path / "none.yaml"))
    assert "none.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--nonsense", "1"], ["--architecture", "nonsense"], ["--epochs", "nonsense"]])
def test_unknown_option_or_value_is_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        parse(*wrong)
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["--epochs", "0"], ["--batch-size", "-1"], ["--synthetic-digits", "-5"], ["--held-out", "0"]]
)
def test_impossible_value_is_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        parse(*wrong)
    assert wrong[0][2:].replace("-", "_") in capsys.readouterr().err


@pytest.mark.parametrize(("gpu", "cpu"), [(True, False), (False, True)])
def test_bfloat16_is_used_if_the_device_in_use_has_it(monkeypatch, gpu, cpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: gpu)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": cpu})
    assert has_bfloat16(torch.device("cuda")) is parse().bfloat16 is gpu
    assert has_bfloat16(CPU) is parse("--no-cuda").bfloat16 is Config().bfloat16 is cpu
    assert parse("--bfloat16").bfloat16 is True
    assert parse("--no-bfloat16").bfloat16 is False


def test_file_of_an_older_release_is_read(tmp_path):
    config = Config(
        synthetic_digits=3, writer_digits=4, ema_decay=0.5, distillation_temperature=2, muon_learning_rate=0
    )
    text = as_yaml(config)
    for old, name in RENAMED.items():
        text = text.replace(f"{name}:", f"{old}:")
    assert "averaging: 0.5" in text
    (tmp_path / "config.yaml").write_text(text)
    assert parse("--config", str(tmp_path / "config.yaml")) == config


def test_another_base_keeps_what_was_not_told():
    base = Config(epochs=3, augmentation=Augmentation(rotation=1, bend=0))
    parser = argparse.ArgumentParser()
    add_options(parser, base)
    assert from_options(parser, base, ["--seed", "5", "--rotation", "2"])[0] == replace(
        base, seed=5, augmentation=Augmentation(rotation=2, bend=0)
    )


@pytest.mark.parametrize("file", sorted(BACKEND.glob("models/**/config.yaml")), ids=lambda file: file.parent.name)
def test_settings_that_come_with_the_project_are_read(file):
    settings = yaml.safe_load(file.read_text())
    config = parse("--config", str(file))
    assert (asdict(config) | asdict(config.augmentation)).items() >= settings.items()

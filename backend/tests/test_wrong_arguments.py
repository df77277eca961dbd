"""Every script, given what it cannot use: one sentence on stderr that names it, and never a traceback."""

import json
import runpy
import shutil
import sys
import urllib.request
from pathlib import Path

import pytest

from app.config import BACKEND
from tests.drawings import draw, encode
from tests.training.small import write_mnist
from tests.training.test_unipen import write_unipen

SHIPPED = BACKEND / "models" / "default"
UNPRIVILEGED = pytest.mark.skipif("os.getuid() == 0", reason="root may write everywhere")


@pytest.fixture(scope="module")
def mnist_like(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mnist")
    write_mnist(folder, train=100, test=10)
    return folder


@pytest.fixture(autouse=True)
def place(mnist_like, tmp_path, monkeypatch) -> Path:
    """The current folder, where the scripts look for their model and would write what they make."""
    shutil.copytree(SHIPPED, tmp_path / "models" / "default", ignore=shutil.ignore_patterns("*.log", "checkpoint.pt"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no digits here\n")
    (tmp_path / "seven.png").write_bytes(encode(draw(7)))
    monkeypatch.setenv("MNIST_DIR", str(mnist_like))
    monkeypatch.syspath_prepend(str(BACKEND))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs a script as `python SCRIPT OPTIONS` would; (exit status, what it said on stderr)."""

    def call(script: str, *options: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [script, *map(str, options)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(BACKEND / script), run_name="__main__")
        if isinstance(end.value.code, str):  # the interpreter prints it, and ends with 1
            assert "\n" not in end.value.code
            return 1, end.value.code
        return end.value.code, capfd.readouterr().err

    return call


ARGUMENTS = [
    ("evaluate.py --data not-there", "not-there is not there"),
    ("evaluate.py --model-path not-there", "not-there is not there"),
    ("evaluate.py --seed -1", "--seed: must be 0 or more"),
    ("evaluate.py --mistakes many", "invalid int value: 'many'"),
    ("train.py --config not-there.yaml", "not-there.yaml"),
    ("train.py --config notes.txt", "notes.txt must hold lines"),
    ("train.py --config seven.png", "seven.png cannot be read"),
    ("train.py --epochs -3", "epochs must be more than 0"),
    ("train.py --learning-rate nan", "learning_rate must be"),
    ("train.py --seed -1", "seed must be 0 or more"),
    ("train.py --seed 99999999999999999999", "seed must be 4294967295 or less"),
    ("train.py --ema-decay 2", "ema_decay must be from 0 to 1"),
    ("train.py --bend -1", "bend must be 0 or more"),
    ("train.py --plain 1.5", "plain must be from 0 to 1"),
    ("teach.py --teachers not-there", "no card.json in not-there"),
    ("teach.py --teachers", "--teachers: expected at least one argument"),
    ("teach.py --copies 0", "--copies: must be 1 or more"),
    ("teach.py --views 99", "--views: invalid choice"),
    ("experiment.py --epochs 0", "--epochs: must be 1 or more"),
    ("experiment.py --seeds -1", "--seeds: must be 0 or more"),
    ("experiment.py --architectures nonsense", "invalid choice: 'nonsense'"),
    ("experiment.py --held-out 0", "--held-out: must be 1 or more"),
    ("rehearse.py measure not-there", "not-there is not there"),
    ("rehearse.py dance notes.txt", "invalid choice: 'dance'"),
    ("rehearse.py submit notes.txt --wrong-labels 2", "--wrong-labels: must be from 0 to 1"),
    ("rehearse.py submit notes.txt --learn-from -1", "--learn-from: must be 0 or more"),
    ("retrain.py --judged-on 0", "--judged-on: must be 1 or more"),
    ("retrain.py --lessons some.pt", "lessons are for train.py"),
    ("retrain.py --config not-there.yaml", "not-there.yaml"),
]


@pytest.mark.parametrize(("command", "reason"), ARGUMENTS, ids=[command for command, _ in ARGUMENTS])
def test_wrong_argument_is_named(run, command, reason):
    status, said = run(*command.split())
    assert status == 2
    assert reason in said.splitlines()[-1]


SETTINGS = [
    ("nonsense: 1", "nonsense is not a setting"),
    ("epochs: many", "invalid int value: 'many'"),
    ("epochs: -1", "epochs must be more than 0"),
    ("slant: -1", "slant must be 0 or more"),
]


@pytest.mark.parametrize(("line", "reason"), SETTINGS)
def test_wrong_line_of_a_settings_file_is_named(run, place, line, reason):
    (place / "mine.yaml").write_text(line)
    status, said = run("train.py", "--config", "mine.yaml")
    assert status == 2
    assert reason in said.splitlines()[-1]


CONTENTS = [
    ("evaluate.py --data empty", "empty holds no picture of a digit"),
    ("evaluate.py --data notes.txt", "notes.txt holds no labelled character"),
    ("evaluate.py --data seven.png", "seven.png holds no labelled character"),
    ("evaluate.py --data letters.txt", "letters.txt holds no picture of a digit"),
    ("evaluate.py --data letters.txt --letters", "no digits to report on"),
    ("evaluate.py --model-path empty", "no model at empty/model.onnx"),
    ("evaluate.py --model-path broken-card", "no model at broken-card/model.onnx"),
    ("evaluate.py --model-path cut-off", "sha256 differs"),
    ("evaluate.py --output notes.txt", "notes.txt: File exists"),
    ("train.py --model-path notes.txt/model", "Not a directory"),
    ("train.py --held-out 60 --lessons not-there.pt", "not-there.pt: No such file"),
    ("train.py --held-out 60 --lessons notes.txt", "notes.txt holds no lessons"),
    ("train.py --held-out 60 --lessons model.pt", "model.pt holds no lessons"),
    ("train.py --held-out 100", "100 of 100 pictures cannot be held out"),
    (
        "train.py --synthetic-digits 0 --writer-digits 0 --non-digits 0 --held-out 60 --batch-size 64",
        "40 pictures an epoch do not fill a batch of 64",
    ),
    (
        "train.py --architecture lenet --start models/default",
        "models/default holds the architecture broad, not lenet",
    ),
    ("train.py --fast --start models/default", "models/default holds the architecture broad, not compact"),
    ("train.py --start broken-card", "broken-card holds no network"),
    ("teach.py --teachers broken-card", "broken-card holds no network"),
    ("teach.py --teachers cut-off", "cut-off holds no network"),
    ("teach.py --teachers other-network", "other-network holds no network"),
    ("experiment.py --add --output table", "experiment.json is not a table"),
    ("experiment.py --held-out 100", "100 of 100 pictures cannot be held out"),
    ("rehearse.py measure notes.txt", "notes.txt holds no labelled character"),
    ("rehearse.py measure letters.txt", "0 writers"),
    ("rehearse.py measure digits.txt --learn-from 0 --url http://127.0.0.1:1", "Nothing answers at http://127.0.0.1:1"),
    ("rehearse.py measure digits.txt --learn-from 0 --url nonsense", "nonsense: Invalid URL"),
]


@pytest.fixture
def broken(place) -> None:
    """Models that are damaged, each in its own way, and files of other kinds."""
    for name in ("broken-card", "cut-off", "other-network"):
        shutil.copytree(place / "models" / "default", place / name)
    (place / "broken-card" / "card.json").write_text("{")
    for name in ("model.onnx", "model.pt"):
        file = place / "cut-off" / name
        file.write_bytes(file.read_bytes()[:1000])
    card = json.loads((place / "models" / "default" / "card.json").read_text())
    (place / "other-network" / "card.json").write_text(json.dumps(card | {"architecture": "lenet"}))
    shutil.copy(SHIPPED / "model.pt", place / "model.pt")
    (place / "table").mkdir()
    (place / "table" / "experiment.json").write_text('[{"colour": "blue"}]')
    write_unipen(place / "digits.txt", [1, 2])
    letters = write_unipen(place / "letters.txt", [4, 4])
    letters.write_text(letters.read_text().replace('"4"', '"K"'))


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(("command", "reason"), CONTENTS, ids=[command for command, _ in CONTENTS])
def test_what_cannot_be_used_is_named(run, command, reason):
    status, said = run(*command.split())
    assert status == 1
    assert reason in said


@pytest.mark.parametrize("script", ["train.py", "teach.py", "evaluate.py", "experiment.py"])
def test_damaged_mnist_is_named(run, place, monkeypatch, script):
    write_mnist(place / "data", train=2, test=2)
    for file in (place / "data" / "MNIST" / "raw").iterdir():
        file.write_bytes(b"not an idx file")
    monkeypatch.setenv("MNIST_DIR", str(place / "data"))
    status, said = run(script, *(["--teachers", "models/default"] if script == "teach.py" else []))
    assert status == 1
    assert f"MNIST in {place / 'data'} is damaged" in said


def test_mnist_that_cannot_be_downloaded_is_said_to_be_so(run, place, monkeypatch):
    monkeypatch.setenv("MNIST_DIR", str(place / "elsewhere"))
    monkeypatch.setattr(urllib.request, "_opener", None)  # urlopen keeps the proxies of its first call in this process
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:1")  # so nothing is reached, wherever this runs
    status, said = run("train.py")
    assert status == 1
    assert f"MNIST in {place / 'elsewhere'} is missing and cannot be downloaded" in said
    assert "MNIST_DIR" in said


@UNPRIVILEGED
@pytest.mark.parametrize("script", ["train.py", "retrain.py"])
def test_folder_of_somebody_else_is_named(run, place, script):
    (place / "empty").chmod(0o555)
    status, said = run(script, "--model-path", "empty")
    assert status == 1
    assert "empty: Permission denied (this runs as user" in said


def test_wrong_setting_is_named(run, monkeypatch):
    monkeypatch.setenv("DEBUG_MODE", "perhaps")
    status, said = run("train.py", "--held-out", "50")
    assert status == 1
    assert "DEBUG_MODE is 'perhaps'" in said

"""Every hyperparameter in one block, each settable on the command line and in a YAML file."""

import argparse
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from training import cli
from training.architectures import ARCHITECTURES
from training.augmentation import AUGMENTATIONS, Augmentation
from training.device import has_bfloat16, pick_device

# settings that files and checkpoints of older releases hold by another name
RENAMED = {
    "strokes": "synthetic_digits",
    "real": "writer_digits",
    "averaging": "ema_decay",
    "softening": "distillation_temperature",
    "muon_rate": "muon_learning_rate",
}


@dataclass(frozen=True)
class Config:
    """What a run is made of; train.py's options bear the same names. Raises ValueError for what cannot be."""

    architecture: str = "broad"
    epochs: int = 40  # of all MNIST pictures and `drawn_per_epoch` others
    batch_size: int = 256  # smaller learns more an epoch, larger is faster
    learning_rate: float = 3e-3  # the peak of the cycle
    muon_learning_rate: float = 0.05  # the same of Muon, for the convolutions; 0: AdamW for them, too, as for the rest
    weight_decay: float = 0.02
    ema_decay: float = 0.998  # of the exponential moving average of weights: a memory of about 500 batches
    bfloat16: bool = field(default_factory=has_bfloat16)  # half the time where the device has it, slower elsewhere
    patience: int = 15  # epochs without a better validation loss; the cycle's last third is its best
    held_out: int = 5000  # of the 60,000, for validation
    synthetic_digits: int = 80_000  # made by training/strokes.py: styles that MNIST lacks
    writer_digits: int = 80_000  # after those of real writers: training/writers.py
    non_digits: int = 20_000  # drawings that are not digits, to be unsure of
    drawn_per_epoch: int = 40_000  # this many of all three, at random; all of them each time would drown MNIST
    unsure_share: float = 0.025  # of right answers on augmented validation pictures that may be called unsure
    start: str = ""  # a folder that train.py wrote: training begins with its weights; empty: with random ones
    lessons: str = ""  # teach.py's file: what teachers say of MNIST's pictures takes the place of their labels
    distillation_temperature: float = 4.0  # divides teachers' and student's logits: all ten probabilities teach
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"{self.architecture} is none of {', '.join(ARCHITECTURES)}")
        for name in ("epochs", "batch_size", "learning_rate", "held_out", "distillation_temperature"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        counts = ("synthetic_digits", "writer_digits", "non_digits", "drawn_per_epoch", "patience", "seed")
        for name in (*counts, "muon_learning_rate", "weight_decay"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("ema_decay", "unsure_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {getattr(self, name)}")
        for name in ("learning_rate", "muon_learning_rate", "weight_decay", "distillation_temperature"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be a number, not {getattr(self, name)}")
        if self.seed > cli.MAX_SEED:
            raise ValueError(f"seed must be {cli.MAX_SEED} or less, not {self.seed}")


# more than 99.2% of MNIST's test set, within a minute and a half on two CPU cores
# compact, and most of MNIST as it is, because wide layers and changes of pictures take time
FAST = {
    "architecture": "compact",
    "epochs": 2,
    "synthetic_digits": 2000,
    "writer_digits": 0,
    "non_digits": 500,
    "plain": 0.6,
}


def add_options(parser: argparse.ArgumentParser, base: Config) -> None:
    """An option for each setting of `base`, --config FILE.yaml, --augmentation, --no-cuda; see `from_options`."""
    parser.add_argument("--config", type=Path, metavar="FILE.yaml", help="settings by name; options given here win")
    for owner in (base, base.augmentation):
        group = parser.add_argument_group("settings" if isinstance(owner, Config) else "augmentation")
        for setting in (f for f in fields(owner) if f.name != "augmentation"):
            value = getattr(owner, setting.name)
            how: dict[str, Any] = {"type": type(value), "metavar": type(value).__name__}
            if isinstance(value, bool):
                how = {"action": argparse.BooleanOptionalAction}
            if setting.name == "architecture":
                how = {"choices": list(ARCHITECTURES)}
            if setting.name == "bfloat16":
                value = "where the device computes in it natively"
            group.add_argument(_option(setting.name), default=None, help=f"default: {value}", **how)
    group.add_argument("--augmentation", choices=list(AUGMENTATIONS), help="default: ours")
    parser.add_argument("--no-cuda", action="store_true", help="train on the CPU even where there is a GPU")


def from_options(
    parser: argparse.ArgumentParser, base: Config, arguments: list[str] | None = None
) -> tuple[Config, argparse.Namespace]:
    """(the settings, the other arguments). `base`, then --fast where there is one, then --config, then what was typed.

    Without --bfloat16 or --no-bfloat16, the device decides.

    Ends the program with argparse's message where a name or value is wrong, in the file or on the command line.
    """
    typed = parser.parse_args(arguments)
    from_file = parser.parse_args(_read(parser, typed.config)) if typed.config else argparse.Namespace()
    native = {"bfloat16": has_bfloat16(pick_device(typed.no_cuda))}
    layers = [native, FAST if getattr(typed, "fast", False) else {}, vars(from_file), vars(typed)]
    chosen = {name: value for layer in layers for name, value in layer.items() if value is not None}
    augmentation = AUGMENTATIONS[chosen["augmentation"]] if "augmentation" in chosen else base.augmentation
    try:
        augmentation = replace(augmentation, **_of(Augmentation, chosen))
        return replace(base, **_of(Config, chosen), augmentation=augmentation), typed
    except ValueError as e:
        parser.error(str(e))


def as_yaml(config: Config) -> str:
    """The settings as a file that --config reads."""
    settings = asdict(config)
    return yaml.safe_dump(settings | settings.pop("augmentation"), sort_keys=False)


def _of(owner: type, chosen: dict[str, Any]) -> dict[str, Any]:
    return {f.name: chosen[f.name] for f in fields(owner) if f.name in chosen and f.name != "augmentation"}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _read(parser: argparse.ArgumentParser, path: Path) -> list[str]:
    """The file as options, so that argparse checks names and values in it, too."""
    try:
        settings = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        parser.error(f"{path} cannot be read: {e}")
    if not isinstance(settings, dict):
        parser.error(f"{path} must hold lines such as “epochs: 10”")
    known = {f.name for owner in (Config, Augmentation) for f in fields(owner)}
    options = []
    for name, value in settings.items():
        name = RENAMED.get(name, name)
        if name not in known:
            parser.error(f"{path}: {name} is not a setting")
        if isinstance(value, bool):
            options.append(_option(name if value else f"no_{name}"))
        else:
            options.append(f"{_option(name)}={value}")
    return options

"""Fitting a network: AdamW or Muon, one cycle of the learning rate, averaged weights, early stopping."""

import logging
import pickle
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from training import distillation
from training.augmentation import augment
from training.cli import Unusable
from training.config import RENAMED, Config
from training.data import NO_DIGIT, Digits, as_input, as_targets
from training.distillation import Lessons
from training.muon import Muon

log = logging.getLogger("train")


@dataclass
class Epoch:
    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@torch.inference_mode()
def predict(model: nn.Module, images: Tensor, batch_size: int = 1000) -> Tensor:
    """Logits (n, 10) of uint8 pictures (n, 28, 28), or of prepared ones (n, 1, 28, 28), float32 from 0 to 1."""
    model.eval()
    return torch.cat([model(as_input(part) if part.ndim == 3 else part) for part in images.split(batch_size)])


def accuracy(model: nn.Module, digits: Digits) -> float | None:
    """The share of the digits that is read correctly; None where there is none."""
    digits = digits.take(digits.labels != NO_DIGIT)
    return (predict(model, digits.images).argmax(1) == digits.labels).float().mean().item() if len(digits) else None


def fit(
    model: nn.Module,
    train: Digits,
    drawn: Digits,
    validation: Digits,
    config: Config,
    checkpoint: Path,
    lessons: Lessons | None = None,
    after_epoch: Callable[[Epoch], None] = lambda epoch: None,
    began_as: str = "",
) -> list[Epoch]:
    """Trains `model` in place and leaves in it the averaged weights of the epoch with the lowest validation loss.

    An epoch sees all of `train` and `config.drawn_per_epoch` of `drawn`, chosen again each time. With `lessons` on the
    pictures of `train`, their changed copies and what the teachers say of them stand in for pictures and labels. Each
    epoch is written to `checkpoint`, then `after_epoch` is called; a run that finds a checkpoint of the same
    configuration, and of a network that `began_as` the same model, continues from it.
    """
    run = _Run(model, train, drawn, config, lessons)
    identity = {"model": repr(model), "config": asdict(config), "began_as": began_as}
    identity["data"] = _sums(train, drawn, validation, lessons)
    history, best = _resume(checkpoint, identity, run)
    for number in range(len(history) + 1, config.epochs + 1):
        if history and number - _best(history).epoch > config.patience:
            log.info("no better validation loss for %d epochs: stopping early", config.patience)
            break
        start = time.monotonic()
        train_loss = run.train_epoch(number)
        loss, right = _validate(run.averaged, validation)
        history.append(Epoch(number, train_loss, loss, right, time.monotonic() - start))
        if _best(history) is history[-1]:
            best = {name: value.clone() for name, value in run.averaged.module.state_dict().items()}
        _log(history, config.epochs)
        _save(checkpoint, identity, run, history, best)
        after_epoch(history[-1])
    model.load_state_dict(best)
    return history


class _Run:
    """What changes from batch to batch, and a checkpoint keeps: weights, their average, optimizers, random numbers."""

    def __init__(self, model: nn.Module, train: Digits, drawn: Digits, config: Config, lessons: Lessons | None) -> None:
        self.model, self.config, self.lessons = model, config, lessons
        self.kept, self.pictures = len(train), train + drawn
        self.device = train.images.device
        self.generator = torch.Generator(device=self.device).manual_seed(config.seed)
        self.per_epoch = len(train) + min(len(drawn), config.drawn_per_epoch)
        self.batches = self.per_epoch // config.batch_size  # without the last, smaller one: every epoch shuffles again
        if not self.batches:
            raise Unusable(f"{self.per_epoch} pictures an epoch do not fill a batch of {config.batch_size}")
        self.optimizers, steps = _optimizers(model, config), config.epochs * self.batches
        self.schedules = [OneCycleLR(o, o.defaults["lr"], total_steps=steps, pct_start=0.15) for o in self.optimizers]
        self.averaged = AveragedModel(model, multi_avg_fn=_exponential(config.ema_decay), use_buffers=True)

    @property
    def parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "averaged": self.averaged}
        parts |= {f"optimizer {n}": part for n, part in enumerate(self.optimizers)}
        return parts | {f"schedule {n}": part for n, part in enumerate(self.schedules)}

    def train_epoch(self, number: int) -> float:
        """The mean loss of its batches."""
        self.model.train()
        torch.manual_seed(self.config.seed * 1000 + number)  # dropout's: a run that is continued draws the same
        order = self._order()[: self.batches * self.config.batch_size].split(self.config.batch_size)
        total = 0.0
        bar = tqdm(order, desc=f"epoch {number}/{self.config.epochs}", unit="batch", leave=False, disable=None)
        for step, index in enumerate(bar, 1):
            loss, norm = self._step(index)
            total += loss
            bar.set_postfix(loss=f"{total / step:.4f}")
            rate = self.schedules[0].get_last_lr()[0]
            log.debug("epoch %d batch %d loss %.4f gradient %.3f rate %.2e", number, step, loss, norm, rate)
        return total / self.batches

    def _order(self) -> Tensor:
        """Which pictures an epoch sees, shuffled: all of `train` and some of `drawn`."""
        at = {"generator": self.generator, "device": self.device}
        chosen = self.kept + torch.randperm(len(self.pictures) - self.kept, **at)[: self.per_epoch - self.kept]
        order = torch.cat([torch.arange(self.kept, device=self.device), chosen])
        return order[torch.randperm(self.per_epoch, **at)]

    def _step(self, index: Tensor) -> tuple[float, float]:
        """(loss, norm of its gradient) of the pictures in `index`, by which the weights move."""
        loss = self._loss(index)
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        for part in (*self.optimizers, *self.schedules):
            part.step()
        self.averaged.update_parameters(self.model)
        return loss.item(), norm.item()

    def _loss(self, index: Tensor) -> Tensor:
        """The mean over pictures: from the teachers' answer where there is one, else from the label."""
        images, labels = self.pictures.take(index)
        taught, said = index < (self.kept if self.lessons else 0), torch.empty(0, 10, device=self.device)
        if self.lessons:
            images[taught], said = self.lessons.pick(index[taught], self.config.augmentation.plain, self.generator)
        inputs = as_input(images)
        inputs[~taught] = augment(inputs[~taught], self.config.augmentation, self.generator)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            logits = self.model(inputs.contiguous(memory_format=torch.channels_last))
        logits = logits.float()
        loss = F.cross_entropy(logits[~taught], as_targets(labels[~taught]), reduction="sum")
        return (loss + distillation.loss(logits[taught], said, self.config.distillation_temperature)) / len(index)


def _validate(model: nn.Module, validation: Digits) -> tuple[float, float]:
    """(loss, share of the digits that is read correctly)."""
    logits, is_digit = predict(model, validation.images), validation.labels != NO_DIGIT
    right = (logits.argmax(1) == validation.labels)[is_digit].float().mean().item()
    return F.cross_entropy(logits, as_targets(validation.labels)).item(), right


def _best(history: list[Epoch]) -> Epoch:
    return min(history, key=lambda epoch: epoch.validation_loss)


def _log(history: list[Epoch], epochs: int) -> None:
    last = history[-1]
    left = (epochs - last.epoch) * statistics.median(epoch.seconds for epoch in history) / 60
    log.info(
        "epoch %2d  train loss %.4f  validation loss %.4f  accuracy %.2f%%  %.0f s, about %.0f min left",
        last.epoch,
        last.train_loss,
        last.validation_loss,
        100 * last.validation_accuracy,
        last.seconds,
        left,
    )


def _optimizers(model: nn.Module, config: Config) -> list[torch.optim.Optimizer]:
    """AdamW; with a `muon_learning_rate`, Muon for the convolutions that mix channels: nearly all of the weights."""
    mixing = [p for p in model.parameters() if config.muon_learning_rate and p.ndim == 4 and p.shape[1] > 1]
    rest = [p for p in model.parameters() if all(p is not other for other in mixing)]
    optimizers: list[torch.optim.Optimizer] = [AdamW(rest, config.learning_rate, weight_decay=config.weight_decay)]
    return optimizers + ([Muon(mixing, config.muon_learning_rate, weight_decay=config.weight_decay)] if mixing else [])


def _exponential(decay: float) -> Callable:
    """An exponential average that forgets the untrained weights: its memory grows to that of `decay`."""

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        weight = 1 - min(decay, (1 + count.item()) / (10 + count.item()))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, weight)
            else:
                mean.copy_(value)  # batch norm's counter

    return update


def _sums(train: Digits, drawn: Digits, validation: Digits, lessons: Lessons | None) -> list[float]:
    """Enough to tell whether a checkpoint was made from the same pictures."""
    sums = [int(part.sum()) for digits in (train, drawn, validation) for part in (digits.images, digits.labels)]
    return sums + ([int(lessons.images.sum()), float(lessons.logits.cpu().sum(dtype=torch.float64))] if lessons else [])


def _save(checkpoint: Path, identity: dict[str, Any], run: _Run, history: list[Epoch], best: dict[str, Tensor]) -> None:
    state = {name: part.state_dict() for name, part in run.parts.items()}
    state |= {"run": identity, "generator": run.generator.get_state(), "best": best}
    state["history"] = [asdict(epoch) for epoch in history]
    unfinished = checkpoint.with_suffix(".tmp")  # Ctrl-C while writing must not cost the last good one
    torch.save(state, unfinished)
    unfinished.replace(checkpoint)


def _comparable(identity: dict[str, Any]) -> dict[str, Any]:
    """With today's names of the settings, and without bfloat16: another device may continue the run without it."""
    config = {RENAMED.get(name, name): value for name, value in identity["config"].items() if name != "bfloat16"}
    return identity | {"config": config}


def _resume(checkpoint: Path, identity: dict[str, Any], run: _Run) -> tuple[list[Epoch], dict[str, Tensor]]:
    """(history, best weights so far), and the parts of `run` as they were then; ([], {}) where none fits."""
    if not checkpoint.exists():
        return [], {}
    try:
        state = torch.load(checkpoint, map_location=run.device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError):
        log.warning("%s is damaged: starting again", checkpoint)
        return [], {}
    if "run" not in state or _comparable(state["run"]) != _comparable(identity):
        log.warning("%s belongs to a run with other settings or pictures: starting again", checkpoint)
        return [], {}
    for name, part in run.parts.items():
        part.load_state_dict(state[name])
    generator = state["generator"].cpu()
    if generator.shape == run.generator.get_state().shape:
        run.generator.set_state(generator)
    else:  # of another kind of device: the run continues there, with other random numbers
        run.generator.manual_seed(run.config.seed * 1000 + len(state["history"]))
    log.info("going on after epoch %d of %s", len(state["history"]), checkpoint)
    return [Epoch(**epoch) for epoch in state["history"]], state["best"]

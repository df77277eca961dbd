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
from training.config import Config
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
    """The share of the digits that is read right; None where there is none."""
    digits = digits.take(digits.labels != NO_DIGIT)
    return (predict(model, digits.images).argmax(1) == digits.labels).float().mean().item() if len(digits) else None


def fit(model: nn.Module, train: Digits, drawn: Digits, validation: Digits, config: Config, checkpoint: Path,
        lessons: Lessons | None = None) -> list[Epoch]:  # fmt: skip
    """Trains `model` in place and leaves in it the averaged weights of the epoch with the lowest validation loss.

    An epoch sees all of `train` and `config.drawn_per_epoch` of `drawn`, chosen anew each time. With `lessons` on the
    pictures of `train`, their changed copies and what the teachers say of them stand in for pictures and labels. Each
    epoch is written to `checkpoint`; a run that finds one there, of the same configuration, goes on from it.
    """
    device = train.images.device
    every, per_epoch = train + drawn, len(train) + min(len(drawn), config.drawn_per_epoch)
    generator = torch.Generator(device=device).manual_seed(config.seed)
    batches = per_epoch // config.batch_size  # the last, smaller batch is left out: every epoch shuffles anew
    if not batches:
        raise Unusable(f"{per_epoch} pictures an epoch do not fill a batch of {config.batch_size}")
    optimizers = _optimizers(model, config)
    schedules = [
        OneCycleLR(o, o.defaults["lr"], total_steps=config.epochs * batches, pct_start=0.15) for o in optimizers
    ]
    averaged = AveragedModel(model, multi_avg_fn=_exponential(config.averaging), use_buffers=True)
    parts = {"model": model, "averaged": averaged}
    parts |= {f"optimizer {n}": part for n, part in enumerate(optimizers)}
    parts |= {f"schedule {n}": part for n, part in enumerate(schedules)}
    # sums: enough to tell whether a checkpoint was made from the same pictures
    data = [int(part.sum()) for digits in (train, drawn, validation) for part in (digits.images, digits.labels)]
    data += [int(lessons.images.sum()), float(lessons.logits.sum(dtype=torch.float64))] if lessons else []
    run = {"model": repr(model), "config": asdict(config), "data": data}
    history, best = _resume(checkpoint, run, parts, generator)

    for epoch in range(len(history) + 1, config.epochs + 1):
        if history and epoch - min(history, key=lambda e: e.validation_loss).epoch > config.patience:
            log.info("no better validation loss for %d epochs: stopping early", config.patience)
            break
        start, total = time.monotonic(), 0.0
        model.train()
        torch.manual_seed(config.seed * 1000 + epoch)  # dropout's: a run that goes on draws the same
        order = _lots(len(train), len(drawn), per_epoch, generator)[: batches * config.batch_size]
        bar = tqdm(
            order.split(config.batch_size),
            desc=f"epoch {epoch}/{config.epochs}",
            unit="batch",
            leave=False,
            disable=None,
        )
        for step, index in enumerate(bar, 1):
            images, labels = every.take(index)
            taught, said = index < (len(train) if lessons else 0), torch.empty(0, 10, device=device)
            if lessons:
                images[taught], said = lessons.pick(index[taught], config.augmentation.plain, generator)
            inputs = as_input(images)
            inputs[~taught] = augment(inputs[~taught], config.augmentation, generator)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.bfloat16):
                logits = model(inputs.contiguous(memory_format=torch.channels_last))
            logits = logits.float()
            loss = F.cross_entropy(logits[~taught], as_targets(labels[~taught]), reduction="sum")
            loss = (loss + distillation.loss(logits[taught], said, config.softening)) / len(index)
            model.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            for part in (*optimizers, *schedules):
                part.step()
            averaged.update_parameters(model)
            total += loss.item()
            bar.set_postfix(loss=f"{total / step:.4f}")
            log.debug("epoch %d batch %d loss %.4f gradient %.3f rate %.2e",
                      epoch, step, loss.item(), norm, schedules[0].get_last_lr()[0])  # fmt: skip

        logits, is_digit = predict(averaged, validation.images), validation.labels != NO_DIGIT
        done = Epoch(
            epoch=epoch,
            train_loss=total / batches,
            validation_loss=F.cross_entropy(logits, as_targets(validation.labels)).item(),
            validation_accuracy=(logits.argmax(1) == validation.labels)[is_digit].float().mean().item(),
            seconds=time.monotonic() - start,
        )
        history.append(done)
        if done is min(history, key=lambda e: e.validation_loss):
            best = {name: value.clone() for name, value in averaged.module.state_dict().items()}
        log.info(
            "epoch %2d  train loss %.4f  validation loss %.4f  accuracy %.2f%%  %.0f s, about %.0f min left",
            epoch, done.train_loss, done.validation_loss, 100 * done.validation_accuracy, done.seconds,
            (config.epochs - epoch) * statistics.median(e.seconds for e in history) / 60,
        )  # fmt: skip
        _save(checkpoint, run, parts, generator, history, best)

    model.load_state_dict(best)
    return history


def _optimizers(model: nn.Module, config: Config) -> list[torch.optim.Optimizer]:
    """AdamW; with a `muon_rate`, Muon for the convolutions that mix channels, which are nearly all of the weights."""
    mixing = [p for p in model.parameters() if config.muon_rate and p.ndim == 4 and p.shape[1] > 1]
    rest = [p for p in model.parameters() if all(p is not other for other in mixing)]
    optimizers: list[torch.optim.Optimizer] = [AdamW(rest, config.learning_rate, weight_decay=config.weight_decay)]
    return optimizers + ([Muon(mixing, config.muon_rate, weight_decay=config.weight_decay)] if mixing else [])


def _lots(kept: int, drawn: int, count: int, generator: torch.Generator) -> Tensor:
    """(count,) which pictures an epoch sees and in which order: the first `kept` of all, the rest of `drawn` by lot."""
    chosen = kept + torch.randperm(drawn, generator=generator, device=generator.device)[: count - kept]
    order = torch.cat([torch.arange(kept, device=generator.device), chosen])
    return order[torch.randperm(count, generator=generator, device=generator.device)]


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


def _save(checkpoint: Path, run: dict[str, Any], parts: dict[str, Any], generator: torch.Generator,
          history: list[Epoch], best: dict[str, Tensor]) -> None:  # fmt: skip
    state = {name: part.state_dict() for name, part in parts.items()}
    state |= {"run": run, "generator": generator.get_state(), "best": best}
    state["history"] = [asdict(epoch) for epoch in history]
    unfinished = checkpoint.with_suffix(".tmp")  # Ctrl-C while writing must not cost the last good one
    torch.save(state, unfinished)
    unfinished.replace(checkpoint)


def _resume(checkpoint: Path, run: dict[str, Any], parts: dict[str, Any],
            generator: torch.Generator) -> tuple[list[Epoch], dict[str, Tensor]]:  # fmt: skip
    if not checkpoint.exists():
        return [], {}
    try:
        state = torch.load(checkpoint, map_location=generator.device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError):
        log.warning("%s is damaged: starting anew", checkpoint)
        return [], {}
    if state.get("run") != run:
        log.warning("%s belongs to a run with other settings or pictures: starting anew", checkpoint)
        return [], {}
    for name, part in parts.items():
        part.load_state_dict(state[name])
    generator.set_state(state["generator"].cpu())
    log.info("going on after epoch %d of %s", len(state["history"]), checkpoint)
    return [Epoch(**epoch) for epoch in state["history"]], state["best"]

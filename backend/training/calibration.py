"""How far a network's confidence can be trusted, and from where on it should say that it is unsure."""

import logging

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.augmentation import augment
from training.config import Config
from training.data import NO_DIGIT, Digits, as_input
from training.evaluation import fit_temperature
from training.export import Calibration
from training.loop import predict

log = logging.getLogger("train")


def calibrate(model: nn.Module, validation: Digits, config: Config) -> Calibration:
    """Temperature and threshold from augmented validation pictures: sketches are more varied than MNIST."""
    generator = torch.Generator().manual_seed(config.seed)
    logits = predict(model, augment(as_input(validation.images), config.augmentation, generator))
    is_digit = validation.labels != NO_DIGIT
    temperature = fit_temperature(logits[is_digit].numpy(), validation.labels[is_digit].numpy())
    confidence, predictions = F.softmax(logits / temperature, 1).max(1)
    # at most 1, which sums of float32 may exceed by a hair
    threshold = min(confidence[predictions == validation.labels].quantile(config.unsure_share).item(), 1.0)
    wrong = is_digit & (predictions != validation.labels)
    log.info(
        "temperature %.3f; unsure below %.3f: %.1f%% of wrong predictions, %.1f%% of other drawings",
        temperature,
        threshold,
        *(100 * _share_below(threshold, confidence[some]) for some in (wrong, ~is_digit)),
    )
    return Calibration(temperature, threshold)


def _share_below(threshold: float, confidence: Tensor) -> float:
    return (confidence < threshold).float().mean().item()

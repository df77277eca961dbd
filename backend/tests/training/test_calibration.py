import torch

from tests.training.small import small_digits
from training.architectures import compact
from training.calibration import calibrate
from training.config import Config


def test_threshold_calls_the_chosen_share_of_right_answers_unsure():
    torch.manual_seed(0)
    model = compact(width=4)
    validation = small_digits(400, seed=9)
    config = Config(unsure_share=0.1)
    calibration = calibrate(model, validation, config)
    assert 0.2 <= calibration.temperature <= 5
    assert 0 < calibration.unsure_below < 1
    assert calibrate(model, validation, config) == calibration

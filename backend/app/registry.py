"""Which model serves."""

from typing import Annotated

import numpy as np
from fastapi import Depends, Request

from app.config import Settings
from app.imaging import SIDE
from app.recognizer import Recognizer


class Registry:
    """The models that this process knows; the one that serves is `current`."""

    def __init__(self, settings: Settings) -> None:
        """Raises ModelFileError where the model that ships does not load."""
        self.current = Recognizer.load(settings.model_file)
        self.current.read(np.zeros((SIDE, SIDE), np.float32))  # the first answer takes longest


def _current(request: Request) -> Recognizer:
    return request.app.state.registry.current


Serving = Annotated[Recognizer, Depends(_current)]

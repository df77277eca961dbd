"""Predictions, and explanations of them."""

import base64
import time
from collections.abc import Callable, Coroutine
from functools import lru_cache
from inspect import signature
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from prometheus_client import Counter
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from app import imaging
from app.client import CurrentClient
from app.errors import responses
from app.recognizer import Reading, Recognizer
from app.registry import Serving
from app.schemas.predictions import Explanation, Prediction
from app.turns import Turns
from app.upload import PICTURE_BODY, PICTURE_ERRORS, Upload, decode_upload, read_body

EXPLANATIONS = Turns(at_once=1, waiting=32)  # each takes as long as 576 predictions

PREDICTIONS = Counter("predictions", "Answers of /predict", ["digit", "unsure"])


class DirectRoute(APIRoute):
    """Calls an endpoint that takes only the request directly. FastAPI's dependencies, validation and serialization take
    as long as an empty route, and a page calls /predict eight times a second.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        takes_only_request = list(signature(self.endpoint).parameters) == ["request"]
        return self.endpoint if takes_only_request else super().get_route_handler()


class Options(BaseModel):
    """The query of /predict."""

    preview: bool = Field(False, description="also return the 28×28 picture that the model saw")
    log: bool = Field(
        True, description="`false`: leave no row in the log of answers, as for a drawing that is not finished"
    )


# what /docs shows for them
OPTIONS = {
    "parameters": [
        {"name": name, "in": "query", "schema": schema, "description": schema["description"]}
        for name, schema in Options.model_json_schema()["properties"].items()
    ]
}

router = APIRouter(tags=["predict"], responses=responses(*PICTURE_ERRORS), route_class=DirectRoute)


@router.post("/predict", openapi_extra=PICTURE_BODY | OPTIONS, response_model=Prediction)
async def predict(request: Request) -> Response:
    """Read the digit in a picture: drawn, scanned or photographed, dark on light or light on dark.

    `curl --data-binary @seven.png -H 'Content-Type: image/png' localhost:8000/predict`
    """
    options = _options(request.scope["query_string"].decode("latin-1"))
    data = await read_body(request)
    state = request.app.state
    start = time.perf_counter()
    image = (await decode_upload(request, data)).image
    model = state.registry.current
    prediction = _prediction(model, await state.batches.read(model, image))
    if options.log:
        state.journal.record(prediction, 1e3 * (time.perf_counter() - start))
    _counter(prediction.digit, prediction.unsure).inc()
    if options.preview:
        prediction.preview = _data_url(image)
    return Response(prediction.model_dump_json(exclude_none=True), media_type="application/json")


@lru_cache
def _counter(digit: int, unsure: bool) -> Counter:
    return PREDICTIONS.labels(digit, unsure)


@lru_cache(16)
def _options(query: str) -> Options:
    """Raises RequestValidationError."""
    try:
        return Options.model_validate(dict(parse_qsl(query, keep_blank_values=True)))
    except ValidationError as e:
        raise RequestValidationError(e.errors()) from e


@router.post("/explain", openapi_extra=PICTURE_BODY)
async def explain(
    client: CurrentClient,
    upload: Upload,
    model: Serving,
    digit: int | None = Query(None, ge=0, le=9, description="explain this digit instead: why not a 9?"),
) -> Explanation:
    """Show which ink led to the prediction, by erasing the sketch bit by bit (occlusion; Zeiler & Fergus, 2014)."""
    image = upload.image
    async with EXPLANATIONS.take(client):
        relevance = await run_in_threadpool(model.explain, image, digit)
    prediction = _prediction(model, model.read(image)).model_dump(exclude={"preview"})
    return Explanation(**prediction, preview=_data_url(image), relevance=relevance.round(4).tolist())


def _prediction(model: Recognizer, reading: Reading) -> Prediction:
    return Prediction(
        digit=reading.digit,
        confidence=reading.confidence,
        unsure=reading.unsure,
        probabilities=reading.probabilities,
        model=model.version,
    )


def _data_url(image: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(imaging.to_png(image)).decode()

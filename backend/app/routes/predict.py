"""Predictions, and explanations of them."""

import base64
import time

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from prometheus_client import Counter
from starlette.concurrency import run_in_threadpool

from app import imaging
from app.errors import responses
from app.recognizer import Reading, Recognizer
from app.registry import Serving
from app.schemas.predictions import Explanation, Prediction
from app.turns import Turns
from app.upload import PICTURE_BODY, PICTURE_ERRORS, Sketch, client_of, read_sketch

EXPLANATIONS = Turns(at_once=1, waiting=32)  # each takes as long as 576 predictions

PREDICTIONS = Counter("predictions", "Answers of /predict", ["digit", "unsure"])

router = APIRouter(tags=["predict"], responses=responses(*PICTURE_ERRORS))


@router.post("/predict", openapi_extra=PICTURE_BODY, response_model=Prediction)
async def predict(
    request: Request,
    preview: bool = Query(False, description="also return the 28×28 picture that the model saw"),
    log_it: bool = Query(
        True,
        alias="log",
        description="`false`: leave no row in the log of answers, as for a drawing that is not finished",
    ),
) -> Response:
    """Read the digit in a picture: drawn, scanned or photographed, dark on light or light on dark.

    `curl --data-binary @seven.png -H 'Content-Type: image/png' localhost:8000/predict`
    """
    # without FastAPI's dependencies and response validation, which take as long as an empty route: a page makes this
    # call eight times a second
    sketch = await read_sketch(request)
    state = request.app.state
    start = time.perf_counter()
    image = imaging.prepare(sketch)
    model = state.registry.current
    prediction = _prediction(model, await state.batches.read(model, image))
    if log_it:
        state.journal.record(prediction, 1e3 * (time.perf_counter() - start))
    PREDICTIONS.labels(prediction.digit, prediction.unsure).inc()
    if preview:
        prediction.preview = _data_url(image)
    return Response(prediction.model_dump_json(exclude_none=True), media_type="application/json")


@router.post("/explain", openapi_extra=PICTURE_BODY)
async def explain(
    request: Request,
    sketch: Sketch,
    model: Serving,
    digit: int | None = Query(None, ge=0, le=9, description="explain this digit instead: why not a 9?"),
) -> Explanation:
    """Show which ink led to the prediction, by erasing the sketch bit by bit (occlusion; Zeiler & Fergus, 2014)."""
    image = imaging.prepare(sketch)
    async with EXPLANATIONS.take(client_of(request)):
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

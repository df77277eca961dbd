"""What the model reads in a picture, and why."""

import base64
import time

import numpy as np
from fastapi import APIRouter, Query
from prometheus_client import Counter
from starlette.concurrency import run_in_threadpool

from app import imaging
from app.errors import BlankImage, BodyTooLarge, ImageTooLarge, MalformedImage, MissingImage, NotAnImage, responses
from app.journal import Log
from app.recognizer import Recognizer
from app.registry import Serving
from app.schemas import Explanation, Prediction
from app.upload import PICTURE_BODY, Sketch

PREDICTIONS = Counter("predictions", "Answers of /predict", ["digit", "unsure"])

router = APIRouter(
    tags=["predict"],
    responses=responses(MalformedImage, BodyTooLarge, ImageTooLarge, NotAnImage, BlankImage, MissingImage),
)


@router.post("/predict", openapi_extra=PICTURE_BODY, response_model_exclude_none=True)
async def predict(
    sketch: Sketch,
    model: Serving,
    log: Log,
    preview: bool = Query(False, description="also return the 28×28 picture that the model saw"),
    log_it: bool = Query(
        True,
        alias="log",
        description="`false`: leave no row in the log of answers, as for a drawing that is not finished",
    ),
) -> Prediction:
    """Read the digit in a picture: drawn, scanned or photographed, dark on light or light on dark.

    `curl --data-binary @seven.png -H 'Content-Type: image/png' localhost:8000/predict`
    """
    start = time.perf_counter()
    image = imaging.prepare(sketch)
    prediction = _predict(model, image)
    if log_it:
        log.record(prediction, 1e3 * (time.perf_counter() - start))
    PREDICTIONS.labels(prediction.digit, prediction.unsure).inc()
    if preview:
        prediction.preview = _data_url(image)
    return prediction


@router.post("/explain", openapi_extra=PICTURE_BODY)
async def explain(
    sketch: Sketch,
    model: Serving,
    digit: int | None = Query(None, ge=0, le=9, description="explain this digit instead: why not a 9?"),
) -> Explanation:
    """Show which ink spoke for the answer, by blotting out the sketch bit by bit (occlusion; Zeiler & Fergus, 2014)."""
    image = imaging.prepare(sketch)
    relevance = await run_in_threadpool(model.explain, image, digit)
    prediction = _predict(model, image).model_dump(exclude={"preview"})
    return Explanation(**prediction, preview=_data_url(image), relevance=relevance.round(4).tolist())


def _predict(model: Recognizer, image: np.ndarray) -> Prediction:
    reading = model.read(image)
    return Prediction(
        digit=reading.digit,
        confidence=reading.confidence,
        unsure=reading.unsure,
        probabilities=reading.probabilities,
        model=model.version,
    )


def _data_url(image: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(imaging.to_png(image)).decode()

"""What the pages' script asks for in a browser, asked for by the tests themselves."""

from uuid import UUID

from pydantic import BaseModel

import api
from schemas import Submission


class Prediction(BaseModel):
    digit: int


def predict(picture: bytes, content_type: str) -> Prediction:
    headers = {"Content-Type": content_type}
    return api._parse(Prediction, api._call("POST", "/predict", data=picture, headers=headers))


def store(picture: bytes, content_type: str, label: str, key: UUID) -> Submission:
    files, headers = {"file": ("picture", picture, content_type)}, {"Idempotency-Key": str(key)}
    answer = api._call("POST", "/submissions", files=files, data={"true_label": label}, headers=headers)
    return api._parse(Submission, answer)

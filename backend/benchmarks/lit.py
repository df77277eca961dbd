"""Our recogniser in LitServe, which passes each picture from a process for HTTP to one that reads it.

python -m benchmarks.lit PORT WORKERS
"""

import base64
import sys

import litserve

from app import imaging
from app.config import BACKEND
from app.recognizer import Recognizer


class Digits(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.recognizer = Recognizer.load(BACKEND / "models" / "default" / "model.onnx")

    def decode_request(self, request: dict) -> bytes:
        return base64.b64decode(request["image"])

    def predict(self, picture: bytes) -> dict:
        reading = self.recognizer.read(imaging.prepare(imaging.read(picture)))
        return {"digit": reading.digit, "confidence": reading.confidence, "probabilities": reading.probabilities}

    def encode_response(self, output: dict) -> dict:
        return output


if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    server = litserve.LitServer(Digits(), accelerator="cpu", workers_per_device=workers)
    # as many processes for HTTP as for reading, which is LitServe's own choice
    server.run("127.0.0.1", port, log_level="warning", generate_client_file=False, access_log=False)

"""The usual way to write such a server: torch, eager, weights loaded once, and the picture shrunk to 28×28 as it is.

It reads worse than ours, which crops and centres what was drawn as MNIST was prepared.
"""

import io

import numpy as np
import torch
from fastapi import FastAPI, UploadFile
from PIL import Image

from app.config import BACKEND
from training.architectures import ARCHITECTURES

SHIPPED = BACKEND / "models" / "default"

model = ARCHITECTURES["broad"]()
model.load_state_dict(torch.load(SHIPPED / "model.pt", map_location="cpu"))
model.eval()
app = FastAPI()


@app.post("/predict")
async def predict(file: UploadFile) -> dict:
    picture = Image.open(io.BytesIO(await file.read())).convert("L").resize((28, 28))
    with torch.no_grad():
        pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255)
        probabilities = torch.softmax(model(pixels[None, None]), dim=1)[0]
    digit = int(probabilities.argmax())
    return {"digit": digit, "confidence": float(probabilities[digit]), "probabilities": probabilities.tolist()}

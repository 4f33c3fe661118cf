"""Serve the graph ``model.onnx`` of the folder that it is started in: ``uvicorn server:app``."""

import numpy as np
from fastapi import FastAPI
from onnxruntime import InferenceSession
from pydantic import conlist

app = FastAPI()
session = InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
Row = conlist(float, min_length=64, max_length=64)


@app.post("/reconstruct")
def reconstruct(rows: list[Row]) -> list[list[float]]:
    return session.run(None, {"X": np.array(rows, dtype=np.float32)})[0].tolist()

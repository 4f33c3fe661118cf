"""
=============
Serve a model
=============

A denoising autoencoder becomes a graph of ONNX, and a web server that knows neither scikit-learn
nor torch answers with it.
"""

# %%
# A model, and its graph
# ----------------------
# The graph does what `reconstruct` does, scaling and all.

import argparse
import json
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_ae import AutoencoderTransformer, to_onnx

parser = argparse.ArgumentParser(description="Serve a model.")
parser.add_argument("--max-epochs", type=int, default=60, help="epochs of the training")
parser.add_argument("--output", default="plot_serve_a_model.png", help="file of the picture")
args, _ = parser.parse_known_args()  # the gallery has arguments for all examples

train, test = train_test_split(load_digits().data, random_state=0)
denoiser = AutoencoderTransformer(
    32, noise="gaussian", noise_level=4.0, max_epochs=args.max_epochs, random_state=0
).fit(train)
folder = TemporaryDirectory()
path = Path(folder.name, "model.onnx")
path.write_bytes(to_onnx(denoiser, "reconstruct").SerializeToString())
print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")

# %%
# A server
# --------
# These are all of its lines. It is a process of its own, here at a port that is free.

SERVER = """
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
"""

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
Path(folder.name, "server.py").write_text(SERVER)
options = ["--app-dir", folder.name, "--port", str(port), "--log-level", "warning"]
process = subprocess.Popen(
    [sys.executable, "-m", "uvicorn", "server:app", *options], cwd=folder.name
)

# %%
# A client
# --------
# It sends noisy digits by HTTP and gets clean ones. What has another width is refused.


def ask(rows):
    client = HTTPConnection("127.0.0.1", port)
    body, kind = json.dumps(np.asarray(rows).tolist()), {"Content-Type": "application/json"}
    client.request("POST", "/reconstruct", body, kind)
    response = client.getresponse()
    answer = response.status, json.loads(response.read())
    client.close()
    return answer


noisy = test[:10] + np.random.default_rng(0).normal(scale=4.0, size=(10, 64))
try:
    while process.poll() is None:
        try:
            status, answer = ask(noisy)
            break
        except ConnectionRefusedError:  # it has not begun yet
            time.sleep(0.05)
    else:
        raise SystemExit("The server ended by itself.")
    start = time.perf_counter()
    for row in noisy:
        ask([row])
    milliseconds = 1e3 * (time.perf_counter() - start) / len(noisy)
    refused, _ = ask(test[:1, :32])
finally:
    process.terminate()
    process.wait()
    folder.cleanup()

answer, expected = np.array(answer), denoiser.reconstruct(noisy.astype(np.float32))
print(f"{status}: as the estimator, to {np.abs(answer - expected).max():.0e} of 16.")
print(f"A row there and back takes {milliseconds:.1f} ms.")
print(f"{refused}: half a row.")

# %%
# What was sent, above, and what came back:

figure, axes = plt.subplots(2, 10, figsize=(10, 2.4), layout="constrained")
for images, line, name in zip((noisy, answer), axes, ("sent", "answered"), strict=True):
    for image, ax in zip(images, line, strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name)
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")

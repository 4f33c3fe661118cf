"""
==================================
Save a model, go on after a crash
==================================

A training that is killed goes on where it was, and comes to the same weights. The model is saved to
a file without any code, and loaded again.
"""

# %%
# A training that is killed
# -------------------------
# Another process fits with `checkpoint`, and is killed as soon as a few epochs are done: there is
# no time to say good-bye.

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_ae import AutoencoderTransformer, load, save
from sklearn_ae.inspection import LossCurveDisplay

parser = argparse.ArgumentParser(description="Save a model, go on after a crash.")
parser.add_argument("--max-epochs", type=int, default=60, help="epochs of the training")
parser.add_argument("--output", default="plot_go_on_after_a_kill.png", help="file of the picture")
args, _ = parser.parse_known_args()  # the gallery has arguments for all examples

FIT = """
import sys
from sklearn.datasets import load_digits
from sklearn_ae import AutoencoderTransformer

AutoencoderTransformer(
    8, max_epochs=int(sys.argv[2]), noise="masking", random_state=0, checkpoint=sys.argv[1]
).fit(load_digits().data)
"""
folder = TemporaryDirectory()
checkpoint = Path(folder.name, "training.skae")
process = subprocess.Popen([sys.executable, "-c", FIT, checkpoint, str(args.max_epochs)])
while not checkpoint.exists() and process.poll() is None:
    time.sleep(0.01)
time.sleep(0.2)
process.kill()
process.wait()
print(f"Killed. There is a checkpoint of {checkpoint.stat().st_size / 1e6:.1f} MB.")

# %%
# The same fit goes on
# --------------------
# It is the fit that was killed: data and parameters are compared. The epochs that were done are not
# done again, and the weights are those of a fit that nobody disturbed, bit for bit.

X = load_digits().data
parameters = {"max_epochs": args.max_epochs, "noise": "masking", "random_state": 0}
resumed = AutoencoderTransformer(8, **parameters, checkpoint=checkpoint).fit(X)
whole = AutoencoderTransformer(8, **parameters).fit(X)
print("The same codes:", np.array_equal(resumed.transform(X), whole.transform(X)))

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
LossCurveDisplay.from_estimator(whole, ax=ax)
ax.plot(range(1, args.max_epochs + 1), resumed.loss_curve_, "k:", label="killed, gone on")
ax.legend()
figure.savefig(args.output, dpi=150)
print(f"Picture: {args.output}")

# %%
# A file without code
# -------------------
# Class, parameters and attributes are JSON, and weights are tensors that other programs read, too.

path = Path(folder.name, "digits.skae")
save(whole, path)
with ZipFile(path) as archive:
    for member in archive.infolist():
        print(f"{member.filename:20} {member.file_size:8} bytes")
print("Loaded:", load(path))
folder.cleanup()

"""Rows, and what each of them is for."""

from typing import NamedTuple

from sklearn_ae._training.batches import Rows


class Split(NamedTuple):
    """All rows, those of them that are trained on, and those to judge the weights by."""

    all: Rows
    train: Rows
    validation: Rows | None = None

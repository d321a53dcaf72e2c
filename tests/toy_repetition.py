"""A task to add: each scan again, from itself; there is no label and no mask."""

# ruff: noqa: ARG002, ARG003, RUF012

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.tasks.base import Loss
from headstart.tasks.base import Task


def voxel_error(_):
    from torch.nn import functional

    return functional.mse_loss


@dataclass(frozen=True)
class Repetition(Task):
    """Volumes as they were prepared.

    Attributes:
        channels: How many images a scan has.
    """

    channels: int

    name = "repetition"
    target_kind = "image"
    per_voxel = True
    losses = {"voxel_error": Loss(path=f"{__name__}:voxel_error")}
    metrics = ("mae",)
    file = "image"
    answer_words = "error"
    columns = ["image"]
    held_out_columns = ["error", "image", "image_sha256"]
    evaluated_columns = ["error"]

    @classmethod
    def from_config(cls, classes, channels):
        return cls(len(channels))

    @property
    def out_channels(self):
        return self.channels

    def target(self, scan):
        return np.array(scan.volume(), np.float32)

    def blank_target(self, window):
        return np.zeros((self.channels, *window), np.float32)

    def predict(self, output):
        return output.cpu().numpy()

    def for_metrics(self, targets, output):
        errors = np.abs(self.predict(output) - targets).mean(axis=(1, 2, 3, 4))
        return np.zeros(len(errors)), errors

    def in_one_number(self, predictions, scan):
        return np.array([told.whole().mean() for (told,) in predictions])

    def answer(self, decision, file):
        file.write(file.to_own_grid(decision.whole()[0]))
        return {"image": file.name}

    def answer_held_out(self, decision, file, data):
        error = np.abs(decision.whole() - self.target(file.scan)).mean()
        return self.answer(decision, file) | {"error": error, "image_sha256": file.sha256}

    def from_columns(self, numbers):
        return numbers[:, 0]

    def truth(self, scans):
        return np.zeros(len(scans))

"""Steps of training without a study: a network of few weights, and batches of noise."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from cards import make_run
from torch import nn

from headstart.tasks.base import Task
from headstart.tasks.regression import Regression
from headstart.training.config import Train
from headstart.training.data import Batch
from headstart.training.step import Stepper

WINDOW = (4, 4, 4)


class Small(nn.Module):
    """Batch norm, dropout and two layers: all that a resume or another mode can get wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2), nn.Flatten(), nn.Dropout(), nn.Linear(16, 1)
        )

    def forward(self, volumes: torch.Tensor) -> Any:
        return self.layers(volumes)


def make_stepper(network: nn.Module, task: Task | None = None, /, **train: Any) -> Stepper:
    """Make the stepper of a network on a CPU."""
    settings = Train(**{"network": "sfcn", "learning_rate": 0.1, "warmup": 0.0, **train})
    run = make_run(window=WINDOW, train=settings)
    return Stepper(network, task or Regression(), run, torch.device("cpu"), Path())


def make_batch(number: int, scans: int = 4) -> Batch:
    """Make noise to learn from; the same number gives the same."""
    random = np.random.default_rng(number)
    volumes = random.normal(size=(scans, 1, *WINDOW)).astype(np.float32)
    truths = random.normal(size=scans).astype(np.float32)
    those: Any = [
        SimpleNamespace(subject=f"s{index}", session="1", volume=lambda index=index: volumes[index])
        for index in range(scans)
    ]
    return Batch(those, torch.from_numpy(volumes.copy()), torch.from_numpy(truths))

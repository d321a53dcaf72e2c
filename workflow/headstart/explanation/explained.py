"""What is explained of a network: one number that it answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch import nn

from headstart.cohort.prepared import Scan
from headstart.training.data import encode
from headstart.training.data import load_volume
from headstart.training.inference import TrainedNetwork
from headstart.training.inference import predict_volumes
from headstart.training.predictor import Mirrored


@dataclass(frozen=True)
class Explained:
    """An answer that is explained: a number, or the probability of a class.

    Attributes:
        trained: The network.
        scan: The scan that it answers for.
        group: The class; "" for a number.
    """

    trained: TrainedNetwork
    scan: Scan
    group: str

    @cached_property
    def volume(self) -> Tensor:
        """The scan, (channels and flags, x, y, z), where the network computes."""
        return load_volume(self.scan).to(self.trained.place)

    @cached_property
    def air(self) -> Tensor:
        """The level of no signal of each channel and flag, (channels, 1, 1, 1)."""
        return self.volume.new_tensor(self.scan.air).reshape(-1, 1, 1, 1)

    @cached_property
    def covariates(self) -> tuple[Tensor, ...]:
        """What is seen beside the scan, (1, columns); () for nothing."""
        beside = encode([self.scan], self.trained.card.covariates, self.trained.place)
        return () if beside is None else (beside,)

    @property
    def bare(self) -> nn.Module:
        """The network itself, without the mirror images that its answer may be the mean of."""
        network = self.trained.network
        return network.network if isinstance(network, Mirrored) else network

    def answers(self, volumes: Tensor) -> NDArray[np.float64]:
        """Answer for variants of the scan, (n, channels, x, y, z): a number for each."""
        beside = [one.expand(len(volumes), -1) for one in self.covariates]
        output = predict_volumes(self.trained.network, volumes, *beside)
        task = self.trained.task
        prediction = np.asarray(task.predict(output))
        return prediction[:, task.classes.index(self.group)] if self.group else prediction


class Scorer(nn.Module):
    """A network that gives the one number alone that is explained, before it is a probability.

    Args:
        explained: What is explained.
    """

    def __init__(self, explained: Explained) -> None:
        super().__init__()
        self.network = explained.bare
        self._task, self._group = explained.trained.task, explained.group
        self._covariates = explained.covariates

    def forward(self, volumes: Tensor) -> Tensor:
        """Give the number for each volume, (n, 1)."""
        output: Tensor = self.network(volumes, *self._covariates)
        return self._task.score_of(output, self._group)[:, None]

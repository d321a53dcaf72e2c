"""What a task asks of a network: how the truth goes in, and how the output is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart.parts.cohort import Scan
from headstart.parts.errors import UserError


@dataclass(frozen=True)
class Task:
    """A task, fitted to the training scans.

    Attributes:
        name: regression, classification or segmentation.
        classes: Values of the target, sorted (classification), or names of the mask's values from
            1 on (segmentation).
        mean: Mean of the training targets, in their unit (regression).
        deviation: Standard deviation of the training targets (regression).
    """

    name: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def out_channels(self) -> int:
        """Channels that the network must give; a segmentation has the background first."""
        return {
            "regression": 1,
            "classification": len(self.classes),
            "segmentation": len(self.classes) + 1,
        }[self.name]

    def truth(self, scan: Scan) -> Tensor:
        """The scan's truth as the loss takes it.

        Returns:
            Regression: the standardised target, a scalar. Classification: the class index.
            Segmentation: the prepared mask (1, x, y, z), uint8.
        """
        if self.name == "segmentation":
            return torch.from_numpy(np.array(scan.mask()[None]))
        if self.name == "regression":
            return torch.tensor((float(scan.target) - self.mean) / self.deviation)
        return torch.tensor(self.classes.index(scan.target))

    def read(self, output: Tensor) -> NDArray[Any]:
        """Turn a batch of outputs into predictions.

        Returns:
            Regression: (n,) in the target's unit. Classification: probabilities (n, classes).
            Segmentation: masks (n, x, y, z), uint8.
        """
        if self.name == "segmentation":
            return output.argmax(dim=1).to(torch.uint8).cpu().numpy()
        return self.scores(output)

    def scores(self, output: Tensor) -> NDArray[np.float64]:
        """Turn a batch of outputs into what may be averaged over networks.

        Returns:
            Regression: (n,) in the target's unit. Otherwise: probabilities, the classes along the
            second axis; a segmentation has the background first.
        """
        if self.name == "regression":
            return output[:, 0].double().cpu().numpy() * self.deviation + self.mean
        return output.double().softmax(dim=1).cpu().numpy()


def fit_task(name: str, classes: Sequence[str], training: Sequence[Scan]) -> Task:
    """Fit a task to training scans only, so that nothing is learnt from those held out.

    Args:
        name: regression, classification or segmentation.
        classes: See `Task`.
        training: The training scans.

    Raises:
        UserError: If a regression has the same target in all training scans.
    """
    if name != "regression":
        return Task(name, tuple(classes))
    values = np.array([float(scan.target) for scan in training])
    if np.ptp(values) == 0:
        raise UserError(
            f"the target is {values[0]:g} in all {len(values)} training scans; "
            "a regression needs different values"
        )
    return Task(name, (), float(values.mean()), float(values.std()))

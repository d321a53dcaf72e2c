"""Weights on the way: the network as it is every so many epochs, whichever is kept at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from headstart.common import files
from headstart.common.run_id import snapshot_file
from headstart.training.progress import copied


def save_snapshot(run: Path, epoch: int, weights: Mapping[str, Tensor]) -> None:
    """Write a network's weights beside a run's attempts, which one after the other add to them.

    Args:
        run: The run's folder, `STORE/KEY`.
        epoch: The epoch that has ended; one that is trained again writes the same bytes again.
        weights: The weights, as they are judged.
    """
    with files.temporary(snapshot_file(run, epoch)) as draft:
        save_file(copied(weights), draft)

"""Time an epoch against the same network stepping on batches that lie in memory, block by block."""

from __future__ import annotations

import itertools
import statistics
import tempfile
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from shipped import made_scans
from shipped import made_task

from headstart.training.data import Batch
from headstart.training.data import EpochLoader
from headstart.training.networks import initial_network
from headstart.training.settings import Run
from headstart.training.step import Stepper

FEWEST = 3  # blocks


@dataclass(frozen=True)
class Paired:
    """What blocks that took turns have shown.

    Attributes:
        step: Seconds of a step on batches in memory, the median.
        ratio: An epoch's seconds over those, the median of the blocks' own.
        null: The same of two blocks that are both of the second kind.
    """

    step: float
    ratio: float
    null: float


def measure(
    run: Run,
    place: torch.device,
    clock: Callable[[], float],
    *,
    steps: int,
    enough: Callable[[int, float], bool],
) -> Paired:
    """Let epochs and steps on batches in memory take turns.

    Args:
        run: The training.
        place: Where its network computes.
        clock: Seconds, of the CPU or of the wall.
        steps: Steps of a block.
        enough: Whether some blocks, in so many seconds of the clock, are enough.
    """
    with tempfile.TemporaryDirectory() as folder:
        scans = made_scans(Path(folder), run, run.train.batch_size * steps // run.train.per_scan)
        task = made_task(run).fit(scans, class_weights=False)
        network = initial_network(run, task, Path()).train().to(place)
        stepper = Stepper(network, task, run, place, Path())
        loader = EpochLoader(scans, task, run.train, run.seed, place)
        in_memory = list(loader.epoch(1, 0))
        epoch = itertools.count(2)

        def learn(batches: Iterable[Batch]) -> float:
            began = clock()
            losses = [stepper.step(batch, n, 1000) for n, batch in enumerate(batches)]
            losses[-1].item()  # waits for a GPU
            return clock() - began

        def fed() -> float:
            return learn(loader.epoch(next(epoch), 0))

        def alone() -> float:
            return learn(in_memory)

        kinds = (fed, alone, alone)
        alone()
        began, taken = clock(), []
        while len(taken) < FEWEST or not enough(len(taken), clock() - began):
            turn = [(len(taken) + first) % 3 for first in range(3)]
            times = {kind: kinds[kind]() for kind in turn}
            taken.append([times[kind] for kind in range(3)])
    return Paired(
        step=statistics.median(times[1] for times in taken) / steps,
        ratio=statistics.median(times[0] / times[1] for times in taken),
        null=statistics.median(times[2] / times[1] for times in taken),
    )

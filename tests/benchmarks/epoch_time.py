"""Measure how much longer an epoch takes than its network alone, for each shipped study.

PYTHONPATH=workflow:tests python tests/benchmarks/epoch_time.py [--blocks 4] [STUDY ...]

Blocks of two kinds take turns in one process of one thread: steps on batches that are read and
augmented for them, as a training has them, and the same steps on batches that lie in memory. The
ratio is the median of the blocks' own; beside it that of a null pair, both of the second kind. CPU
seconds, so that others on the machine change little. The last row asks the most: the smallest
network with an affine transform of every scan.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import torch
from cards import make_run
from shipped import made_scans
from shipped import made_task
from shipped import shipped_runs

from headstart.training.config import Train
from headstart.training.data import EpochLoader
from headstart.training.networks import initial_network
from headstart.training.settings import Run
from headstart.training.step import Stepper

STEPS = 2  # of a block
SMALL = {
    "network": "sfcn",
    "network_arguments": {"channels": [8, 16, 32, 32, 32, 16]},
    "augment": ({"RandomAffine": {}},),
}


def runs(studies: list[str]) -> Iterator[tuple[str, Run]]:
    """Yield each experiment of the shipped studies, or of those that are named."""
    for name, run in shipped_runs():
        if not studies or name.partition(":")[0] in studies:
            yield name, run
    if not studies:
        yield "small SFCN, affine", make_run(window=(96, 112, 96), train=Train(**SMALL))


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(run: Run, blocks: int) -> tuple[float, float, float]:
    """Return the seconds of a step, the ratio, and that of the null pair."""
    place = torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        scans = made_scans(Path(folder), run, run.train.batch_size * STEPS)
        task = made_task(run).fit(scans, class_weights=False)
        network = initial_network(run, task, Path()).train()
        stepper = Stepper(network, task, run, place, Path())
        loader = EpochLoader(scans, task, run.train, run.seed, place)
        in_memory = list(loader.epoch(1, 0))
        epoch = itertools.count(2)

        def alone() -> None:
            for number, batch in enumerate(in_memory):
                stepper.step(batch, number, 1000).item()

        def fed() -> None:
            for number, batch in enumerate(loader.epoch(next(epoch), 0)):
                stepper.step(batch, number, 1000).item()

        alone()
        kinds = (fed, alone, alone)
        taken = []
        for block in range(blocks):
            turn = [(block + place) % 3 for place in range(3)]
            times = dict(zip(turn, [seconds(kinds[kind]) for kind in turn], strict=True))
            taken.append([times[kind] for kind in range(3)])
    step = statistics.median(times[1] for times in taken) / STEPS
    ratio = statistics.median(times[0] / times[1] for times in taken)
    null = statistics.median(times[2] / times[1] for times in taken)
    return step, ratio, null


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*")
    parser.add_argument("--blocks", type=int, default=4)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':32} {'window':>12} {'step, s':>8} {'epoch / network':>16} {'null pair':>10}")
    for name, run in runs(asked.studies):
        step, ratio, null = measure(run, asked.blocks)
        window = "x".join(map(str, run.window))
        print(f"{name:32} {window:>12} {step:8.2f} {ratio:16.3f} {null:10.3f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

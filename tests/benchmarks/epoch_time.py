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
import sys
import time
from collections.abc import Iterator

import torch
from cards import make_run
from paired import measure
from shipped import shipped_runs

from headstart.training.config import Train
from headstart.training.settings import Run

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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*")
    parser.add_argument("--blocks", type=int, default=4)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':32} {'window':>12} {'step, s':>8} {'epoch / network':>16} {'null pair':>10}")
    for name, run in runs(asked.studies):
        found = measure(
            run,
            torch.device("cpu"),
            time.process_time,
            steps=STEPS,
            enough=lambda blocks, _: blocks >= asked.blocks,
        )
        window = "x".join(map(str, run.window))
        print(
            f"{name:32} {window:>12} {found.step:8.2f} {found.ratio:16.3f} {found.null:10.3f}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())

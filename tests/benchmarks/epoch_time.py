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
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from cards import make_run
from prepared_shards import write_shard

from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.common.strict_yaml import read_study
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.study.config import read_config
from headstart.tasks import TASKS
from headstart.training.config import Train
from headstart.training.data import EpochLoader
from headstart.training.networks import initial_network
from headstart.training.settings import Run
from headstart.training.step import Stepper

CONFIG = Path(__file__).resolve().parents[2] / "config"
STEPS = 2  # of a block
SMALL = {
    "network": "sfcn",
    "network_arguments": {"channels": [8, 16, 32, 32, 32, 16]},
    "augment": ({"RandomAffine": {}},),
}


def runs(studies: list[str]) -> Iterator[tuple[str, Run]]:
    """Yield each experiment of the shipped studies, or of those that are named."""
    for path in sorted(CONFIG.glob("*.yaml")):
        if path.stem == "pull" or (studies and path.stem not in studies):
            continue
        config = read_config(read_study(path))
        for name, experiment in config.experiments.items():
            yield (
                f"{path.stem}: {name}",
                make_run(
                    task=experiment.task,
                    target=experiment.target,
                    classes=config.classes if experiment.task == "segmentation" else {},
                    channels=config.channels,
                    window=config.prepare.window,
                    train=experiment.train,
                ),
            )
    if not studies:
        yield "small SFCN, affine", make_run(window=(96, 112, 96), train=Train(**SMALL))


def made_scans(folder: Path, run: Run) -> list[Scan]:
    """Write a prepared cohort of noise for a run, and return its scans."""
    random, number = np.random.default_rng(0), run.train.batch_size * STEPS
    shape = (number, len(run.channels), *run.window)
    volumes = random.standard_normal(shape, np.float32).astype(np.float16)
    masks = random.integers(0, len(run.classes) + 1, (number, *run.window), np.uint8)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    path = folder / "shard-0.json"
    keys = [(f"s{number}", "1") for number in range(number)]
    prepare = Preparation(voxel_size=(2, 2, 2), window=run.window)
    write_shard(
        path, keys, volumes, masks, prepare=prepare, affine=affine, source=Grid(run.window, affine)
    )
    targets = itertools.cycle(("1", "2"))
    entries = ShardCard.read(path).scans
    return [scan_of(path, entry, target=next(targets)) for entry in entries]


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(run: Run, blocks: int) -> tuple[float, float, float]:
    """Return the seconds of a step, the ratio, and that of the null pair."""
    place = torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        scans = made_scans(Path(folder), run)
        task = TASKS[run.task].from_config(tuple(run.classes), run.channels)
        task = replace(task, classes=("1", "2")) if task.classes == ("", "") else task
        task = task.fit(scans, class_weights=False)
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

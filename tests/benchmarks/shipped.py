"""The trainings of the shipped studies, on scans of noise."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from cards import make_run
from prepared_shards import write_shard

from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.common.strict_yaml import read_study
from headstart.data.label_table import MASK
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.study.config import read_config
from headstart.tasks import TASKS
from headstart.tasks.base import Task
from headstart.training.settings import Run

CONFIG = Path(__file__).resolve().parents[2] / "config"
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def shipped_runs() -> Iterator[tuple[str, Run]]:
    """Yield a training of each experiment of the shipped studies, by `STUDY: EXPERIMENT`."""
    for path in sorted(CONFIG.glob("*.yaml")):
        if path.stem == "pull":
            continue
        config = read_config(read_study(path))
        for name, experiment in config.experiments.items():
            yield (
                f"{config.study}: {name}",
                make_run(
                    task=experiment.task,
                    target=experiment.target,
                    classes=config.classes if experiment.target == MASK else {},
                    channels=config.channels,
                    window=config.prepare.window,
                    train=experiment.train,
                ),
            )


def made_scans(folder: Path, run: Run, count: int) -> list[Scan]:
    """Write a prepared cohort of noise for a run, and return its scans."""
    random = np.random.default_rng(0)
    shape = (count, len(run.channels), *run.window)
    volumes = random.standard_normal(shape, np.float32).astype(np.float16)
    masks = random.integers(0, len(run.classes) + 1, (count, *run.window), np.uint8)
    path = folder / "shard-0.json"
    keys = [(f"s{number}", "1") for number in range(count)]
    prepare = Preparation(voxel_size=(2, 2, 2), window=run.window)
    source = Grid(run.window, AFFINE)
    write_shard(path, keys, volumes, masks, prepare=prepare, affine=AFFINE, source=source)
    targets = itertools.cycle(("1", "2"))
    entries = ShardCard.read(path).scans
    return [scan_of(path, entry, target=next(targets)) for entry in entries]


def made_task(run: Run) -> Task:
    """Return a run's task, as it learns of those scans."""
    task = TASKS[run.task].from_config(tuple(run.classes), run.channels)
    return replace(task, classes=("1", "2")) if task.classes == ("", "") else task

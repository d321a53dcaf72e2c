"""Compare what a training is planned to take with what it takes, for each shipped study.

PYTHONPATH=workflow:tests python tests/benchmarks/planned_used.py [BEGINNING ...]

Each training has a process of its own and one thread of the CPU: epochs of two steps on scans that
are made up, with statistics of batch norm and validation. Memory is the peak of the process; time
the CPU time of the second epoch. It is worth something on an idle machine alone: beside others'
work, the same step of the hippocampus took 1.7, 3.2 and 5.3 microseconds a voxel; and so it is,
with their scans, for trainings of real studies: `headstart status` has the plan beside what each
took. Beside the shipped studies:
U-Nets of other widths and sizes; that of 256 x 256 x 256 voxels takes 10 GB and minutes. A
BEGINNING of names chooses rows.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cards import make_identity
from cards import make_run
from shipped import made_scans
from shipped import made_task
from shipped import shipped_runs

from headstart.imaging.config import Preparation
from headstart.study import estimates
from headstart.study.part_sizes import PartSizes
from headstart.training.config import Train
from headstart.training.settings import Run

STEPS = 2


def runs() -> Iterator[tuple[str, Run]]:
    """Yield the trainings of the shipped studies, and others."""
    yield from shipped_runs()
    for edge, batch in ((96, 2), (256, 1)):
        yield f"unet {edge}", _unet(edge, batch)
    yield "unet of 32", _unet(96, 2, channels=[32, 64, 128, 256, 320], strides=[2] * 4)


def _unet(edge: int, batch: int, **arguments: Any) -> Run:
    train = Train(network="unet", network_arguments=arguments, batch_size=batch)
    classes = {1: "a", 2: "b"}
    window = (edge, edge, edge)
    return make_run(task="segmentation", target="mask", classes=classes, window=window, train=train)


def measure(run: Run) -> tuple[float, float]:
    """Train for an epoch in this process.

    Returns:
        Bytes at the peak, and CPU seconds of the second epoch.
    """
    from headstart.cohort.prepared import Cohort
    from headstart.training import loop
    from headstart.training import progress

    progress.time = SimpleNamespace(monotonic=time.process_time)  # type: ignore[attr-defined]
    run = run.model_copy(update={"train": run.train.model_copy(update={"epochs": 2, "threads": 1})})
    with tempfile.TemporaryDirectory() as folder:
        sizes = _sizes(run)
        scans = made_scans(Path(folder), run, sum(sizes))
        cohort = Cohort(
            table=Path(),
            target="",
            scans=tuple(
                replace(scan, fold=1, validation=number >= sizes.training)
                for number, scan in enumerate(scans)
            ),
            channels=run.channels,
            window=run.window,
            prepare=_prepare(run),
            brain_masks="none",
        )
        attempt = Path(folder, "runs", "attempt-1")
        attempt.mkdir(parents=True)
        card = loop.fit(
            make_identity(run), made_task(run), cohort, attempt, networks=Path(), device="cpu"
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0, card.spent[-1].seconds


def _sizes(run: Run) -> PartSizes:
    """Make two steps of an epoch, and half as many scans again to validate."""
    size = run.train.batch_size
    return PartSizes(STEPS * size // run.train.per_scan, STEPS * ((size + 1) // 2))


def _prepare(run: Run) -> Preparation:
    return Preparation(voxel_size=(2, 2, 2), window=run.window)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("beginnings", nargs="*")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    named = dict(runs())
    if asked.here:
        print(json.dumps(measure(named[asked.here])))
        return
    print(
        f"{'':26} {'GB planned':>10} {'used':>6} {'ratio':>6} {'s planned':>10} {'used':>6} ratio"
    )
    for name, run in named.items():
        if not name.startswith(tuple(asked.beginnings or [""])):
            continue
        # its own process: a peak never comes down again
        words = [sys.executable, __file__, "--here", name]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        used, each = json.loads(done.stdout.splitlines()[-1])
        once = run.train.model_copy(update={"epochs": 1, "threads": 1})
        classes = len(run.classes)
        memory = estimates.training_memory(once, run.window, classes) or 0
        seconds = estimates.training_seconds(once, _prepare(run), _sizes(run)) or 0
        seconds -= estimates.START_SECONDS["train"]
        print(
            f"{name:26} {memory / 1e9:10.2f} {used / 1e9:6.2f} {memory / used:6.2f} "
            f"{seconds:10.1f} {each:6.1f} {seconds / each:5.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

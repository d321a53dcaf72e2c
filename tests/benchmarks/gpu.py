"""Measure how long a network on a GPU waits for its scans, with 1, 2 and 4 CPU cores beside it.

PYTHONPATH=workflow:tests python tests/benchmarks/gpu.py [--device cpu] [--seconds 25] [NETWORK ...]

As `epoch_time.py`, by the wall's clock: blocks of steps on batches that are read and augmented for
them, and the same steps on batches that lie in the GPU's memory, take turns. Each network has flip,
affine, elastic deformation, bias field, noise and gamma. Every row is a process of its own, which
may use so many cores and no more, as a queue gives them. With `--device cpu` it is the same code
without a GPU: augmentation then computes where the network does, and hides behind nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from typing import Any

CORES = (1, 2, 4)
STEPS = 8  # of a block
AUGMENT = tuple(
    {name: {}}
    for name in (
        *("RandomFlip", "RandomAffine", "RandomElasticDeformation"),
        *("RandomBiasField", "RandomNoise", "RandomGamma"),
    )
)
MASKS: dict[str, Any] = {"task": "segmentation", "target": "mask", "classes": {"one": 1, "two": 2}}
CASES: dict[str, dict[str, Any]] = {
    "sfcn": {"window": (96, 96, 96)},
    "densenet121": {"window": (96, 96, 96)},
    "segresnet": {"window": (96, 96, 96), **MASKS},
    "unet": {
        **MASKS,
        "window": (160, 192, 160),
        "sampling": {"patches": (128, 128, 128), "per_scan": 2},
        "batch": 2,
    },
}


def row(name: str, device: str, seconds: float) -> str:
    """Measure one network in this process, with the cores that it has."""
    import torch
    from cards import make_run
    from paired import measure

    from headstart.training.config import Train

    case = dict(CASES[name])
    train: dict[str, Any] = {"network": name, "augment": AUGMENT, "precision": "bf16"}
    train |= {"batch_size": case.pop("batch", 4), "sampling": case.pop("sampling", "whole")}
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    run = make_run(**case, train=Train.model_validate(train))
    found = measure(
        run,
        torch.device(device),
        time.perf_counter,
        steps=STEPS,
        enough=lambda _, taken: taken > seconds,
    )
    seen = "x".join(map(str, run.train.seen(run.window)))
    return (
        f"{name:12} {seen:>12} {cores:5} {1000 * found.step:9.1f} "
        f"{found.ratio:16.3f} {found.null:10.3f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(CASES))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=25.0, help="of each row")
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.device == "cuda" and not shutil.which("nvidia-smi"):
        sys.exit("no GPU here: run it where nvidia-smi finds one, or with --device cpu")
    if asked.row:
        print(row(asked.networks[0], asked.device, asked.seconds))
        return
    print(f"{'':12} {'sees':>12} {'cores':>5} {'step, ms':>9} {'epoch / network':>16} {'null':>10}")
    mine = sorted(os.sched_getaffinity(0))
    command = [sys.executable, __file__, "--row", "--device", asked.device]
    for name in asked.networks:
        for cores in (number for number in CORES if number <= len(mine)):
            subprocess.run(
                [*command, "--seconds", str(asked.seconds), name],
                check=True,
                env=os.environ | {"OMP_NUM_THREADS": str(cores)},
                preexec_fn=lambda: os.sched_setaffinity(0, mine[:cores]),  # noqa: B023
            )


if __name__ == "__main__":
    sys.exit(main())

"""Peak memory and CPU time of `headstart predict` for one scan of EDGE³ voxels, float32.

PYTHONPATH=workflow:tests python tests/benchmarks/large_scan.py [EDGE [TASK [MEMORY]]]

512 by default; TASK is denoising or segmentation, MEMORY what `--memory` says, such as 2G. On one
core some 4 CPU minutes each.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from noisy_study import NOISE
from noisy_study import NoisyStudy
from small_study import WINDOW
from small_study import SmallStudy

from headstart.imaging.config import Preparation
from headstart.training.card import ModelCard
from headstart.training.config import Train
from headstart.training.settings import Run
from headstart.training.train import train

SAMPLING = {"patches": [24, 24, 24], "per_scan": 2}


def train_small(folder: Path, task: str) -> Path:
    """Train a small network for an epoch; return its folder."""
    settings = {"sampling": SAMPLING, "epochs": 1, "threads": 1}
    if task == "denoising":
        study = NoisyStudy(folder / "study", reference=False)
        asked = {"target": "image", "classes": {}, "window": "own"}
        settings |= {"network": "plain_unet", "network_arguments": {"channels": [8, 16]}}
    else:
        study = SmallStudy(folder / "study")
        asked = {"target": "mask", "classes": {"left": [1], "right": [2]}, "window": WINDOW}
        arguments = {"channels": [8, 16], "strides": [2]}
        settings |= {"network": "unet", "network_arguments": arguments}
    run = Run(
        **{"experiment": "small", "task": task, "channels": ("T1",), **asked},
        **{"train": Train(**settings), "fold": 0, "seed": 0},
    )
    where = {"store": folder / "runs", "output": folder / "model", "device": "cpu"}
    train(run=run, code="x", **study.inputs, **where)
    card = ModelCard.read(folder / "model")
    own = Preparation(voxel_size="own", window="own", normalise=card.prepare.normalise)
    card.model_copy(update={"prepare": own}).write(folder / "model")
    return folder / "model"


def write_ball(path: Path, edge: int) -> None:
    """Write a noisy ball in air, plane by plane."""
    affine = np.diag([*[200 / edge] * 3, 1])
    header = nib.Nifti1Image(np.zeros((2, 2, 2), np.float32), affine).header
    header.set_data_shape((edge, edge, edge))
    header.set_xyzt_units("mm")
    header["vox_offset"] = 352
    random = np.random.default_rng(0)
    x, y = np.indices((edge, edge)) - edge / 2
    with path.open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        for z in range(edge):
            inside = np.sqrt(x**2 + y**2 + (z - edge / 2) ** 2) < 0.3 * edge
            real, imaginary = random.normal(0, NOISE, (2, edge, edge))
            plane = np.hypot(300 * inside + real, imaginary)
            file.write(plane.astype(np.float32).tobytes(order="F"))


def main(edge: int, task: str, memory: Sequence[str]) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, scan = train_small(folder, task), folder / "scan.nii"
        write_ball(scan, edge)
        words = ["predict", "--run", model, "--scans", scan, "--output", folder / "new.csv"]
        words += [word for amount in memory for word in ("--memory", amount)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "headstart", *map(str, words), "--device", "cpu"]
        subprocess.run(command, check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        peak = after.ru_maxrss * 1024 / 1e6
        print(
            f"{task}, {edge}³ voxels, {4e-6 * edge**3:.0f} MB, memory: {memory or 'not said'}: "
            f"{peak:.0f} MB, {seconds:.0f} CPU s"
        )


if __name__ == "__main__":
    given = sys.argv[1:]
    defaults = ["512", "denoising"]
    size, kind, *amount = [*given, *defaults[len(given) :]]
    main(int(size), kind, amount)

"""Peak memory and CPU time of `headstart predict` for one scan of EDGE³ voxels, float32, denoised.

PYTHONPATH=workflow:tests python tests/benchmarks/large_scan.py [EDGE]

512 by default: some 7 CPU minutes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from noisy_study import NOISE
from noisy_study import NoisyStudy

from headstart.training.config import Train
from headstart.training.settings import Run
from headstart.training.train import train

QUESTION = {"experiment": "clean", "task": "denoising", "target": "image", "classes": {}}


def train_small(folder: Path) -> Path:
    """Train a small network; return its folder."""
    study = NoisyStudy(folder / "study", reference=False)
    network = {"network": "plain_unet", "network_arguments": {"channels": [8, 16]}}
    settings = Train(
        **network, sampling={"patches": [24, 24, 24], "per_scan": 2}, epochs=1, threads=1
    )
    run = Run(**QUESTION, channels=("T1",), window="own", train=settings, fold=0, seed=0)
    where = {"store": folder / "runs", "output": folder / "model", "device": "cpu"}
    train(run=run, code="x", **study.inputs, **where)
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


def main(edge: int) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, scan = train_small(folder), folder / "scan.nii"
        write_ball(scan, edge)
        words = ["predict", "--run", model, "--scans", scan, "--output", folder / "new.csv"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "headstart", *map(str, words), "--device", "cpu"]
        subprocess.run(command, check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        memory = after.ru_maxrss * 1024 / 1e6
        print(f"{edge}³ voxels, {4e-6 * edge**3:.0f} MB: {memory:.0f} MB, {seconds:.0f} CPU s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 512)

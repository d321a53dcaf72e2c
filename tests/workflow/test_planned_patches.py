"""`headstart init` where whole scans don't fit: the study that it writes runs, and trains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from fresh import copy_project
from study import Checkout

from headstart import cli
from headstart.cluster import machine
from headstart.cluster.machine import Place

SHAPE = (72, 88, 80)
SMALL = Place("a small laptop", 1e9, gpu=False, cores=2)


def write_lesions(folder: Path, subjects: int) -> None:
    """Write scans of 1 mm in which balls of 2 to 4 mm are bright, and masks of these."""
    places = np.indices(SHAPE)
    centre = np.reshape(SHAPE, (3, 1, 1, 1)) / 2
    ball = ((places - centre) ** 2).sum(0) < 34**2
    for number in range(subjects):
        rng = np.random.default_rng(number)
        mask = np.zeros(SHAPE, np.uint8)
        for _ in range(5):
            middle = centre + rng.uniform(-18, 18, (3, 1, 1, 1))
            mask[((places - middle) ** 2).sum(0) < rng.uniform(2, 4) ** 2] = 1
        image = 20 * np.abs(rng.normal(size=SHAPE)) + 400 * ball + 300.0 * mask
        home = folder / f"sub-{number:02d}"
        home.mkdir(parents=True)
        for name, array in (("FLAIR", image.astype(np.int16)), ("lesion", mask)):
            file = home / f"sub-{number:02d}_{name}.nii.gz"
            nib.save(nib.Nifti1Image(array, np.eye(4)), file)


@pytest.mark.slow
def test_small_lesions_are_learnt_from_patches_at_their_own_voxel_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "this_machine", lambda: SMALL)
    write_lesions(tmp_path / "scans", 6)
    checkout = Checkout(copy_project(tmp_path / "project"))
    file = checkout.folder / "config/lesions.yaml"
    words = ["init", str(tmp_path / "scans"), "--name", "lesions", "--output", str(file)]
    assert cli.main(words) == 0
    study = yaml.safe_load(file.read_text())
    (experiment,) = study["experiments"].values()
    assert study["prepare"]["voxel_size"] == [1, 1, 1]
    assert study["prepare"]["window"] == "own"
    patch = experiment["train"]["sampling"]["patches"]
    assert min(patch) == 64
    assert all(side <= most for side, most in zip(patch, SHAPE, strict=True))

    given = ("--configfile", "config/lesions.yaml")
    assert checkout.planned(*given)["train"] == 3
    # fewer patches of the same kind, so that the trial is short
    text = file.read_text()
    file.write_text(
        text.replace(f"per_scan: {experiment['train']['sampling']['per_scan']}", "per_scan: 2")
    )
    checkout.done("cohort", *given)
    tried = subprocess.run(
        [sys.executable, "-m", "headstart", "try", "lesions"],
        cwd=checkout.folder,
        env=checkout.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 0, tried.stderr
    assert "the trial went through" in tried.stdout

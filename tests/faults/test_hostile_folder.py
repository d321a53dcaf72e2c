"""A folder that holds everything a folder should not: every command has a sentence or a row."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from fresh import copy_project
from study import Checkout
from study import write_study

from headstart.cohort.new_scans import list_new_scans
from headstart.cohort.prepare_new import check_and_prepare
from headstart.common import files
from headstart.imaging.config import Preparation

pytestmark = pytest.mark.slow

NOISE = np.random.default_rng(1).normal(100, 20, (12, 12, 12)).astype("f4")
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def nifti2(path: Path) -> None:
    nib.save(nib.Nifti2Image(NOISE, AFFINE), path)


def with_nan(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.where(NOISE > 100, np.nan, NOISE), AFFINE), path)


def without_voxel_size(path: Path) -> None:
    made = nib.Nifti1Image(NOISE, AFFINE)
    made.set_sform(np.zeros((4, 4)), 1)
    nib.save(made, path)


def four_axes(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.stack([NOISE, NOISE], axis=-1), AFFINE), path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket may have 107 bytes
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


ODD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "nifti-2": ("", nifti2),
    "with-nan": ("not-finite", with_nan),
    "zero-affine": ("unreadable", without_voxel_size),
    "four-axes": ("not-3d", four_axes),
    "dangling": ("missing", lambda path: path.symlink_to("/nowhere/at/all")),
    "self-link": ("unreadable", lambda path: path.symlink_to(path)),
    "pipe": ("unreadable", os.mkfifo),
    "socket": ("unreadable", bound),
    "text": ("unreadable", lambda path: path.write_text("see the other folder")),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = copy_project(tmp_path_factory.mktemp("hostile") / "project")
    write_study(folder)
    scans = folder / "scans"
    for name, (_, make) in ODD.items():
        (scans / name).mkdir()
        make(scans / name / "T1.nii.gz")
        with (scans / "participants.csv").open("a") as table:
            table.write(f"{name},50,F,R\n")
    for ending in ("mgz", "nrrd", "dcm", "hdr", "img"):
        (scans / f"Sub_101/T1.{ending}").write_bytes(b"\0" * 400)
    strange = scans / os.fsdecode(b"Sub_\xe9")
    strange.mkdir()
    shutil.copyfile(scans / "Sub_101/T1.nii.gz", strange / "T1.nii.gz")
    (scans / "again").symlink_to(scans)
    (scans / "round").symlink_to(scans / "round")
    os.mkfifo(scans / "phenotype.csv")
    checkout = Checkout(folder)
    config = checkout.config()
    config["check"] = {"max_rejected": 1}
    checkout.configure(config)
    return checkout


def said(checkout: Checkout, *words: str, code: tuple[int, ...] = (0,)) -> str:
    """Run a command; return what it said, which is neither a traceback nor our mistake."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=checkout.folder,
        env=checkout.environment() | {"PYTHONPATH": str(checkout.folder / "workflow")},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=300,
    )
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    assert "our mistake" not in text
    assert done.returncode in code, text
    return text


def test_init(hostile: Checkout) -> None:
    said(hostile, "headstart", "init", "scans", "--output", "found.yaml", code=(0, 2))


def test_the_dry_run_and_a_run(hostile: Checkout) -> None:
    target = "tiny/near-duplicates/similarity.csv"
    words = ("snakemake", "--cores", "1", "--configfile", "config/tiny.yaml", "--")
    said(hostile, *words[:1], "-n", *words[1:], target)
    said(hostile, *words, target)
    rejected = files.read_csv(hostile.study / "check/rejected.csv")
    found = dict(zip(rejected["subject"], rejected["reason"], strict=True))
    assert found == {name: reason for name, (reason, _) in ODD.items() if reason}
    at_label = files.read_csv(hostile.study / "label/rejected.csv")
    assert at_label["path"].tolist() == [r"Sub_\xe9/T1.nii.gz"]
    # the same command has nothing to do: what can't be read changes nothing either
    run = hostile.snakemake(target)
    assert (run.code, sum(run.jobs.values())) == (0, 0), run.text


@pytest.mark.parametrize(
    "words",
    [
        ("status", "tiny"),
        ("vary", "age", "--set", "train.epochs=3", "--config", "config/tiny.yaml"),
        ("doctor",),
    ],
)
def test_commands_about_a_study(hostile: Checkout, words: tuple[str, ...]) -> None:
    said(hostile, "headstart", *words, code=(0, 2))


def test_scans_to_predict(hostile: Checkout, tmp_path: Path) -> None:
    scans = list_new_scans([hostile.folder / "scans"], ["T1"])
    given = hostile.config()["prepare"]
    prepare = Preparation(**{key: value for key, value in given.items() if key != "shards"})
    reasons, prepared, _ = check_and_prepare(
        scans, channels=["T1"], settings=prepare, scratch=tmp_path
    )
    assert len(reasons) == len(scans.names)
    assert sum(not reason for reason in reasons) == len(prepared) == 13

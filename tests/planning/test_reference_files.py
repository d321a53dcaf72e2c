"""Clean scans beside noisy ones: for denoising they judge the network, whatever their name."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from init_folder import AFFINE
from init_folder import NUMBERS
from init_folder import Folder

from headstart.study.config import read_config


@pytest.mark.parametrize(
    ("noisy", "clean"),
    [
        ("{n}/noisy.nii.gz", "{n}/clean.nii.gz"),
        ("{n}/scan.nii.gz", "{n}/reference.nii.gz"),
        ("{n}/T1.nii.gz", "{n}/T1_gt.nii.gz"),
        ("sub{n}_T1.nii.gz", "sub{n}_ground-truth.nii.gz"),
        ("sub{n}_low-dose.nii.gz", "sub{n}_high-dose.nii.gz"),
        ("noisy/{n}.nii.gz", "clean/{n}.nii.gz"),
        ("raw/S{n}.nii.gz", "averaged/S{n}.nii.gz"),
    ],
)
def test_scans_whose_name_says_clean_are_the_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], noisy: str, clean: str
) -> None:
    folder = Folder(tmp_path, capsys)
    folder.scan(*(name.format(n=f"{n:03d}") for n in NUMBERS for name in (noisy, clean)))
    study = folder.init("--task", "denoising")
    channels = study["data"][0]["channels"]
    assert list(channels)[1:] == ["reference"]
    found = [re.sub(r"(sub|S)?\{subject\}", "*", text) for text in channels.values()]
    assert found == [re.sub(r"(sub|S)?\{n\}", "*", text) for text in (noisy, clean)]
    assert read_config(study).primary_metric("denoising") == "psnr"
    assert "`reference`" in folder.said
    assert len(folder.labels()) == len(NUMBERS)


def test_a_clean_scan_of_another_contrast_is_no_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Folder(tmp_path, capsys)
    folder.scan(*(f"{n:03d}/{name}.nii.gz" for n in NUMBERS for name in ("T1", "FLAIR_clean")))
    study = folder.init("--task", "denoising")
    assert list(study["data"][0]["channels"]) == ["T1", "FLAIR"]


def test_a_table_may_name_the_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Folder(tmp_path, capsys)
    names = [(f"a/{n}.nii.gz", f"b/{n}.nii.gz") for n in NUMBERS]
    folder.scan(*(path for pair in names for path in pair))
    rows = [[f"s{n}", clean, noisy] for n, (noisy, clean) in zip(NUMBERS, names, strict=True)]
    folder.table("scans.csv", [["subject", "clean", "noisy"], *rows])
    study = folder.init("--task", "denoising")
    assert list(study["data"][0]["channels"].items()) == [
        ("image", "noisy"),
        ("reference", "clean"),
    ]


@pytest.mark.parametrize("in_table", [False, True])
def test_masks_whose_name_says_truth_are_no_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], in_table: bool
) -> None:
    folder = Folder(tmp_path, capsys)
    folder.scan(*(f"{n:03d}/T1.nii.gz" for n in NUMBERS))
    for n in NUMBERS:
        mask = np.zeros((10, 12, 11), np.uint8)
        mask[3:6, 4:8, 5] = 1
        nib.save(nib.Nifti1Image(mask, AFFINE), folder.scans / f"{n:03d}/gt.nii.gz")
    if in_table:
        rows = [[f"s{n}", f"{n:03d}/T1.nii.gz", f"{n:03d}/gt.nii.gz"] for n in NUMBERS]
        folder.table("scans.csv", [["subject", "T1", "gt"], *rows])
    study = folder.init("--task", "denoising")
    assert list(study["data"][0]["channels"]) == ["T1"]

"""A folder of 4-D series: nothing but denoising is offered, by neighbours in time."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import pytest
from init_folder import Folder
from series_study import AFFINE
from series_study import noisy_series
from series_study import write_series

from headstart.study.config import read_config
from headstart.tasks.neighbours import Neighbours


def test_a_folder_of_series_becomes_a_study_that_denoises_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Folder(tmp_path, capsys)
    folder.scans.mkdir()
    for number in range(6):
        write_series(folder.scans / f"s{number}_bold.nii.gz", noisy_series(number))
    assert "--task denoising" in folder.refused()
    study = folder.init("--task", "denoising")
    assert "16x16x8x12 (6)" in folder.said
    assert study["prepare"]["series"] is True
    experiment = read_config(study).experiments["denoising"]
    assert experiment.train.neighbours == Neighbours(before=3, after=3)
    assert len(folder.labels()) == 6


@pytest.mark.parametrize(("series", "volumes"), [(11, 1), (1, 11)])
@pytest.mark.parametrize("odd", [0, 5, 11])
def test_a_folder_of_both_kinds_becomes_a_study_of_what_most_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], series: int, volumes: int, odd: int
) -> None:
    folder = Folder(tmp_path, capsys)
    folder.scans.mkdir()
    for number in range(12):
        path, array = folder.scans / f"s{number:02d}_scan.nii.gz", noisy_series(number)
        if (number == odd) == (series == 1):
            write_series(path, array)
        else:
            nib.save(nib.Nifti1Image(array[..., 0], AFFINE), path)
    study = folder.init("--task", "denoising")
    assert study["prepare"].get("series", False) == (series > volumes)
    assert "1 of 12 scans can't be used" in folder.said

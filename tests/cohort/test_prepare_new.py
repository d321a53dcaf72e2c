"""What is said of a new scan's further channels comes with the scan, for the table of answers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import pytest
from two_contrasts import GRID
from two_contrasts import head

from headstart.cohort.new_scans import list_new_scans
from headstart.cohort.prepare_new import check_and_prepare
from headstart.imaging.config import Preparation
from headstart.training import predict_new


@pytest.mark.parametrize(("away", "said"), [(0, ""), (60, "% of the head alone")])
def test_a_channel_that_shows_little_of_the_head_is_told(
    tmp_path: Path, away: float, said: str
) -> None:
    place = GRID.affine.copy()
    place[1, 3] += away
    for name, affine in (("a", GRID.affine), ("b", place)):
        nib.save(nib.Nifti1Image(head(), affine), tmp_path / f"{name}.nii")
    table = tmp_path / "new.csv"
    table.write_text("T1,FLAIR\na.nii,b.nii\n")
    settings = Preparation(
        voxel_size=(8.0, 8.0, 8.0), window=(20, 23, 20), align={"FLAIR": "header"}
    )
    scans = list_new_scans([table], ["T1", "FLAIR"])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (reason,), prepared, remarks = check_and_prepare(
        scans, channels=["T1", "FLAIR"], settings=settings, scratch=scratch
    )
    assert not reason
    assert prepared.keys() == remarks.keys()
    (remark,) = remarks.values()
    assert said in remark
    assert bool(said) == bool(remark)


def test_it_stands_in_the_row_s_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_new, "digests_of", lambda _: set())
    scan: Any = SimpleNamespace(covariates=(), lacking=())
    card: Any = SimpleNamespace(
        seen=set(),
        covariates=SimpleNamespace(unlike=lambda _: ["older"]),
        training_scans=SimpleNamespace(unlike=lambda _: ["brighter"]),
    )
    moved = "a further channel was moved by 7.2 mm"
    assert predict_new._warning(scan, [card, card], moved) == f"{moved}; older; brighter"
    assert predict_new._warning(scan, [card], "") == "older; brighter"

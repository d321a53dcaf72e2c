"""Init on trees with a folder unlike the others: the rest is read, that one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import people
from trees import scan
from trees import table

from headstart.common.walk import list_files
from headstart.planning.discovery import discover

NUMBERS = range(1, 13)


@pytest.mark.parametrize("tabled", [True, False])
@pytest.mark.parametrize(
    ("names", "stray"),
    [
        ("S{:02d}/T1.nii.gz", ["S13/anat/T1.nii.gz"]),
        ("S{:02d}/anat/T1.nii.gz", ["S13/T1.nii.gz"]),
        ("S{:02d}/ses-1/T1.nii.gz", ["S13/T1.nii.gz"]),
        ("S{:02d}/T1.nii.gz", ["QC/T1.nii.gz"]),
        ("S{:02d}/T1.nii.gz", ["QC/S01.nii.gz", "QC/S02.nii.gz"]),
        ("S{:02d}/T1.nii.gz", ["old/S01/T1.nii.gz", "old/S02/T1.nii.gz"]),
        ("S{:02d}/T1.nii.gz", [f"old/S{n:02d}/T1.nii.gz" for n in NUMBERS]),
        ("S{:02d}/T1.nii.gz", [f"derivatives/S{n:02d}/T1.nii.gz" for n in NUMBERS]),
        ("S{:02d}/anat/T1.nii.gz", ["backup/anat/T1.nii.gz"]),
        ("S{:02d}/T1.nii.gz", ["template/MNI152_T1.nii.gz"]),
        ("S{:02d}_T1.nii.gz", ["MNI152_T1.nii.gz", "old/S01_T1.nii.gz"]),
        ("S{:02d}/T1.nii.gz", ["S05/T1 (copy).nii.gz", "S06/T1_old.nii.gz"]),
        ("S{:02d}.nii.gz", ["group_average.nii.gz"]),
        ("S{:02d}_T1.nii.gz", ["average_of_all_T1.nii.gz"]),
        ("S{:02d}/T1.nii.gz", ["S05 - Copy/T1.nii.gz"]),
    ],
)
def test_the_rest_is_read(tmp_path: Path, names: str, stray: list[str], tabled: bool) -> None:
    for n in NUMBERS:
        scan(tmp_path / names.format(n), n)
    for n, path in enumerate(stray, start=100):
        scan(tmp_path / path, n)
    if tabled:
        table(tmp_path / "t.csv", people([f"S{n:02d}" for n in NUMBERS]))
    found = discover(tmp_path, list_files(tmp_path))
    assert {one.path for one in found.scans} == {names.format(n) for n in NUMBERS}
    assert len(found.subjects) == 12
    homes = {path.split("/")[0].removesuffix(" - Copy") for path in stray}
    assert any(home in line for home in homes for line in found.notes)

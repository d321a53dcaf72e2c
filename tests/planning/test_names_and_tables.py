"""Init where the names of the files and a table beside them tell the same."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from trees import scan
from trees import table

from headstart.common.walk import list_files
from headstart.planning.discovery import discover
from headstart.planning.proposal import Found

PEOPLE = range(1, 15)


def look(folder: Path) -> Found:
    return discover(folder, list_files(folder))


def sexes(found: Found) -> dict[str, str]:
    return {scan.path: scan.labels["sex"] for scan in found.scans}


@pytest.mark.parametrize("names", ["{s}/S{n:02d}.nii.gz", "S{n:02d}_{s}_T1.nii.gz"])
def test_a_table_goes_before_the_names(tmp_path: Path, names: str) -> None:
    paths = {n: names.format(n=n, s="MF"[n % 2]) for n in PEOPLE}
    for n, path in paths.items():
        scan(tmp_path / path, n)
    rows = [{"ID": f"S{n:02d}", "Age": 20 + n, "Sex": "FM"[n % 2]} for n in PEOPLE]
    table(tmp_path / "t.csv", rows)
    found = look(tmp_path)
    assert sexes(found) == {paths[n]: "FM"[n % 2] for n in PEOPLE}
    assert any("differ in sex for 14" in line for line in found.notes)


@pytest.mark.parametrize("names", ["{}/T1.nii.gz", "sub-{}/anat.nii.gz", "{}_T1.nii.gz"])
def test_a_uuid_is_one_id_with_its_signs_and_without(tmp_path: Path, names: str) -> None:
    ids = {n: str(UUID(int=((n % 7) << 120) + (n << 90) + 7**n * 97)) for n in PEOPLE}
    for n, one in ids.items():
        scan(tmp_path / names.format(one), n)
    written = {n: one.upper() if n % 2 else one.replace("-", "") for n, one in ids.items()}
    table(tmp_path / "t.csv", [{"codice": i, "Age": 20 + n} for n, i in written.items()])
    found = look(tmp_path)
    assert len(found.subjects) == len(ids)
    ages = {scan.path: scan.labels.get("age") for scan in found.scans}
    assert ages == {names.format(one): str(20 + n) for n, one in ids.items()}


def test_a_word_that_the_key_needs_is_no_label(tmp_path: Path) -> None:
    ids = {n: f"S{n:02d}_{'MF'[n % 2]}_{20 + n}" for n in PEOPLE}
    for n, one in ids.items():
        scan(tmp_path / f"{one}.nii.gz", n)
    table(
        tmp_path / "t.csv", [{"ID": i, "Age": 20 + n, "Sex": "FM"[n == 3]} for n, i in ids.items()]
    )
    found = look(tmp_path)
    assert sexes(found) == {f"{one}.nii.gz": "FM"[n == 3] for n, one in ids.items()}
    assert any("differ in sex for 8 of 14" in line for line in found.notes)


def test_rules_of_a_table_that_tells_people_of_two_sites_apart(tmp_path: Path) -> None:
    rows = []
    for n in range(20):
        site, number = ("Bonn", "Kiel")[n // 10], f"{n % 10 + 1:03d}"
        scan(tmp_path / site / f"{number}_T1.nii.gz", n)
        age, sex = -9 if n == 4 else 20 + 3 * n, "MF"[n // 10]
        rows.append({"Site": site, "ID": number, "Age": age, "Sex": sex})
    table(tmp_path / "t.csv", rows)
    found = look(tmp_path)
    assert found.source["table"]["columns"] == {"Age": {"missing": ["-9"]}}
    assert any("-9 taken for 'not known'" in line for line in found.notes)
    assert {scan.labels["age"] for scan in found.scans if scan.path == "Bonn/005_T1.nii.gz"} == {""}

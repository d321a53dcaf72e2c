"""Init where some scans lie packed, some not, and some both ways."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from trees import mask
from trees import people
from trees import scan
from trees import table

from headstart.common.errors import UserError
from headstart.common.walk import list_files
from headstart.planning.discovery import discover
from headstart.planning.proposal import Found
from headstart.planning.trial import list_scans


def look(folder: Path) -> Found:
    return discover(folder, list_files(folder))


@pytest.mark.parametrize("name", ["{}/T1", "{}_T1", "{}/v1/T1", "{}/image"])
@pytest.mark.parametrize("named", ["p{:02d}", "uuid"])
@pytest.mark.parametrize("tabled", [True, False])
def test_one_of_each_is_taken(tmp_path: Path, name: str, named: str, tabled: bool) -> None:
    ids = [
        str(uuid.uuid5(uuid.NAMESPACE_DNS, str(n))) if named == "uuid" else named.format(n)
        for n in range(12)
    ]
    wanted = set()
    for n, one in enumerate(ids):
        suffixes = (".nii", ".nii.gz") if n in {4, 5} else ((".nii", ".nii.gz")[n % 2],)
        for suffix in suffixes:
            scan(tmp_path / f"{name.format(one)}{suffix}", n)
        wanted.add(f"{name.format(one)}{suffixes[-1]}")
    if tabled:
        table(tmp_path / "t.csv", people(ids))
    found = look(tmp_path)
    assert {one.path for one in found.scans} == wanted
    assert len(found.subjects) == 12
    assert found.source["prefer"] == ["nii.gz"]
    assert any("sessions have several scans" in line for line in found.notes)
    assert not tabled or all(one.labels["age"] for one in found.scans)


def test_masks_follow_whatever_their_suffix(tmp_path: Path) -> None:
    for n in range(12):
        for suffix in (".nii", ".nii.gz") if n < 3 else ((".nii", ".nii.gz")[n % 2],):
            scan(tmp_path / f"p{n:02d}_T1{suffix}", n)
        mask(tmp_path / f"p{n:02d}_lesion{'.nii.gz' if n % 3 else '.nii'}")
    found = look(tmp_path)
    assert len(found.scans) == 12
    assert all(one.paths["mask"] for one in found.scans)


@pytest.mark.parametrize("every", [1, 2])
def test_those_of_one_suffix_do_where_they_are_all(tmp_path: Path, every: int) -> None:
    for n in range(12):
        for suffix in (".nii", ".nii.gz") if n % every == 0 else (".nii",):
            scan(tmp_path / f"p{n:02d}_T1{suffix}", n)
    found = look(tmp_path)
    assert len(found.scans) == len(found.subjects) == 12
    assert len({one.path.partition(".")[2] for one in found.scans}) == 1


def test_the_word_for_prefer_fits(tmp_path: Path) -> None:
    for suffix in (".nii", ".nii.gz"):
        scan(tmp_path / f"p1/T1{suffix}")
    section = {"channels": {"T1": "{subject}/T1.nii*"}}
    with pytest.raises(UserError, match=r"write `prefer: nii\.gz`"):
        list_scans(tmp_path, section)
    scans, _ = list_scans(tmp_path, section | {"prefer": "nii.gz"})
    assert [one.path for one in scans if not one.reason] == ["p1/T1.nii.gz"]

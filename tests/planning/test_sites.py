"""Init on several sites that number their people alike, in names or folders, beside a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import scan
from trees import table

from headstart.common.walk import list_files
from headstart.planning.discovery import discover
from headstart.planning.proposal import Found

SITES = ("LDN", "OXF", "ROM")
Row = tuple[object, ...]


def read(folder: Path, names: str, head: Row, rows: list[Row]) -> Found:
    """Write a scan for each site and number, and a table, and read the folder."""
    for seed, (site, number) in enumerate((s, n) for s in SITES for n in range(1, 9)):
        scan(folder / names.format(site=site, n=number), seed)
    table(folder / "t.csv", [dict(zip(map(str, head), row, strict=True)) for row in rows])
    return discover(folder, list_files(folder))


def people(*, ages: int, sexes: int) -> list[Row]:
    """Return rows of site, number, age and sex; 0: one person has the same at each site."""
    return [
        (site, n, 20 + 2 * n + ages * s, "MF"[(n + sexes * s) % 2])
        for s, site in enumerate(SITES)
        for n in range(1, 9)
    ]


@pytest.mark.parametrize("head", [("Site", "ID"), ("Zentrum", "Nr."), ("centre", "Subject")])
@pytest.mark.parametrize(("ages", "sexes"), [(0, 1), (20, 0), (20, 1)])
@pytest.mark.parametrize("names", ["{site}_{n:02d}_T1w.nii.gz", "{site}-{n:03d}.nii.gz"])
def test_numbers_that_begin_again_at_each_site(
    tmp_path: Path, names: str, head: Row, ages: int, sexes: int
) -> None:
    found = read(tmp_path, names, (*head, "Age", "Sex"), people(ages=ages, sexes=sexes))
    assert len(found.subjects) == 24
    told = {Path(one.path).name[:3]: one.site for one in found.scans}
    assert told == {site: site for site in SITES}
    assert {one.labels["age"] for one in found.scans} == {
        str(age) for _, _, age, _ in people(ages=ages, sexes=sexes)
    }
    assert not found.group


@pytest.mark.parametrize(("ages", "sexes"), [(0, 1), (20, 0)])
def test_a_folder_per_site(tmp_path: Path, ages: int, sexes: int) -> None:
    rows = people(ages=ages, sexes=sexes)
    found = read(tmp_path, "{site}/{n:02d}_T1w.nii.gz", ("Site", "ID", "Age", "Sex"), rows)
    assert len(found.subjects) == 24
    assert {(one.path[:3], one.site) for one in found.scans} == {(s, s) for s in SITES}


def test_people_who_travel_to_each_site(tmp_path: Path) -> None:
    rows = people(ages=1, sexes=0)
    found = read(tmp_path, "{site}/{n:02d}_T1w.nii.gz", ("Site", "ID", "Age", "Sex"), rows)
    assert len(found.subjects) == 8
    assert len(found.scans) == 24


def test_a_visit_is_no_site(tmp_path: Path) -> None:
    rows = [(f"S{s}", n, 40 + s, "MF"[s % 2]) for s in range(5) for n in (1, 2)]
    for seed, (subject, visit, *_) in enumerate(rows):
        scan(tmp_path / f"{subject}_{visit}_T1w.nii.gz", seed)
    head = ("Subject", "Visit", "Age", "Sex")
    table(tmp_path / "t.csv", [dict(zip(head, row, strict=True)) for row in rows])
    assert len(discover(tmp_path, list_files(tmp_path)).subjects) == 5

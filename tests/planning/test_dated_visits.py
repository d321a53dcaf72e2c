"""Init on visits in folders that a hospital's export names by their dates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from trees import people
from trees import scan
from trees import table

from headstart.common.walk import list_files
from headstart.planning.discovery import discover

SERIES = {"sag_t1_mprage": "T1", "ax_t2_tse": "T2", "ax_flair": "FLAIR"}
Lacks = Callable[[int, int, str], bool]


def export(
    folder: Path, visits: Callable[[int], int], name: str, lacks: Lacks = lambda *_: False
) -> dict[str, dict[str, str]]:
    """Write 12 people's visits; return the channels of each first scan."""
    paths: dict[str, dict[str, str]] = {}
    for n in range(12):
        for visit in range(visits(n)):
            day = f"20{18 + n % 4 + 2 * visit}0{1 + n % 9}1{n % 9}"
            own: dict[str, str] = {}
            for place, (series, channel) in enumerate(SERIES.items()):
                number = 3 + (n + visit) % 3 + place
                path = name.format(one=f"HSM-{100 + 7 * n:05d}", day=day, number=number, s=series)
                if not lacks(n, visit, channel):
                    scan(folder / path, 100 * n + 10 * visit + place)
                    own[channel] = path
            paths[own["T1"]] = own
    table(folder / "t.csv", people([f"HSM-{100 + 7 * n:05d}" for n in range(12)]))
    return paths


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("export/{one}/{day}/{number:03d}_{s}.nii.gz", "export/{subject}/{session}/*_{s}.nii.gz"),
        ("{one}/{day}/se{number:03d}_{s}.nii.gz", "{subject}/{session}/*_{s}.nii.gz"),
        ("{one}/{day}/{number:03d}/{s}.nii.gz", "{subject}/{session}/*/{s}.nii.gz"),
        ("{one}/{day}/mri/s{number:03d}/{s}.nii", "{subject}/{session}/mri/*/{s}.nii"),
        ("{one}_{day}_{number:03d}_{s}.nii.gz", "{subject}_{session}_*_{s}.nii.gz"),
        ("{one}/{day}-{number:03d}_{s}.nii.gz", "{subject}/{session}-*_{s}.nii.gz"),
    ],
)
@pytest.mark.parametrize("visits", [lambda n: 1 + (n == 5), lambda n: 1 + n % 2, lambda _: 2])
def test_the_date_is_the_session_not_the_number_of_the_series(
    tmp_path: Path, name: str, template: str, visits: Callable[[int], int]
) -> None:
    paths = export(tmp_path, visits, name)
    found = discover(tmp_path, list_files(tmp_path))
    assert found.source["channels"] == {
        channel: template.replace("{s}", series) for series, channel in SERIES.items()
    }
    assert {one.path: one.paths for one in found.scans} == paths
    assert not any("rejected" in line for line in found.notes)


@pytest.mark.parametrize("visits", [lambda n: 1 + (n == 5), lambda n: 1 + n % 2])
def test_a_visit_that_lacks_a_channel_takes_no_other_visits(
    tmp_path: Path, visits: Callable[[int], int]
) -> None:
    name = "{one}/{day}/{number:03d}_{s}.nii.gz"
    paths = export(tmp_path, visits, name, lambda n, visit, s: (n, visit, s) == (5, 1, "FLAIR"))
    found = discover(tmp_path, list_files(tmp_path))
    assert list(found.source["channels"]) == ["T1", "T2", "FLAIR"]
    assert {one.path: one.paths for one in found.scans} == paths


@pytest.mark.parametrize("lost", [0, 1])
def test_a_person_with_a_channel_at_one_of_two_visits(tmp_path: Path, lost: int) -> None:
    name = "{one}/{day}/{number:03d}_{s}.nii.gz"
    paths = export(
        tmp_path,
        lambda n: 1 + (n == 5),
        name,
        lambda n, visit, s: n == 5 and visit == lost and s != "T1",
    )
    found = discover(tmp_path, list_files(tmp_path))
    assert {one.path: one.paths for one in found.scans} == paths

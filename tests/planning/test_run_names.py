"""Init where some sessions have several scans: one is taken of each, and that is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from trees import mask
from trees import people
from trees import scan
from trees import table

from headstart.common.walk import list_files
from headstart.planning.discovery import discover


@pytest.mark.parametrize("count", [7, 12, 30])
@pytest.mark.parametrize("tabled", [True, False])
@pytest.mark.parametrize(
    ("first", "runs"),
    [
        ("{0}_MR_d{1}/anat2/sub-{0}_ses-d{1}_T1w.nii.gz", ["run-01_T1w", "run-02_T1w"]),
        ("S{0}_T1.nii.gz", ["rescan_T1"]),
        ("S{0}.nii.gz", ["-2.nii"]),
        ("S{0}/T1.nii.gz", ["_2/T1"]),
    ],
)
def test_one_scan_of_each_session(
    tmp_path: Path, first: str, runs: list[str], count: int, tabled: bool
) -> None:
    own = first.split("/")[-1].split("_")[-1].partition(".")[0]
    ids = [f"OAS3{7 * n + 1:04d}" for n in range(count)]
    for n, one in enumerate(ids):
        path = first.format(one, 100 + n)
        further = []
        for run in runs if n % 2 else ():
            if run.startswith("_"):
                further.append(path.replace("/", "_2/"))
            elif run.startswith("-"):
                further.append(path.replace(".nii", "-2.nii"))
            else:
                further.append(path.replace(f"_{own}", f"_{run}"))
        for name in further if len(runs) > 1 and further else [path, *further]:
            scan(tmp_path / name, n)
    if tabled:
        table(tmp_path / "t.csv", people(ids if "MR" in first else [f"S{one}" for one in ids]))
    found = discover(tmp_path, list_files(tmp_path))
    assert len(found.scans) == len(found.subjects) == count
    assert found.source["prefer"]
    assert any("sessions have several scans" in line for line in found.notes)


@pytest.mark.parametrize("count", [8, 20])
@pytest.mark.parametrize("kind", ["mask", "FLAIR"])
@pytest.mark.parametrize("run", ["run{}", "run-{}", "rep{}", "mpr-{}"])
@pytest.mark.parametrize("home", ["pat{:02d}/v1/", "pat{:02d}/", "pat{:02d}_"])
@pytest.mark.parametrize(
    ("twice", "of"),
    [
        (lambda n: n % 3 == 0, lambda _: 1),
        (lambda n: n % 3 == 0, lambda n: 2 if n % 3 == 0 else 1),
        (lambda _: True, lambda n: 1 + n % 2),
    ],
    ids=["of the first", "of the second", "of either"],
)
def test_a_mask_or_channel_of_one_run_only(
    tmp_path: Path,
    twice: Callable[[int], bool],
    of: Callable[[int], int],
    home: str,
    run: str,
    kind: str,
    count: int,
) -> None:
    wanted = {}
    for n in range(count):
        for number in (1, 2) if twice(n) else (1,):
            image, other = (
                f"{home.format(n)}{name}_{run.format(number)}.nii.gz" for name in ("T1", kind)
            )
            scan(tmp_path / image)
            if number == of(n):
                (mask if kind == "mask" else scan)(tmp_path / other)
                wanted[image] = {"T1": image, kind: other}
    found = discover(tmp_path, list_files(tmp_path))
    assert {one.path: one.paths for one in found.scans} == wanted

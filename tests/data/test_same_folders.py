"""A `*` for a folder never joins a scan and the mask or channel of another session in silence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from trees import scan

from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.layouts.source import read_source

DAYS = ("20190312", "20210415")


def scans_of(folder: Path, **section: Any) -> list[FoundScan]:
    return read_source(Source.model_validate({"source": "own", "path": ".", **section}), folder)


def write(folder: Path, *paths: str) -> None:
    for seed, path in enumerate(paths):
        scan(folder / path, seed)


TEMPLATES = [
    ("{subject}/*/{session}_t1.nii", "{subject}/*/*_flair.nii"),
    ("{subject}/*/*_t1.nii", "{subject}/*/*_flair.nii"),
    ("{subject}/{session}/*_t1.nii", "{subject}/*/*_flair.nii"),
    ("{subject}/{day}/{session}_t1.nii", "{subject}/*/*_flair.nii"),
    ("{subject}/*/{session}_t1.nii", "{subject}/20*/*_flair.nii"),
    ("{subject}/20*/{session}_t1.nii", "{subject}/{20190312|20210415}/*_flair.nii"),
]


@pytest.mark.parametrize(("first", "other"), TEMPLATES)
@pytest.mark.parametrize("name", ["FLAIR", "mask", "brain_mask"])
def test_a_file_of_another_visit_is_not_taken(
    tmp_path: Path, first: str, other: str, name: str
) -> None:
    for n in range(1, 4):  # a visit each
        write(tmp_path, *(f"S{n}/{DAYS[n % 2]}/00{n}_{what}.nii" for what in ("t1", "flair")))
    # of two visits the second lacks it, or the first
    write(tmp_path, *(f"S4/{DAYS[0]}/00{n}_{what}.nii" for n, what in ((3, "t1"), (5, "flair"))))
    write(tmp_path, f"S4/{DAYS[1]}/004_t1.nii")
    write(tmp_path, f"S5/{DAYS[0]}/003_t1.nii", f"S5/{DAYS[1]}/004_flair.nii")
    section: dict[str, Any] = {"channels": {"T1": first}}
    if name == "FLAIR":
        section["channels"][name] = other
    else:
        section[name] = other
    scans = scans_of(tmp_path, **section)
    good = {one.path: one.paths[name] for one in scans if not one.reason}
    assert good == {
        **{f"S{n}/{DAYS[n % 2]}/00{n}_t1.nii": f"S{n}/{DAYS[n % 2]}/00{n}_flair.nii"
           for n in range(1, 4)},
        f"S4/{DAYS[0]}/003_t1.nii": f"S4/{DAYS[0]}/005_flair.nii",
    }  # fmt: skip
    missing = "missing-channel" if name == "FLAIR" else "missing-mask"
    assert {one.path: one.reason for one in scans if one.reason} == {
        f"S4/{DAYS[1]}/004_t1.nii": missing,
        f"S5/{DAYS[0]}/003_t1.nii": missing,
        f"S5/{DAYS[1]}": "missing-channel",
        f"S5/{DAYS[1]}/004_flair.nii": "no-image",
    }
    told = {one.path: one.detail for one in scans if one.reason == missing}
    assert (
        f"S4/{DAYS[0]}/005_flair.nii is not of the same session" in told[f"S4/{DAYS[1]}/004_t1.nii"]
    )


def test_of_files_of_several_visits_that_of_the_same_is_taken(tmp_path: Path) -> None:
    for n in range(1, 4):
        paths = (f"S{n}/{day}/{what}.nii" for day in DAYS for what in ("flair", "t1"))
        write(tmp_path, *(path for path in paths if path != f"S{n}/{DAYS[1]}/t1.nii"))
    write(tmp_path, *(f"masks/{DAYS[n % 2]}/S{n}.nii" for n in range(1, 4)))
    scans = scans_of(
        tmp_path,
        channels={"T1": "{subject}/*/t1.nii", "FLAIR": "{subject}/*/flair.nii"},
        mask="masks/*/{subject}.nii",
    )
    assert [tuple(one.paths.values()) for one in scans if not one.reason] == [
        (f"S2/{DAYS[0]}/t1.nii", f"S2/{DAYS[0]}/flair.nii", f"masks/{DAYS[0]}/S2.nii")
    ]


@pytest.mark.parametrize(
    ("t1", "flair"),
    [
        ("{subject}/*/t1.nii", "{subject}/*/flair.nii"),
        ("{subject}/*_a/t1.nii", "{subject}/*_a/flair.nii"),
    ],
)
def test_folders_of_series_are_no_visits(tmp_path: Path, t1: str, flair: str) -> None:
    for n in range(1, 8):
        one, two = (text.replace("{subject}", str(n)) for text in (t1, flair))
        write(tmp_path, one.replace("*", str(3 + n % 3)), two.replace("*", str(4 + n % 3)))
    scans = scans_of(tmp_path, channels={"T1": t1, "FLAIR": flair})
    assert [(one.reason, len(one.paths)) for one in scans] == [("", 2)] * 7


def test_visits_above_series(tmp_path: Path) -> None:
    for n in range(1, 8):
        for visit in (1, 2):
            home = f"S{n}/{visit}"
            write(tmp_path, f"{home}/{n % 3}/t1.nii", f"{home}/{n % 3 + 1}/flair.nii")
    shutil.rmtree(tmp_path / "S7/2/2")  # the flair
    scans = scans_of(
        tmp_path,
        channels={"T1": "{subject}/{session}/*/t1.nii", "FLAIR": "{subject}/{session}/*/flair.nii"},
    )
    assert [one.path for one in scans if one.reason] == ["S7/2/1/t1.nii"]
    scans = scans_of(
        tmp_path,
        channels={"T1": "{subject}/{session}/*/t1.nii", "FLAIR": "{subject}/*/*/flair.nii"},
    )
    assert [one.path for one in scans if one.reason] == ["S7/2/1/t1.nii"]

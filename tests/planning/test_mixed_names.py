"""Init on scans of one channel whose names are cut differently: all people, each once."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import pytest
from trees import mask
from trees import people
from trees import scan
from trees import table

from headstart.common.errors import UserError
from headstart.common.walk import list_files
from headstart.data.templates import Template
from headstart.planning.discovery import discover
from headstart.planning.proposal import Found

SERIES = (
    ("MPRAGE", "MP-RAGE"),
    ("MPRAGE", "MP-RAGE", "MP_RAGE_REPEAT", "Accelerated_Sag_IR-SPGR"),
    ("MP-RAGE", "MP-RAGE_REPEAT", "MPRAGE_SENSE2"),
    ("Sag_IR-SPGR", "Accelerated_Sagittal_MPRAGE", "T1w", "IR-FSPGR", "ADNI-R11-ah-MPRAGE"),
)


def look(folder: Path) -> Found:
    return discover(folder, list_files(folder))


def adni(
    folder: Path, count: int, series: tuple[str, ...], visits: int = 2, image: int = 1000
) -> dict[str, str]:
    """Write a folder as LONI gives it; return each scan's subject."""
    whose = {}
    for n in range(count):
        for visit in range(1, 1 + n % visits + 1):
            one, name = f"{n % 5 + 3:03d}_S_{5000 + n:04d}", series[(n + visit) % len(series)]
            image += 3
            path = f"ADNI/{one}/{name}/2012-0{visit}-1{n % 9}_08_00_00.0/I{image}"
            file = f"ADNI_{one}_MR_{name}_br_raw_20120{visit}10_S{2 * image}_I{image}.nii"
            scan(folder / path / file, image)
            whose[f"{path}/{file}"] = one
    return whose


@pytest.mark.parametrize("count", [6, 11, 24])
@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("visits", [1, 2])
def test_series_of_one_channel_are_one(
    tmp_path: Path, count: int, series: tuple[str, ...], visits: int
) -> None:
    whose = adni(tmp_path, count, series, visits)
    found = look(tmp_path)
    assert {one.path: one.subject for one in found.scans} == whose
    assert list(found.source["channels"]) == ["T1"]
    assert any("named in another way" in line for line in found.notes)


@pytest.mark.parametrize("count", [6, 11, 24])
@pytest.mark.parametrize("words", [("t1mprage", "t1_mprage_sag"), ("T1", "3DT1"), ("T1W", "T1TFE")])
def test_words_that_are_run_together_say_the_channel(
    tmp_path: Path, words: tuple[str, str], count: int
) -> None:
    whose = {}
    for n in range(count):
        path = f"C{n:03d}B_{words[n % 3 == 0]}_2018010{n % 9 + 1}.nii.gz"
        scan(tmp_path / path, n)
        whose[path] = f"C{n:03d}B"
    found = look(tmp_path)
    assert {one.path: one.subject for one in found.scans} == whose
    assert list(found.source["channels"]) == ["T1"]


def test_series_of_another_channel_are_not_taken(tmp_path: Path) -> None:
    whose = adni(tmp_path, 12, SERIES[1])
    adni(tmp_path, 12, ("Sagittal_3D_FLAIR", "Axial_FLAIR"), image=90000)
    found = look(tmp_path)
    assert {one.path: one.subject for one in found.scans} == whose


@pytest.mark.parametrize("tabled", [True, False])
@pytest.mark.parametrize(
    "ids",
    [
        ["NYU_0050002", "UCLA_1_0050007", "Leuven_2_0050010"],
        ["NYU_1", "UCLA_1_1", "Max_Mun_3_1"],
        ["sub-01", "sub_01", "Sub-01"],
        ["sub-01", "sub01"],
        ["P-01", "P.01", "P_01"],
        ["A01", "A01_b"],
    ],
)
@pytest.mark.parametrize("names", ["{}/anat/mprage.nii.gz", "{}_T1w.nii.gz", "{0}/{0}_T1.nii"])
def test_ids_with_more_or_fewer_words(
    tmp_path: Path, ids: list[str], names: str, tabled: bool
) -> None:
    own = []
    for n in range(17):
        pattern = ids[n % len(ids)]
        digits = max((part for part in pattern.replace("A0", "A_0").split("_")), key=len)
        digits = "".join(filter(str.isdecimal, digits)) or "1"
        number = f"{int(digits) + 3 * n:0{len(digits)}d}"
        start, _, end = pattern.rpartition(digits)
        own.append(f"{start}{number}{end}")
        scan(tmp_path / names.format(own[-1]), n)
    if tabled:
        table(tmp_path / "t.csv", people(own))
    found = look(tmp_path)
    assert len(found.scans) == len(found.subjects) == 17
    if tabled:
        ages = {one.path: one.labels["age"] for one in found.scans}
        assert ages == {names.format(one): str(20 + 3 * n) for n, one in enumerate(own)}


def test_an_id_of_which_the_table_has_the_number_alone(tmp_path: Path) -> None:
    sites, rows = ("NYU", "UCLA_1", "Leuven_2"), []
    for n in range(15):
        scan(tmp_path / f"{sites[n // 5]}_{50002 + n:07d}/anat/mprage.nii.gz", n)
        rows.append({"SITE_ID": sites[n // 5], "SUB_ID": 50002 + n, "AGE_AT_SCAN": 20 + n})
    table(tmp_path / "t.csv", rows)
    found = look(tmp_path)
    assert {one.subject: one.labels["age"] for one in found.scans} == {
        f"{50002 + n:07d}": str(20 + n) for n in range(15)
    }


def test_masks_follow_mixed_names(tmp_path: Path) -> None:
    for n in range(12):
        one = f"sub{'-_'[n % 2]}{n + 1:02d}"
        scan(tmp_path / f"{one}_T1.nii.gz", n)
        mask(tmp_path / f"{one}_lesion_mask.nii.gz")
    found = look(tmp_path)
    assert len(found.scans) == 12
    assert all("mask" in one.paths for one in found.scans)


def test_what_is_computed_from_a_scan_is_no_other_person(tmp_path: Path) -> None:
    for n in range(12):
        scan(tmp_path / f"S{n:02d}/T1.nii.gz", n)
        for name in ("T1_brain", "T1_bias_corrected"):
            if n % 3:
                scan(tmp_path / f"S{n:02d}/{name}.nii.gz", n)
    scan(tmp_path / "S20/T1_brain.nii.gz", 20)
    table(tmp_path / "t.csv", people([f"S{n:02d}" for n in (*range(12), 20)]))
    found = look(tmp_path)
    assert {one.path for one in found.scans} == {f"S{n:02d}/T1.nii.gz" for n in range(12)}
    assert any("S20/T1_brain.nii.gz" in line or "T1_brain" in line for line in found.notes)


@pytest.mark.parametrize("again", ["S{:02d}_rescan_T1.nii.gz", "S{:02d}_2_T1.nii.gz"])
@pytest.mark.parametrize("every", [1, 2, 5])
def test_one_person_is_not_made_two(tmp_path: Path, again: str, every: int) -> None:
    for n in range(12):
        scan(tmp_path / f"S{n:02d}_T1.nii.gz", n)
        if n % every == 0:
            scan(tmp_path / again.format(n), n)
    found = None
    with contextlib.suppress(UserError):  # where no template tells the two apart
        found = look(tmp_path)
    numbers = Counter(int(one.subject[1:3]) for one in found.scans) if found else Counter()
    assert not found or max(numbers.values()) == 1 or len(found.subjects) == 12


@pytest.mark.parametrize("tabled", [True, False])
@pytest.mark.parametrize("count", [3, 8])
@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("own", ["p{0}", "{1}-{2}"])
def test_two_series_that_name_no_channel(
    tmp_path: Path, own: str, every: int, count: int, tabled: bool
) -> None:
    ids = [own.format(n, 1037 + 3 * n, 7 * n % 10) for n in range(1, count + 1)]
    for n, one in enumerate(ids, start=1):
        scan(tmp_path / f"{one}_tse_tra_3mm.nii.gz", n)
        if n % every == 0:
            scan(tmp_path / f"{one}_haste_cor.nii.gz", n + 50)
    if tabled:
        table(tmp_path / "t.csv", people(ids))
    found = look(tmp_path)
    assert len(found.scans) == len(found.subjects) == count
    assert len({one.path.partition("_")[2] for one in found.scans}) == 1
    assert bool(found.labels) == tabled
    assert any("not used" in line or "fits no template" in line for line in found.notes)


@pytest.mark.parametrize("last", ["haste_cor", "tse_tra_3mm"])
def test_a_series_of_one_person_alone_is_no_id(tmp_path: Path, last: str) -> None:
    ids = ["1040-0", "1043-1", "1046-2", "1049-3"]
    for n, one in enumerate(ids):
        scan(tmp_path / f"{one}_{last if n == 3 else 'tse_tra_3mm'}.nii.gz", n)
    table(tmp_path / "t.csv", people(ids))
    ages = {one.path.partition("_")[0]: one.labels["age"] for one in look(tmp_path).scans}
    assert ages == {one: str(20 + 3 * n) for n, one in enumerate(ids)}


@pytest.mark.parametrize("series", [("t1_fspgr", "t1_mprage_3mm"), ("t1_mprage",)])
@pytest.mark.parametrize("own", ["sub_{:03d}-{}", "{:03d}-{}", "P_{:03d}_{}"])
@pytest.mark.parametrize("count", [4, 8])
def test_an_id_of_two_words_before_a_series(
    tmp_path: Path, own: str, series: tuple[str, ...], count: int
) -> None:
    ids = [own.format(n, 7 * n % 10) for n in range(1, count + 1)]
    for n, one in enumerate(ids):
        scan(tmp_path / f"{one}_{series[n % len(series)]}.nii.gz", n)
    table(tmp_path / "t.csv", people(ids))
    found = look(tmp_path)
    assert len(found.scans) == count
    assert {one.path: one.labels["age"] for one in found.scans} == {
        f"{one}_{series[n % len(series)]}.nii.gz": str(20 + 3 * n) for n, one in enumerate(ids)
    }


def test_a_choice_in_a_template_takes_these_words_alone() -> None:
    template = Template("{subject}/{MPRAGE|MP-RAGE}/T1.nii.gz")
    assert template.fields == ("subject",)
    assert template.match("S1/MP-RAGE/T1.nii.gz") == {"subject": "S1"}
    assert template.match("S1/FLAIR/T1.nii.gz") is None
    files = sorted(["S1/FLAIR/T1.nii.gz", "S1/MPRAGE/T1.nii.gz", "S2/MPRAGE/T1.nii.gz"])
    assert template.find({"subject": "S1"}, files) == ["S1/MPRAGE/T1.nii.gz"]

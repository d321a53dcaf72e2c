"""Which of several scans of one session is taken, in every layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trees import scan
from trees import table

from headstart.common.errors import UserError
from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.found_scans import lost_of
from headstart.data.layouts.source import read_source
from headstart.data.preferred import preferred
from headstart.data.scan_rules import apply_rules


def scans_of(folder: Path, **section: Any) -> list[FoundScan]:
    source = Source.model_validate({"source": "own", "path": ".", **section})
    scans = read_source(source, folder)
    apply_rules([one for one in scans if one.found], [source])
    return scans


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (["run-01"], ["a_run-01_T1.nii"]),
        (["run-9", "run-02"], ["a_run-02_T1.nii"]),
        (["run-0"], ["a_run-01_T1.nii", "a_run-02_T1.nii", "a_run-010_T1.nii"]),
        (["010"], ["a_run-010_T1.nii"]),
        ([], ["a_run-01_T1.nii", "a_run-02_T1.nii", "a_run-010_T1.nii"]),
    ],
)
def test_words_are_whole_parts_of_names(words: list[str], chosen: list[str]) -> None:
    assert preferred(["a_run-01_T1.nii", "a_run-02_T1.nii", "a_run-010_T1.nii"], words) == chosen


@pytest.mark.parametrize("prefer", ["run-01", ["run-02", "run-01"], ["run-7", "run-02"]])
def test_every_layout_takes_the_preferred_run(
    tmp_path: Path, prefer: str | list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted, rows = {}, []
    words = [prefer] if isinstance(prefer, str) else prefer
    for n in range(1, 7):
        runs = ("run-01", "run-02") if n % 2 else ("run-01",)
        for run in runs:
            path = f"S{n}_{run}_T1.nii"
            scan(tmp_path / path, n)
            rows.append({"subject": f"S{n}", "file": path})
        wanted[f"S{n}"] = f"S{n}_{next((w for w in words if w in runs), runs[0])}_T1.nii"
    table(tmp_path / "t.csv", rows)
    for section in (
        {"channels": {"T1": "{subject}_run-*_T1.nii"}},
        {"layout": "table", "channels": {"T1": "file"}, "table": {"path": "t.csv"}},
    ):
        with pytest.raises(UserError, match="prefer: run-01"):
            scans_of(tmp_path, **section)
        scans = scans_of(tmp_path, **section, prefer=prefer)
        assert {one.subject: one.path for one in scans if not one.reason} == wanted
        assert "3 scans not taken" in capsys.readouterr().err


def test_masks_and_further_channels_too(tmp_path: Path) -> None:
    for n in range(1, 4):
        scan(tmp_path / f"S{n}_T1.nii", n)
        for run in ("run-1", "run-2"):
            scan(tmp_path / f"S{n}_{run}_T2.nii", n)
    channels = {"T1": "{subject}_T1.nii", "T2": "{subject}_run-*_T2.nii"}
    assert {one.reason for one in scans_of(tmp_path, channels=channels)} == {"missing-channel"}
    scans = scans_of(tmp_path, channels=channels, prefer="run-2")
    assert [one.paths["T2"] for one in scans] == [f"S{n}_run-2_T2.nii" for n in range(1, 4)]


def of_each(scans: list[FoundScan]) -> dict[str, tuple[str, ...]]:
    return {one.subject: tuple(one.paths.values()) for one in scans if not one.reason}


def reasons(scans: list[FoundScan]) -> dict[str, str]:
    return {one.path: one.reason for one in scans if one.reason}


@pytest.mark.parametrize(
    ("one", "two", "mask_of", "template", "prefer"),
    [
        ("T1_run-1", "T1_run-2", "seg{}", "T1_*", "run-1"),
        ("T1_run1", "T1_run2", "seg{}", "T1_*", "run1"),
        ("T1_run_1", "T1_run_2", "seg{}", "T1_*", "run_1"),
        ("T1_run-01", "T1_run-02", "seg{}", "T1_*", "run-01"),
        ("T1_sag_0003", "T1_cor_0004", "seg{}", "T1_*", "sag"),
        ("B", "A", "seg_{}", "{A|B}", "B"),
        ("MP-RAGE", "MPRAGE", "seg_{}", "{MPRAGE|MP-RAGE}", "MP-RAGE"),
    ],
)
@pytest.mark.parametrize("name", ["mask", "T2"])
def test_masks_and_channels_are_those_of_the_chosen_scan(
    tmp_path: Path, one: str, two: str, mask_of: str, template: str, prefer: str, name: str
) -> None:
    first, second = (mask_of.format(scan_name.removeprefix("T1")) for scan_name in (one, two))
    lying = {
        "S1": (one, two, first, second),
        "S2": (one, two, second),  # the chosen one lacks its mask
        "S3": (one, second),
        "S4": (two, first),
        "S5": (two, second),
    }
    for subject, names in lying.items():
        for number, own in enumerate(names):
            scan(tmp_path / subject / f"{own}.nii", number)
    channels = {"T1": f"{{subject}}/{template}.nii"}
    section = {"channels": channels, "mask": "{subject}/seg*.nii"}
    if name == "T2":
        section = {"channels": channels | {"T2": "{subject}/seg*.nii"}}
    scans = scans_of(tmp_path, **section, prefer=prefer)
    assert of_each(scans) == {
        "S1": (f"S1/{one}.nii", f"S1/{first}.nii"),
        "S2": (f"S2/{two}.nii", f"S2/{second}.nii"),
        "S5": (f"S5/{two}.nii", f"S5/{second}.nii"),
    }
    missing = "missing-mask" if name == "mask" else "missing-channel"
    assert reasons(scans) == {
        f"S1/{two}.nii": "not-preferred",
        f"S2/{one}.nii": "not-preferred",
        f"S3/{one}.nii": missing,
        f"S4/{two}.nii": missing,
    }
    assert all(f"S3/{second}.nii" in one.detail for one in scans if one.path == f"S3/{one}.nii")


def test_a_mask_without_any_run_fits_all(tmp_path: Path) -> None:
    for n in range(1, 4):
        for name in ("T1_run-1", "T1_run-2", "seg" if n > 1 else "seg_run-1", "brain_mask"):
            scan(tmp_path / f"S{n}/{name}.nii", n)
    section = {
        "channels": {"T1": "{subject}/T1_*.nii"},
        "mask": "{subject}/seg*.nii",
        "brain_mask": "{subject}/brain_mask.nii",
    }
    scans = scans_of(tmp_path, **section, prefer="run-1")
    assert of_each(scans) == {
        f"S{n}": (
            f"S{n}/T1_run-1.nii",
            f"S{n}/seg{'_run-1' if n == 1 else ''}.nii",
            f"S{n}/brain_mask.nii",
        )
        for n in range(1, 4)
    }


def test_words_of_one_channel_say_nothing_of_another(tmp_path: Path) -> None:
    for n in range(1, 4):
        for name in ("acq-mprage_T1", "acq-tfe_T1", "acq-space_T2", "acq-tse_T2"):
            scan(tmp_path / f"S{n}/{name}.nii", n)
        for name in ("orig_T1", "brain_T1", "brain_mask"):
            scan(tmp_path / f"P{n}/{name}.nii", n)
    channels = {"T1": "{subject}/acq-*_T1.nii", "T2": "{subject}/acq-*_T2.nii"}
    scans = scans_of(tmp_path, channels=channels, prefer=["acq-mprage", "acq-space"])
    assert of_each(scans) == {
        f"S{n}": (f"S{n}/acq-mprage_T1.nii", f"S{n}/acq-space_T2.nii") for n in range(1, 4)
    }
    section = {
        "channels": {"T1": "{subject}/{orig|brain}_T1.nii"},
        "brain_mask": "{subject}/brain_mask.nii",
    }
    scans = scans_of(tmp_path, **section, prefer="orig")
    assert of_each(scans) == {
        f"P{n}": (f"P{n}/orig_T1.nii", f"P{n}/brain_mask.nii") for n in range(1, 4)
    }


@pytest.mark.parametrize(
    ("one", "other", "template"),
    [
        ("A/S{}/run-1_T1", "B/S{}/run-2_T1", "{site}/{subject}/*_T1.nii"),
        ("A_S{}_run-1_T1", "B_S{}_run-2_T1", "{site}_{subject}_*_T1.nii"),
        ("ill/S{}/run-1_T1", "well/S{}/run-2_T1", "{group}/{subject}/*_T1.nii"),
        ("ill_S{}_run-1_T1", "well_S{}_run-2_T1", "{group}_{subject}_*_T1.nii"),
        ("ill/S{}/1/run-1_T1", "well/S{}/1/run-2_T1", "*/{subject}/{session}/*_T1.nii"),
        ("S{}/v1/run-1_T1", "S{}/v2/run-2_T1", "{subject}/*/*_T1.nii"),
        ("S{}/run-1/T1", "S{}/run-2/T1", "{subject}/*/T1.nii"),
        ("S{}_v1/run-1_T1", "S{}_v2/run-2_T1", "{subject}_*/*_T1.nii"),
    ],
)
def test_people_and_visits_stay_apart(tmp_path: Path, one: str, other: str, template: str) -> None:
    for n in range(1, 4):
        for path in (one, other):
            scan(tmp_path / f"{path.format(n)}.nii", n)
    with pytest.raises(UserError, match="are both 'S1_1'"):
        scans_of(tmp_path, channels={"T1": template}, prefer="run-1")
    rows = [
        {"subject": f"S{n}", "file": f"{path.format(n)}.nii"}
        for n in range(1, 4)
        for path in (one, other)
        if "/" in one
    ]
    if rows:
        table(tmp_path / "t.csv", rows)
        section = {"layout": "table", "channels": {"T1": "file"}, "table": {"path": "t.csv"}}
        with pytest.raises(UserError, match="are both 'S1_1'"):
            scans_of(tmp_path, **section, prefer="run-1")


@pytest.mark.parametrize(
    ("paths", "template"),
    [
        ("S{}/run-{}/T1.nii", "{subject}/{run-1|run-2}/T1.nii"),
        ("S{}/run-{}/5/T1.nii", "{subject}/*/{session}/T1.nii"),
        ("S{}_run-{}_T1.nii", "{subject}_run-{run}_T1.nii"),
    ],
)
def test_runs_in_folders_and_fields(tmp_path: Path, paths: str, template: str) -> None:
    for n in range(1, 4):
        for run in (1, 2):
            scan(tmp_path / paths.format(n, run), n)
    scans = scans_of(tmp_path, channels={"T1": template}, prefer="run-1")
    assert [one.path for one in scans if not one.reason] == [
        paths.format(n, 1) for n in range(1, 4)
    ]
    assert reasons(scans) == {paths.format(n, 2): "not-preferred" for n in range(1, 4)}
    assert lost_of(scans) == ([], 3)


@pytest.mark.parametrize("mask", [None, "derivatives/lesions/label-lesion_mask"])
def test_bids_joins_files_of_one_run(
    tmp_path: Path, mask: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    where = "{0}/anat/{0}_run-{1}_FLAIR.nii"
    if mask is not None:
        where = "derivatives/lesions/{0}/anat/{0}_run-{1}_label-lesion_mask.nii"
    image = "{0}/anat/{0}_run-{1}_T1w.nii"
    lying = {"sub-1": ("12", "12"), "sub-2": ("12", "2"), "sub-3": ("1", "2")}
    for person, (images, others) in lying.items():
        for run in images:
            scan(tmp_path / image.format(person, run), 1)
        for run in others:
            scan(tmp_path / where.format(person, run), 2)
    channels = {"T1": "T1w"} | ({} if mask else {"FLAIR": "FLAIR"})
    scans = scans_of(tmp_path, layout="bids", channels=channels, mask=mask, prefer="run-1")
    assert of_each(scans) == {
        str(n): (image.format(f"sub-{n}", n), where.format(f"sub-{n}", n)) for n in (1, 2)
    }
    assert reasons(scans) == {
        image.format("sub-1", 2): "not-preferred",
        image.format("sub-2", 1): "not-preferred",
        image.format("sub-3", 1): "missing-mask" if mask else "missing-channel",
    }
    assert "2 scans not taken" in capsys.readouterr().err


def test_two_channels_of_one_suffix(tmp_path: Path) -> None:
    for run in (1, 2):
        scan(tmp_path / f"sub-1/anat/sub-1_run-{run}_T1w.nii", run)
    channels = {"A": "run-1_T1w", "B": "run-2_T1w"}
    scans = scans_of(tmp_path, layout="bids", channels=channels, prefer="run-1")
    assert of_each(scans) == {
        "1": ("sub-1/anat/sub-1_run-1_T1w.nii", "sub-1/anat/sub-1_run-2_T1w.nii")
    }


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (["T1_run-01.nii", "T1_run-02.nii"], "run-01"),
        (["T1.nii", "T1.nii.gz"], "nii.gz"),
        (["003_sag.nii", "004_cor.nii"], "sag"),
        (["003.nii", "004.nii"], "003"),
        (["T1_run.nii", "T1_run_2.nii"], "2"),
        (["T1.nii", "T1.NII"], "NII"),
    ],
)
@pytest.mark.parametrize("of", ["image", "mask"])
def test_the_word_that_is_told_decides(
    tmp_path: Path, names: list[str], word: str, of: str
) -> None:
    for name in names:
        scan(tmp_path / "S1" / name)
    scan(tmp_path / "S1_flair.nii")
    section: dict[str, Any] = {"channels": {"T1": "{subject}/*.nii*"}}
    if of == "mask":
        section = {"channels": {"T1": "{subject}_flair.nii"}, "mask": "{subject}/*.nii*"}
    try:
        told = next(one.detail for one in scans_of(tmp_path, **section) if one.reason)
    except UserError as error:
        told = str(error)
    assert f"`prefer: {word}`" in told
    scans = scans_of(tmp_path, **section, prefer=word)
    assert [one.reason for one in scans if one.found] == [""]


def test_a_scan_with_its_optional_channel_comes_before_one_without(tmp_path: Path) -> None:
    for name in ("a_run-1_T1", "a_run-2_T1", "a_run-2_FLAIR", "b_run-1_T1", "b_run-2_T1"):
        scan(tmp_path / f"{name}.nii")
    flair = {"path": "{subject}_{run}_FLAIR.nii", "optional": True}
    channels = {"T1": "{subject}_{run}_T1.nii", "FLAIR": flair}
    found = scans_of(tmp_path, channels=channels, prefer="run-1")
    taken = {one.subject: one.path for one in found if not one.reason}
    assert taken == {"a": "a_run-2_T1.nii", "b": "b_run-1_T1.nii"}

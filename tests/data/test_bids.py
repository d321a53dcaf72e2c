"""Layout `bids`: names, sessions, participants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.common.errors import UserError
from headstart.data.bids import Name
from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.layouts.source import read_source


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Path]:
    def make(*names: str, **tables: str) -> Path:
        for name in names:
            path = tmp_path / "ds" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        for name, text in tables.items():
            (tmp_path / "ds" / f"{name}.tsv").write_text(text)
        return tmp_path / "ds"

    return make


def scans_of(folder: Path, **section: Any) -> list[FoundScan]:
    source = {"source": "ds", "layout": "bids", "channels": {"T1": "T1w"}} | section
    return read_source(Source.model_validate(source), folder.parent)


def good(scans: list[FoundScan]) -> dict[str, FoundScan]:
    return {f"{scan.subject}_{scan.session}": scan for scan in scans if not scan.reason}


def bad(scans: list[FoundScan]) -> dict[str, tuple[str, str]]:
    return {f"{s.subject}_{s.session}": (s.reason, s.detail) for s in scans if s.reason}


def test_with_and_without_sessions(dataset: Callable[..., Path]) -> None:
    folder = dataset(
        "dataset_description.json",
        "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
        "sub-01/ses-a/anat/sub-01_ses-a_T1w.json",
        "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz",
        "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii",
        "sub-02/anat/sub-02_T1w.nii.gz",
        "sub-03/func/sub-03_task-rest_bold.nii.gz",
        "sub-04/anat/readme.txt",
        "sub-05/anat/sub-06_T1w.nii.gz",
        "sourcedata/sub-01/anat/sub-01_T1w.nii.gz",
    )
    scans = scans_of(folder)
    assert {name: scan.path for name, scan in good(scans).items()} == {
        "01_a": "ds/sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
        "01_b": "ds/sub-01/ses-b/anat/sub-01_ses-b_T1w.nii",
        "02_1": "ds/sub-02/anat/sub-02_T1w.nii.gz",
    }
    reasons = {name: reason for name, (reason, _) in bad(scans).items()}
    assert reasons == {
        "03_1": "missing-channel",
        "04_1": "missing-channel",
        "05_1": "missing-channel",
        "_": "no-subject",
    }
    assert bad(scans)["_"][1].startswith("sub-05/anat/sub-06_T1w.nii.gz: its name and its folder")


def test_entities_tell_files_apart(dataset: Callable[..., Path]) -> None:
    folder = dataset(
        "sub-1/anat/sub-1_run-1_T1w.nii.gz",
        "sub-1/anat/sub-1_run-2_T1w.nii.gz",
        "sub-2/anat/sub-2_acq-fast_run-1_T1w.nii.gz",
        "sub-3/anat/sub-3_T1w.nii.gz",
        "sub-3/anat/sub-3_run-1_T1w.nii.gz",
    )
    scans = scans_of(folder)
    assert {name: Path(scan.path).name for name, scan in good(scans).items()} == {
        "2_1": "sub-2_acq-fast_run-1_T1w.nii.gz",  # the only one
        "3_1": "sub-3_T1w.nii.gz",  # just what is asked for
    }
    assert "2 files fit 'T1w'" in bad(scans)["1_1"][1]
    assert "e.g. `prefer: run-1`" in bad(scans)["1_1"][1]
    assert set(good(scans_of(folder, prefer="run-1"))) == {"1_1", "2_1", "3_1"}
    second = good(scans_of(folder, prefer=["run-9", "run-2"]))["1_1"].path
    assert second.endswith("run-2_T1w.nii.gz")
    assert set(good(scans_of(folder, channels={"T1": "run-1_T1w"}))) == {"1_1", "2_1", "3_1"}


def test_masks_lie_among_the_derivatives(dataset: Callable[..., Path]) -> None:
    lesions, prep = "derivatives/lesions/sub-1/anat/sub-1_", "derivatives/prep/sub-1/anat/sub-1_"
    folder = dataset(
        "sub-1/anat/sub-1_T1w.nii.gz",
        "sub-1/anat/sub-1_FLAIR.nii.gz",
        "sub-2/anat/sub-2_T1w.nii.gz",
        "sub-2/anat/sub-2_FLAIR.nii.gz",
        f"{lesions}label-lesion_mask.nii.gz",
        f"{prep}desc-brain_mask.nii.gz",
        f"{prep}space-MNI_desc-brain_mask.nii.gz",
        f"{prep}desc-preproc_T1w.nii.gz",
    )
    scans = scans_of(
        folder,
        channels={"T1": "T1w", "FLAIR": "FLAIR"},
        mask="derivatives/lesions/label-lesion_mask",
        brain_mask="derivatives/prep/desc-brain_mask",
    )
    assert good(scans)["1_1"].paths == {
        "T1": "ds/sub-1/anat/sub-1_T1w.nii.gz",
        "FLAIR": "ds/sub-1/anat/sub-1_FLAIR.nii.gz",
        "mask": f"ds/{lesions}label-lesion_mask.nii.gz",
        "brain_mask": f"ds/{prep}desc-brain_mask.nii.gz",
    }
    assert bad(scans)["2_1"][0] == "missing-mask"


def test_participants_and_over_them_sessions(
    dataset: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = dataset(
        *(f"sub-0{n}/ses-{v}/anat/sub-0{n}_ses-{v}_T1w.nii.gz" for n in (1, 2) for v in (1, 2)),
        participants="\ufeffparticipant_id\tAge\tsex\r\nsub-01\t60\tF\r\nsub-02\tn/a\tM\r\n"
        "sub-03\t50\tM\r\n",
    )
    (folder / "sub-01/sub-01_sessions.tsv").write_text(
        "session_id\tage\tcdr\tacq_time\nses-1\tn/a\t0\t2009-06-15\nses-2\t61.5\t0.5\t2010-06-15\n"
        "ses-9\t62\t0\t2011-06-15\n"
    )
    labels = {"age": "age", "sex": "sex", "dx": {"from": "cdr", "map": {0: "no", 0.5: "yes"}}}
    scans = scans_of(folder, labels=labels)
    assert {name: list(scan.labels.values()) for name, scan in good(scans).items()} == {
        "01_1": ["60", "F", "no"],
        "01_2": ["61.5", "F", "yes"],
        "02_1": ["", "M", ""],
        "02_2": ["", "M", ""],
    }
    unused = [scan.subject for scan in scans if scan.reason]
    assert unused == ["sub-03", "sub-01_ses-9"]
    assert scans[-1].detail == (
        f"{folder}: row 4 of sub-01/sub-01_sessions.tsv belongs to no scan that was found"
    )
    assert [scan.path for scan in scans[-2:]] == ["ds/participants.tsv", "ds"]
    assert {scan.reason for scan in scans if scan.reason} == {"no-scan"}
    said = capsys.readouterr().err
    assert "has a byte order mark; read all the same" in said
    assert "column 'age' is called 'Age'" in said


def test_a_label_that_no_table_has(dataset: Callable[..., Path]) -> None:
    folder = dataset("sub-1/anat/sub-1_T1w.nii", participants="participant_id\tage\nsub-1\t6\n")
    with pytest.raises(UserError, match=r"participants\.tsv: has no column 'iq'; its columns are"):
        scans_of(folder, labels={"iq": "iq"})


def test_a_folder_that_is_no_dataset(dataset: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="has no folder sub-"):
        scans_of(dataset("1/T1.nii.gz"))


@pytest.mark.parametrize("text", ["", "T1w.nii.gz", "{subject}_T1w", "run_T1w", "*_T1w"])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="is no name in BIDS"):
        Name.parse(text)


PERSON = st.sampled_from(["1", "02", "x", "xy"])
VISIT = st.sampled_from(["", "1", "b"])
KIND = st.sampled_from(["T1w", "run-1_T1w", "T2w", "acq-x_run-2_T1w"])


@settings(max_examples=60)
@given(
    images=st.sets(st.tuples(PERSON, VISIT, KIND), min_size=1),
    rows=st.lists(st.tuples(PERSON, st.integers(0, 9)), max_size=6),
)
def test_every_visit_and_every_row_is_accounted_for(
    images: set[tuple[str, str, str]],
    rows: list[tuple[str, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("root") / "ds"
    for person, visit, kind in images:
        parts = [f"sub-{person}", *([f"ses-{visit}"] if visit else [])]
        image = folder.joinpath(*parts, "anat", "_".join([*parts, kind]) + ".nii.gz")
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()
    # a value that says whose it is
    lines = [f"sub-{person}\t{person}-{number}" for person, number in rows]
    (folder / "participants.tsv").write_text("\n".join(["participant_id\tcode", *lines]) + "\n")
    scans = scans_of(folder, labels={"code": "code"})

    visits = {(person, visit or "1") for person, visit, _ in images}
    found = [scan for scan in scans if scan.reason != "no-scan"]
    # sub-1 and its ses-1 are both session 1: the stage label refuses that, not the layout
    assert {(scan.subject, scan.session) for scan in found} == visits
    assert len(found) == len({(person, visit) for person, visit, _ in images})
    people = {person for person, _ in visits}
    unused = [scan for scan in scans if scan.reason == "no-scan"]
    assert len(unused) == sum(person not in people for person, _ in rows)
    for scan in good(scans).values():
        assert f"sub-{scan.subject}/" in scan.path
        assert scan.labels["code"].split("-")[0] == scan.subject


def test_ages_in_the_tables_of_files(dataset: Callable[..., Path]) -> None:
    folder = dataset(
        "sub-1/anat/sub-1_T1w.nii.gz",
        "sub-1/func/sub-1_task-x_bold.nii.gz",
        "sub-2/ses-a/anat/sub-2_ses-a_T1w.nii.gz",
    )
    (folder / "participants.tsv").unlink(missing_ok=True)
    rows = "filename\tage\nanat/sub-1_T1w.nii.gz\t31\nfunc/sub-1_task-x_bold.nii.gz\t99\n"
    (folder / "sub-1/sub-1_scans.tsv").write_text(rows)
    rows = "filename\tage\nanat/sub-2_ses-a_T1w.nii.gz\t42\n"
    (folder / "sub-2/ses-a/sub-2_ses-a_scans.tsv").write_text(rows)
    scans = scans_of(folder, labels={"age": "age"})
    assert {one.subject: one.labels["age"] for one in scans} == {"1": "31", "2": "42"}


def test_a_dataset_without_any_table_of_labels(dataset: Callable[..., Path]) -> None:
    folder = dataset("sub-1/anat/sub-1_T1w.nii.gz")
    (folder / "participants.tsv").unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"has no participants\.tsv, and no .* has a column 'age'"):
        scans_of(folder, labels={"age": "age"})

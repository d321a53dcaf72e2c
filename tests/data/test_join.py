"""Which row belongs to which scan, from the files of a study to its labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headstart.common.errors import UserError
from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.layouts.source import read_source
from headstart.data.scan_rules import apply_rules

Study = Callable[..., list[FoundScan]]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Make empty scans and a table, and read them as label does."""

    def make(template: str, files: list[str], rows: str, **table: Any) -> list[FoundScan]:
        for file in files:
            path = tmp_path / "own" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (tmp_path / "own/t.csv").write_text(rows)
        section = {
            "source": "own",
            "channels": {"T1": template},
            "table": {"path": "t.csv", "column": "ID", **table},
            "labels": {"age": "Age"},
        }
        return read_source(Source.model_validate(section), tmp_path)

    return make


def ages(scans: list[FoundScan]) -> dict[tuple[str, str], str]:
    return {(one.subject, one.session): one.labels["age"] for one in scans if not one.reason}


VISITS = [f"sub-0{n}/ses-{v}/T1.nii" for n in (1, 2) for v in (1, 2)]
BY_VISIT = {"column": ["ID", "visit"], "key": ["{subject}", "{session}"]}


def test_a_row_per_visit(study: Study) -> None:
    rows = "ID,visit,Age\n1,1,60\n1,2,61\n2,1,70\n2,2,72\n3,1,50\n"
    scans = study("{subject}/{session}/T1.nii", VISITS, rows, **BY_VISIT)
    assert ages(scans) == {
        ("sub-01", "ses-1"): "60",
        ("sub-01", "ses-2"): "61",
        ("sub-02", "ses-1"): "70",
        ("sub-02", "ses-2"): "72",
    }
    unused = [one.detail for one in scans if one.reason == "no-scan"]
    assert len(unused) == 1
    assert "row 6 belongs to no scan" in unused[0]


def test_a_visit_without_a_row(study: Study) -> None:
    rows = "ID,visit,Age\n1,1,60\n1,2,61\n2,1,70\n"
    scans = study("{subject}/{session}/T1.nii", VISITS, rows, **BY_VISIT)
    away = {one.path: one.detail for one in scans if one.reason}
    assert list(away) == ["own/sub-02/ses-2/T1.nii"]
    assert "no row with ID = 'sub-02', visit = 'ses-2'" in next(iter(away.values()))


def test_an_id_that_is_written_in_two_columns(study: Study) -> None:
    rows = "Site,No,Age\nLDN,1,60\nLDN,2,61\nOXF,1,70\nOXF,3,\n"
    files = ["LDN_01.nii", "LDN_02.nii", "OXF_01.nii"]
    scans = study("{subject}.nii", files, rows, column="{Site}_{No}")
    assert ages(scans) == {("LDN_01", "1"): "60", ("LDN_02", "1"): "61", ("OXF_01", "1"): "70"}
    assert [one.subject for one in scans if one.reason == "no-scan"] == ["OXF_3"]


def test_a_column_within_another_s_text_that_is_not_there(study: Study) -> None:
    with pytest.raises(UserError, match="has no column 'No'"):
        study("{subject}.nii", ["LDN_01.nii"], "Site,Nr,Age\nLDN,1,60\n", column="{Site}_{No}")


def test_one_visit_of_a_table_by_its_name(study: Study) -> None:
    rows = "ID,visit,Age\n1,bl,60\n1,m12,61\n2,m12,72\n2,bl,70\n"
    files = ["sub-01.nii", "sub-02.nii"]
    scans = study("{subject}.nii", files, rows, column=["ID", "visit"], key=["{subject}", "bl"])
    assert ages(scans) == {("sub-01", "1"): "60", ("sub-02", "1"): "70"}


def test_rows_that_differ_by_visit_are_told_with_the_line_to_write(study: Study) -> None:
    rows = "ID,visit,Age\n1,1,60\n1,2,61\n2,1,70\n2,2,72\n"
    scans = study("{subject}/{session}/T1.nii", VISITS, rows)
    assert {one.reason for one in scans} == {"conflicting-labels"}
    assert "column: [ID, visit], key: ['{subject}', '{session}']" in scans[0].detail
    scans = study("{subject}/ses-1/T1.nii", VISITS, rows)
    assert "column: [ID, visit], key: ['{subject}', '1']" in scans[0].detail
    rows = rows.replace("visit", "# visit")
    scans = study("{subject}/{session}/T1.nii", VISITS, rows)
    assert "column: [ID, '# visit'], key: ['{subject}', '{session}']" in scans[0].detail


@pytest.mark.parametrize(("label", "told"), [("dx", True), ("sex", False)])
def test_two_values_of_one_subject_may_be_of_two_visits(label: str, told: bool) -> None:
    scans = [
        FoundScan(subject="s1", session=visit, path=f"{visit}.nii", labels={label: value})
        for visit, value in (("1", "MCI"), ("2", "AD"))
    ]
    apply_rules(scans, [])
    assert {scan.reason for scan in scans} == {"conflicting-labels"}
    assert ("a row per visit: `table: {column: [ID, visit]" in scans[0].detail) is told


def test_two_rows_of_one_id_are_named(study: Study) -> None:
    rows = "ID,Age\nsub-1,60\nSUB_01,70\nsub-2,50\n"
    with pytest.raises(UserError, match=r"rows 2 \('sub-1'\) and 3 \('SUB_01'\) are one id"):
        study("{subject}.nii", ["sub-001.nii", "sub-002.nii"], rows)


def test_as_many_keys_as_columns() -> None:
    with pytest.raises(ValueError, match=r"as many keys, e\.g\. column: \[ID, visit\]"):
        Source.model_validate(
            {
                "source": "own",
                "channels": {"T1": "{subject}.nii"},
                "table": {"path": "t.csv", "column": ["ID", "visit"], "key": "{subject}"},
            }
        )


DAYS = [f"pat{n}/{day}/T1.nii" for n in (1, 2) for day in ("20190312", "20200405")]
BY_DAY = {"column": ["ID", "day"], "key": ["{subject}", "{session}"]}


@pytest.mark.parametrize(
    "write", ["{}-{}-{}", "{}/{}/{}", "{}{}{}", "{}.{}.{}", "{}-{}-{} 00:00:00"]
)
def test_dates_that_begin_with_the_year_are_joined(write: str, study: Study) -> None:
    days = [write.format("2019", "03", "12"), write.format("2020", "04", "05")]
    rows = "".join(f"pat{n},{day},{n}{k}\n" for n in (1, 2) for k, day in enumerate(days))
    scans = study("{subject}/{session}/T1.nii", DAYS, f"ID,day,Age\n{rows}", **BY_DAY)
    assert list(ages(scans).values()) == ["10", "11", "20", "21"]


def test_two_dates_are_not_one(study: Study) -> None:
    rows = "ID,day,Age\npat1,2019-11-2,60\npat2,2019-1-12,61\n"
    files = ["pat1/20190112/T1.nii", "pat2/20190112/T1.nii"]
    scans = study("{subject}/{session}/T1.nii", files, rows, **BY_DAY)
    assert ages(scans) == {("pat2", "20190112"): "61"}


@pytest.mark.parametrize(
    ("days", "form"),
    [(("12.03.2019", "05.04.2020"), "DD.MM.YYYY"), (("03/12/2019", "04/05/2020"), "DD/MM/YYYY or")],
)
def test_dates_in_another_order_are_said_to_be(
    days: tuple[str, str], form: str, study: Study
) -> None:
    rows = "".join(f"pat{n},{day},{n}\n" for n in (1, 2) for day in days)
    scans = study("{subject}/{session}/T1.nii", DAYS, f"ID,day,Age\n{rows}", **BY_DAY)
    detail = next(one.detail for one in scans if one.reason == "no-row")
    assert f"the dates in 'day' are written {form}" in detail
    assert "those of the scans YYYYMMDD: write them as YYYY-MM-DD" in detail
    assert days[0] not in detail


def test_rows_that_differ_are_numbered(study: Study) -> None:
    rows = "ID,Age\n1,60\n2,61\n1,62\n"
    scans = study("{subject}.nii", ["1.nii", "2.nii"], rows)
    detail = next(one.detail for one in scans if one.reason == "conflicting-labels")
    assert "rows 2 and 4 with ID = '1' differ in 'age': 60 and 62" in detail

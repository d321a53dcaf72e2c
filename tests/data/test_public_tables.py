"""The tables of IXI and OASIS as they are, and as altered copies of them are."""

from __future__ import annotations

import copy
import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from workbook import write_xlsx

from headstart.common import files
from headstart.common.errors import UserError
from headstart.data.collections import with_defaults
from headstart.data.config import Source
from headstart.study.labels import label

Rows = list[list[str]]
# Subjects of OASIS-1 with a second session.
TWICE = (61, 80, 92, 101, 111, 117, 145, 150, 156, 191, 202, 230, 236, 239, 249, 285, 353, 368)
TWICE = (*TWICE, 379, 395)
# What collections.yaml says of the collections, with a label more.
OASIS = copy.deepcopy(with_defaults({"source": "oasis1", "modality": "masked"}))
OASIS["labels"]["diagnosis"] = {
    "from": "CDR",
    "map": {0: "control", 0.5: "case", 1: "case", 2: "case"},
}
IXI = with_defaults({"source": "ixi", "modality": "T1"})


def run(root: Path, output: Path, section: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    source = Source.model_validate(section)
    label(sources=[source], shards=2, data=root, output=output)
    return files.read_csv(output / "labels.csv"), files.read_csv(output / "rejected.csv")


# --- OASIS


def oasis_rows() -> Rows:
    """Make a table as OASIS-1's is: 416 first sessions, 20 second ones, 235 with a rating."""
    numbers = [n for n in range(1, 458) if n % 11 or n in TWICE or n == 11][:416]
    rated = ["0"] * 135 + ["0.5"] * 70 + ["1"] * 28 + ["2"] * 2
    rows = [["ID", "M/F", "Hand", "Age", "Educ", "SES", "MMSE", "CDR"]]
    rows[0] += ["eTIV", "nWBV", "ASF", "Delay"]
    for place, number in enumerate(numbers):
        cdr = rated[place] if place < len(rated) else ""
        score = [str(1 + place % 5), str(1 + place % 4), str(30 - place % 9)] if cdr else [""] * 3
        age = 60 + place % 37 if cdr else 18 + place % 41
        head = 1400 + place % 300
        size = [str(head), f"0.{700 + place % 190}", f"{1755 / head:.3f}"]
        rows.append(
            [f"OAS1_{number:04d}_MR1", "FM"[place % 2], "R", str(age), *score, cdr, *size, "N/A"]
        )
    first = {int(row[0][5:9]): row for row in rows[1:]}
    for number in TWICE:
        row = list(first[number])
        row[0], row[4:8], row[11] = f"OAS1_{number:04d}_MR2", [""] * 4, "12"
        rows.append(row)
    return rows


def text_of(rows: Rows, separator: str = ",", line_end: str = "\n") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=line_end).writerows(rows)
    return out.getvalue().encode()


def column(rows: Rows, name: str, change: Callable[[str], str]) -> Rows:
    place = rows[0].index(name)
    return [rows[0], *([*r[:place], change(r[place]), *r[place + 1 :]] for r in rows[1:])]


def comma(rows: Rows) -> Rows:
    for name in ("CDR", "nWBV", "ASF"):
        rows = column(rows, name, lambda cell: cell.replace(".", ","))
    return rows


def renamed(rows: Rows, **names: str) -> Rows:
    return [[names.get(name, name) for name in rows[0]], *rows[1:]]


@pytest.fixture(scope="module")
def oasis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "oasis1/masked").mkdir(parents=True)
    for place, row in enumerate(oasis_rows()[1:]):
        # some averages are of three scans, some of six
        name = f"{row[0]}_mpr_n{3 + place % 4}_anon_111_t88_masked_gfc.nii.gz"
        (root / "oasis1/masked" / name).touch()
    return root


def run_oasis(
    root: Path, output: Path, table: bytes, name: str = "table.csv", **section: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    (root / "oasis1" / name).write_bytes(table)
    return run(root, output, OASIS | {"table": OASIS["table"] | {"path": name}} | section)


# A copy, what is done to the rows, and what is said of it. Fixed copies give the very labels of
# the published table.
FIXED: dict[str, tuple[Callable[[Rows], bytes], str]] = {
    "as published": (text_of, ""),
    "N/A for blank": (
        lambda rows: text_of(column(rows, "CDR", lambda cell: cell or "N/A")),
        "",
    ),
    "0.0 for 0 and 1.0 for 1": (
        lambda rows: text_of(column(rows, "CDR", lambda c: c + ".0" if c in ("0", "1") else c)),
        "",
    ),
    "byte order mark": (
        lambda rows: b"\xef\xbb\xbf" + text_of(rows),
        "has a byte order mark; read all the same",
    ),
    "CRLF": (lambda rows: text_of(rows, line_end="\r\n"), ""),
    "columns in another order": (lambda rows: text_of([row[::-1] for row in rows]), ""),
    "names in lower case, without signs": (
        lambda rows: text_of([[re.sub(r"\W", "", n).lower() for n in rows[0]], *rows[1:]]),
        "column 'M/F' is called 'mf'",
    ),
    "decimal commas, semicolons": (
        lambda rows: text_of(comma(rows), separator=";"),
        "has decimal commas in CDR, nWBV, ASF; read as points",
    ),
    "decimal commas in quotes": (
        lambda rows: text_of(comma(rows)),
        "has decimal commas in CDR, nWBV, ASF; read as points",
    ),
    "every row twice": (
        lambda rows: text_of(rows + rows[1:]),
        "436 values of ID in more than one row: 436 agree or fill",
    ),
    "another encoding": (
        lambda rows: text_of(column(rows, "Hand", lambda _: "é")).decode().encode("latin-1"),
        "has the encoding cp1252 of Windows",
    ),
}
REFUSED: dict[str, tuple[Callable[[Rows], bytes], str]] = {
    "blank CDR filled with 0": (
        lambda rows: text_of(column(rows, "CDR", lambda cell: cell or "0")),
        "the column CDR has more than the 235 values that were published",
    ),
    "every blank filled with 0": (
        lambda rows: text_of([[cell or "0" for cell in row] for row in rows]),
        ": Educ = '0' is not within 1 to 5",
    ),
    "decimals lost": (
        lambda rows: text_of(
            column(
                column(rows, "nWBV", lambda c: c.replace("0.", "")),
                "ASF",
                lambda c: c.replace(".", ""),
            )
        ),
        "row 2, ID = OAS1_0001_MR1: nWBV = '700' is not within 0.6 to 0.95",
    ),
    "IDs rewritten": (
        lambda rows: text_of(column(rows, "ID", lambda cell: cell.replace("_MR", "_1R"))),
        r"row 2, ID = OAS1_0001_1R1: ID = 'OAS1_0001_1R1' does not fit 'OAS1_\d{4}_MR[12]'",
    ),
    "sex rewritten as 0 and 1": (
        lambda rows: text_of(column(rows, "M/F", lambda cell: str("MF".index(cell)))),
        "row 2, ID = OAS1_0001_MR1: M/F = '1' is none of M, F",
    ),
    "header row lost": (
        lambda rows: text_of(rows[1:]),
        "the row with the columns' names is lost: has no column 'ID'",
    ),
    "a column under another name": (
        lambda rows: text_of(renamed(rows, **{"M/F": "Gender"})),
        "has no column 'M/F'; its columns are ID, Gender, Hand",
    ),
    "a column twice": (
        lambda rows: text_of(renamed(rows, SES="Age")),
        "2 columns may be 'Age': Age, Age; rename all but one",
    ),
    "decimal commas without quotes": (
        lambda rows: text_of(comma(rows)).replace(b'"', b""),
        "can't be read as a table",
    ),
    "one ASF, with a thousands separator or a decimal comma": (
        lambda rows: text_of(
            column(rows, "ASF", lambda c: c.replace(".", ",") if "1." in c else c)
        ),
        "may be 1.254 or 1254; write it with a decimal point",
    ),
    "a rating that does not exist": (
        lambda rows: text_of(column(rows, "CDR", lambda c: "3" if c == "2" else c)),
        "CDR = '3' is none of 0, 0.5, 1, 2",
    ),
}


@pytest.fixture
def show(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, str, str], None]:
    """Print a line of the table of what happens to each copy, with `pytest -s`."""

    def line(copy: str, outcome: str, said: str) -> None:
        if request.config.getoption("capture") == "no":
            with capsys.disabled():
                print(f"\n| {copy} | {outcome} | {said.strip()} |", end="")

    return line


@pytest.mark.parametrize("copy", FIXED)
def test_a_copy_that_is_mended(
    copy: str,
    oasis: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    show: Callable[[str, str, str], None],
) -> None:
    labels, _ = run_oasis(oasis, tmp_path / "published", text_of(oasis_rows()))
    capsys.readouterr()
    make, line = FIXED[copy]
    fixed, rejected = run_oasis(oasis, tmp_path / "copy", make(oasis_rows()))
    said = capsys.readouterr().err
    assert line in said
    show(copy, "the labels as published", line)
    if copy == "0.0 for 0 and 1.0 for 1":
        fixed["cdr"] = fixed["cdr"].str.replace(".0", "")
    pd.testing.assert_frame_equal(fixed, labels)
    assert rejected.empty
    assert Counter(labels["cdr"]) == {"": 201, "0": 135, "0.5": 70, "1": 28, "2": 2}
    assert Counter(labels["diagnosis"]) == {"": 201, "control": 135, "case": 100}
    assert labels["subject"].nunique() == 416
    assert Counter(labels["session"]) == {"1": 416, "2": 20}


@pytest.mark.parametrize("copy", REFUSED)
def test_a_copy_that_is_refused(
    copy: str, oasis: Path, tmp_path: Path, show: Callable[[str, str, str], None]
) -> None:
    make, line = REFUSED[copy]
    with pytest.raises(UserError) as caught:
        run_oasis(oasis, tmp_path, make(oasis_rows()))
    assert line in str(caught.value)
    said = next(said for said in str(caught.value).splitlines() if line in said)
    show(copy, "refused", said.removeprefix(f"{oasis / 'oasis1'}/"))
    assert not (tmp_path / "labels.csv").exists()


def test_all_wrong_cells_are_told_at_once(oasis: Path, tmp_path: Path) -> None:
    rows = column(oasis_rows(), "nWBV", lambda cell: cell.replace("0.", ""))
    rows = column(rows, "M/F", lambda cell: cell.lower())
    with pytest.raises(UserError) as caught:
        run_oasis(oasis, tmp_path, text_of(rows))
    message = str(caught.value)
    assert "table.csv: 872 mistakes, by what" in message
    assert "… and 860 more" in message
    assert message.endswith(f"all are in {tmp_path / 'errors.csv'}")
    wrong = files.read_csv(tmp_path / "errors.csv")
    assert wrong["row"].tolist() == [str(row) for row in range(2, 438) for _ in range(2)]
    assert set(wrong["column"]) == {"nWBV", "M/F"}
    run_oasis(oasis, tmp_path, text_of(oasis_rows()))
    assert not (tmp_path / "errors.csv").exists()


def test_scans_without_row_and_rows_without_scan(oasis: Path, tmp_path: Path) -> None:
    rows = oasis_rows()
    table = text_of([*rows[:-20], ["OAS1_0460_MR1", *rows[300][1:]]])
    labels, rejected = run_oasis(oasis, tmp_path, table)
    assert len(labels) == 416
    assert Counter(rejected["reason"]) == {"no-row": 20, "no-scan": 1}


def test_where(oasis: Path, tmp_path: Path) -> None:
    labels, rejected = run_oasis(
        oasis, tmp_path, text_of(oasis_rows()), where="age >= 60 and diagnosis != unknown"
    )
    assert Counter(labels["diagnosis"]) == {"control": 135, "case": 100}
    assert Counter(rejected["reason"]) == {"where": 201}
    assert rejected["detail"].str.startswith("age = ").all()
    assert "diagnosis = missing: left out by `where: age >= 60" in rejected["detail"][0]


def test_where_asks_for_a_label_that_there_is_not(oasis: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"asks for 'AGE', but the scans have subject, .*cdr"):
        run_oasis(oasis, tmp_path, text_of(oasis_rows()), where="AGE >= 60")


def test_oasis_2_and_a_diagnosis_that_changes(tmp_path: Path) -> None:
    (tmp_path / "oasis2").mkdir()
    lines = ["Subject ID,MRI ID,Group,Visit,MR Delay,M/F,Hand,Age,EDUC,SES,MMSE,CDR,eTIV,nWBV,ASF"]
    visits = [(1, 1, "M", 87, 0), (1, 2, "M", 88, 0), (2, 1, "F", 75, 0), (2, 2, "F", 77, 0.5)]
    for subject, visit, sex, age, cdr in visits:
        name = f"OAS2_{subject:04d}"
        (tmp_path / f"oasis2/{name}_MR{visit}.nii.gz").touch()
        lines.append(
            f"{name},{name}_MR{visit},Converted,{visit},0,{sex},R,{age},14,2,27,{cdr},1987,0.696,0.883"
        )
    (tmp_path / "oasis2/t.csv").write_text("\n".join(lines))
    section = {
        "source": "oasis2",
        "channels": {"T1": "{subject}_MR{session}.nii.gz"},
        "table": {"path": "t.csv", "column": "MRI ID", "key": "{subject}_MR{session}"},
        "labels": {"sex": "M/F", "age": "Age", "diagnosis": OASIS["labels"]["diagnosis"]},
    }
    labels, rejected = run(tmp_path, tmp_path / "out", section)
    assert rejected.empty
    assert labels["subject"].tolist() == ["OAS2_0001"] * 2 + ["OAS2_0002"] * 2
    assert labels["diagnosis"].tolist() == ["control", "control", "control", "case"]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("a date", "1943-02-17"),
        ("a date", "17/02/1943"),
        ("a date", "1943-02-17 00:00:00"),
        ("free text", "seen by Dr Smith, lives with her daughter in the flat above the old bakery"),
    ],
)
def test_dates_and_free_text_are_not_copied(
    name: str, cell: str, oasis: Path, tmp_path: Path
) -> None:
    rows = column(oasis_rows(), "Delay", lambda _: cell)
    labels = {"age": "Age", "note": "Delay"}
    with pytest.raises(UserError) as caught:
        run_oasis(oasis, tmp_path, text_of(rows), labels=labels)
    assert f"Delay holds {name}" in str(caught.value)
    # nor does it reach the message, nor the list of wrong cells
    assert cell not in str(caught.value) + (tmp_path / "errors.csv").read_text()
    run_oasis(oasis, tmp_path, text_of(rows), labels={"age": "Age"})
    assert not any(cell in path.read_text() for path in tmp_path.rglob("*.csv"))


# --- IXI


@pytest.fixture
def ixi(shared_data: Path, tmp_path: Path) -> Path:
    """The real spreadsheet, and empty files with the names of real T1 scans."""
    (tmp_path / "ixi/T1").mkdir(parents=True)
    for name in (shared_data / "ixi_tables/t1_files.txt").read_text().split():
        (tmp_path / "ixi/T1" / name).touch()
    table = (shared_data / "ixi_tables/IXI.xls").read_bytes()
    (tmp_path / "ixi/IXI.xls").write_bytes(table)
    return tmp_path


def test_ixi(ixi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (ixi / "ixi/T1/IXI081-Guys-0000-T1.nii.gz").touch()  # one of those without a row
    labels, rejected = run(ixi, ixi / "out", IXI)
    said = capsys.readouterr().err
    print(said)
    assert len(labels) == 565
    assert Counter(rejected["reason"]) == {"conflicting-labels": 2, "no-row": 1, "no-scan": 27}
    conflicts = rejected[rejected["reason"] == "conflicting-labels"]
    assert conflicts["subject"].tolist() == ["219", "328"]
    assert "differ in 'age': 61.78" in conflicts["detail"].iloc[1]
    assert "'sex': f and m" in conflicts["detail"].iloc[1]
    assert set(labels["sex"]) == {"m", "f"}
    assert Counter(labels["site"]) == {"Guys": 315, "HH": 180, "IOP": 70}
    assert (labels["age"] == "").sum() == 3
    assert "in column 'SEX_ID (1=m, 2=f)' 1 is m, 2 is f, as its name says" in said
    assert "26 values of IXI_ID in more than one row: 24 agree or fill" in said
    table = pd.read_excel(ixi / "ixi/IXI.xls", dtype=str, engine="calamine")
    text = "".join(path.read_text() for path in (ixi / "out").rglob("*.csv"))
    dates = {date[:10] for name in ("DOB", "STUDY_DATE") for date in table[name].dropna()}
    assert len(dates) > 500
    assert not any(date in text for date in dates)


def test_zero_is_missing_and_a_twin_is_filled_up(
    ixi: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = IXI | {"labels": {"height": "HEIGHT", "weight": "WEIGHT"}}
    labels, _ = run(ixi, ixi / "out", section)
    assert "51 cells of 'HEIGHT' say 0: missing" in capsys.readouterr().err
    assert not (labels[["height", "weight"]] == "0").any(axis=None)
    heights = labels.set_index("subject")["height"]
    assert heights["251"] == "167"  # its second row says 0
    assert heights["237"] == "167"


def test_ixi_in_other_formats(ixi: Path) -> None:
    labels, _ = run(ixi, ixi / "out", IXI)
    table = pd.read_excel(ixi / "ixi/IXI.xls", dtype=str, header=None, engine="calamine").fillna("")
    rows = table.values.tolist()
    (ixi / "ixi/IXI.csv").write_bytes(text_of(rows, line_end="\r\n"))
    write_xlsx(ixi / "ixi/IXI.xlsx", {"Table": rows})
    for name in ("IXI.csv", "IXI.xlsx"):
        other, _ = run(ixi, ixi / "out", IXI | {"table": IXI["table"] | {"path": name}})
        pd.testing.assert_frame_equal(other, labels)


def test_ten_real_scans(shared_data: Path, tmp_path: Path) -> None:
    section = {
        "source": "mine",
        "labels": IXI["labels"],
        "path": ".",
        "channels": {"T1": "ixi10_2mm/nifti/IXI{subject}-{site}-*-T1_ds.nii.gz"},
        "table": IXI["table"] | {"path": "ixi_tables/IXI.xls"},
    }
    labels, rejected = run(shared_data, tmp_path, section)
    assert len(labels) == 10
    assert set(rejected["reason"]) == {"no-scan"}
    published = files.read_csv(shared_data / "ixi10_2mm/lists/IXI_demog_n10.csv")
    assert labels["sex"].str.upper().tolist() == published["Sex"].tolist()
    ages = labels["age"].astype(float).round(2).tolist()
    assert ages == published["Age"].astype(float).tolist()

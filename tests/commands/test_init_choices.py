"""What `headstart init` leaves out of the tables beside the scans: it says so, and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from init_folder import NUMBERS
from init_folder import Folder
from workbook import write_xlsx

from headstart.data.privacy import redacted

VISITS = ("20190312", "20200405")


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Folder:
    return Folder(tmp_path, capsys)


def two_tables(folder: Folder) -> None:
    """Write demographics with one row twice, and scores."""
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = [["Subject ID", "Age"], *([f"S{n}", 20 + n] for n in NUMBERS)]
    folder.table("demographics.csv", [*rows, rows[3]])
    folder.table("scores.tsv", [["subj", "iq"], *([f"S{n:03d}", 99 - n] for n in NUMBERS)])


def test_a_row_that_is_there_twice_makes_no_visits(folder: Folder) -> None:
    two_tables(folder)
    study = folder.init()
    assert study["data"][0]["table"]["path"] == "demographics.csv"
    assert "scores.tsv fits the scans as well, by 'subj', and has iq" in folder.said
    assert "{path: scores.tsv, column: 'subj', key: '{subject}'}" in folder.said


def test_the_table_that_has_the_target_is_taken(folder: Folder) -> None:
    two_tables(folder)
    study = folder.init("--target", "iq")
    assert study["data"][0]["labels"] == {"iq": "iq"}
    assert "demographics.csv fits the scans as well, by 'Subject ID', and has age" in folder.said
    assert folder.labels()["sub-02 1"]["iq"] == "97"


def test_a_table_of_bids_that_has_the_target_is_taken(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}/anat/sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = [[f"sub-{n:02d}", 20 + n] for n in NUMBERS]
    folder.table("participants.tsv", [["participant_id", "age"], *rows])
    folder.table("scores.tsv", [["participant_id", "iq"], *rows])
    assert folder.init("--target", "iq")["data"][0]["table"]["path"] == "scores.tsv"


def test_a_conflict_is_named_by_sheet_and_rows(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    first = [["Nr.", "Alter", "BDI"], *([f"{n}.0", f"{30 + n}", f"{n % 7}"] for n in NUMBERS)]
    first.append(["3.0", "77", "1"])
    tests = [["Nr.", "IQ"], *([str(n), str(90 + n)] for n in NUMBERS)]
    write_xlsx(folder.scans / "d.xlsx", {"Stammdaten": first, "Tests": tests})
    folder.init()
    conflict = "rows 4 and 24 are both of Nr. '3.0', and differ in Alter, BDI"
    assert "d.xlsx, first sheet fits the scans as well, by 'Nr.'" in folder.said
    assert f"; {conflict}: keep the right one" in folder.said
    folder.init("--target", "age", "--renew")
    assert f"d.xlsx, first sheet: {conflict}: keep the right one" in folder.said


def test_columns_that_are_no_labels_are_named_with_a_cell(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    head = ["ID", "Age", "Poids", "Ort", "Studie", "Name", "leer", "Remarque"]
    rows = [[n, 20 + n, 50 + n, f"Stadt{n}", "ABC", "Ann", "", "gut"] for n in NUMBERS]
    rows[4][2] = "56,5 kg"
    folder.table("t.csv", [head, *rows])
    folder.init()
    assert "t.csv: not offered:" in folder.said
    assert "Poids (1 of 22 values is no number, row 6: '5… (7 characters)')" in folder.said
    assert "Ort (22 different texts, row 2: 'S… (6 characters)')" in folder.said
    assert "Studie (all are 'ABC')" in folder.said
    assert "leer (is empty)" in folder.said
    assert "Name, Remarque (their names say that they may identify people)" in folder.said
    assert "Ann" not in folder.said
    assert "gut" not in folder.said


def test_a_cell_of_a_number_is_shown(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = [[n, 20 + n, f"{50 + n},5" if n != 4 else "1,2,3"] for n in NUMBERS]
    folder.table("t.csv", [["ID", "Age", "Poids"], *rows])
    folder.init()
    assert "Poids (1 of 22 values is no number, row 5: '1,2,3')" in folder.said


def test_a_target_that_is_left_out_has_its_reason(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = [[n, 20 + n, f"{50 + n}.5" if n != 4 else "ten", "7"] for n in NUMBERS]
    folder.table("t.csv", [["ID", "Age", "Poids (kg)", "Test Total"], *rows])
    said = folder.refused("--target", "poids")
    assert "no poids can be learnt" in said
    assert "Poids (kg) (1 of 22 values is no number" in said[said.index("no poids can") :]
    said = folder.refused("--target", "test_total")
    assert "Test Total (all are '7')" in said[said.index("no test_total") :]


def dated(folder: Folder, write: str) -> None:
    """Make two dated visits each, and a table with the dates in another writing."""
    folder.scan(*(f"pat{n}/{day}/t1.nii.gz" for n in NUMBERS for day in VISITS))
    days = [(v[:4], v[4:6], v[6:]) for v in VISITS]
    rows = [
        [f"pat{n}", write.format(y=y, m=m, d=d), 20 + n + k, n / 10 + k]
        for n in NUMBERS
        for k, (y, m, d) in enumerate(days)
    ]
    folder.table("v.csv", [["Patient", "Datum", "Alter", "Score"], *rows])


@pytest.mark.parametrize(
    "write", ["{y}-{m}-{d}", "{y}{m}{d}", "{y}/{m}/{d}", "{y}-{m}-{d} 00:00:00"]
)
def test_dates_are_joined_with_signs_and_without(write: str, folder: Folder) -> None:
    dated(folder, write)
    study = folder.init()
    assert study["data"][0]["table"]["column"] == ["Patient", "Datum"]
    labels = folder.labels()
    assert len(labels) == 2 * len(NUMBERS)
    assert labels["pat3 20200405"]["age"] == "24"


@pytest.mark.parametrize(
    ("write", "form"), [("{d}.{m}.{y}", "DD.MM.YYYY"), ("{m}/{d}/{y}", "DD/MM/YYYY or MM/DD/YYYY")]
)
def test_dates_in_another_order_are_told(write: str, form: str, folder: Folder) -> None:
    dated(folder, write)
    said = folder.refused()
    told = f"'Datum' are written {form}, those of the scans YYYYMMDD"
    assert told in said[said.index("nothing to learn") :]
    assert write.format(y="2019", m="03", d="12") not in said
    assert "separated by" not in said[said.index("nothing to learn") :]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", ["\t", ";"])
def test_a_table_whose_name_ends_in_txt(separator: str, encoding: str, folder: Folder) -> None:
    folder.scan(*(f"S-{n:04d}/T1.nii.gz" for n in NUMBERS))
    rows = [["Código", "Edad"], *([f"{n}", f"{20 + n},5"] for n in NUMBERS)]
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    (folder.scans / "Datos.txt").write_bytes(text.encode(encoding))
    study = folder.init()
    assert study["data"][0]["table"]["path"] == "Datos.txt"
    assert {one["age"] for one in folder.labels().values()} == {f"{20 + n}.5" for n in NUMBERS}
    assert "Windows; read" not in folder.said or encoding == "cp1252"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Scans of our study, see the paper.\n\nPlease cite us, and write to us.\nThanks",
        "S01\nS02\nS03\n",
        "# settings\nTR = 2.3, TE = 4\nTI = 900, flip = 9, bands = 4\n",
        "\x00\x01",
    ],
)
def test_other_texts_are_no_tables(text: str, folder: Folder) -> None:
    folder.scan(*(f"S{n:02d}/T1.nii.gz" for n in NUMBERS))
    folder.table("t.csv", [["ID", "Age"], *([n, 20 + n] for n in NUMBERS)])
    (folder.scans / "README.txt").write_text(text)
    folder.init()
    assert "README" not in folder.said


def test_a_name_in_a_column_that_is_left_out_is_not_shown(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    names = [f"{a}{b}" for a in ("Li", "An", "Bo", "Ed", "Al") for b in "aeiou"]
    dni = [f"12.345.{600 + n}" for n in NUMBERS]
    dni[3] = "12.345-2"
    rows = [[n, 20 + n, names[n], dni[n - 1]] for n in NUMBERS]
    folder.table("t.csv", [["ID", "Age", "Kind", "Registro"], *rows])
    folder.init()
    assert "Kind (22 different texts; holds a name)" in folder.said
    assert "Registro (1 of 22 values is no number, row 5: '1… (8 characters)')" in folder.said
    assert not any(name in folder.said for name in names)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("56,5", "56,5"),
        ("1.234,5", "1.234,5"),
        ("12.345.678", "1… (10 characters)"),
        ("12.03.50", "1… (8 characters)"),
        ("56,5 kg", "5… (7 characters)"),
    ],
)
def test_a_number_is_shown_and_a_persons_number_is_not(cell: str, shown: str) -> None:
    assert redacted(cell) == shown


def test_a_label_that_is_the_same_for_all_scans_is_told(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = [[n, 20 + n, "AB"[n > 22], "" if n <= 22 else n % 5] for n in range(1, 33)]
    folder.table("t.csv", [["ID", "Age", "Arm", "Rest"], *rows])
    folder.init()
    assert "Arm: not offered, as it is the same for all scans" in folder.said
    assert "Rest: not offered, as it has no value for any scan" in folder.said
    assert "Arm: not offered" in folder.refused("--target", "arm", "--renew")

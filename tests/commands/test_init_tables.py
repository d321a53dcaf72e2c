"""What `headstart init` makes of the tables beside the scans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from init_folder import NUMBERS
from init_folder import Folder
from workbook import write_xlsx

from headstart.common.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Folder:
    return Folder(tmp_path, capsys)


def people(write: str, header: Sequence[str] = ("ID", "Age", "Sex")) -> list[list[Any]]:
    rows = [[write.format(n), 20 + 2 * n, "MF"[n % 2]] for n in NUMBERS]
    return [list(header), *rows]


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("sub-{:02d}_T1w.nii.gz", "sub{}"),
        ("sub-{:02d}_T1w.nii.gz", "{}"),
        ("sub-{:02d}/T1.nii.gz", "SUB_{:03d}"),
        ("IXI{:03d}-T1.nii.gz", "{}"),
        ("{:03d}/T1.nii.gz", "S{}"),
        ("P{:03d}/T1.nii.gz", "p-{}"),
    ],
)
def test_ids_are_joined_in_any_writing(file: str, row: str, folder: Folder) -> None:
    folder.scan(*(file.format(n) for n in NUMBERS))
    folder.table("people.csv", people(row))
    study = folder.init()
    assert study["data"][0]["labels"] == {"age": "Age", "sex": "Sex"}
    ages = [one["age"] for one in folder.labels().values()]
    assert ages == [str(20 + 2 * n) for n in NUMBERS]


def test_one_file_in_another_case(folder: Folder) -> None:
    names = [f"sub{n:02d}_T1.nii.gz" for n in NUMBERS]
    names[6] = "Sub07_T1.nii.gz"
    folder.scan(*names)
    folder.table("people.csv", people("sub{:02d}"))
    folder.init()
    assert sorted(one["age"] for one in folder.labels().values()) == sorted(
        str(20 + 2 * n) for n in NUMBERS
    )


def test_a_row_per_visit(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}/ses-{v}/T1.nii.gz" for n in NUMBERS for v in (1, 2)))
    rows = [[f"sub-{n:02d}", v, 20 + 2 * n + 3 * v] for n in NUMBERS for v in (1, 2)]
    folder.table("visits.csv", [["ID", "visit", "Age"], *rows])
    study = folder.init()
    table = study["data"][0]["table"]
    assert (table["column"], table["key"]) == (["ID", "visit"], ["{subject}", "{session}"])
    labels = folder.labels()
    assert len(labels) == 2 * len(NUMBERS)
    assert labels["sub-03 ses-2"]["age"] == "32"


def test_a_visit_that_the_scans_do_not_say_is_not_guessed(folder: Folder) -> None:
    folder.scan(*(f"{n:03d}/T1.nii.gz" for n in NUMBERS))
    rows = [[n, v, 20 + 2 * n + (v == "m12"), "MF"[n % 2]] for n in NUMBERS for v in ("bl", "m12")]
    folder.table("adnimerge.csv", [["RID", "VISCODE", "AGE", "PTGENDER"], *rows])
    study = folder.init()
    assert study["data"][0]["labels"] == {"sex": "PTGENDER"}
    assert "AGE is not offered" in folder.said
    line = "`table: {path: adnimerge.csv, column: [RID, VISCODE], key: ['{subject}', bl]}`"
    assert line in folder.said
    study["data"][0]["table"] = yaml.safe_load(line.strip("`"))["table"]
    study["data"][0]["labels"] = {"age": "AGE", "sex": "PTGENDER"}
    folder.study.write_text(yaml.safe_dump(study))
    assert folder.labels()["005 1"]["age"] == "30"
    folder.table("adnimerge.csv", [row[:3] for row in [["RID", "VISCODE", "AGE"], *rows]])
    folder.study.unlink()
    assert line in folder.refused()


@pytest.mark.parametrize("visits", [("bl", "m12"), ("0", "1"), ("baseline", "1")])
def test_visits_that_are_called_otherwise_in_the_table(
    visits: tuple[str, str], folder: Folder
) -> None:
    folder.scan(*(f"S{n:02d}/ses-{v}/T1.nii.gz" for n in NUMBERS for v in (1, 2)))
    rows = [
        [f"S{n:02d}", visit, 20 + 2 * n + place, "MF"[n % 2]]
        for n in NUMBERS
        for place, visit in enumerate(visits)
    ]
    folder.table("t.csv", [["ID", "visit", "Age", "Sex"], *rows])
    study = folder.init()
    assert study["data"][0]["labels"] == {"sex": "Sex"}
    assert "Age is not offered" in folder.said
    assert len(folder.labels()) == 2 * len(NUMBERS)


def test_a_list_of_more_visits_than_were_downloaded(folder: Folder) -> None:
    visits = [(n, v, f"I{5000 + 30 * n + 7 * v}") for n in NUMBERS for v in range(3)]
    taken = [(n, v, image) for n, v, image in visits if v == n % 3]
    folder.scan(
        *(
            f"ADNI/{n:03d}_S_{4000 + n}/MPRAGE/2012-0{v + 1}-10_08_00/{i}/ADNI_{n:03d}_S_{4000 + n}"
            f"_MR_MPRAGE_br_raw_20120{v + 1}10_S{9000 + n}_{i}.nii"
            for n, v, i in taken
        )
    )
    rows = [[i, f"{n:03d}_S_{4000 + n}", ("bl", "m12", "m24")[v], 50 + n + v] for n, v, i in visits]
    folder.table("search.csv", [["Image Data ID", "Subject", "Visit", "Age"], *rows])
    folder.init()
    ages = {key.split()[0]: one["age"] for key, one in folder.labels().items()}
    assert ages == {f"{n:03d}_S_{4000 + n}": str(50 + n + v) for n, v, _ in taken}


SHUFFLED = [7 * n % 23 for n in NUMBERS]


@pytest.mark.parametrize(
    "names",
    [("Nr", "ID"), ("No.", "Subject"), ("#", "ID"), ("Lfd. Nr.", "Kennung"), ("PatientNo", "MRI")],
)
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("home", ["labels.csv", "participants.tsv"])
def test_a_number_of_the_row_is_no_id(
    names: tuple[str, str], last: bool, home: str, folder: Folder
) -> None:
    bids = home == "participants.tsv"
    file = "sub-{0:02d}/anat/sub-{0:02d}_T1w.nii.gz" if bids else "sub-{:02d}_T1w.nii.gz"
    folder.scan(*(file.format(n) for n in NUMBERS))
    name = "participant_id" if bids else names[1]
    rows = [[names[0], name], *([n + 1, f"sub-{one:02d}"] for n, one in enumerate(SHUFFLED))]
    rows[5][1] = "sub-99"  # a scan without a row is no reason to believe the numbers
    ages = ["Age", *(20 + 2 * one for one in SHUFFLED)]
    step = -1 if last else 1
    folder.table(home, [[*row[::step], age] for row, age in zip(rows, ages, strict=True)])
    study = folder.init()
    folder.study.write_text(yaml.safe_dump({**study, "check": {"max_rejected": 0.5}}))
    labels = folder.labels()
    assert len(labels) == len(NUMBERS) - 1
    for key, one in labels.items():
        assert one["age"] == str(20 + 2 * int(key.split()[0].removeprefix("sub-")))


def test_ids_that_count_the_rows_are_ids_where_nothing_else_is(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = [[n, one, 20 + 2 * n] for n, one in zip(NUMBERS, SHUFFLED, strict=True)]
    folder.table("t.csv", [["ID", "scan order", "Age"], *rows])
    folder.init()
    assert folder.labels()["sub-03 1"]["age"] == "26"


def test_ids_of_a_german_name_beside_a_duration(folder: Folder) -> None:
    folder.scan(*(f"{n:03d}/T1.nii.gz" for n in NUMBERS))
    rows = [[n, f"{20 + 2 * n},5", f"{one},0"] for n, one in zip(NUMBERS, SHUFFLED, strict=True)]
    folder.table("Tabelle.csv", [["Fall-ID", "Alter", "Krankheitsdauer (Jahre)"], *rows])
    folder.init("--target", "age")
    labels = folder.labels()
    assert {key.split()[0]: one["age"] for key, one in labels.items()} == {
        f"{n:03d}": f"{20 + 2 * n}.5" for n in NUMBERS
    }


def test_two_columns_that_may_be_the_ids_are_not_guessed(folder: Folder) -> None:
    folder.scan(*(f"{n:03d}/T1.nii.gz" for n in NUMBERS))
    rows = [[n, one, 20 + 2 * n] for n, one in zip(NUMBERS, SHUFFLED, strict=True)]
    folder.table("t.csv", [["Nr", "Bett", "Age"], *rows])
    said = folder.refused()
    for name in ("Nr", "Bett"):
        assert f"`table: {{path: t.csv, column: '{name}', key: '{{subject}}'}}`" in said
    folder.table("t.csv", [["Nr", "ID", "Age"], *rows])
    folder.init("--target", "age")
    number = SHUFFLED.index(3) + 1
    assert folder.labels()["003 1"]["age"] == str(20 + 2 * number)


@pytest.mark.parametrize(("column", "group"), [("Study ID", ""), ("Patient ID", "person")])
def test_a_study_is_no_person(column: str, group: str, folder: Folder) -> None:
    folder.scan(*(f"S{n:02d}_T1.nii.gz" for n in NUMBERS))
    rows = [[f"S{n:02d}", n % 4 + 1, 20 + 2 * n] for n in NUMBERS]
    folder.table("t.csv", [["Scan", column, "Age"], *rows])
    study = folder.init("--target", "age")
    assert study.get("split", {}).get("group", "") == group


def test_merged_cells_above_a_number_of_the_row(folder: Folder) -> None:
    folder.scan(*(f"vp{n:02d}.nii.gz" for n in NUMBERS))
    rows = [[str(i + 1), f"vp{n:02d}", str(20 + 2 * n)] for i, n in enumerate(SHUFFLED)]
    head = [["Stammdaten", "", "Demographie"], ["Nr", "Proband", "Alter"]]
    cells = [*head, *rows, ["", "Mittel", "43"]]
    write_xlsx(folder.scans / "t.xlsx", {"Daten": cells}, ["A1:B1"])
    folder.init()
    assert folder.labels()["vp03 1"]["age"] == "26"


@pytest.mark.parametrize("prefixes", [("P", "C"), ("S", "C"), ("pat", "con"), ("case", "ctrl")])
def test_a_table_of_another_cohort_is_not_joined(prefixes: tuple[str, str], folder: Folder) -> None:
    folder.scan(*(f"{prefixes[0]}{n:02d}_T1.nii.gz" for n in NUMBERS))
    folder.table("controls.csv", people(prefixes[1] + "{:02d}"))
    assert f"'ID' has e.g. {prefixes[1]}01" in folder.refused()


def test_two_tables_that_contradict_are_told(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    folder.table("a.csv", people("sub-{:02d}"))
    rows = people("sub-{:02d}")
    folder.table("b.csv", rows)
    folder.init()
    assert "joins the scans as well" not in folder.said
    rows[2][1], rows[3][1] = 77, 78
    folder.table("b.csv", rows)
    folder.init("--renew")
    assert "b.csv: its column 'ID' joins the scans as well" in folder.said
    assert "differs in age for 2 of 22 scans; 'ID' of a.csv is taken" in folder.said


def test_a_sheet_per_wave_is_told(folder: Folder) -> None:
    folder.scan(*(f"S{n:02d}/wave{v}/t1.nii.gz" for n in NUMBERS for v in (1, 2)))
    sheets = {
        f"wave{v}": [["ID", "Age"], *([f"S{n:02d}", str(20 + 2 * n + v)] for n in NUMBERS)]
        for v in (1, 2)
    }
    write_xlsx(folder.scans / "w.xlsx", sheets)
    folder.init()
    assert "sheet 'wave2': its column 'ID' joins the scans as well, and differs" in folder.said


@pytest.mark.parametrize(
    ("men", "women", "unknown"),
    [
        (("1", "1.0"), ("2", "2.0"), ""),
        (("V", "varón"), ("M", "mujer"), ""),
        (("H", "hombre"), ("M", "mujer"), ""),
        (("M", "male"), ("F", "f"), "U"),
        (("m", "man"), ("v", "vrouw"), ""),
    ],
)
def test_a_sex_in_any_spelling(
    men: tuple[str, str], women: tuple[str, str], unknown: str, folder: Folder
) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows: list[list[Any]] = [[n, (men, women)[n % 2][n % 3 == 0]] for n in NUMBERS]
    if unknown:
        rows[3][1] = unknown
    folder.table("t.csv", [["ID", "Sexo"], *rows])
    folder.init("--target", "sex")
    found = {int(key.split()[0][4:]): one["sex"] for key, one in folder.labels().items()}
    if unknown:
        assert found.pop(4) == ""
    sexes = [{sex for n, sex in found.items() if n % 2 == odd} for odd in (0, 1)]
    assert sorted(map(len, sexes)) == [1, 1]
    assert sexes[0] != sexes[1]


@pytest.mark.parametrize(
    "file", ["{0}/{1:03d}_T1.nii.gz", "{0}/sub{1:02d}/T1.nii.gz"], ids=["file", "folder"]
)
@pytest.mark.parametrize("sites", [("Bonn", "Kiel"), ("center1", "center2")])
def test_ids_that_come_back_at_each_site(file: str, sites: tuple[str, str], folder: Folder) -> None:
    folder.scan(*(file.format(site, n) for site in sites for n in range(1, 12)))
    rows = [[site, n, 20 + 2 * n + 30 * (site == sites[1])] for site in sites for n in range(1, 12)]
    folder.table("t.csv", [["Site", "ID", "Age"], *rows])
    study = folder.init("--target", "age")
    assert study["data"][0]["table"]["column"] == ["ID", "Site"]
    ages = sorted(int(one["age"]) for one in folder.labels().values())
    assert ages == sorted(row[2] for row in rows)
    for one in folder.labels().values():
        assert (int(one["age"]) > 50) == (sites[1] in one["channel:T1"])


def test_an_age_is_never_proposed_as_the_id(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    folder.table("t.csv", [["Age", "MMSE"], *([40 + n, 30 - n / 2] for n in NUMBERS)])
    said = folder.refused()
    assert "column: Age" not in said
    assert "column: MMSE" not in said


def test_a_title_above_the_names(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = people("sub-{:02d}", ["ID", "Alter", "Geschlecht"])
    folder.table("tab.csv", [["Probanden", "", "Demographie"], *rows])
    study = folder.init()
    assert study["data"][0]["labels"] == {"age": "Alter", "sex": "Geschlecht"}
    assert study["experiments"]["age"]["unit"] == "years"
    assert study["split"]["stratify"] == ["age", "sex"]
    assert folder.labels()["sub-04 1"]["age"] == "28"


def test_ids_that_fit_nothing_are_shown_with_the_line_to_write(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    folder.table("tab.csv", [["code", "Age"], *([f"x{n}y{n * n}", 20 + n] for n in NUMBERS)])
    said = folder.refused()
    assert "sub-01, sub-02, sub-03" in said
    assert "'code' has e.g. x1y1, x2y4, x3y9" in said
    assert "`table: {path: tab.csv, column: code, key: '{subject}'}`" in said


@pytest.mark.parametrize("row", ["sub-{:02d}", "{:02d}", "{}"])
def test_bids_participants_with_and_without_sub(row: str, folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}/anat/sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    folder.table("participants.tsv", people(row, ["participant_id", "age", "sex"]))
    folder.init()
    assert folder.labels()["02 1"]["age"] == "24"


def visits_of(n: int) -> list[str]:
    return [f"sub-{n:02d}/ses-{v}/anat/sub-{n:02d}_ses-{v}_T1w.nii.gz" for v in ("a", "b")]


def test_bids_ages_in_the_tables_of_sessions(folder: Folder) -> None:
    folder.scan(*(path for n in NUMBERS for path in visits_of(n)))
    for n in NUMBERS:
        rows = [["session_id", "age"], ["ses-a", 20 + 2 * n], ["ses-b", 21 + 2 * n]]
        folder.table(f"sub-{n:02d}/sub-{n:02d}_sessions.tsv", rows)
    folder.init()
    labels = folder.labels()
    assert (labels["04 a"]["age"], labels["04 b"]["age"]) == ("28", "29")


@pytest.mark.parametrize("name", ["participants.tsv", "phenotype/demo.tsv"])
def test_bids_a_row_per_session(name: str, folder: Folder) -> None:
    folder.scan(*(path for n in NUMBERS for path in visits_of(n)))
    rows = [[f"sub-{n:02d}", f"ses-{v}", 20 + 2 * n + (v == "b")] for n in NUMBERS for v in "ab"]
    folder.table(name, [["participant_id", "session_id", "age"], *rows])
    folder.init()
    labels = folder.labels()
    assert (labels["04 a"]["age"], labels["04 b"]["age"]) == ("28", "29")


def test_codes_for_not_known_are_declared_and_not_learnt(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = people("{}")
    rows[3][1], rows[4][1], rows[5][1], rows[6][1] = 999, -9, "-", "89+"
    rows[8][2], rows[9][2], rows[10][2] = "unknown", "male", "m"
    folder.table("tab.csv", rows)
    study = folder.init()
    assert study["experiments"]["age"]["task"] == "regression"
    assert set(study["data"][0]["table"]["columns"]["Age"]["missing"]) == {"999", "-9", "89+"}
    assert "Age: 999, -9, 89+ taken for 'not known' (the others are 22 to 64" in folder.said
    labels = folder.labels()
    assert [labels[f"sub-{n:02d} 1"]["age"] for n in range(2, 8)] == ["24", "", "", "", "", "34"]
    assert {one["sex"] for one in labels.values()} == {"M", "F", ""}


def test_a_label_without_declared_codes_is_refused(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    folder.table("tab.csv", people("{}"))
    folder.init()
    rows = people("{}")
    rows[3][1], rows[7][1] = 999, 999
    folder.table("tab.csv", rows)
    with pytest.raises(UserError, match=r"row 4, .*'999' looks like 'not known'.*missing: \[999\]"):
        folder.labels()
    study = yaml.safe_load(folder.study.read_text())
    study["data"][0]["table"]["columns"] = {"Age": {"range": [0, 1000]}}
    folder.study.write_text(yaml.safe_dump(study))
    assert folder.labels()["sub-03 1"]["age"] == "999"


@pytest.mark.parametrize(
    ("header", "private"),
    [
        (["Probandennummer", "Alter (Jahre)", "Geschlecht"], ["Bemerkung", "Geburtsdatum"]),
        (["Sujet", "Âge", "Sexe"], ["Remarque", "Date de naissance"]),
        (["Paciente", "Edad", "Sexo"], ["Observaciones", "Fecha"]),
        (["Soggetto", "Età", "Sesso"], ["Note", "Cognome"]),
    ],
)
def test_other_languages(header: list[str], private: list[str], folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = [[*row, "ab"[n % 2], "cd"[n % 2]] for n, row in enumerate(people("{}")[1:])]
    folder.table("tab.csv", [[*header, *private], *rows], "cp1252")
    study = folder.init()
    assert study["data"][0]["labels"] == {"age": header[1], "sex": header[2]}
    assert study["experiments"]["age"]["unit"] == "years"
    text = folder.study.read_text()
    assert not any(column in text for column in private)


def test_a_table_on_the_second_sheet(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = [[str(cell) for cell in row] for row in people("{}")]
    write_xlsx(folder.scans / "t.xlsx", {"Info": [["About", "us"], ["a", "b"]], "Data": rows})
    study = folder.init()
    assert study["data"][0]["table"]["sheet"] == "Data"
    assert folder.labels()["sub-04 1"]["age"] == "28"


def test_two_rows_that_are_one_id_are_shown(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    folder.table("tab.csv", [*people("SUB{}"), ["sub_001", 55, "M"]])
    assert "tab.csv: 'SUB1' and 'sub_001' are one id" in folder.refused()


def test_names_are_neither_labels_nor_people(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    names = [f"Ann{chr(96 + n)} Smith{chr(96 + n)}" for n in NUMBERS]
    rows = [[*row, name, name] for row, name in zip(people("{}")[1:], names, strict=True)]
    folder.table("tab.csv", [["ID", "Age", "Sex", "Patient", "Doctor"], *rows])
    study = folder.init()
    assert study["data"][0]["labels"] == {"age": "Age", "sex": "Sex"}
    assert "Smith" not in folder.said


def test_a_column_with_one_remark_is_not_offered_and_said(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    rows = [[*row, ("AD", "CN")[n % 2]] for n, row in enumerate(people("{}")[1:])]
    rows[4][3] = "see letter of her daughter"
    folder.table("tab.csv", [["ID", "Age", "Sex", "Dx"], *rows])
    study = folder.init()
    assert study["data"][0]["labels"] == {"age": "Age", "sex": "Sex"}
    assert "Dx: not offered, as it holds free text" in folder.said
    assert "daughter" not in folder.said


def test_codes_in_the_tables_of_sessions(folder: Folder) -> None:
    folder.scan(*(path for n in NUMBERS for path in visits_of(n)))
    for n in NUMBERS:
        rows = [["session_id", "age"], ["ses-a", 999 if n == 4 else 20 + 2 * n], ["ses-b", 30 + n]]
        folder.table(f"sub-{n:02d}/sub-{n:02d}_sessions.tsv", rows)
    folder.init()
    labels = folder.labels()
    assert (labels["04 a"]["age"], labels["04 b"]["age"]) == ("", "34")


def test_bids_ages_in_the_tables_of_files(folder: Folder) -> None:
    folder.scan(*(f"sub-{n:02d}/anat/sub-{n:02d}_T1w.nii.gz" for n in NUMBERS))
    for n in NUMBERS:
        rows = [["filename", "age"], [f"anat/sub-{n:02d}_T1w.nii.gz", 20 + 2 * n]]
        folder.table(f"sub-{n:02d}/sub-{n:02d}_scans.tsv", rows)
    folder.init()
    assert folder.labels()["04 1"]["age"] == "28"


def test_a_number_that_may_be_a_thousand_is_why_nothing_can_be_learnt(folder: Folder) -> None:
    folder.scan(*(f"S{n:02d}/T1.nii.gz" for n in NUMBERS))
    rows = [[f"S{n:02d}", f"{2 + n / 100:.2f}".replace(".", ","), 900 + n] for n in NUMBERS]
    rows[10][2] = "1.005"
    folder.table("t.csv", [["ID", "mm", "ml"], *rows])
    said = folder.refused()
    assert "row 12: ml = '1.005' may be 1.005 or 1005" in said[said.index("nothing to learn") :]


@pytest.mark.parametrize(
    ("column", "asked", "label"),
    [
        ("Diagnose", "Diagnose", "diagnose"),
        ("Größe (cm)", "Größe (cm)", "groesse"),
        ("AgeAtScan", "AgeAtScan", "age"),
        ("AgeAtScan", "age", "age"),
        ("ADAS.Cog 13", "ADAS.Cog 13", "adas_cog_13"),
    ],
)
def test_a_target_is_asked_for_by_its_column_as_well(
    column: str, asked: str, label: str, folder: Folder
) -> None:
    folder.scan(*(f"sub{n:02d}_T1.nii.gz" for n in NUMBERS))
    folder.table("people.csv", people("sub{:02d}", ("ID", column, "Sex")))
    study = folder.init("--target", asked)
    assert [one["target"] for one in study["experiments"].values()] == [label]


def test_the_table_that_has_the_column_is_taken(folder: Folder) -> None:
    folder.scan(*(f"sub{n:02d}_T1.nii.gz" for n in NUMBERS))
    folder.table("people.csv", people("sub{:02d}"))
    folder.table("scores.csv", [["ID", "MoCA"], *([f"sub{n:02d}", 9 + n] for n in NUMBERS)])
    assert folder.init("--target", "MoCA")["data"][0]["table"]["path"] == "scores.csv"


def test_columns_that_share_a_name_are_told(folder: Folder) -> None:
    folder.scan(*(f"sub{n:02d}_T1.nii.gz" for n in NUMBERS))
    rows = [[*row, 7] for row in people("sub{:02d}")]
    folder.table("people.csv", [["ID", "Age", "Sex", "Age"], *rows[1:]])
    folder.init()
    assert "people.csv: several columns are called Age, so that none of them is read" in folder.said


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (("ID", "Age", "Age"), "several columns are called Age, so that none of them is read"),
        (("eid", "21003-2.0", "31-0.0"), "21003-2.0 (its name has no letter)"),
        (("ID", "Birthday", "Name"), "Birthday, Name (their names say that they may identify"),
    ],
)
def test_ids_that_fit_without_a_label_are_not_said_to_fit_nothing(
    header: Sequence[str], why: str, folder: Folder
) -> None:
    folder.scan(*(f"{100 + n}_T1.nii.gz" for n in NUMBERS))
    rows = [[100 + n, 20 + 2 * n, 40 + n] for n in NUMBERS]
    folder.table("people.csv", [header, *rows])
    said = folder.refused()
    assert f"people.csv: '{header[0]}' has the ids of the scans, but nothing is offered" in said
    assert why in said
    assert "no column has the ids" not in said


def test_of_two_columns_for_one_label_the_other_is_told(folder: Folder) -> None:
    folder.scan(*(f"sub{n:02d}_T1.nii.gz" for n in NUMBERS))
    rows = [[f"sub{n:02d}", 20 + 2 * n, 23 + 2 * n] for n in NUMBERS]
    folder.table("people.csv", [["ID", "Age_at_baseline", "Age_at_scan"], *rows])
    study = folder.init()
    assert study["data"][0]["labels"] == {"age": "Age_at_baseline"}
    assert "not offered: Age_at_scan (age is taken from Age_at_baseline; correct" in folder.said


@pytest.mark.parametrize("lines", ["\n", "\r\n", "\u2028", " \u202e", "\u00a0 "])
def test_names_in_several_lines_are_written_in_one(lines: str, folder: Folder) -> None:
    folder.scan(*(f"sub{n:02d}_T1.nii.gz" for n in NUMBERS))
    header = [f'"{name}"' for name in (f"ID{lines}(code)", f"Age{lines}at scan", f"MMSE{lines}(0)")]
    rows = [[f"sub{n:02d}", 20 + 2 * n, 7 + n if n % 5 else -999] for n in NUMBERS]
    folder.table("people.csv", [header, *rows])
    source = folder.init("--target", "mmse")["data"][0]
    assert source["table"]["column"] == "ID (code)"
    assert source["labels"]["mmse"] == "MMSE (0)"
    assert "age number, 22 to 64" in folder.said
    assert "cells of 'MMSE (0)' say -999" in folder.said
    known = {str(7 + n) for n in NUMBERS if n % 5}
    assert {one["mmse"] for one in folder.labels().values()} - {""} == known


@pytest.mark.parametrize("write", ["sub{:02d}", "SUB{}"])
def test_a_table_without_names_of_columns_loses_nobody(write: str, folder: Folder) -> None:
    folder.scan(*(f"sub{n:02d}_T1.nii.gz" for n in NUMBERS))
    folder.table("people.csv", people(write)[1:])
    said = folder.refused()
    assert f"people.csv: the row of '{write.format(1)}', a scan's id, stands where" in said
    assert "write a row such as `ID,age,sex` above it" in said


@pytest.mark.parametrize("file", ["{}{:03d}_T1.nii.gz", "{}-{}/T1.nii.gz"])
def test_numbers_that_begin_again_in_each_group(file: str, folder: Folder) -> None:
    groups = {n: ("HC", "PT")[n > 11] for n in NUMBERS}
    folder.scan(*(file.format(group, 1 + (n - 1) % 11) for n, group in groups.items()))
    rows = [[group, 1 + (n - 1) % 11, 20 + 2 * n] for n, group in groups.items()]
    folder.table("people.csv", [["Group", "Number", "Age"], *rows[::-1]])
    source = folder.init("--target", "age")["data"][0]
    assert source["table"]["column"] in ("{Group}_{Number}", ["Number", "Group"])
    ages = {one["channel:T1"]: one["age"] for one in folder.labels().values()}
    assert ages == {
        file.format(group, 1 + (n - 1) % 11): str(20 + 2 * n) for n, group in groups.items()
    }

"""Tables as people keep them: which row holds the names, which rows the people."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from workbook import write_xlsx

from headstart.common.errors import UserError
from headstart.data.table_files import SheetPlace
from headstart.data.table_files import read_sheet

HEADER = ["ID", "Age", "Sex", "Dx"]
PEOPLE = [[f"S{n}", str(20 + 3 * n), "MF"[n % 2], ("AD", "CN")[n % 2]] for n in range(1, 9)]


def write(path: Path, rows: list[list[str]], separator: str = ",") -> Path:
    path.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "above",
    [
        [["Demographics of the cohort"]],
        [["Demographics of the cohort", "", "", ""], ["", "", "", ""]],
        [["Probanden", "", "Demographie", ""]],
        [["", "", "", ""], ["", "", "", ""]],
        [["Study", "X", "", ""], ["Printed", "by hand", "", ""], []],
    ],
)
@pytest.mark.parametrize("separator", [",", ";"])
def test_titles_above_the_names(above: list[list[str]], separator: str, tmp_path: Path) -> None:
    sheet = read_sheet(write(tmp_path / "t.csv", [*above, HEADER, *PEOPLE], separator))
    assert sheet.names == HEADER
    first = len(above) + 2
    assert sheet.rows == {first + n: row for n, row in enumerate(PEOPLE)}


@pytest.mark.parametrize("header", [HEADER, ["Age"], ["Age", "Sex"]])
@pytest.mark.parametrize("first", [0, 1])
def test_a_first_column_without_a_name_has_that_of_its_place(
    header: list[str], first: int, tmp_path: Path
) -> None:
    places = [HEADER.index(name) for name in header]
    people = [[row[place] for place in places] for row in PEOPLE]
    rows = [["", *header], *([str(n), *row] for n, row in enumerate(people, start=first))]
    sheet = read_sheet(write(tmp_path / "pandas.csv", rows))
    assert sheet.names == ["Unnamed: 0", *header]
    assert list(sheet.rows.values()) == rows[1:]
    assert read_sheet(tmp_path / "pandas.csv", SheetPlace(header=1)) == sheet


def test_group_names_above_are_no_names_of_an_index(tmp_path: Path) -> None:
    rows = [["", "Person", "Person", "Clinic"], HEADER, *PEOPLE]
    assert read_sheet(write(tmp_path / "t.csv", rows)).names == HEADER


COMMENTS = ["# exported on 12/03/2022 by RIS", "# V = man, M = woman", "# a; b; c", "#", '# "x']


@pytest.mark.parametrize("above", [COMMENTS[:1], COMMENTS[:2], COMMENTS[::-1], COMMENTS])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("width", [2, 4])
def test_comments_above_the_names(
    above: list[str], separator: str, told: bool, width: int, tmp_path: Path
) -> None:
    people = [
        [cell.replace("0", "0,5" if separator == ";" else "0") for cell in row] for row in PEOPLE
    ]
    path = write(tmp_path / "t.csv", [row[:width] for row in (HEADER, *people)], separator)
    path.write_text("".join(f"{line}\n" for line in above) + path.read_text(encoding="utf-8"))
    sheet = read_sheet(path, SheetPlace(header=len(above) + 1 if told else None))
    assert sheet.names == HEADER[:width]
    first = len(above) + 2
    assert sheet.rows == {first + n: row[:width] for n, row in enumerate(people)}


@pytest.mark.parametrize("name", ["#", "# ID", "#ID"])
def test_a_name_that_begins_as_a_comment(name: str, tmp_path: Path) -> None:
    for header in ([name, *HEADER[1:]], [name, "Dx"]):
        people = [[row[HEADER.index(n)] for n in ("ID", *header[1:])] for row in PEOPLE]
        assert read_sheet(write(tmp_path / "t.csv", [header, *people])).names == header
        above = write(tmp_path / "u.csv", [["# made by hand"], header, *people])
        assert read_sheet(above).names == header


def test_words_below_names_are_no_names(tmp_path: Path) -> None:
    rows = [["ID", "path", ""], ["a", "a.nii", "x"], ["b", "b.nii", "y"]]
    assert read_sheet(write(tmp_path / "t.csv", rows)).names == rows[0]


def test_where_no_row_is_sure_the_key_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [["Table 1", "", "", ""], *PEOPLE])
    with pytest.raises(UserError, match=r"t\.csv: row 1 names 1 of 4 .*table: \{header: 2\}"):
        read_sheet(path)
    path = write(tmp_path / "t.csv", [["Table 1", "", "", ""], ["a", "b", "c", "d"], *PEOPLE])
    assert read_sheet(path, SheetPlace(header=2)).names == ["a", "b", "c", "d"]
    with pytest.raises(UserError, match=r"row 99 is empty; correct `table\.header`"):
        read_sheet(path, SheetPlace(header=99))


@pytest.mark.parametrize(
    "below",
    [
        [["Mean", "33.5", "", ""]],
        [["", "", "", ""], ["Mean", "33.5", "4 m", ""], ["SD", "7.1", "", ""]],
        [["* one visit each", "", "", ""]],
        [["Source: the clinic's own list", "", "", ""], ["n = 8", "", "", ""]],
        [["Summe", "268", "", ""]],
        [[], ["1 = male", "", "", ""], ["as of May", "", "", ""]],
    ],
)
def test_sums_and_legends_below(
    below: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = read_sheet(write(tmp_path / "t.csv", [HEADER, *PEOPLE, *below]))
    assert list(sheet.rows.values()) == PEOPLE
    assert "is left out" in capsys.readouterr().err


def test_somebody_of_whom_nothing_is_known_is_no_footer(tmp_path: Path) -> None:
    rows = [*PEOPLE, ["S9", "", "", ""], ["Patient 10", "", "", ""]]
    sheet = read_sheet(write(tmp_path / "t.csv", [HEADER, *rows]))
    assert list(sheet.rows.values()) == rows


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", ""),
        ("utf-8-sig", "byte order mark"),
        ("cp1252", "cp1252"),
        ("utf-16", "UTF-16"),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_of_excel(
    encoding: str, said: str, separator: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["ID", "Groesse", "Prenom"]
    text = f"{separator.join(names)}\r\nS1{separator}170{separator}Zoë\r\n"
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    sheet = read_sheet(tmp_path / "t.csv")
    assert sheet.names == names
    assert sheet.rows == {2: ["S1", "170", "Zoë"]}
    told = capsys.readouterr().err
    assert said in told
    assert "Zoë" not in told


def test_a_cell_beyond_measure_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [HEADER, ["S1", "x" * 200_000, "", ""]])
    with pytest.raises(UserError, match=r"t\.csv: can't be read as a table \(field larger"):
        read_sheet(path)


def test_sheets_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    write_xlsx(path, {"Info": [["Our study"]], "Empty": [], "Data": [HEADER, *PEOPLE]})
    sheet = read_sheet(path, SheetPlace("Data"))
    assert sheet.names == HEADER
    assert list(sheet.rows.values()) == PEOPLE
    assert sheet.others == ["Info"]
    with pytest.raises(UserError, match=r"no sheet 'data'; .* its sheets are Info, Empty, Data"):
        read_sheet(path, SheetPlace("data"))


def test_merged_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    rows = [
        ["ID", "Demographics", "", "Scores"],
        ["", "Age", "Sex", "MMSE"],
        ["S1", "20", "F", "30"],
        ["", "21", "F", "29"],
        ["S2", "33", "M", "28"],
    ]
    write_xlsx(path, {"Data": rows}, ["A1:A2", "B1:C1", "A3:A4"])
    sheet = read_sheet(path)
    assert sheet.names == ["ID", "Age", "Sex", "MMSE"]
    assert list(sheet.rows.values()) == [rows[2], ["S1", *rows[3][1:]], rows[4]]


WORD = st.text("abcDEF 0123456789.,;äß\"'", min_size=1, max_size=8).map(str.strip).filter(bool)


@settings(max_examples=100)
@given(
    cells=st.integers(2, 5).flatmap(
        lambda width: st.lists(
            st.lists(WORD, min_size=width, max_size=width), min_size=1, max_size=6
        )
    ),
    separator=st.sampled_from([",", ";", "\t"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
def test_a_full_table_comes_back_as_it_was_written(
    cells: list[list[str]],
    separator: str,
    encoding: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    names = [f"name {n}" for n in range(len(cells[0]))]
    rows = [[f"p{n}", *row[1:]] for n, row in enumerate(cells)]
    quoted = [['"' + cell.replace('"', '""') + '"' for cell in row] for row in (names, *rows)]
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_bytes("".join(separator.join(r) + "\n" for r in quoted).encode(encoding))
    sheet = read_sheet(path)
    assert sheet.names == names
    assert list(sheet.rows.values()) == rows


def test_a_comma_in_a_name_is_the_same_fault_as_one_in_a_cell(tmp_path: Path) -> None:
    names = ["ID", "Hand (left, right)", "Age"]
    rows = [[f"S{n}", "1", str(20 + n)] for n in range(1, 9)]
    path = write(tmp_path / "t.csv", [names, *rows])
    with pytest.raises(UserError, match=r"row 1 names 4 columns, and no row below has more than 3"):
        read_sheet(path)
    assert read_sheet(write(tmp_path / "t.csv", [[*names, ""], *rows], ";")).names[:3] == names


def test_a_code_book_that_its_comma_cuts_is_whole(tmp_path: Path) -> None:
    names = ["ID", "SEX_ID (1=m, 2=f, 9=unknown)", "Age"]
    rows = [[f"S{n}", "1", str(20 + n)] for n in range(1, 9)]
    for extra in ([], [""]):  # a comma after the last cell moves no column
        cells = [",".join([*row, *extra]) for row in ([*names[:2], "Age"], *rows)]
        (tmp_path / "t.csv").write_text("\n".join(cells))
        sheet = read_sheet(tmp_path / "t.csv")
        assert sheet.names[:3] == names
        assert sheet.rows[2][:3] == rows[0]


def test_one_whole_row_shows_that_the_others_are_cut(tmp_path: Path) -> None:
    rows = [["S1", "30", "M", ""], *([f"S{n}", "3"] for n in range(2, 9))]
    sheet = read_sheet(write(tmp_path / "t.csv", [HEADER, *rows]))
    assert sheet.rows[3] == ["S2", "3", "", ""]

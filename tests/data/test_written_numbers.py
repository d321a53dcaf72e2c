"""Numbers with decimal commas and with thousands set apart: read right, or refused by their row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from workbook import write_xlsx

from headstart.common.errors import UserError
from headstart.data.config import Label
from headstart.data.config import TableColumn
from headstart.data.label_cells import read_labels
from headstart.data.missing_codes import MISSING
from headstart.data.missing_codes import SIGNS
from headstart.data.missing_codes import WORDS
from headstart.data.tables import read_all


def write(home: Path, separator: str, **columns: Sequence[str]) -> Path:
    rows = [["ID", *columns], *zip(map("p{}".format, range(99)), *columns.values(), strict=False)]
    path = home / "t.csv"
    path.write_text("".join(separator.join(f'"{c}"' for c in row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["56,5", "57", "-,5"], ["56.5", "57", "-.5"]),
        (["1.207.150,5", "950,25"], ["1207150.5", "950.25"]),
        (["1.207.150", "981.000", "950"], ["1207150", "981000", "950"]),
        (["1.207,5", "1.131"], ["1207.5", "1131"]),
        (["-1.207,5", "1"], ["-1207.5", "1"]),
        (["1,207,150.5", "950.25"], ["1207150.5", "950.25"]),
        (["1,207.5", "1,131", "981"], ["1207.5", "1131", "981"]),
        (["1 207 150,5", "1 131", "981"], ["1207150.5", "1131", "981"]),
        (["1\u00a0207,5", "1\u202f131", "981"], ["1207.5", "1131", "981"]),
        (["1'207.5", "1\u2019131"], ["1207.5", "1131"]),
        (["0.998", "1.005", "2"], ["0.998", "1.005", "2"]),
        (["0,998", "1,005", "2"], ["0.998", "1.005", "2"]),
        (["1.005", "30.5"], ["1.005", "30.5"]),
        (["1005.125", "974"], ["1005.125", "974"]),
    ],
)
@pytest.mark.parametrize("separator", [",", ";"])
def test_one_reading(separator: str, cells: list[str], numbers: list[str], tmp_path: Path) -> None:
    assert read_all(write(tmp_path, separator, volume=cells))["volume"].tolist() == numbers


@pytest.mark.parametrize(
    "cells",
    [
        ["12.03.2019", "13.03.2019"],
        ["1.2.3", "1.2.4"],
        ["1.23.456", "2.34.567"],
        ["1.207.150,5", "1,207,150.5", "ml"],
        ["0.123.456", "7"],
        ["1.207 150", "7"],
        ["56,5", "weight"],
    ],
)
def test_what_is_no_number_stays_as_it_is(cells: list[str], tmp_path: Path) -> None:
    assert read_all(write(tmp_path, ";", own=cells))["own"].tolist() == cells


@pytest.mark.parametrize("others", [["881", "974"], ["950,5"], ["-", "881"]])
def test_a_thousand_or_a_little_more_than_one_beside_commas(
    others: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, ";", volume=[*others, "1.005"])
    row = len(others) + 2
    with pytest.raises(UserError, match=rf"row {row}: volume = '1\.005' may be 1\.005 or 1005"):
        read_all(path)
    mended = path.read_text().replace("1.005", "1,005")  # as the message says
    path.write_text(mended)
    assert read_all(path)["volume"].tolist()[-1] == "1.005"


def test_commas_of_another_column_make_a_point_doubtful(tmp_path: Path) -> None:
    path = write(tmp_path, "\t", age=["30,5", "31"], volume=["981", "1.005"])
    with pytest.raises(UserError, match=r"row 3: volume = '1\.005' may be 1\.005 or 1005"):
        read_all(path)
    with pytest.raises(UserError, match=r"row 3: volume = '1\.005'"):  # though age isn't read
        read_labels(path, {"v": Label.model_validate({"from": "volume"})}, keys=("ID",), rules={})
    english = write(tmp_path, ",", age=["30.5", "31"], volume=["981", "1.005"])
    assert read_all(english)["volume"].tolist() == ["981", "1.005"]


def test_numbers_of_a_workbook_beside_texts(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    rows = [["ID", "Alter", "ml"], ["p1", "31.5", "1101"], ["p2", "32,5", "1.102"]]
    write_xlsx(path, {"T": rows})
    with pytest.raises(UserError, match=r"row 3: ml = '1\.102' may be 1\.102 or 1102"):
        read_all(path)


@pytest.mark.parametrize("commas", [["2,331", "2,4"], ["2,331", "2,362"]])
def test_points_before_three_decimals_throughout_are_told(
    commas: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, ";", mm=commas, volume=["1.131", "1.162"])
    assert read_all(path)["volume"].tolist() == ["1.131", "1.162"]
    told = "volume: 1.131 of row 2 and its like are read as 1.131; if 1131 is meant"
    assert told in capsys.readouterr().err
    read_all(write(tmp_path, ",", mm=["2.331", "2.4"], volume=["1.131", "1.162"]))
    assert "volume" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "word",
    ["", "-", ".", "?", "unbekannt", "k. A.", "NA", "weiß nicht", "NE SAIT PAS", "89+", ">90,5"],
)
def test_words_for_not_known_beside_decimal_commas(word: str, tmp_path: Path) -> None:
    path = write(tmp_path, ";", poids=["56,5", "57,5", word])
    assert read_all(path)["poids"].tolist()[:2] == ["56.5", "57.5"]


def test_words_that_the_study_takes_for_missing(tmp_path: Path) -> None:
    path = write(tmp_path, ";", poids=["56,5", "57,5", "verweigert"])
    rules = {"poids": TableColumn.model_validate({"missing": ["verweigert"]})}
    poids = {"poids": Label.model_validate({"from": "poids"})}
    _, values = read_labels(path, poids, keys=("ID",), rules=rules)
    assert values["poids"].tolist() == ["56.5", "57.5", ""]


@settings(max_examples=200)
@given(
    numbers=st.lists(st.floats(-9e6, 9e6).map(lambda n: round(n, 2)), min_size=2, max_size=9),
    words=st.lists(st.sampled_from(sorted(MISSING | SIGNS | WORDS)), max_size=3),
    marks=st.sampled_from([(",", "."), (".", ","), (",", " "), (".", "'"), (",", ""), (".", "")]),
)
def test_a_column_with_two_decimals_comes_back(
    numbers: list[float],
    words: list[str],
    marks: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    decimal, thousands = marks
    english = [f"{n:,.2f}" for n in numbers]
    swap = str.maketrans({",": thousands, ".": decimal})
    path = write(
        tmp_path_factory.getbasetemp(), "\t", n=[*(c.translate(swap) for c in english), *words]
    )
    read = read_all(path)["n"].tolist()[: len(numbers)]
    assert list(map(float, read)) == numbers

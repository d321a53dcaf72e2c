"""Users' tables: whatever they hold, they are read right or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.common.errors import UserError
from headstart.data.cell_checks import TableError
from headstart.data.column_names import label_name
from headstart.data.config import Label
from headstart.data.config import TableColumn
from headstart.data.label_cells import read_labels
from headstart.data.tables import read_table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "t.csv"


def read(path: Path, labels: dict[str, Any], **rules: dict[str, Any]) -> pd.DataFrame:
    section = {n: Label.model_validate(v if isinstance(v, dict) else {"from": v})
               for n, v in labels.items()}  # fmt: skip
    checked = {name: TableColumn.model_validate(rule) for name, rule in rules.items()}
    return read_labels(path, section, keys=("ID",), rules=checked)[1]


def test_a_code_book_in_the_name(table: Path) -> None:
    table.write_text('ID,"SEX_ID (1=m, 2=f)"\na,1\nb,2.0\nc,\n')
    assert read(table, {"sex": "SEX_ID"})["sex"].tolist() == ["m", "f", ""]
    own = {"from": "SEX_ID", "map": {1: "male", 2: "female"}}
    assert read(table, {"sex": own})["sex"].tolist() == ["male", "female", ""]
    table.write_text('ID,"SEX_ID (1=m, 2=f)"\na,1\nb,0\n')
    with pytest.raises(TableError, match=r"row 3, ID = b: SEX_ID = '0' is none of 1, 2"):
        read(table, {"sex": "SEX_ID"})
    assert read(table, {"sex": "SEX_ID"}, SEX_ID={"missing": [0]})["sex"].tolist() == ["m", ""]


@pytest.mark.parametrize(
    "name", ["Sex (m=1, f=2)", "Sex (1: m; 2: f)", "sex_id_1_m_2_f", "Sex 1=m 2=f", "Sex (m=1/f=2)"]
)
def test_ways_to_write_a_code_book(table: Path, name: str) -> None:
    table.write_text(f'ID,"{name}"\na,1\nb,2.0\nc,\n')
    assert label_name(name) == "sex"
    assert read(table, {"sex": name})["sex"].tolist() == ["m", "f", ""]


@pytest.mark.parametrize("name", ["Zeit (h:min)", "Volume (1/2)", "score_1_2", "Age (years)"])
def test_a_name_without_a_code_book(table: Path, name: str) -> None:
    table.write_text(f'ID,"{name}"\na,1\nb,2.5\n')
    assert read(table, {"own": name})["own"].tolist() == ["1", "2.5"]


def test_a_column_that_is_checked_but_no_label(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table.write_text("ID,age,nWBV\na,60,743\nb,61,\n")
    with pytest.raises(TableError, match=r"nWBV = '743' is not within 0\.6 to 0\.95"):
        read(table, {"age": "age"}, nWBV={"range": [0.6, 0.95]})
    read(table, {"age": "age"}, ASF={"range": [0.8, 1.8]})
    assert "has no column 'ASF', so it is not checked" in capsys.readouterr().err


def test_decimal_commas_only_where_all_are_numbers(table: Path) -> None:
    table.write_text('ID,age,kin\na,"60,5",y\nb,61,"3,4"\n')
    labels = read(table, {"age": "age", "kin": "kin"})
    assert labels.values.tolist() == [["60.5", "y"], ["61", "3,4"]]


@settings(max_examples=200)
@given(content=st.one_of(st.binary(max_size=60), st.text(" IDage,;\t\n\r\"'1.\ufeff", max_size=60)))
def test_any_file_is_read_or_refused(content: bytes | str, table: Path) -> None:
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        cells = read_table(table, ("ID",), ("age",))
    except UserError as error:
        assert str(table) in str(error)  # noqa: PT017
        return
    assert next(iter(cells.columns)) == "ID"
    assert all(isinstance(cell, str) for cell in cells.to_numpy().ravel())


CELL = st.one_of(st.sampled_from(["", "n/a", "0", "1", "x"]), st.floats(0, 9).map(str))


@settings(max_examples=100)
@given(cells=st.lists(CELL, min_size=1, max_size=20))
def test_every_wrong_cell_is_named_and_no_other(cells: list[str], table: Path) -> None:
    table.write_text("ID,a,b\n" + "".join(f"p{i},{c},{c}\n" for i, c in enumerate(cells)))
    known = {0: "none", 1: "some"}
    wrong = [
        (i + 2, column, cell)
        for i, cell in enumerate(cells)
        for column, fits in (("a", cell in ("0", "0.0", "1", "1.0")),
                             ("b", cell != "x" and cell not in ("", "n/a") and float(cell) >= 1))
        if cell not in ("", "n/a") and not fits
    ]  # fmt: skip
    try:
        labels = read(table, {"one": {"from": "a", "map": known}}, b={"range": [1, 9]})
    except TableError as error:
        told = error.wrong[["row", "column", "value"]].values.tolist()
        assert sorted(map(tuple, told)) == sorted(wrong)
        keys = [f"p{row - 2}" for row, _, _ in told]
        assert error.wrong["key"].tolist() == keys  # noqa: PT017
        return
    assert not wrong
    meaning = {"0": "none", "0.0": "none", "1": "some", "1.0": "some"}
    assert labels["one"].tolist() == [meaning.get(cell, "") for cell in cells]

"""Tables of typed rows: what is written is read, and what can't be read is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import any_row

from headstart.common.errors import UserError
from headstart.common.records import read_rows
from headstart.common.records import write_rows


@dataclass(frozen=True)
class Row:
    name: str
    shape: tuple[int, ...]
    edges: tuple[float, ...]
    codes: tuple[str, ...]
    kind: Literal["scan", "row"]
    marked: bool
    fold: int | None
    share: Annotated[float, ".3f"]
    median: float | None
    channels: Annotated[dict[str, str], "channel:"]
    labels: Annotated[dict[str, str], ""]


@given(st.lists(any_row(Row), min_size=1))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    write_rows(path, Row, rows)
    assert read_rows(path, Row) == rows
    before = path.read_bytes()
    write_rows(path, Row, read_rows(path, Row))
    assert path.read_bytes() == before


def test_a_table_as_a_person_sees_it(tmp_path: Path) -> None:
    wide = {"channels": {"T1": "p"}, "labels": {"l": ""}}
    row = Row("a", (120, 90), (1.5,), ("x", "y"), "row", True, None, 1 / 3, 1e9 / 3, **wide)
    write_rows(tmp_path / "rows.csv", Row, [row])
    assert (tmp_path / "rows.csv").read_text() == (
        "name,shape,edges,codes,kind,marked,fold,share,median,channel:T1,l\n"
        "a,120x90,1.5,x y,row,1,,0.333,3.33333e+08,p,\n"
    )
    write_rows(tmp_path / "none.csv", Row, [])
    assert read_rows(tmp_path / "none.csv", Row) == []


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("kind", "mask", "kind 'mask' in line 2 is none of scan, row"),
        ("marked", "yes", "marked 'yes' in line 2 is not 0 or 1"),
        ("fold", "1.0", "fold '1.0' in line 2 is no whole number"),
        ("shape", "120xb", "shape '120xb' in line 2 is no whole number"),
        ("median", "much", "median 'much' in line 2 is no number"),
    ],
)
def test_a_cell_of_another_kind_is_named(tmp_path: Path, column: str, cell: str, said: str) -> None:
    cells = {"name": "a", "shape": "1", "edges": "1", "codes": "x", "kind": "row"}
    cells |= {"marked": "1", "fold": "1", "share": "0.5", "median": "1", column: cell}
    path = tmp_path / "rows.csv"
    path.write_text(f"{','.join(cells)}\n{','.join(cells.values())}\n")
    with pytest.raises(UserError, match=f"{path}: was edited or damaged: {said}; delete it"):
        read_rows(path, Row)


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("name\na\n")
    with pytest.raises(UserError, match="the column shape is missing"):
        read_rows(tmp_path / "rows.csv", Row)

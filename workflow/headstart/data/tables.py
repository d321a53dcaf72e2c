"""The user's own tables: every cell as text, and only the requested columns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from headstart.common.errors import UserError
from headstart.common.text import is_number
from headstart.data.table_files import ANYWHERE
from headstart.data.table_files import Sheet
from headstart.data.table_files import SheetPlace
from headstart.data.table_files import note
from headstart.data.table_files import read_sheet

# How a table may say that a value is missing, in any case of letters; else it is ''.
MISSING = {
    *("n/a", "na", "nan", "n.a.", "<na>", "null", "k.a.", "k. a.", "#n/a", "#nv", "#na"),
    *("#value!", "#div/0!", "#ref!", "#name?", "#num!", "#null!", "#wert!", "#bezug!"),
}
REMARK = re.compile(r"\([^()]*\)\s*$")
COMMA = re.compile(r"[-+]?\d*,\d+")
# 1,234 may be a thousand and more, or a little more than one
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")


def read_table(
    path: Path,
    columns: tuple[str, ...],
    optional: tuple[str, ...] = (),
    place: SheetPlace = ANYWHERE,
) -> pd.DataFrame:
    """Read columns of a user's table with every cell as text; missing is ''.

    A column is found by its name, whatever its place; also where only letter case, spaces, signs
    or a remark in parentheses differ. What is fixed is said on stderr: such names, a byte order
    mark, an encoding, line ends, another separator, decimal commas, a title.

    Args:
        path: A .csv, .tsv, .xls or .xlsx file.
        columns: Columns that must be there.
        optional: Columns that are read where they are there.
        place: Its sheet, and the row of the columns' names.

    Returns:
        These columns; the index is the row's number as a spreadsheet shows it. Rows without any
        content are left out.

    Raises:
        UserError: If it can't be read or lacks a column; names the columns that there are.
    """
    sheet = read_sheet(path, place)
    return take_columns(sheet, find_columns(sheet, columns, optional))


def read_all(path: Path, place: SheetPlace = ANYWHERE) -> pd.DataFrame:
    """Read all columns of a table that have a name of their own; see `read_table`."""
    sheet = read_sheet(path, place)
    once = [name for name in sheet.names if name and sheet.names.count(name) == 1]
    return take_columns(sheet, {name: sheet.names.index(name) for name in once})


def find_columns(
    sheet: Sheet, columns: Iterable[str], optional: Iterable[str] = ()
) -> dict[str, int]:
    """Return the place of each requested column.

    Raises:
        UserError: If one of `columns` is not there, or several may be the one that is meant.
    """
    places = {}
    required = dict.fromkeys(columns)
    for wanted in dict.fromkeys((*required, *optional)):
        found = [i for i, name in enumerate(sheet.names) if name == wanted]
        if not found:
            found = [i for i, name in enumerate(sheet.names) if _plain(name) == _plain(wanted)]
            if len(found) == 1:
                note(sheet.path, f"column '{wanted}' is called '{sheet.names[found[0]]}'")
        if len(found) > 1:
            raise UserError(
                f"{sheet.path}: {len(found)} columns may be '{wanted}': "
                f"{', '.join(sheet.names[i] for i in found)}; rename all but one"
            )
        if found:
            places[wanted] = found[0]
        elif wanted in required:
            lost = "the row with the columns' names is lost: " if _all_data(sheet.names) else ""
            others = f"; other sheets are {', '.join(sheet.others)}" if sheet.others else ""
            raise UserError(
                f"{sheet.path}: {lost}has no column '{wanted}'; its columns are "
                f"{', '.join(filter(None, sheet.names))}"
                + (f"{others}: name one with `table.sheet`" if others else "")
            )
    return places


def _plain(name: str) -> str:
    """Return a column's name without case, spaces, signs and a remark in parentheses."""
    return re.sub(r"[\W_]", "", REMARK.sub("", name).casefold())


def _all_data(names: list[str]) -> bool:
    return any(map(is_number, names))


def take_columns(sheet: Sheet, places: Mapping[str, int]) -> pd.DataFrame:
    """Return the columns at some places as text, with the row's number as index; missing is ''."""
    rows = [[known(row[place]) for place in places.values()] for row in sheet.rows.values()]
    table = pd.DataFrame(rows, index=list(sheet.rows), columns=list(places), dtype=str)
    return _without_decimal_commas(sheet, table)


def known(cell: str) -> str:
    """Return a cell's text, '' if it says that nothing is known."""
    return "" if cell.lower() in MISSING else cell


def _without_decimal_commas(sheet: Sheet, table: pd.DataFrame) -> pd.DataFrame:
    """Write 0.743 for 0,743 in columns of numbers, where it can't be a thousands separator."""
    commas = {
        str(name): cells[cells.map(lambda cell: COMMA.fullmatch(cell) is not None)]
        for name, cells in table.items()
        if cells.str.contains(",").any()
        and all(not c or is_number(c) or COMMA.fullmatch(c) for c in cells)
    }
    if not commas:
        return table
    decimal = sheet.decimal_comma or any(
        not THOUSANDS.fullmatch(cell) for cells in commas.values() for cell in cells
    )
    if not decimal:
        name, cells = next(iter(commas.items()))
        cell = str(cells.iloc[0])
        raise UserError(
            f"{sheet.path}: row {cells.index[0]}: {name} = '{cell}' may be "
            f"{cell.replace(',', '.')} or {cell.replace(',', '')}; write it with a decimal point, "
            "or without the comma"
        )
    note(sheet.path, f"has decimal commas in {', '.join(commas)}; read as points")
    for name, cells in commas.items():
        table.loc[cells.index, name] = cells.str.replace(",", ".")
    return table

"""The user's own tables: every cell as text, and only the requested columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from headstart.common.errors import UserError
from headstart.common.text import is_number
from headstart.data.missing_codes import MISSING
from headstart.data.table_files import ANYWHERE
from headstart.data.table_files import Sheet
from headstart.data.table_files import SheetPlace
from headstart.data.table_files import note
from headstart.data.table_files import read_sheet
from headstart.data.written_numbers import read_numbers

REMARK = re.compile(r"\([^()]*\)\s*$")


def read_table(
    path: Path,
    columns: tuple[str, ...],
    optional: tuple[str, ...] = (),
    place: SheetPlace = ANYWHERE,
) -> pd.DataFrame:
    """Read columns of a user's table with every cell as text; missing is ''.

    A column is found by its name, whatever its place; also where only letter case, spaces, signs
    or a remark in parentheses differ. What is fixed is said on stderr: such names, a byte order
    mark, an encoding, another separator, how numbers are written, a title.

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
    """Read all columns of a table that have a name of their own; see `read_table`.

    Of those that share a name none is read, which is said on stderr.
    """
    sheet = read_sheet(path, place)
    if twice := names_given_twice(sheet):
        note(path, told_twice(twice))
    return take_all(sheet)


def take_all(sheet: Sheet) -> pd.DataFrame:
    """Return all columns that have a name of their own; see `take_columns`."""
    twice = names_given_twice(sheet)
    once = [name for name in sheet.names if name and name not in twice]
    return take_columns(sheet, {name: sheet.names.index(name) for name in once})


def names_given_twice(sheet: Sheet) -> list[str]:
    """Return the names that several columns have."""
    return [name for name, count in Counter(filter(None, sheet.names)).items() if count > 1]


def told_twice(names: Iterable[str]) -> str:
    """Say that columns are not read, as they share a name."""
    return (
        f"several columns are called {' and '.join(names)}, so that none of them is read; rename "
        "all but one"
    )


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
            found = [i for i, name in enumerate(sheet.names) if plain(name) == plain(wanted)]
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


def plain(name: str) -> str:
    """Return a column's name without case, spaces, signs and a remark in parentheses."""
    return re.sub(r"[\W_]", "", REMARK.sub("", name).casefold())


def _all_data(names: list[str]) -> bool:
    return any(map(is_number, names))


def take_columns(
    sheet: Sheet, places: Mapping[str, int], missing: Mapping[str, Collection[str]] | None = None
) -> pd.DataFrame:
    """Return the columns at some places as text, with the row's number as index; missing is ''.

    Args:
        sheet: The table.
        places: Column: its place.
        missing: Column: words that mean 'not known' in it, among numbers.
    """
    rows = [[known(row[place]) for place in places.values()] for row in sheet.rows.values()]
    table = pd.DataFrame(rows, index=list(sheet.rows), columns=list(places), dtype=str)
    return read_numbers(sheet, table, missing or {})


def known(cell: str) -> str:
    """Return a cell's text, '' if it says that nothing is known."""
    return "" if cell.lower() in MISSING else cell

"""Numbers as tables write them: with decimal commas, and with thousands set apart."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Mapping

import pandas as pd

from headstart.common.errors import UserError
from headstart.common.text import is_number
from headstart.data.column_names import is_identity
from headstart.data.missing_codes import is_no_number
from headstart.data.table_files import Sheet
from headstart.data.table_files import note

COMMA = re.compile(r"[-+]?\d*,\d+")
# What may be a thousand and more, or a little more than one, by its mark.
DOUBTFUL = {mark: re.compile(rf"[-+]?[1-9]\d{{0,2}}\{mark}\d{{3}}") for mark in ".,"}
OTHER = {".": ",", ",": "."}
SPACES = r" \u00a0\u2009\u202f'\u2019"  # what sets thousands apart, besides point and comma
# Thousands set apart beyond doubt, by the decimal mark: 1.234,5 and 1.234.567 and 1 234
APART = {
    decimal: re.compile(
        rf"[-+]?[1-9]\d{{0,2}}(?:([\{mark}{SPACES}])\d{{3}}(?:\1\d{{3}})*\{decimal}\d+"
        rf"|(\{mark})\d{{3}}(?:\{mark}\d{{3}})+|([{SPACES}])\d{{3}}(?:\3\d{{3}})*)"
    )
    for decimal, mark in OTHER.items()
}


def read_numbers(
    sheet: Sheet, table: pd.DataFrame, missing: Mapping[str, Collection[str]]
) -> pd.DataFrame:
    """Write the numbers of columns of numbers as 1234.5, whatever their marks.

    Ids keep their points. What is read otherwise than it stands there is said on stderr.

    Args:
        sheet: The whole table; its other columns, too, show which mark it has.
        table: Some of its columns as text, '' is missing; they are changed.
        missing: Column: further words for 'not known'.

    Returns:
        The table.

    Raises:
        UserError: If a number may be a thousand and more, or a little more than one.
    """
    commas, apart = [], []
    surely = _has_decimal_commas(sheet, missing)
    for name in map(str, table):
        numbers = _numbers(table[name], missing.get(name, ()))
        if is_identity(name):
            numbers = numbers[_fit(numbers, COMMA)]
        thousands = [mark for mark in OTHER if _sets_apart(sheet, numbers, mark, surely=surely)]
        written = numbers.map(lambda cell, marks=thousands: _plain(cell, marks))
        if (written == numbers.str.replace(",", ".")).all():
            commas += [name] if numbers.str.contains(",", regex=False).any() else []
        else:
            apart.append(name)
        table.loc[numbers.index, name] = written
    if commas:
        note(sheet.path, f"has decimal commas in {', '.join(commas)}; read as points")
    if apart:
        note(sheet.path, f"has thousands set apart in {', '.join(apart)}; read as plain numbers")
    return table


def _numbers(cells: pd.Series[str], missing: Collection[str]) -> pd.Series[str]:
    """Return the numbers of a column that holds nothing else, however they are written."""
    found = cells.map(is_written_number)
    rest = {*cells[~found]} - {"", *missing}
    return cells[found] if all(map(is_no_number, rest)) else cells[:0]


def is_written_number(cell: str) -> bool:
    """Say whether a text is a number, whatever its marks."""
    written = (COMMA, *APART.values())
    return is_number(cell) or any(pattern.fullmatch(cell) for pattern in written)


def _fit(cells: pd.Series[str], pattern: re.Pattern[str]) -> pd.Series[bool]:
    return cells.map(lambda cell: pattern.fullmatch(cell) is not None).astype(bool)


def _has_decimal_commas(sheet: Sheet, missing: Mapping[str, Collection[str]]) -> bool:
    """Whether any column of a table has decimal commas, by its own cells or the separator."""
    for place, name in enumerate(sheet.names):
        cells = pd.Series([row[place] for row in sheet.rows.values()], dtype=str)
        if cells.str.contains(",", regex=False).any():
            numbers = _numbers(cells, missing.get(name, ()))
            by_separator = sheet.decimal_comma and _fit(numbers, COMMA).any()
            if by_separator or _is_decimal(numbers, ","):
                return True
    return False


def _is_decimal(numbers: pd.Series[str], mark: str) -> bool:
    """Whether a number shows that a mark is the decimal mark: 30.5, 1,234.5."""
    marked = numbers[numbers.str.contains(mark, regex=False)]
    plain = marked[~_fit(marked, DOUBTFUL[mark]) & ~_fit(marked, APART[OTHER[mark]])]
    return not plain.empty


def _sets_apart(sheet: Sheet, numbers: pd.Series[str], mark: str, *, surely: bool) -> bool:
    """Whether a mark sets thousands apart in a column, and is not the decimal mark.

    Args:
        sheet: The table.
        numbers: The column's numbers.
        mark: Point or comma.
        surely: Whether the table has decimal commas beyond doubt.
    """
    doubtful = numbers[_fit(numbers, DOUBTFUL[mark])]
    if doubtful.empty:
        return False
    shown = numbers[_fit(numbers, APART[OTHER[mark]])].str.contains(mark, regex=False).any()
    decimal = _is_decimal(numbers, mark)
    if shown != decimal:
        return bool(shown)
    row, cell = next(iter(doubtful.items()))
    values = cell.replace(mark, "."), cell.replace(mark, "")
    by_table = not shown and (surely or sheet.decimal_comma)
    if mark == "," and by_table:
        return False
    if mark == "." and not shown and not numbers.str.contains(",", regex=False).any():
        if len(doubtful) == len(numbers) and surely:
            note(
                sheet.path,
                f"{numbers.name}: {cell} of row {row} and its like are read as {values[0]}; if "
                f"{values[1]} is meant, as decimal commas in other columns may say, write them "
                "without the point",
            )
        if len(doubtful) == len(numbers) or not by_table:
            return False
    names = {".": "point", ",": "comma"}
    raise UserError(
        f"{sheet.path}: row {row}: {numbers.name} = '{cell}' may be {values[0]} or {values[1]}; "
        f"write it with a decimal {names[OTHER[mark]]}, or without the {names[mark]}"
    )


def _plain(cell: str, thousands: Collection[str]) -> str:
    """Return a number as Python writes it."""
    for decimal, pattern in APART.items():
        if pattern.fullmatch(cell):
            cell = re.sub(rf"[{SPACES}\{OTHER[decimal]}]", "", cell)
    for mark in thousands:
        if DOUBTFUL[mark].fullmatch(cell):
            return cell.replace(mark, "")
    return cell.replace(",", ".")

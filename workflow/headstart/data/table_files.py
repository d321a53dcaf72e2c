"""Files of tables as people keep them: encodings, separators, sheets, titles and footers.

Nothing is known here of what the columns mean. What is taken where there was a choice is said on
stderr; where no choice is clearly right, the file is refused and the key to write is named.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from headstart.common.errors import UserError
from headstart.common.machine_errors import is_of_machine
from headstart.common.plain_values import is_unseen
from headstart.common.text import is_number
from headstart.common.walk import refuse_special

EXCEL = (".xls", ".xlsx")
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
LOOKED_AT = 40  # rows that show what separates the columns, and where their names are
SPLIT_NAMES = 0.5  # names for a smaller share of the columns are a title
# The first cell of a row that sums up the table.
SUMMARY = re.compile(
    r"(total|sum|summe|gesamt|mean|average|mittelwert|moyenne|somme|media|promedio|totale|median"
    r"|sd|std|min|max|n)\b[^\d]*|n\s*=.*",
    re.IGNORECASE,
)
COMMENT = "#"  # how a line above the names may begin; but a name may, too
INDEX = "Unnamed: 0"  # a first column without a name, as pandas writes it and calls it
FEWEST_WORDS = 3  # of a line of text below the table
FEWEST_FOR_FOOTER = 3  # columns of a table whose footers can be told from its rows


class SheetPlace(NamedTuple):
    """Where in its file a table stands; None is the first sheet, and the row that looks like it.

    Attributes:
        sheet: Name of the sheet.
        header: Number of the row with the names, from 1 on.
    """

    sheet: str | None = None
    header: int | None = None


ANYWHERE = SheetPlace()


@dataclass(frozen=True)
class Sheet:
    """A table as its file holds it.

    Attributes:
        path: The file.
        names: The columns' names, each in one line; '' where there is none.
        rows: Rows below the names that hold anything, by their numbers in a spreadsheet.
        decimal_comma: Whether the separator shows that a comma is a decimal comma.
        others: Other sheets of the file that hold anything.
    """

    path: Path
    names: list[str]
    rows: dict[int, list[str]]
    decimal_comma: bool
    others: list[str]


def read_sheet(path: Path, place: SheetPlace = ANYWHERE) -> Sheet:
    """Read a .csv, .tsv, .xls or .xlsx file, every cell as text.

    Raises:
        UserError: If it can't be read, or it isn't clear which row holds the columns' names.
    """
    refuse_special(path)
    others: list[str] = []
    comma = False
    try:
        if path.suffix.lower() in EXCEL:
            cells, others = _read_excel(path, place.sheet)
        else:
            cells, comma = _read_text(path, place.header)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: is not there; correct `table.path`") from None
    except Exception as error:  # each reader of tables has errors of its own
        if is_of_machine(error):
            raise
        raise UserError(
            f"{path}: can't be read as a table ({str(error).strip()}); save it again, with quotes "
            "about texts and decimals that hold a comma"
        ) from None
    cells = [[cell.strip() for cell in row] for row in cells]
    if not any(map(any, cells)):
        raise UserError(f"{path}: can't be read as a table (it is empty); save it again")
    header, names = _names(path, cells, place.header)
    names = [_in_one_line(name) for name in names]
    rows = _rows(path, cells, header, len(cells[header]))
    if _is_index(names, rows.values()):
        note(path, f"the first column has no name, and is called '{INDEX}'")
        names[0] = INDEX
    for number in _footers(rows, len(list(filter(None, names)))):
        note(path, f"row {number} sums up the table or explains it, and is left out")
        del rows[number]
    width = max([len(names), *map(len, rows.values())])
    full = {number: row + [""] * (width - len(row)) for number, row in rows.items() if any(row)}
    return Sheet(path, names + [""] * (width - len(names)), full, comma, others)


def other_sheets(path: Path) -> list[str]:
    """Return the sheets of a spreadsheet that hold anything, except the first."""
    try:
        return _read_excel(path, None)[1]
    except Exception as error:  # what is wrong is said where the first one is read
        if is_of_machine(error):
            raise
        return []


def _read_excel(path: Path, wanted: str | None) -> tuple[list[list[str]], list[str]]:
    """Return the cells of a sheet, and the names of the others that hold anything."""
    import pandas as pd

    with pd.ExcelFile(path, engine="calamine") as book:
        sheets = {
            str(name): pd.read_excel(
                book, sheet_name=name, header=None, dtype=str, keep_default_na=False
            ).fillna("")
            for name in book.sheet_names
        }
        filled = [name for name, cells in sheets.items() if (cells != "").any(axis=None)]
        if wanted is not None and wanted not in sheets:
            raise UserError(
                f"{path}: has no sheet '{wanted}'; correct `table.sheet`, its sheets are "
                f"{', '.join(sheets)}"
            )
        name = wanted or next(iter(filled), next(iter(sheets)))
        cells = [list(map(str, row)) for row in sheets[name].itertuples(index=False)]
        # of merged cells only the first holds the value: an id above the rows of its visits
        merged = getattr(book.book.get_sheet_by_name(name), "merged_cell_ranges", None) or []
        for (top, left), (bottom, right) in merged:
            for row in range(top + 1, bottom + 1) if left == right else ():
                if row < len(cells) and not cells[row][left]:
                    cells[row][left] = cells[top][left]
    return cells, [other for other in filled if other != name]


def _read_text(path: Path, header: int | None) -> tuple[list[list[str]], bool]:
    """Return the cells, and whether the separator shows that a comma is a decimal comma.

    Comments above the row with the names are read as empty rows.
    """
    content = path.read_bytes()
    text, encoding = _decode(path, content)
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    lines = list(io.StringIO(text, newline=""))
    comments = next((n for n, line in enumerate(lines) if not line.startswith(COMMENT)), 0)
    if header is not None:
        comments = min(comments, header - 1)
    separator = _separator(lines[comments if header is None else header - 1 :], usual)
    if comments and header is None and _is_header(lines[comments - 1 :], separator):
        comments -= 1
    text = "".join(["\n"] * comments + lines[comments:])
    fixed = [
        "a byte order mark" if content.startswith(BOM) else "",
        encoding,
        "" if separator == usual else f"columns separated by {separator!r}",
    ]
    if any(fixed):
        note(path, f"has {', '.join(filter(None, fixed))}; read all the same")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return [_with_whole_books(row, separator) for row in rows], separator == ";"


def _with_whole_books(row: Sequence[str], separator: str) -> list[str]:
    """Rejoin a code book in a name that the separator cut: `SEX (1=m` and ` 2=f)`."""
    whole: list[str] = []
    for cell in row:
        if whole and re.search(r"\([^()]*=[^()]*$", whole[-1]) and "=" in cell:
            whole[-1] += separator + cell
        else:
            whole.append(cell)
    return whole


def _decode(path: Path, content: bytes) -> tuple[str, str]:
    """Return a file's text, and its encoding if it is not UTF-8."""
    if content.startswith(UTF16):
        text, encoding = content.decode("utf-16"), "the encoding UTF-16"
    else:
        try:
            text, encoding = content.decode("utf-8-sig"), ""
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
            # without a sample: the first letters that show it may be somebody's name
            encoding = "the encoding cp1252 of Windows"
            if "\ufffd" in text:
                raise UserError(
                    f"{path}: is neither UTF-8 nor the text of Windows; save it as 'CSV UTF-8'"
                ) from None
    if CONTROL.search(text):
        raise UserError(f"{path}: can't be read as a table (it is no text); save it again")
    return text, encoding


def _is_header(lines: Sequence[str], separator: str) -> bool:
    """Whether a line that begins as a comment has the names of the rows below it."""
    own, *rows = [r for r in csv.reader(lines[:LOOKED_AT], delimiter=separator) if any(r)]
    if not rows or len(own) != len(rows[0]) or len(own) == 1:
        return False
    return not _like_names(rows[0], rows[0], rows[1:], title=False)


def _separator(given: Sequence[str], usual: str) -> str:
    """Return the separator that cuts most of the first lines into equally many cells."""
    lines = list(islice((line for line in given if line.strip()), LOOKED_AT))

    def agreement(separator: str) -> float:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=separator) if any(row))
        several = {width: count for width, count in widths.items() if width > 1}
        return max(several.values()) / sum(widths.values()) if several else 0

    candidates = dict.fromkeys((usual, ";", "\t", ","))
    return max(candidates, key=agreement)


def _names(path: Path, cells: Sequence[Sequence[str]], told: int | None) -> tuple[int, list[str]]:
    """Find the row with the columns' names; return its place and the names."""
    if told is not None:
        if told > len(cells) or not any(cells[told - 1]):
            raise UserError(f"{path}: row {told} is empty; correct `table.header`")
        return told - 1, _with_above(cells, told - 1)
    first = next(place for place, row in enumerate(cells) if any(row))
    width = len(_occupied(cells[first:]))
    named = len(list(filter(None, cells[first])))
    if named == width:
        if first:
            note(path, f"row {first + 1} is taken for the columns' names")
        return first, list(cells[first])
    title = named <= SPLIT_NAMES * width
    index = named == width - 1 and not cells[first][0]
    for place in range(first + 1, min(first + LOOKED_AT, len(cells) - 1)):
        names = list(cells[place]) if index else _with_above(cells, place)
        if _like_names(names, cells[place], cells[place + 1 :], title=title):
            note(
                path,
                f"row {place + 1} is taken for the columns' names, row {first + 1} for a title",
            )
            return place, names
    if not index and (named < SPLIT_NAMES * width or (named == 1 and width > 1)):
        raise UserError(
            f"{path}: row {first + 1} names {named} of {width} columns, so it may be a title; say "
            f"which row holds the columns' names: `table: {{header: {first + 2}}}`"
        )
    return first, list(cells[first])


def _in_one_line(name: str) -> str:
    """Return a name as a config can hold it, without line breaks and what can't be seen."""
    return " ".join("".join(c for c in name if c.isspace() or not is_unseen(c)).split())


def _is_index(names: Sequence[str], rows: Iterable[Sequence[str]]) -> bool:
    """Whether the first column alone has no name, and something in every row."""
    filled = [row for row in rows if any(row)]
    named = {place for place, name in enumerate(names) if name}
    return bool(named) and _occupied(filled) - named == {0} and all(row[0] for row in filled)


def _like_names(
    names: Sequence[str], row: Sequence[str], below: Sequence[Sequence[str]], *, title: bool
) -> bool:
    """Whether a row names all columns below it, with words that don't repeat as values.

    Args:
        names: The names that the row gives.
        row: The row.
        below: The rows below it.
        title: Whether what stands above can only be a title; else numbers below must show that
            this row is none of them.
    """
    occupied = _occupied(below)
    columns = [[own[place] for own in below if place < len(own)] for place in occupied]
    if not any(_are_numbers(column) for column in columns) and not title:
        return False
    named = {place for place, name in enumerate(names) if name}
    values = {place: {own[place] for own in below if place < len(own)} for place in occupied}
    return (
        len(named) > 1
        and occupied <= named
        and len({names[place] for place in named}) == len(named)
        and not any(map(is_number, filter(None, row)))
        and not any(names[place] in values[place] for place in occupied)
    )


def _are_numbers(cells: Sequence[str]) -> bool:
    known = [cell for cell in cells if cell]
    return bool(known) and sum(map(is_number, known)) > len(known) / 2


def _with_above(cells: Sequence[Sequence[str]], place: int) -> list[str]:
    """Return a row's names; for a cell merged over two rows, the upper one holds the name."""
    above = list(cells[place - 1]) if place else []
    return [
        name or (above[column] if column < len(above) else "")
        for column, name in enumerate(cells[place])
    ]


def _occupied(cells: Sequence[Sequence[str]]) -> set[int]:
    """Return the columns that hold anything."""
    return {place for row in cells for place, cell in enumerate(row) if cell}


def _rows(
    path: Path, cells: Sequence[Sequence[str]], header: int, width: int
) -> dict[int, list[str]]:
    """Return the rows below the names, by their numbers in a spreadsheet."""
    rows = {}
    for number, row in enumerate(cells[header + 1 :], start=header + 2):
        if any(row[width:]):
            raise UserError(
                f"{path}: can't be read as a table (row {number} has more cells than the {width} "
                "of the columns' names); save it again, with quotes about texts and decimals that "
                "hold a comma"
            )
        rows[number] = list(row[:width])
    widest = max((len(row) for row in rows.values() if any(row)), default=width)
    named = max(place for place, name in enumerate(cells[header], start=1) if name)
    if widest < named:
        raise UserError(
            f"{path}: can't be read as a table (row {header + 1} names {named} columns, and no row "
            f"below has more than {widest} cells); save it again, with quotes about names that "
            "hold a comma"
        )
    return rows


def _footers(rows: dict[int, list[str]], columns: int) -> list[int]:
    """Return the last rows that belong to nobody: sums, means, legends."""
    footers: list[int] = []
    if columns < FEWEST_FOR_FOOTER:
        return footers
    filled = [number for number, row in rows.items() if any(row)]
    for number in reversed(filled[1:]):
        row = list(filter(None, rows[number]))
        alone = len(row) == 1 and (
            len(row[0].split()) >= FEWEST_WORDS or not (row[0][0].isalnum() or row[0][0] == "_")
        )
        apart = number - 1 in rows and not any(rows[number - 1]) and len(row) < columns / 2
        if not (SUMMARY.fullmatch(row[0]) or alone or apart):
            break
        footers.append(number)
    return footers[::-1]


def note(path: Path, what: str) -> None:
    """Print to stderr what was seen or fixed in a user's table."""
    print(f"{path}: {what}", file=sys.stderr)

"""The user's own tables: every cell text, and only the columns that are asked for."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from headstart.parts.config import Label
from headstart.parts.config import TableColumn
from headstart.parts.errors import UserError
from headstart.parts.numbers import as_number
from headstart.parts.numbers import is_number

if TYPE_CHECKING:
    from pandera.pandas import Check

# How a table may say that a value is missing, in any case of letters; else it is ''.
MISSING = {"n/a", "na", "nan"}
EXCEL = (".xls", ".xlsx")
FIRST_ROW = 2  # the number that a spreadsheet shows beside a table's first row
BOM = b"\xef\xbb\xbf"
# A column's name may hold a code book: SEX_ID (1=m, 2=f)
BOOK = re.compile(r"\(\s*([^=,()]+=[^=,()]+(?:,[^=,()]+=[^=,()]+)*)\)\s*$")
REMARK = re.compile(r"\([^()]*\)\s*$")
COMMA = re.compile(r"[-+]?\d*,\d+")
# 1,234 may be a thousand and more, or a little more than one
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b.*|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d\d)\b.*")
LONGEST_LABEL = 64  # characters; longer is free text
PRINTED = 12  # wrong cells of a table that an error shows
WRONG = ["row", "key", "column", "value", "problem"]


class TableError(UserError):
    """A table whose cells are not as they should be.

    Args:
        path: The table.
        wrong: All wrong cells; the columns are those of `WRONG`.
        key: The column that tells the rows apart.
    """

    def __init__(self, path: Path, wrong: pd.DataFrame, key: str) -> None:
        self.wrong = wrong
        lines = [
            " ".join(
                [f"row {row}, {key} = {name}:" if row else "the column", column]
                + ([f"= '{value}'"] if value else [])
                + [problem]
            )
            for row, name, column, value, problem in wrong[:PRINTED].itertuples(index=False)
        ]
        if len(wrong) > PRINTED:
            lines.append(f"… and {len(wrong) - PRINTED} more")
        super().__init__(
            f"{path}: {len(wrong)} mistakes, by what `table.columns` and `labels` say; take the "
            "table as it was published, or mend it or the settings:\n  " + "\n  ".join(lines)
        )


@dataclass(frozen=True)
class _Sheet:
    """A table as it lies there: every cell text, the columns under the names of its first row."""

    path: Path
    names: list[str]
    cells: pd.DataFrame
    decimal_comma: bool


def read_table(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Read columns of a user's table with every cell as text; missing is ''.

    A column is found by its name, whatever its place; also where only letter case, spaces, signs
    or a remark in parentheses differ. What is mended is said on stderr: such names, a byte order
    mark, line ends, another separator, decimal commas.

    Args:
        path: A .csv, .tsv, .xls or .xlsx file (its first sheet); text is UTF-8.
        columns: Columns that must be there.
        optional: Columns that are read where they are there.

    Returns:
        These columns; the index is the row's number as a spreadsheet shows it. Rows without any
        content are left out.

    Raises:
        UserError: If it can't be read or lacks a column; names the columns that there are.
    """
    sheet = _open(path)
    return _select(sheet, _find(sheet, columns, optional))


def columns_of(path: Path) -> list[str]:
    """Return the names of a table's columns; raises as `read_table`."""
    return _open(path).names


def read_labels(
    path: Path,
    labels: Mapping[str, Label],
    *,
    key: str,
    rules: Mapping[str, TableColumn],
    columns: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
    elsewhere: Collection[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table and the labels that it holds, and check every cell.

    Args:
        path: As for `read_table`.
        labels: Label name: where it comes from.
        key: The column that tells the rows apart.
        rules: Column: what it holds.
        columns: Other columns that must be there.
        optional: Columns that are read where they are there.
        elsewhere: Columns of labels that another table has; this one may lack them.

    Returns:
        The columns, and the labels, both with the row's number as index.

    Raises:
        TableError: If cells are not as `rules` and `labels` say, hold a date or free text.
        UserError: As for `read_table`.
    """
    sheet = _open(path)
    of_labels = [label.column for label in labels.values()]
    needed = (key, *columns, *(column for column in of_labels if column not in elsewhere))
    places = _find(sheet, needed, (*optional, *rules, *of_labels))
    labels = {name: label for name, label in labels.items() if label.column in places}
    books = {column: _book(sheet.names[place]) for column, place in places.items()}
    for column, book in books.items():
        if book and any(label.column == column and not label.map for label in labels.values()):
            meaning = ", ".join(f"{code} is {word}" for code, word in book.items())
            _say(path, f"in column '{column}' {meaning}, as its name says")
    return decode(path, _select(sheet, places), labels, key=key, rules=rules, books=books)


def decode(
    path: Path,
    cells: pd.DataFrame,
    labels: Mapping[str, Label],
    *,
    key: str,
    rules: Mapping[str, TableColumn],
    books: Mapping[str, Mapping[str, str]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Check a table's cells and translate them to labels; see `read_labels`.

    Args:
        path: The table, for messages.
        cells: Its columns as text, as from `read_table`.
        labels: Label name: where it comes from.
        key: The column that tells the rows apart.
        rules: Column: what it holds.
        books: Column: what its values mean, as its name says.
    """
    cells = cells.copy()
    for column, rule in rules.items():
        if column not in cells:
            _say(path, f"has no column '{column}', which is not checked therefore")
        elif rule.missing:
            meant = {as_number(value, value) for value in rule.missing}
            blank = cells[column].map(lambda cell, meant=meant: as_number(cell, cell) in meant)
            cells.loc[blank, column] = ""
            if blank.any() and any(label.column == column for label in labels.values()):
                _say(
                    path,
                    f"{blank.sum()} cells of '{column}' say {', '.join(rule.missing)}: missing",
                )

    translations = {
        name: {
            as_number(code, code): word
            for code, word in (label.map or books.get(label.column, {})).items()
        }
        for name, label in labels.items()
    }
    checks: dict[str, list[Check]] = {column: [] for column in cells.columns}
    for column, rule in rules.items():
        if column in checks:
            checks[column] += _rule_checks(rule, cells[key])
    for name, label in labels.items():
        checks[label.column] += _label_checks(translations[name])
    _validate(path, cells, checks, key)

    values = {
        name: cells[label.column].map(
            lambda cell, words=translations[name]: (
                words[as_number(cell, cell)] if cell and words else cell
            )
        )
        for name, label in labels.items()
    }
    return cells, pd.DataFrame(values, index=cells.index)


def _rule_checks(rule: TableColumn, keys: pd.Series[str]) -> list[Check]:
    checks = []
    if rule.values:
        allowed = {as_number(value, value) for value in rule.values}
        checks.append(
            _check(
                lambda cell: as_number(cell, cell) in allowed,
                f"is none of {', '.join(rule.values)}",
            )
        )
    if rule.range:
        low, high = rule.range
        checks.append(
            _check(
                lambda cell: low <= as_number(cell, float("nan")) <= high,
                f"is not within {low:g} to {high:g}",
            )
        )
    if rule.pattern:
        pattern = re.compile(rule.pattern)
        checks.append(
            _check(
                lambda cell: pattern.fullmatch(cell) is not None, f"does not fit '{rule.pattern}'"
            )
        )
    if rule.filled is not None:
        checks.append(_filled_check(rule.filled, keys))
    return checks


def _label_checks(words: Mapping[float | str, str]) -> list[Check]:
    """Return the checks of a label's column. A date or free text may tell who somebody is."""
    if words:
        known = ", ".join(f"{code:g}" if isinstance(code, float) else code for code in words)
        return [_check(lambda cell: as_number(cell, cell) in words, f"is none of {known}")]
    return [
        _check(lambda cell: not DATE.fullmatch(cell), _hidden("a date")),
        _check(lambda cell: len(cell) <= LONGEST_LABEL and "\n" not in cell, _hidden("free text")),
    ]


def _hidden(what: str) -> str:
    return (
        f"holds {what}, which may tell who somebody is and is never copied; take it from `labels`"
    )


def _check(fits: Callable[[str], bool], problem: str) -> Check:
    from pandera.pandas import Check

    return Check(lambda cell: not cell or fits(cell), element_wise=True, error=problem)


def _filled_check(most: int, keys: pd.Series[str]) -> Check:
    from pandera.pandas import Check

    return Check(
        lambda cells: keys[cells != ""].nunique() <= most,
        error=f"has more than the {most} values that were published: in this copy blanks, which "
        "mean 'not known', were filled in",
    )


def _validate(path: Path, cells: pd.DataFrame, checks: Mapping[str, list[Check]], key: str) -> None:
    """Raise a TableError that names every wrong cell."""
    # pandera takes half a second to import: only those who read a table pay for it
    import pandera.pandas as pa

    columns = {name: pa.Column(str, checks=own) for name, own in checks.items() if own}
    try:
        pa.DataFrameSchema(columns).validate(cells, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates(["column", "index", "check"])
        whole = cases["index"].isna()
        private = cases["check"].str.startswith("holds ")
        wrong = pd.DataFrame(
            {
                "row": cases["index"].astype(object).where(~whole, ""),
                "key": cases["index"].map(cells[key]).astype(object).where(~whole, ""),
                "column": cases["column"],
                "value": cases["failure_case"].astype(str).mask(whole | private, ""),
                "problem": cases["check"],
            }
        )
        place = {number: order for order, number in enumerate(cells.index)}
        order = wrong["row"].map(lambda row: place.get(row, -1))
        raise TableError(path, wrong.iloc[order.argsort(kind="stable")], key) from None


def _open(path: Path) -> _Sheet:
    try:
        cells, comma = _read_excel(path) if path.suffix.lower() in EXCEL else _read_text(path)
    except FileNotFoundError:
        raise UserError(f"{path}: is not there; correct `table.path`") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; save it as 'CSV UTF-8'") from None
    except Exception as error:  # each reader of tables has errors of its own
        raise UserError(
            f"{path}: can't be read as a table ({str(error).strip()}); save it anew, with quotes "
            "about texts and decimals that hold a comma"
        ) from None
    names = [str(name).strip() for name in cells.iloc[0].fillna("")]
    cells = cells.iloc[1:].fillna("")
    cells.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(cells))
    return _Sheet(path, names, cells[(cells != "").any(axis="columns")], comma)


def _read_excel(path: Path) -> tuple[pd.DataFrame, bool]:
    cells = pd.read_excel(path, header=None, dtype=str, keep_default_na=False, engine="calamine")
    return cells, False


def _read_text(path: Path) -> tuple[pd.DataFrame, bool]:
    """Return the cells, and whether the separator shows that a comma is a decimal comma."""
    content = path.read_bytes()
    text = content.decode("utf-8-sig")
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    first = text.partition("\n")[0]
    separator = next((s for s in (usual, ";", "\t", ",") if s in first), usual)
    mended = [
        "a byte order mark" if content.startswith(BOM) else "",
        "line ends of Windows" if b"\r\n" in content else "",
        "" if separator == usual else f"columns separated by {separator!r}",
    ]
    if any(mended):
        _say(path, f"has {', '.join(filter(None, mended))}; read all the same")
    cells = pd.read_csv(
        io.StringIO(text),
        sep=separator,
        header=None,
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=False,
    )
    return cells, separator == ";"


def _find(sheet: _Sheet, columns: Iterable[str], optional: Iterable[str] = ()) -> dict[str, int]:
    """Return the place of each column, by its name as it is asked for."""
    places = {}
    required = dict.fromkeys(columns)
    for wanted in dict.fromkeys((*required, *optional)):
        found = [i for i, name in enumerate(sheet.names) if name == wanted]
        if not found:
            found = [i for i, name in enumerate(sheet.names) if _plain(name) == _plain(wanted)]
            if len(found) == 1:
                _say(sheet.path, f"column '{wanted}' is called '{sheet.names[found[0]]}'")
        if len(found) > 1:
            raise UserError(
                f"{sheet.path}: {len(found)} columns may be '{wanted}': "
                f"{', '.join(sheet.names[i] for i in found)}; rename all but one"
            )
        if found:
            places[wanted] = found[0]
        elif wanted in required:
            lost = "the row with the columns' names is lost: " if _all_data(sheet.names) else ""
            raise UserError(
                f"{sheet.path}: {lost}has no column '{wanted}'; its columns are "
                f"{', '.join(sheet.names)}"
            )
    return places


def _plain(name: str) -> str:
    """Return a column's name without case, spaces, signs and a remark in parentheses."""
    return re.sub(r"[\W_]", "", REMARK.sub("", name).casefold())


def _all_data(names: list[str]) -> bool:
    return any(map(is_number, names))


def _book(name: str) -> dict[str, str]:
    match = BOOK.search(name)
    pairs = [pair.split("=") for pair in match[1].split(",")] if match else []
    return {code.strip(): word.strip() for code, word in pairs}


def _select(sheet: _Sheet, places: Mapping[str, int]) -> pd.DataFrame:
    table = sheet.cells.iloc[:, list(places.values())].set_axis(list(places), axis="columns")
    table = table.map(lambda c: "" if c.strip().lower() in MISSING else c.strip())
    return _without_decimal_commas(sheet, table)


def _without_decimal_commas(sheet: _Sheet, table: pd.DataFrame) -> pd.DataFrame:
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
    _say(sheet.path, f"has decimal commas in {', '.join(commas)}; read as points")
    for name, cells in commas.items():
        table.loc[cells.index, name] = cells.str.replace(",", ".")
    return table


def _say(path: Path, what: str) -> None:
    print(f"{path}: {what}", file=sys.stderr)


def comparable(texts: list[str], cells: list[str]) -> tuple[list[str], list[str]]:
    """Make keys comparable: a spreadsheet turns 002 into 2.

    Leading zeros are dropped on both sides, unless that would make two different keys one.
    """
    plain = {key: (key.lstrip("0") or "0") if key.isdecimal() else key for key in (*texts, *cells)}
    for side in (texts, cells):
        if len({plain[key] for key in side}) < len(set(side)):
            return texts, cells
    return [plain[key] for key in texts], [plain[key] for key in cells]


def distinct(values: list[str]) -> list[str]:
    """Return the different values that are not empty; 35.80 and 35.8 are the same."""
    seen: dict[str | float, str] = {}
    for value in values:
        if value:
            seen.setdefault(as_number(value, value), value)
    return list(seen.values())

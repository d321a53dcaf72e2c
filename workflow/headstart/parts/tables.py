"""The user's own tables: every cell text, and only the columns that are asked for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from headstart.parts.errors import UserError

# How a table may say that a value is missing, in any case of letters; else it is ''.
MISSING = {"n/a", "na", "nan"}
EXCEL = (".xls", ".xlsx")
FIRST_ROW = 2  # the number that a spreadsheet shows beside a table's first row


def read_table(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Read columns of a user's table with every cell as text; missing is ''.

    Args:
        path: A .csv (UTF-8, with commas), .tsv, .xls or .xlsx file (its first sheet).
        columns: Columns that must be there.
        optional: Columns that are read where they are there.

    Returns:
        These columns; the index is the row's number as a spreadsheet shows it. Rows without any
        content are left out.

    Raises:
        UserError: If it can't be read or lacks a column; names the columns that there are.
    """
    try:
        table = _read_excel(path) if path.suffix.lower() in EXCEL else _read_text(path)
    except FileNotFoundError:
        raise UserError(f"{path}: is not there; correct `table.path`") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; save it as 'CSV UTF-8'") from None
    except Exception as error:  # each reader of tables has errors of its own
        raise UserError(f"{path}: can't be read as a table ({error}); save it anew") from None
    table.columns = [str(column).strip() for column in table.columns]
    for column in columns:
        if column not in table.columns:
            raise UserError(
                f"{path}: has no column '{column}'; its columns are {', '.join(table.columns)}"
            )
    table = table.fillna("")
    table.index = pd.RangeIndex(FIRST_ROW, FIRST_ROW + len(table))
    table = table[(table != "").any(axis="columns")]
    wanted = dict.fromkeys((*columns, *(name for name in optional if name in table.columns)))
    return table[list(wanted)].map(lambda c: "" if c.strip().lower() in MISSING else c.strip())


def _read_excel(path: Path) -> pd.DataFrame:
    return pd.read_excel(path, dtype=str, keep_default_na=False, engine="calamine")


def _read_text(path: Path) -> pd.DataFrame:
    return pd.read_csv(
        path,
        sep="\t" if path.suffix.lower() == ".tsv" else ",",
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
        index_col=False,
        skip_blank_lines=False,
    )


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


def as_number(text: str, otherwise: str) -> float | str:
    """Return the number that a text is, or another value where it is none."""
    try:
        return float(text)
    except ValueError:
        return otherwise

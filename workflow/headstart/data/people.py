"""Whom each row of a table belongs to: there may be one per person, per visit or per scan."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from headstart.data.column_names import is_identity
from headstart.data.column_names import names_a_visit

# Rows per person, on average: a column with fewer different values is that of a group or a site.
MOST_VISITS = 10
# Sub_101_2, sub-01_ses-m06, OAS30001_MR_d0011: the id of a scan begins with that of the person.
SCAN_ID = re.compile(
    r"(?P<person>.*\d.*?)[_-](MR[_-]?)?(\d{1,2}|[a-z]{1,7}-?[a-z]?\d{1,4}|ses-\w+|bl)",
    re.IGNORECASE,
)


def people_of(cells: pd.DataFrame, keys: Sequence[str] = ()) -> list[str]:
    """Return whom each row belongs to.

    Of several columns of ids it is the one with the fewest of them: the others are of visits or
    scans.

    Args:
        cells: A table, every cell text.
        keys: Columns that tell its rows apart, for a table without a column named as one of ids.

    Returns:
        An id per row; a row without one is another person's.
    """
    rows = [f"row {number}" for number in cells.index]
    names = [name for name in cells.columns if is_identity(str(name))] or [
        name for name in keys if not names_a_visit(name)
    ]
    ids = [one for name in names for one in _persons(cells[name].tolist())]
    ids = [one for one in ids if len(one) <= MOST_VISITS * len(set(one))]
    fewest = min(ids, key=lambda one: len(set(one)), default=rows)
    return [own or row for own, row in zip(fewest, rows, strict=True)]


def _persons(ids: list[str]) -> list[list[str]]:
    """Return ids, and what they begin with where they are those of scans."""
    scans = [SCAN_ID.fullmatch(one) for one in ids]
    return [ids, *([[scan["person"] for scan in scans if scan]] if all(scans) else [])]

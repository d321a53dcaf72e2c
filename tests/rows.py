"""Typed rows of a study's tables: as a frame, and any that there may be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from dataclasses import fields
from typing import Any
from typing import Literal
from typing import get_args
from typing import get_origin
from typing import get_type_hints

import pandas as pd
from hypothesis import strategies as st

from headstart.data.label_table import LabelRow

WORD = st.text("abé1-_", min_size=1)
HALVES = st.integers(-9, 9).map(lambda n: n / 2)  # no more digits than any column has
CELLS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text('a"b,c\né 1'),
    bool: st.booleans(),
    int: st.integers(0, 10**15),
    float: HALVES,
    int | None: st.none() | st.integers(-9, 9),
    float | None: st.none() | HALVES,
    tuple[int, ...]: st.lists(st.integers(0, 999)).map(tuple),
    tuple[float, ...]: st.lists(HALVES).map(tuple),
    tuple[str, ...]: st.lists(WORD).map(tuple),
    dict[str, str]: st.fixed_dictionaries({"T1": st.text("ab/"), "T2": st.text("ab/")}),
}


def frame_of(rows: Iterable[Any], kind: type[Any]) -> pd.DataFrame:
    """Return a column per field; None is NaN among numbers."""
    return pd.DataFrame(map(asdict, rows), columns=[field.name for field in fields(kind)])


def label_rows(table: pd.DataFrame, *channels: str) -> list[LabelRow]:
    """Return the rows of a table of text.

    Args:
        table: subject; perhaps session, source, site, mask and brain_mask; a column per label.
        channels: Columns that are no labels, but paths to image channels.
    """
    fixed = {"session": "1", "source": "own", "site": "", "mask": "", "brain_mask": ""}
    rows = []
    for row in table.to_dict("records"):
        given = {name: row.pop(name, default) for name, default in fixed.items()}
        given |= {"subject": row.pop("subject"), "channels": {n: row.pop(n) for n in channels}}
        rows.append(LabelRow(**given, labels=row))
    return rows


def any_row(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Draw a row, by the types of its fields."""
    hints = get_type_hints(kind)
    drawn = {
        field.name: st.sampled_from(get_args(hints[field.name]))
        if get_origin(hints[field.name]) is Literal
        else CELLS[hints[field.name]]
        for field in fields(kind)
    }
    return st.builds(kind, **drawn)

"""Tables of a study as typed rows: a dataclass names the columns, its types say how cells are read.

@dataclass(frozen=True)
class Row:
    subject: str
    shape: tuple[int, ...]  # 120x120x90
    codes: tuple[str, ...]  # with spaces between
    kind: Literal["scan", "row"]  # one of these words
    marked: bool  # 1 or 0
    fold: int | None  # empty where there is none
    share: Annotated[float, ".3f"]  # so many digits; .6g by default
    channels: Annotated[dict[str, str], "channel:"]  # all columns that begin so
    labels: Annotated[dict[str, str], ""]  # all columns that are nothing of the above
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from typing import Literal
from typing import TypeVar
from typing import get_args
from typing import get_origin
from typing import get_type_hints

import pandas as pd

from headstart.common import files
from headstart.common.errors import UserError

Row = TypeVar("Row")
DIGITS = ".6g"


def write_rows(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """Write a table whole or not at all.

    Args:
        path: The file.
        kind: The dataclass of its rows.
        rows: They may have different keys in a field of many columns; a missing one is ''.
    """
    rows = list(rows)
    table: dict[str, list[str]] = {}
    for column in _columns(kind):
        values = [getattr(row, column.name) for row in rows]
        if column.prefix is None:
            table[column.name] = [column.text(value) for value in values]
            continue
        for key in dict.fromkeys(key for value in values for key in value):
            table[column.prefix + key] = [value.get(key, "") for value in values]
    files.write_csv(path, pd.DataFrame(table, dtype=str))


def read_rows(path: Path, kind: type[Row], remedy: str = files.MADE_AGAIN) -> list[Row]:
    """Read what `write_rows` wrote.

    Args:
        path: The file.
        kind: The dataclass of its rows.
        remedy: What to do if it is damaged, for the message.

    Raises:
        UserError: If it is no such table, or a cell can't be what its column holds; names both.
    """
    columns = _columns(kind)
    single = [column for column in columns if column.prefix is None]
    table = files.read_csv(path, [column.name for column in single], remedy)
    values: dict[str, Sequence[Any]] = {}
    left = [str(name) for name in table.columns if name not in {column.name for column in single}]
    try:
        for column in single:
            values[column.name] = column.values(table[column.name].tolist())
        for column in columns:
            if column.prefix is None:
                continue
            own = [name for name in left if name.startswith(column.prefix)]
            left = [name for name in left if name not in own]
            keys = [name.removeprefix(column.prefix) for name in own]
            cells = table[own].to_numpy().tolist()
            values[column.name] = [dict(zip(keys, row, strict=True)) for row in cells]
        rows = zip(*(values[column.name] for column in columns), strict=True)
        return [kind(*row) for row in rows]
    except ValueError as error:
        raise UserError(f"{path}: was edited or damaged: {error}; {remedy}") from error


@dataclass(frozen=True)
class _Column:
    """One field of a row: a column, or, with a prefix, all columns that begin with it."""

    name: str
    prefix: str | None
    text: Callable[[Any], str]
    parse: Callable[[str], Any]

    def values(self, cells: Sequence[str]) -> list[Any]:
        values = []
        for line, text in enumerate(cells, start=2):
            try:
                values.append(self.parse(text))
            except ValueError as error:
                raise ValueError(f"{self.name} '{text}' in line {line} {error}") from error
        return values


def _columns(kind: type[Any]) -> list[_Column]:
    hints = get_type_hints(kind, include_extras=True)
    return [_column(name, hints[name]) for name in kind.__dataclass_fields__]


def _column(name: str, hint: Any) -> _Column:
    note = next(iter(getattr(hint, "__metadata__", ())), None)
    kind = get_args(hint)[0] if note is not None else hint
    if kind == dict[str, str]:
        return _Column(name, note, str, str)
    text, parse = _cells(kind, note or DIGITS)
    return _Column(name, None, text, parse)


def _cells(kind: Any, digits: str) -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    """Return how a value of a type is written, and read."""
    if kind is str:
        return str, str
    if kind is bool:
        return lambda value: str(int(value)), _bool
    if kind is int:
        return str, _int
    if kind is float:
        return lambda value: format(value, digits), _float
    if get_origin(kind) is Literal:
        return str, partial(_one_of, get_args(kind))
    first, second = get_args(kind)
    text, parse = _cells(first, digits)
    if second is type(None):
        return (
            lambda value: "" if value is None else text(value),
            lambda cell: parse(cell) if cell else None,
        )
    between = " " if first is str else "x"
    return (
        lambda value: between.join(map(text, value)),
        lambda cell: tuple(map(parse, filter(None, cell.split(between)))),
    )


def _one_of(words: tuple[str, ...], text: str) -> str:
    if text not in words:
        raise ValueError(f"is none of {', '.join(words)}")
    return text


def _bool(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("is not 0 or 1")
    return text == "1"


def _int(text: str) -> int:
    if not re.fullmatch("-?[0-9]+", text):
        raise ValueError("is no whole number")
    return int(text)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("is no number") from None

"""Folders with a table that holds the paths of the scans."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.common.errors import UserError
from headstart.data.column_names import is_identity
from headstart.data.column_names import names_a_visit
from headstart.data.templates import IMAGES
from headstart.planning.file_words import REFERENCE
from headstart.planning.file_words import is_mask
from headstart.planning.file_words import split_words
from headstart.planning.join_proposal import ROWS_SHARE
from headstart.planning.label_columns import Table
from headstart.planning.label_columns import column_of
from headstart.planning.proposal import Found
from headstart.planning.proposal import add_mask
from headstart.planning.proposal import add_reference
from headstart.planning.proposal import channel_name
from headstart.planning.proposal import values_of

# A table lists the scans if it names so many of the images, masks included.
LISTED_SHARE = 0.1


def propose_table(
    folder: Path, tables: Sequence[Table], images: set[str], *, clean: bool = False
) -> Found | None:
    """Describe a folder with a table that holds the scans' paths.

    Args:
        folder: The folder.
        tables: Its tables.
        images: Its files.
        clean: Whether clean scans are looked for, as a reference of noisy ones.

    Raises:
        UserError: If the paths are absolute, or no column says who a scan belongs to.
    """
    for table in tables:
        home = posixpath.dirname(table.path)
        columns: dict[str, list[str]] = {}
        for name in table.columns:
            cells = [cell for cell in table.cells[name] if cell]
            inside = [posixpath.normpath(posixpath.join(home, cell)) for cell in cells]
            absolute = [cell for cell in cells if cell.startswith("/") and cell.endswith(IMAGES)]
            if len(absolute) > len(cells) / 2:
                raise UserError(
                    f"{folder / table.path}: column '{name}' has paths from the root of the disk, "
                    f"e.g. {absolute[0]}; make them relative to {folder / home}"
                )
            there = sum(path in images for path in inside)
            if there and there >= max(ROWS_SHARE * len(cells), LISTED_SHARE * len(images)):
                columns[name] = inside
        if columns:
            return _from_columns(folder, table, home, columns, clean=clean)
    return None


def _from_columns(
    folder: Path, table: Table, home: str, columns: dict[str, list[str]], *, clean: bool
) -> Found:
    source: dict[str, Any] = {"layout": "table", "path": home or ".", "channels": {}}
    found = Found(f"paths and labels in a table, {table.path}", source)
    named_clean = [
        name
        for name, paths in columns.items()
        if clean
        and REFERENCE.search(name)
        and not (is_mask(split_words(name)) and values_of(folder, paths) is not None)
    ]
    reference = named_clean[0] if 0 < len(named_clean) < len(columns) else None
    images = {name: paths for name, paths in columns.items() if name != reference}
    # images first: without one a mask is nothing
    for name, paths in sorted(images.items(), key=lambda column: is_mask(split_words(column[0]))):
        named = is_mask(split_words(name))
        values = values_of(folder, paths) if len(columns) > 1 or named else None
        channel = channel_name(f"{name} {paths[0]}", source["channels"])
        if source["channels"] and values is not None and (named or channel.startswith("image")):
            add_mask(found, name, values, brain="brain" in name.lower())
        elif source["channels"] and named:
            found.notes.append(f"column '{name}' is not used: it names masks, but holds images")
        else:
            source["channels"][channel] = name
    if reference is not None:
        add_reference(found, reference, f"column '{reference}'")
    rest = [name for name in table.columns if name not in columns]
    who = _who(table, rest)
    if not who:
        raise UserError(
            f"{folder / table.path}: no column says who a scan belongs to; add a column `subject`"
        )
    source["table"] = {**table.place, "path": posixpath.basename(table.path), "column": who[0]}
    if len(who) > 1:
        source["table"] |= {"column": who, "key": ["{subject}", "{session}"]}
    source["labels"] = table.labels([*who, "session", *columns])
    used = [*who, "session", *columns, *map(column_of, source["labels"].values())]
    found.notes += table.left_out(used)
    return found


def _who(table: Table, columns: Sequence[str]) -> list[str]:
    """Return the column of the subject and, where it has several rows, that of the session.

    Of several ids the person's, which repeats, comes before a scan's.
    """
    cells = table.cells
    people = sorted(filter(is_identity, columns), key=lambda name: cells[name].nunique())
    visits = [name for name in columns if names_a_visit(name) and (cells[name] != "").all()]
    for name in people:
        several = [visit for visit in visits if not cells[[name, visit]].duplicated().any()]
        if not cells[name].duplicated().any() or "session" in several:
            return [name]
        if several:
            return [name, several[0]]
    unlike = (name for name in columns if cells[name].nunique() == len(cells))
    return next(([name] for name in (*unlike, *people)), [])

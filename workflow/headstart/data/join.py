"""Which row of a label table belongs to which scan."""

from __future__ import annotations

import posixpath
import sys
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pandas as pd

from headstart.common.errors import UserError
from headstart.common.strict_yaml import word
from headstart.common.text import as_number
from headstart.common.text import counted
from headstart.data import bids
from headstart.data.column_names import names_a_visit
from headstart.data.config import WITHIN
from headstart.data.config import Label
from headstart.data.config import LabelTable
from headstart.data.config import Source
from headstart.data.dates import written_apart
from headstart.data.found_scans import FoundScan
from headstart.data.identities import AmbiguousIdsError
from headstart.data.identities import Key
from headstart.data.identities import alike
from headstart.data.label_cells import decode
from headstart.data.label_cells import read_labels
from headstart.data.privacy import shown_id
from headstart.data.tables import read_all
from headstart.data.templates import Template


def join_bids_tables(scans: list[FoundScan], source: Source, folder: Path) -> list[FoundScan]:
    """Give each scan the labels of participants.tsv and, over them, of its row in sessions.tsv.

    Args:
        scans: The scans; they receive labels, or a reason.
        source: The source's section of the config.
        folder: The dataset's folder.

    Returns:
        The rows that belong to no scan, as rejected scans.
    """
    table = cast(LabelTable, source.label_table)
    subjects = dict.fromkeys(scan.fields.get("subject", "") for scan in scans)
    fields = [{"session": "", **scan.fields} if scan.fields else {} for scan in scans]
    wanted: list[Key] = [(f"sub-{f['subject']}_ses-{f['session']}" if f else "",) for f in fields]
    columns = {label.column: None for label in source.labels.values()}
    visits = bids.read_sessions_tables(folder, subjects, columns)
    lacking = [column for column in columns if column not in visits]
    own = source.table is not None and table.path != "participants.tsv"
    is_there = own or (folder / table.path).exists()
    if is_there:
        names = read_all(folder / table.path, table.place).columns
        lacking = [column for column in lacking if column not in names]
    if lacking:
        homes = {
            posixpath.dirname(posixpath.dirname(scan.path)): (
                key,
                {posixpath.basename(path) for path in scan.paths.values()},
            )
            for scan, (key,) in zip(scans, wanted, strict=True)
            if scan.paths
        }
        visits = pd.concat([visits, bids.read_scans_tables(folder, homes, lacking)]).fillna("")
        lacking = [column for column in lacking if column not in visits]
    if lacking and not is_there:
        raise UserError(
            f"{folder}: has no participants.tsv, and no sub-…_sessions.tsv or sub-…_scans.tsv has "
            f"a column '{lacking[0]}', which is where BIDS keeps labels; add one of them, or name "
            "another table with `table`"
        )
    rest = []
    if is_there:
        rest = join_table(scans, table, source.labels, folder, elsewhere=visits.columns)
    if visits.empty:
        return rest
    cells, values = decode(
        folder,
        visits,
        {n: e for n, e in source.labels.items() if e.column in visits},
        keys=("session_id",),
        rules={column: rule for column, rule in table.columns.items() if column in visits},
        books={},
        people=[one.partition("_ses-")[0] for one in visits["session_id"]],
    )
    return rest + _join(scans, wanted, cells[["session_id"]], values, folder, ".", over=True)


def join_table(
    scans: list[FoundScan],
    table: LabelTable,
    labels: Mapping[str, Label],
    folder: Path,
    elsewhere: Collection[str] = (),
) -> list[FoundScan]:
    """Give each scan the labels of its row in a table.

    Several rows of one scan are taken together: what one leaves empty another may fill, but two
    different values are a conflict.

    Args:
        scans: The scans; they receive labels, or a reason.
        table: Where the labels are.
        labels: Label name: where in the table it comes from.
        folder: The source's folder.
        elsewhere: Columns of labels that another table has; this one may lack them.

    Returns:
        The rows that belong to no scan, as rejected scans.

    Raises:
        TableError: If cells are not as the config says.
        UserError: If the table or a column is not there, or the key has an unknown field.
    """
    path = folder / table.path
    keys = [Template(key) for key in table.key]
    cells, values = read_labels(
        path,
        labels,
        keys=table.joined_on,
        rules=table.columns,
        place=table.place,
        elsewhere=elsewhere,
    )
    wanted = [
        tuple(key.fill(_key_fields(scan, key, path)) if scan.subject else "" for key in keys)
        for scan in scans
    ]
    ids = pd.DataFrame({name: written_in(name, cells) for name in table.column})
    rest = _join(scans, wanted, ids, values, folder, table.path)
    conflicts = [scan for scan in scans if scan.reason == "conflicting-labels"]
    if conflicts and (visits := _visit_column(path, table, scans)):
        for scan in conflicts:
            scan.detail += visits
    return rest


def written_in(column: str, cells: pd.DataFrame) -> pd.Series[str]:
    """Return the cells of a column, or for `{Site}_{Number}` what those of several say together."""
    texts = pd.Series("", cells.index)
    pieces = WITHIN.split(column) if WITHIN.search(column) else ("", column)
    for place, piece in enumerate(pieces):  # every second one is a column
        texts = texts + (cells[piece] if place % 2 else piece)
    return texts


def _visit_column(path: Path, table: LabelTable, scans: list[FoundScan]) -> str:
    """Say how to join by visit, if a column distinguishes the rows of one id; else ''."""
    cells = read_all(path, table.place)
    ids = table.column[0]
    if len(table.column) > 1 or ids not in cells:
        return ""
    sessions = sorted({scan.fields["session"] for scan in scans if "session" in scan.fields})
    for name in cells.columns:
        if name == ids or cells.duplicated([ids, name]).any() or cells[name].nunique() < 2:
            continue
        if len(sessions) > 1:
            known: list[Key] = [(cell,) for cell in cells[name].unique()]
            key = "{session}" if _any_alike([(one,) for one in sessions], known) else ""
        else:
            key = next(iter(cells[name])) if names_a_visit(name) else ""
        if key:
            return (
                f"; the table has a row per visit: `table: {{column: [{word(ids)}, {word(name)}], "
                f"key: ['{table.key[0]}', '{key}']}}` takes the row of each scan's own"
            )
    return ""


def _any_alike(one: list[Key], two: list[Key]) -> bool:
    try:
        ours, theirs, _ = alike(one, two)
    except AmbiguousIdsError:
        return False
    return bool(set(ours) & set(theirs))


def _join(
    scans: list[FoundScan],
    wanted: list[Key],
    cells: pd.DataFrame,
    values: pd.DataFrame,
    folder: Path,
    table: str,
    *,
    over: bool = False,
) -> list[FoundScan]:
    """Give each scan the labels of its rows.

    Args:
        scans: The scans.
        wanted: What each scan's row has in the columns that are joined on.
        cells: Those columns.
        values: The labels.
        folder: The source's folder.
        table: The table, or the folder of several, relative to it.
        over: Whether the labels go over those that the scans have; then a row may be missing.
    """
    path = folder / table
    there = [tuple(row) for row in cells.itertuples(index=False)]
    keys, row_keys = _compared(wanted, there, cells, path)
    rows_of = defaultdict(list)
    for number, row_key in zip(cells.index, row_keys, strict=True):
        if row_key is not None:
            rows_of[row_key].append(number)
    merged = _merged(values, rows_of)
    nothing: dict[str, list[str]] = {str(name): [] for name in values}
    names = list(map(str, cells.columns))
    ids = dict(zip(cells.index, there, strict=True))
    shown = {key: shown_id("_".join(ids[numbers[0]])) for key, numbers in rows_of.items()}
    _tell_doubles(path, ", ".join(names), rows_of, merged, shown)

    for scan, key, texts in zip(scans, keys, wanted, strict=True):
        if key not in merged and not over:
            scan.reject("no-row", _no_row(path, names, texts, there))
        found_of = merged.get(key, nothing) if key is not None else nothing
        for name, found in found_of.items():
            if found or name not in scan.labels:
                scan.labels[name] = found[0] if found else ""
        if differ := [name for name, found in found_of.items() if len(found) > 1]:
            said = ", ".join(f"'{name}': {' and '.join(found_of[name])}" for name in differ)
            scan.reject(
                "conflicting-labels",
                f"{path}: {'the rows' if over else _rows(rows_of[key])} with "
                f"{_named(names, texts)} differ in {said}; keep the right one",
            )
    used = set(keys) - {None}
    return [
        FoundScan(
            subject=shown_id(row[0]),
            session="",
            path=table,
            reason="no-scan",
            detail=f"{path}: row {number} belongs to no scan that was found",
        )
        for number, row, row_key in zip(cells.index, there, row_keys, strict=True)
        if row_key not in used
    ]


def _merged(
    values: pd.DataFrame, rows_of: Mapping[Hashable, Sequence[int]]
) -> dict[Hashable, dict[str, list[str]]]:
    """Take the rows of each key together: the different values of each label."""
    labels = {str(name): dict(column.items()) for name, column in values.items()}
    return {
        key: {
            name: _distinct([column[number] for number in numbers])
            for name, column in labels.items()
        }
        for key, numbers in rows_of.items()
    }


def _no_row(path: Path, names: list[str], texts: Key, there: Sequence[Key]) -> str:
    first = next(iter(there), ("",) * len(names))
    return (
        f"{path} has no row with {_named(names, texts)} (its first is {_named(names, first)})"
        f"{_dates_apart(names, texts, there)}; add the row, or fix `table.key`"
    )


def _compared(
    wanted: list[Key], there: list[Key], cells: pd.DataFrame, path: Path
) -> tuple[list[Hashable], list[Hashable]]:
    """Normalise the ids of both sides; say so, or which ids then coincide."""
    try:
        keys, row_keys, without = alike(wanted, there)
    except AmbiguousIdsError as error:
        one, two = (shown_id("_".join(key)) for key in (error.one, error.two))
        if error.rows:
            rows = [cells.index[there.index(key)] for key in (error.one, error.two)]
            what = f"rows {rows[0]} ('{one}') and {rows[1]} ('{two}')"
        else:
            what = f"a row fits the scans of '{one}' and of '{two}', which"
        raise UserError(
            f"{path}: {what} are one id where case, leading zeros, signs and prefixes don't count, "
            "and without that scans have no row; write the ids as the scans' names do"
        ) from None
    if without:
        pairs = dict(zip(row_keys, there, strict=True))
        scan, row = next(
            ("_".join(text), shown_id("_".join(pairs[key])))
            for text, key in zip(wanted, keys, strict=True)
            if key in pairs and key is not None and pairs[key] != text
        )
        print(f"{path}: ids are compared without {without}: '{scan}' is '{row}'", file=sys.stderr)
    return keys, row_keys


def _rows(numbers: Sequence[int]) -> str:
    return f"rows {' and '.join(map(str, numbers))}"


def _dates_apart(names: list[str], texts: Key, there: Sequence[Key]) -> str:
    """Say where a column has dates in a writing that can't be compared with the scans'."""
    for name, text, cells in zip(names, texts, zip(*there, strict=True), strict=False):
        if forms := written_apart(next(filter(None, cells), ""), text):
            return f"; the dates in '{name}' are written {forms}: write them as YYYY-MM-DD"
    return ""


def _named(names: list[str], texts: Key) -> str:
    pairs = zip(names, texts, strict=True)
    return ", ".join(f"{name} = '{shown_id(text)}'" for name, text in pairs)


def _tell_doubles(
    path: Path,
    columns: str,
    rows_of: Mapping[Hashable, list[int]],
    merged: Mapping[Hashable, Mapping[str, list[str]]],
    shown: Mapping[Hashable, str],
) -> None:
    double = [key for key, numbers in rows_of.items() if len(numbers) > 1]
    differ = [key for key in double if any(len(found) > 1 for found in merged[key].values())]
    if double:
        some = ", ".join(shown[key] for key in differ[:5])
        print(
            f"{path}: {counted(len(double), 'value')} of {columns} in more than one row: "
            f"{len(double) - len(differ)} agree or fill each other's blanks, {len(differ)} differ"
            + (f" ({some}{', …' * (len(differ) > 5)})" if differ else ""),
            file=sys.stderr,
        )


def _key_fields(scan: FoundScan, key: Template, path: Path) -> dict[str, str]:
    known = {"session": "1", **scan.fields}
    for name in key.fields:
        if name not in known:
            if scan.reason:  # a folder without a scan knows less than a scan
                return dict.fromkeys(key.fields, "")
            raise UserError(
                f"{path}: `table.key` has the field {{{name}}}, but a scan of this source has only "
                f"{', '.join(known)}"
            )
    return known


def _distinct(values: list[str]) -> list[str]:
    """Return the different values that are not empty; 35.80 and 35.8 are the same."""
    seen: dict[str | float, str] = {}
    for value in values:
        if value:
            seen.setdefault(as_number(value, value), value)
    return list(seen.values())

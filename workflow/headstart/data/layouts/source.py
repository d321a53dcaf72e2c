"""The scans of a source, with the labels of its table."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from headstart.common.errors import UserError
from headstart.data.column_names import plain
from headstart.data.config import Source
from headstart.data.found_scans import NOT_PREFERRED
from headstart.data.found_scans import FoundScan
from headstart.data.join import join_bids_tables
from headstart.data.join import join_table
from headstart.data.layouts.bids import from_bids
from headstart.data.layouts.files import from_files
from headstart.data.layouts.pairs import from_pairs
from headstart.data.layouts.table import from_table
from headstart.data.preferred import take_preferred
from headstart.data.where import Condition
from headstart.data.where import parse_condition

SHOWN_VALUES = 10  # of a label, where none is the one that `where` asks for


def read_source(source: Source, data: Path) -> list[FoundScan]:
    """List a source's scans, good and bad, with the labels of its table.

    Args:
        source: The source's section of the config.
        data: Data root.

    Returns:
        Every scan that was found, and every row of a joined table that belongs to none. Those
        that can't be used have a `reason`: missing-channel, missing-mask, outside-root,
        no-subject, no-row, no-scan, no-image, conflicting-labels, where, not-preferred.

    Raises:
        UserError: If nothing is found, or a table, a column or a field is not there.
        TableError: If cells of a table are not as the config says.
    """
    folder = data / source.folder
    if not folder.is_dir():
        raise UserError(
            f"{folder}: this folder is not there; set `root` to the folder that holds all sources, "
            f"and `path` of source '{source.source}' to its folder within"
        )
    layouts = {"files": from_files, "table": from_table, "pairs": from_pairs, "bids": from_bids}
    scans = layouts[source.layout](source, folder)
    take_preferred(scans, source.prefer, folder)
    taken = [scan for scan in scans if scan.reason != NOT_PREFERRED]
    if source.label_table is not None and source.layout != "table":
        if source.layout == "bids":
            scans += join_bids_tables(taken, source, folder)
        else:
            scans += join_table(taken, source.label_table, source.labels, folder)
    for scan in scans:
        scan.source = source.source
        scan.site = scan.labels.pop("site", "") or scan.site or source.site or ""
        scan.path = _below(source, scan.path)
        scan.paths = {n: path and _below(source, path) for n, path in scan.paths.items()}
    _leave_out(source, scans)
    return scans


def _leave_out(source: Source, scans: list[FoundScan]) -> None:
    """Reject the scans that `where` does not ask for."""
    if source.where is None:
        return
    condition = parse_condition(source.where)
    names = dict.fromkeys(("subject", "session", "site"))
    names |= dict.fromkeys(name for scan in scans for name in scan.labels)
    for name in condition.names:
        if name not in names:
            raise UserError(
                f"source '{source.source}': `where` asks for '{name}', but the scans have "
                f"{', '.join(names)}; declare it in `labels`"
            )
    _check_values(source, condition, scans)
    for scan in scans:
        values = _values(scan)
        try:
            if scan.reason or condition.holds(values):
                continue
        except ValueError as error:
            raise UserError(
                f"source '{source.source}': `where: {source.where}`: {error} for {scan.path}; "
                "fix it, or let `labels` map it"
            ) from None
        known = ", ".join(f"{n} = {values.get(n) or 'missing'}" for n in condition.names)
        scan.reject("where", f"{known}: left out by `where: {source.where}`")


def _values(scan: FoundScan) -> dict[str, str]:
    return {n: getattr(scan, n) for n in ("subject", "session", "site")} | scan.labels


def _check_values(source: Source, condition: Condition, scans: Sequence[FoundScan]) -> None:
    """Fail if `where` compares with a value that no scan has, or has in another spelling.

    A value that nobody has may well be excluded, as long as it isn't a misspelt one.

    Raises:
        UserError: Names the values that there are.
    """
    for comparison in condition.equalities:
        there = sorted({_values(scan).get(comparison.name, "") for scan in scans} - {""})
        if not there or any(comparison.equals(value) for value in there):
            continue
        spelt = get_close_matches(plain(comparison.value), map(plain, there))
        if comparison.sign == "==" or spelt:
            more = ", …" * (len(there) > SHOWN_VALUES)
            raise UserError(
                f"source '{source.source}': `where: {source.where}`: no scan has "
                f"{comparison.name} '{comparison.value}'; there are "
                f"{', '.join(there[:SHOWN_VALUES])}{more}; write one of these, or leave it out"
            )


def _below(source: Source, path: str) -> str:
    return posixpath.normpath(posixpath.join(source.folder, path))

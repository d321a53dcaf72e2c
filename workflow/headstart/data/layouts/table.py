"""A table with the path of each scan."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import cast

from headstart.data.config import LabelTable
from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.label_cells import read_labels
from headstart.data.layouts.identity import make_scan
from headstart.data.layouts.lookup import first_folder
from headstart.data.layouts.lookup import look_up
from headstart.data.layouts.lookup import tidy_path
from headstart.data.layouts.lookup import wanted_files


def from_table(source: Source, folder: Path) -> list[FoundScan]:
    """List the scans that a table's rows point to.

    The first of the table's columns that are joined on is the subject, a second one the session;
    the columns `session` and `site` are read where the table has them.

    Args:
        source: The source's section of the config.
        folder: The source's folder; the paths in the table are relative to it.

    Raises:
        UserError: If the table or one of its columns is not there.
    """
    table = cast(LabelTable, source.table)  # the config's model sees to it
    columns = wanted_files(source)
    path = folder / table.path
    rows, values = read_labels(
        path,
        source.labels,
        keys=table.column,
        rules=table.columns,
        place=table.place,
        columns=tuple(columns.values()),
        optional=("session", "site"),
    )
    labels = values.to_dict("records")
    scans = []
    for number, row, own in zip(rows.index, rows.to_dict("records"), labels, strict=True):
        fields = {name: row[name] for name in ("session", "site") if row.get(name)}
        identity = zip(("subject", "session"), table.column, strict=False)
        fields |= {name: row[column] for name, column in identity}
        paths = {name: tidy_path(row[column]) for name, column in columns.items()}
        first = next(iter(paths.values()))
        scan = make_scan(source, fields, first or table.path, first_folder(source, first))
        scan.labels = {str(label): value for label, value in own.items()}
        if "session" not in fields:  # visits may lie in folders
            scan.place = (posixpath.dirname(first),)
        look_up(scan, paths, folder, f"{path}, row {number}", source.optional)
        scans.append(scan)
    return scans

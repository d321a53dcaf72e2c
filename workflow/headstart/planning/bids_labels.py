"""The labels of a dataset in BIDS, and the table that has them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.common.errors import UserError
from headstart.data.bids import read_scans_tables
from headstart.data.bids import read_sessions_tables
from headstart.planning.join_proposal import best_join
from headstart.planning.label_columns import Table


def bids_join(
    folder: Path,
    visits: Mapping[tuple[str, str], str],
    tables: Sequence[Table],
    target: str | None,
) -> tuple[dict[str, Any], list[str], str]:
    """Find the labels of a dataset in BIDS: in participants, sessions, scans, or another table.

    Args:
        folder: The dataset's folder.
        visits: Subject and session of each scan, '' where there are no sessions: its file.
        tables: The tables in it.
        target: The label that is to be predicted, if it is known.

    Returns:
        As `best_join`, `table` only where it is not the one that BIDS names; and where the labels
        are, in words.
    """
    scans = [
        {"subject": subject} | ({"session": session} if session else {})
        for subject, session in sorted(visits)
    ]
    section, notes = best_join(scans, ["sub-{subject}", "{subject}"], tables, target)
    table = section.get("table", {})
    if table:  # the prefix that all ids have is none of the id
        keys = table["key"]
        bare = [key.removeprefix("sub-") for key in ([keys] if isinstance(keys, str) else keys)]
        table["key"] = bare[0] if isinstance(keys, str) else bare
    subjects = dict.fromkeys(scan["subject"] for scan in scans)
    homes = {
        posixpath.dirname(posixpath.dirname(path)): (
            f"sub-{subject}_ses-{session}",
            {posixpath.basename(path)},
        )
        for (subject, session), path in visits.items()
    }
    where = [table["path"]] if table else []
    try:
        beside = [
            Table("sessions.tsv", read_sessions_tables(folder, subjects)),
            Table("scans.tsv", read_scans_tables(folder, homes)),
        ]
    except UserError as error:
        return section, [*notes, str(error)], "".join(where)
    for one in beside:
        known = section.get("labels", {})
        # label asks the tables of files last
        own = {
            label: entry
            for label, entry in one.labels(["session_id", "filename"]).items()
            if label not in known or one.path == "sessions.tsv"
        }
        if not own:
            continue
        section["labels"] = {**known, **own}
        where.append(f"each subject's {one.path}")
        rules, told = one.rules(own)
        notes = [*notes, *told]
        if rules:
            default = {"path": "participants.tsv", "column": "participant_id", "key": "{subject}"}
            table = section.setdefault("table", default)
            table["columns"] = {**table.get("columns", {}), **rules}
    if section.get("table") == {
        "path": "participants.tsv",
        "column": "participant_id",
        "key": "{subject}",
    }:
        del section["table"]
    return section, notes, " and ".join(where)

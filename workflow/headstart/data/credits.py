"""Whom to cite for fetched data, and who accepted its terms."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.common import files
from headstart.data.collections import MARKER
from headstart.data.collections import Collection
from headstart.data.fetch_job import HIDDEN
from headstart.data.fetch_job import FetchJob


def write_credits(jobs: Sequence[FetchJob], output: Path) -> None:
    """Write each source's licence, terms, their acceptance, and the sentence to cite.

    Args:
        jobs: The sources; all of them are fetched.
        output: The table, a .csv.
    """
    rows = []
    for job in jobs:
        account = json.loads((job.output / MARKER).read_text(encoding="utf-8"))
        row = {key: account[key] for key in ("source", "title", "licence", "terms")}
        accepted = account["accepted"]
        row["accepted"] = accepted["when"] if accepted else "not asked for"
        rows.append(row | {"cite": account["cite"]})
    files.write_csv(output, pd.DataFrame(rows))


def account_of(job: FetchJob, source: Collection) -> dict[str, Any]:
    """Gather what was fetched of a source, by any study."""
    modalities = {}
    for marker in sorted(job.output.glob(f"*/.{MARKER}")):
        modalities[marker.parent.name] = json.loads(marker.read_text(encoding="utf-8"))
    tables = {}
    for note in sorted((job.output / HIDDEN).glob("*.json")):
        name = note.name.removesuffix(".json")
        if (job.output / name).is_file():
            tables[name] = json.loads(note.read_text(encoding="utf-8"))
    return {
        "source": job.request.source,
        "title": source.title,
        "licence": source.licence,
        "terms": source.terms,
        "cite": source.cite,
        "accepted": acceptance_of(job, source),
        "tables": tables,
        "modalities": modalities,
    }


def acceptance_of(job: FetchJob, source: Collection) -> dict[str, str] | None:
    """Return when the terms were accepted; who accepted them is noted beside the scans only."""
    if not source.accept:
        return None
    note = job.output / HIDDEN / "terms"
    if not note.exists():
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"by": _user(), "when": now, "terms": source.terms}
        files.write_json(note, entry)
    noted = json.loads(note.read_text(encoding="utf-8"))
    return {key: noted[key] for key in ("when", "terms")}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return str(os.getuid())

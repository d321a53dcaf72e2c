"""The column of a table that identifies people, where each scan has an id of its own."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from headstart.data.column_names import is_identity
from headstart.data.column_names import words_of
from headstart.data.config import WITHIN
from headstart.data.privacy import private_cells
from headstart.planning.label_columns import Table
from headstart.planning.name_fields import FEWEST
from headstart.planning.name_fields import MOST_SCANS
from headstart.planning.proposal import Found
from headstart.planning.trial import list_scans

# The number of a person within a study, or that of one of several studies.
STUDY = re.compile(r"\b(stud(y|ien?|io)|etude|estudio)")
PERSON = "person"  # name of the label that keeps a person's scans together


def take_person(folder: Path, found: Found, tables: Sequence[Table]) -> None:
    """Keep the scans of a person together, where a column of the joined table identifies people.

    Args:
        folder: The folder of the scans.
        found: What it holds; receives a label and the name of it as `group`.
        tables: The tables beside the scans.
    """
    joined = found.source.get("table", {})
    used = joined.get("column", "")
    taken = {used, *WITHIN.findall(used)} if isinstance(used, str) else set(used)
    home, name = found.source.get("path", "."), joined.get("path", "")
    path = posixpath.normpath(posixpath.join(home, name))
    for table in tables:
        if (table.path, table.sheet) != (path, joined.get("sheet")):
            continue
        for column in filter(is_identity, table.columns):
            ids = table.cells[column].tolist()
            if column in taken or private_cells(ids, ids):
                continue
            labels = {**found.source.get("labels", {}), PERSON: column}
            scans, _ = list_scans(folder, found.source | {"labels": labels})
            people = {
                (scan.subject, scan.labels[PERSON]) for scan in scans if scan.labels.get(PERSON)
            }
            subjects = {subject for subject, _ in people}
            persons = Counter(person for _, person in people)
            few = len(persons) < FEWEST or max(persons.values()) > MOST_SCANS
            if few and STUDY.search(words_of(column)):
                continue
            if len(persons) < len(subjects) == len(people):
                found.source["labels"], found.group = labels, PERSON
                found.notes.append(
                    f"column '{column}' of {table.title} looks like the person: "
                    f"{len(persons)} people have {len(subjects)} ids in the files' names; "
                    "split.group keeps the scans of a person together"
                )
                return

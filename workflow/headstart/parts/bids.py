"""Names in the Brain Imaging Data Structure, and its tables of sessions.

Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44. A reader of just what labels need: all of label
takes 2 s of one core for 10,000 subjects, where pybids takes 28 s to index them.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from headstart.parts.errors import UserError
from headstart.parts.tables import FIRST_ROW
from headstart.parts.tables import MISSING

FOLDER = re.compile(r"sub-([A-Za-z0-9]+)(?:/ses-([A-Za-z0-9]+))?")
IMAGE = re.compile(
    r"(?:(?P<folder>.+)/)?sub-(?P<subject>[A-Za-z0-9]+)(?:/ses-(?P<session>[A-Za-z0-9]+))?"
    r"/[a-z]+/(?P<name>[^/]+)\.nii(?:\.gz)?"
)
ENTITY = re.compile(r"[A-Za-z]+-[A-Za-z0-9+]+")


@dataclass(frozen=True)
class Name:
    """What a study asks for: a suffix such as T1w, with entities where several files have it.

    Attributes:
        folder: Where the subjects' folders lie: '' or a folder such as derivatives/lesions.
        entities: E.g. {'run-1'}.
        suffix: E.g. T1w.
    """

    folder: str
    entities: frozenset[str]
    suffix: str

    @classmethod
    def parse(cls, text: str) -> Name:
        """Read e.g. `T1w`, `acq-mprage_T1w` or `derivatives/lesions/label-lesion_mask`.

        Raises:
            UserError: If it is no such name.
        """
        folder, _, name = text.rpartition("/")
        *entities, suffix = name.split("_")
        if not suffix.isalnum() or not all(map(ENTITY.fullmatch, entities)):
            raise UserError(
                f"'{text}' is no name in BIDS; write the suffix, e.g. T1w, after entities where "
                "they are needed, e.g. run-1_T1w"
            )
        return cls(folder, frozenset(entities), suffix)

    def choose(self, files: Mapping[str, frozenset[str]]) -> list[str]:
        """Return the files that fit; just one where it has no entity beyond those asked for."""
        exact = [file for file, entities in files.items() if entities == self.entities]
        return exact or [file for file, entities in files.items() if entities > self.entities]


@dataclass(frozen=True)
class Dataset:
    """The images of a dataset.

    Attributes:
        visits: Subject and session of every folder, '' where a subject has no sessions.
        files: Folder, suffix, subject and session: the images there, each with its entities.
        strays: Images in the folder of a subject or session that their names contradict.
    """

    visits: list[tuple[str, str]]
    files: Mapping[tuple[str, str, str, str], dict[str, frozenset[str]]]
    strays: list[str]


def read_dataset(files: Iterable[str], folders: Iterable[str]) -> Dataset:
    """Sort a dataset's files by what their names say.

    Args:
        files: All files, relative to the dataset's folder.
        folders: All folders, likewise.
    """
    found: dict[tuple[str, str, str, str], dict[str, frozenset[str]]] = defaultdict(dict)
    visits: dict[tuple[str, str], None] = {}
    strays = []
    for path in files:
        match = IMAGE.fullmatch(path)
        if match is None:
            continue
        folder, subject, session = match["folder"] or "", match["subject"], match["session"] or ""
        *entities, suffix = match["name"].split("_")
        where = {f"sub-{subject}", *([f"ses-{session}"] if session else [])}
        if {e for e in entities if e.startswith(("sub-", "ses-"))} != where:
            strays.append(path)
            continue
        found[folder, suffix, subject, session][path] = frozenset(entities) - where
        if not folder:
            visits[subject, session] = None
    for path in folders:
        match = FOLDER.fullmatch(path)
        if match is not None:
            visits[match[1], match[2] or ""] = None
    with_sessions = {subject for subject, session in visits if session}
    images = {(subject, session) for folder, _, subject, session in found if not folder}
    return Dataset(
        # a subject's own folder is no visit where it only holds those of its sessions
        visits=[v for v in sorted(visits) if v[1] or v in images or v[0] not in with_sessions],
        files=found,
        strays=strays,
    )


def read_sessions(folder: Path, subjects: Iterable[str], columns: Iterable[str]) -> pd.DataFrame:
    """Read every subject's table of sessions, `sub-1/sub-1_sessions.tsv`, into one.

    Args:
        folder: The dataset's folder.
        subjects: Subjects, without `sub-`.
        columns: Columns to read where they are there.

    Returns:
        `session_id` as `sub-1_ses-2`, and those columns that some table has; every cell text,
        missing is ''. The index says row and file.
    """
    rows, numbers = [], []
    for subject in subjects:
        path = f"sub-{subject}/sub-{subject}_sessions.tsv"
        try:
            lines = (folder / path).read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            continue
        except UnicodeDecodeError:
            raise UserError(f"{folder / path}: is not UTF-8; save it as such") from None
        for number, row in enumerate(csv.DictReader(lines, delimiter="\t"), start=FIRST_ROW):
            if not row.get("session_id"):
                raise UserError(f"{folder / path}: row {number} has no `session_id`; fill it in")
            rows.append({**row, "session_id": f"sub-{subject}_{row['session_id'].strip()}"})
            numbers.append(f"{number} of {path}")
    there = [name for name in dict.fromkeys(columns) if any(name in row for row in rows)]
    table = pd.DataFrame(rows, index=numbers, columns=["session_id", *there]).fillna("")
    return table.map(lambda c: "" if c.strip().lower() in MISSING else c.strip())

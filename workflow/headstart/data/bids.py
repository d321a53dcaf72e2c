"""Names in the Brain Imaging Data Structure, and its tables of sessions.

Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44. A reader of just what labels need: all of label
takes 2 s of one core for 10,000 subjects, where pybids takes 28 s to index them.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from headstart.common.errors import UserError
from headstart.data.table_files import read_sheet
from headstart.data.tables import known

FOLDER = re.compile(r"sub-([A-Za-z0-9]+)(?:/ses-([A-Za-z0-9]+))?")
IMAGE = re.compile(
    r"(?:(?P<folder>.+)/)?sub-(?P<subject>[A-Za-z0-9]+)(?:/ses-(?P<session>[A-Za-z0-9]+))?"
    r"/[a-z]+/(?P<name>[^/]+)\.(?i:nii|nii\.gz)"
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

    def choose(self, files: Mapping[str, frozenset[str]], prefer: Sequence[str] = ()) -> list[str]:
        """Return the files that fit; only the one without further entities, where there is one.

        Args:
            files: The images with this suffix, each with its entities.
            prefer: Entities that decide, one after the other, where several files fit.
        """
        exact = [file for file, entities in files.items() if entities == self.entities]
        found = exact or [file for file, entities in files.items() if entities > self.entities]
        for entity in prefer:
            found = [file for file in found if entity in files[file]] or found
        return found


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
    """Sort a dataset's files by their names.

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


def read_sessions_tables(
    folder: Path, subjects: Iterable[str], columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Read every subject's table of sessions, `sub-1/sub-1_sessions.tsv`, into one.

    Args:
        folder: The dataset's folder.
        subjects: Subjects, without `sub-`.
        columns: Columns to read where they are there; the default is all.

    Returns:
        `session_id` as `sub-1_ses-2`, and those columns that some table has; every cell text,
        missing is ''. The index says row and file.

    Raises:
        UserError: If a table can't be read, or a row has no `session_id`.
    """
    rows = {}
    for subject in subjects:
        path = f"sub-{subject}/sub-{subject}_sessions.tsv"
        for number, row in _rows(folder, path):
            if not row.get("session_id"):
                raise UserError(f"{folder / path}: row {number} has no `session_id`; fill it in")
            rows[f"{number} of {path}"] = {
                **row,
                "session_id": f"sub-{subject}_{row['session_id']}",
            }
    return _table(rows, columns)


def read_scans_tables(
    folder: Path,
    files: Mapping[str, tuple[str, Collection[str]]],
    columns: Collection[str] | None = None,
) -> pd.DataFrame:
    """Read every visit's table of files, `sub-1/ses-2/sub-1_ses-2_scans.tsv`, into one.

    Args:
        folder: The dataset's folder.
        files: Folder of a visit, `sub-1/ses-2`: its `session_id`, and the names of the files
            that count.
        columns: Columns to read where they are there; the default is all.

    Returns:
        As `read_sessions`.
    """
    rows = {}
    for home, (session, names) in files.items():
        path = f"{home}/{home.replace('/', '_')}_scans.tsv"
        for number, row in _rows(folder, path):
            if posixpath.basename(row.get("filename", "")) in names:
                rows[f"{number} of {path}"] = {**row, "session_id": session}
    return _table(rows, columns)


def _rows(folder: Path, path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a table that may be there, by their numbers."""
    if not (folder / path).is_file():
        return
    sheet = read_sheet(folder / path)
    for number, row in sheet.rows.items():
        yield number, dict(zip(sheet.names, map(known, row), strict=True))


def _table(rows: Mapping[str, Mapping[str, str]], columns: Collection[str] | None) -> pd.DataFrame:
    names = dict.fromkeys(name for row in rows.values() for name in row if name != "session_id")
    there = names if columns is None else [name for name in columns if name in names]
    table = pd.DataFrame(list(rows.values()), list(rows), ["session_id", *there], dtype=object)
    return table.fillna("")

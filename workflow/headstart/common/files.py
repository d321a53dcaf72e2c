"""Files that are either whole or not there, and tables whose text stays text."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.common import drafts
from headstart.common import machine_errors
from headstart.common.errors import UserError

MADE_AGAIN = "delete it and type the same command, which makes it again"


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it onto `path` when all went well.

    Args:
        path: The final name. Its folder is made if needed; what killed processes left unfinished
            in it is removed.

    Yields:
        A name in the same folder, with the same suffix. On an error it is removed, so that
        nothing half-written ever stands under the final name.

    Raises:
        UserError: If the disk is full or fails, or the folder can't be written to.
    """
    draft = drafts.draft_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drafts.sweep(path.parent)
        yield draft
        _flush(draft)
        draft.replace(path)
    except OSError as error:
        advice = machine_errors.advice(error, path)
        if advice and (error.filename is None or Path(error.filename).parent == path.parent):
            raise UserError(
                f"{path}: can't be written ({error.strerror}); nothing was left there; {advice}"
            ) from error
        raise
    finally:
        draft.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with temporary(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, two spaces of indent and a final newline."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV: UTF-8, no index, the same frame always giving the same bytes."""
    with temporary(path) as draft:
        frame.to_csv(draft, index=False, lineterminator="\n", encoding="utf-8")


def read_csv(path: Path, needed: Iterable[str] = (), remedy: str = MADE_AGAIN) -> pd.DataFrame:
    """Read a CSV of this project with every cell as text; a missing value is ''.

    Args:
        path: The file.
        needed: Columns that must be there.
        remedy: What to do if it is damaged, for the message.

    Raises:
        UserError: If it is no such table any more: cut, empty, of other bytes than UTF-8, with
            other separators, or without a column that is needed.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        wrong = _damage(table, path, needed)
    except UnicodeDecodeError:
        wrong = "is not text in UTF-8"
    except ValueError as error:
        wrong = " ".join(str(error).split())
    if wrong:
        raise UserError(f"{path}: is damaged, or no CSV with commas in UTF-8 ({wrong}); {remedy}")
    return table


def _damage(table: pd.DataFrame, path: Path, needed: Iterable[str]) -> str:
    """Say what pandas reads over; "" if there is nothing."""
    missing = [name for name in needed if name not in table.columns]
    if b"\0" in path.read_bytes():
        return "holds bytes that are no text"
    if len(table.columns) == 1 and re.search("[;\t]", str(table.columns[0])):
        return "its columns are not separated by commas"
    if missing:
        return f"the column {missing[0]} is missing"
    with path.open(encoding="utf-8-sig", newline="") as file:
        widths = {len(row) for row in csv.reader(file) if row}
    if len(widths) > 1:
        return "a row has more or fewer cells than there are columns"
    return ""


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Files that are either whole or not there, and tables whose text stays text."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.parts.errors import UserError


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it onto `path` when all went well.

    Args:
        path: The final name. Its folder is made if needed.

    Yields:
        A name in the same folder, with the same suffix. On an error it is removed, so that
        nothing half-written ever stands under the final name.

    Raises:
        UserError: If the disk is full or the folder can't be written to.
    """
    draft = path.with_name(f".{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        _flush(draft)
        draft.replace(path)
    except OSError as error:
        if error.filename is None or Path(error.filename).parent == path.parent:
            raise UserError(
                f"{path}: can't be written ({error.strerror}); nothing was left there; free some "
                "space, or set `results` to another disk"
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


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV of this project with every cell as text; a missing value is ''."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

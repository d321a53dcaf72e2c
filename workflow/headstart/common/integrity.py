"""Files that are opened with their digest: what changed since it was written is refused.

A disk can lose a bit and a hand can slip; either way a file would be believed by its name, and give
other numbers without a word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.common import files
from headstart.common.errors import UserError

DIGEST = "digest"


def write_sealed(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object with the digest of its own values."""
    files.write_json(path, {**values, DIGEST: values_digest(values)})


def read_sealed(path: Path, remedy: str) -> dict[str, Any]:
    """Read what `write_sealed` wrote.

    Args:
        path: The file.
        remedy: What to do if it is damaged, for the message.

    Returns:
        The values, without the digest.

    Raises:
        UserError: If it is not there or no JSON object, or its values are not those that were
            written.
    """
    if not path.is_file():
        raise UserError(f"{path}: is not there; {remedy}")
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or values.pop(DIGEST, "") != values_digest(values):
        raise UserError(f"{path}: was damaged or edited after it was written; {remedy}")
    return values


def read_bytes(path: Path, sha256: str, remedy: str) -> bytes:
    """Read a file whose digest is known.

    Args:
        path: The file.
        sha256: Digest of its bytes, 64 hex digits.
        remedy: What to do if it is another one, for the message.

    Raises:
        UserError: If it is not there, or its bytes have another digest.
    """
    if not path.is_file():
        raise UserError(f"{path}: is not there; {remedy}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(
            f"{path}: was damaged or edited after it was written (its sha256 is another one); "
            f"{remedy}"
        )
    return content


def values_digest(values: Mapping[str, Any]) -> str:
    """Digest a JSON object: spaces and the order of its keys make no difference; 64 hex digits."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def table_digest(table: pd.DataFrame) -> str:
    """Digest the cells of a table that is read as text; 64 hex digits.

    Ends of lines and a byte order mark, which spreadsheets change, make no difference.
    """
    return values_digest({"columns": list(table.columns), "rows": table.to_numpy().tolist()})

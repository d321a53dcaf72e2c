"""A reader of flat `key: value` files, a small part of YAML, with the standard library alone.

What it takes, every YAML reader takes with the same meaning (all values as text); what it can't
take is an error with a line number, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from headstart.parts.errors import UserError

SINGLE = r"'(?:[^']|'')*'"
DOUBLE = r'"[^"\\]*"'
# In plain text a colon may not end a word, and a hash may not begin one.
PLAIN = r"""[^\s:#'"\[\]{}&*!|>%@`,?-](?:[^:#]|:(?=\S)|(?<! )#)*?"""
LINE = re.compile(
    rf"(?P<key>[A-Za-z_][A-Za-z0-9_]*):(?: +(?P<value>{SINGLE}|{DOUBLE}|{PLAIN}))?(?: +#.*)?"
)


def read_flat(path: Path, keys: Collection[str]) -> dict[str, str]:
    """Read a flat settings file.

    Args:
        path: A UTF-8 file of comments (`# …`), empty lines and lines `key: value`. Values are
            text: plain, or in 'single' quotes (where '' is one quote), or in "double" quotes.
        keys: The keys that there are.

    Returns:
        The value of every key of the file; '' where a key has none.

    Raises:
        UserError: If the file isn't there, a line is of another form, or a key is unknown or
            given twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(
            f"{path}: can't be read ({reason}); name the file with --config, or take "
            "headstart's own config/pull.yaml anew"
        ) from error
    return parse_flat(text, keys, name=str(path))


def parse_flat(text: str, keys: Collection[str], *, name: str) -> dict[str, str]:
    """Read flat settings from text; `name` stands in the errors. See `read_flat`."""
    values: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.rstrip(" \r")
        match = LINE.fullmatch(line)
        if not line.isprintable():
            raise UserError(f"{name}, line {number}: holds a tab or a control character; delete it")
        if not line or line.lstrip(" ").startswith("#"):
            continue
        if match is None:
            raise UserError(
                f"{name}, line {number}: not of the form `key: value`; put a value with special "
                "characters in 'single quotes'"
            )
        key = match["key"]
        if key not in keys:
            raise UserError(
                f"{name}, line {number}: unknown key '{key}'; allowed: {', '.join(keys)}"
            )
        if key in values:
            raise UserError(f"{name}, line {number}: '{key}' is given twice; delete one of them")
        values[key] = _unquote(match["value"] or "")
    return values


def _unquote(value: str) -> str:
    if value.startswith("'"):
        return value[1:-1].replace("''", "'")
    return value.strip('"') if value.startswith('"') else value

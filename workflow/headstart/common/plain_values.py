"""Values of a config that nothing downstream can bear: no line breaks in names, no endless numbers.

Its texts come to figures, tables, paths and the report, whose language takes a line of its own for
a command; torch and numpy take integers of 64 bits; and JSON has no infinity.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from headstart.common.errors import UserError

# Texts that may have several lines: nothing but a table's cell ever holds them.
PROSE = ("reason", "flip_reason")
LARGEST = 2**63 - 1
# Control characters, half characters, ends of lines and of paragraphs.
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
# They turn what follows around, so that a text is not what it looks like.
BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def without_line_ends(config: Any) -> Any:
    """Copy a config, its texts without the line break that a YAML block (`|`, `>`) ends in.

    Args:
        config: The config as nested dicts and lists; what several places share stays shared.
    """
    copies: dict[int, Any] = {}

    def copied(value: Any) -> Any:
        if isinstance(value, str):
            return value.strip() if "\n" in (value[:1], value[-1:]) else value
        if id(value) in copies:
            return copies[id(value)]
        if isinstance(value, Mapping):
            mapping = copies[id(value)] = {}
            mapping.update((name, copied(inner)) for name, inner in value.items())
            return mapping
        if isinstance(value, list | tuple):
            items = copies[id(value)] = []
            items.extend(map(copied, value))
            return items
        return value

    return copied(config)


def check_values(config: Mapping[str, Any]) -> None:
    """Check each text and number of a config, at any depth.

    Args:
        config: The config as nested dicts and lists.

    Raises:
        UserError: If a text has a character that can't be seen, or a number has no end or more
            than 64 bits; names the key.
    """
    waiting: list[tuple[str, Any]] = [("", config)]
    seen: set[int] = set()
    while waiting:
        key, value = waiting.pop(0)
        if not isinstance(value, Mapping | list | tuple):
            _check_one(value, key)
        elif id(value) not in seen:  # what several places share is looked at once
            seen.add(id(value))
            if isinstance(value, Mapping):
                for name, inner in value.items():
                    _check_one(name, key or "config")
                    waiting.append((f"{key}.{name}" if key else str(name), inner))
            else:
                waiting += [(f"{key}[{place}]", inner) for place, inner in enumerate(value)]


def _check_one(value: Any, key: str) -> None:
    if isinstance(value, str):
        text = "".join(value.split()) if key.rpartition(".")[2] in PROSE else value
        if strange := next(filter(is_unseen, text), None):
            raise UserError(
                f"{key}: {ascii(value)[:60]} holds a character that can't be seen "
                f"({_name(strange)}); write it in one line, without it"
            )
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{key}: {value} is not allowed: must be a finite number")
    elif isinstance(value, int) and abs(value) > LARGEST:
        raise UserError(f"{key}: this number is too large: has more than 64 bits")


def is_unseen(character: str) -> bool:
    """Say whether a character can't be seen, or turns others round."""
    return unicodedata.category(character) in UNPRINTABLE or character in BIDIRECTIONAL


def _name(character: str) -> str:
    known = {"\n": "a line break", "\t": "a tab", "\0": "NUL"}
    return known.get(character) or unicodedata.name(character, f"U+{ord(character):04X}").lower()

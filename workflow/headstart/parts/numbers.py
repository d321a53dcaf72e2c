"""Text that may be a number."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def as_number(text: str, otherwise: T) -> float | T:
    """Return the number that a text is, or another value where it is none."""
    try:
        return float(text)
    except ValueError:
        return otherwise


def is_number(text: str) -> bool:
    """Say whether a text is a number."""
    return as_number(text, None) is not None

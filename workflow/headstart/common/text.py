"""Text that may be a number, and numbers in text."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def as_number(text: str, otherwise: T) -> float | T:
    """Return the number that a text is, or another value where it is none.

    Python reads more as numbers than people and tables do: 1_0, and digits of other scripts.
    """
    if "_" in text or not text.isascii():
        return otherwise
    try:
        return float(text)
    except ValueError:
        return otherwise


def is_number(text: str) -> bool:
    """Say whether a text is a number."""
    return as_number(text, None) is not None


def counted(number: int, noun: str) -> str:
    """Write how many there are: 1 scan, 2 scans."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

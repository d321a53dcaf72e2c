"""Text that may be a number; numbers, settings and their values in text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from collections.abc import Mapping
from numbers import Integral
from typing import Any
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


def is_finite_number(text: str) -> bool:
    """Say whether a text is a number that can be computed with, neither NaN nor infinity."""
    return math.isfinite(as_number(text, math.nan))


def decimals_of(*cells: float | None) -> int:
    """Return how many decimals numbers have that are read together; None and NaN do not count.

    Three digits of the largest number; what is at most 1 always has three decimals. Two digits of
    the first number, if all are above 0: an error, whose interval may reach far above it.
    """
    known = [cell for cell in cells if cell is not None and not math.isnan(cell)]
    if not known:
        return 3
    of_first = _three_digits(known[0]) - 1 if min(known) > 0 else 0
    return max(of_first, _three_digits(max(map(abs, known))))


def _three_digits(number: float) -> int:
    whole = math.floor(math.log10(abs(number))) if abs(number) > 1 else -1
    return max(0, 2 - whole)


def numbers_alike(*cells: float | None, decimals: int | None = None) -> list[str]:
    """Write numbers that are read together, with the same decimals; "" for None and NaN.

    Args:
        *cells: The numbers.
        decimals: Decimals; without, as `decimals_of` has them.
    """
    if decimals is None:
        decimals = decimals_of(*cells)
    return [
        "" if cell is None or math.isnan(cell) else f"{cell:z.{decimals}f}".replace("-", "\u2212")
        for cell in cells
    ]


def capital(text: str) -> str:
    """Begin a text with a capital letter."""
    return text[:1].upper() + text[1:]


def number_with_interval(
    value: float | None, low: float | None, high: float | None, decimals: int | None = None
) -> str:
    """Return a number and its interval, if it has one, as text with the same decimals.

    Args:
        value: The number.
        low: Its interval's lower end.
        high: Its upper end.
        decimals: Of all numbers of a column; without, as these three have them.
    """
    number, *ends = numbers_alike(value, low, high, decimals=decimals)
    if not number:
        return "not defined"
    return f"{number} [{', '.join(ends)}]" if ends[0] else number


def times(lengths: Iterable[float]) -> str:
    """Write lengths of several edges: 256x256x150, 0.9375x0.9375x1.2."""
    return "x".join(str(n) if isinstance(n, Integral) else f"{n:.4g}" for n in lengths)


def duration(seconds: float) -> str:
    """Write how long something takes: 40 s, 75 min, 2.5 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 10 else f"{hours:.0f} h"


def counted(number: int, noun: str) -> str:
    """Write how many there are: 1 scan, 2 scans."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def percent(share: float) -> str:
    """Write a share: 5 %."""
    return f"{100 * share:.0f} %"


def setting_in_words(setting: str) -> str:
    """Name a setting: learning rate."""
    return setting.rpartition(".")[2].replace("_", " ")


def value_in_words(value: Any) -> str:
    """Write a setting's value: 0.001, sfcn, RandomFlip axes LR."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {value_in_words(one)}".strip() for key, one in value.items())
    if isinstance(value, list | tuple):
        return ("; " if any(isinstance(one, Mapping) for one in value) else " ").join(
            map(value_in_words, value)
        ) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return re.sub(r"e([-+])0+", r"e\1", f"{value:g}") if isinstance(value, float) else str(value)

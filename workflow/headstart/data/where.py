"""The key `where`: a condition on a scan's labels, such as `age >= 60 and site != HH`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

from headstart.common.text import as_number

OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
COMMA = re.compile(r"[-+]?\d*,\d+")
TOKEN = re.compile(r"""\s*(?:([<>=!]+)|"([^"]*)"|'([^']*)'|([^\s<>=!"'()]+))""")


@dataclass(frozen=True)
class Comparison:
    """A label, an operator, a value."""

    name: str
    sign: str
    value: str

    def equals(self, cell: str) -> bool:
        """Whether a label's value is this one, as numbers where both are."""
        return as_number(cell, cell) == as_number(self.value, self.value)

    def holds(self, cell: str) -> bool:
        """Compare a label's value, as numbers where both are; a missing value never fits.

        Raises:
            ValueError: If one value is to be larger than another, but is no number.
        """
        if not cell:
            return False
        left, right = as_number(cell, cell), as_number(self.value, self.value)
        if self.sign not in ("==", "!=") and isinstance(left, str):
            raise ValueError(f"{self.name} = '{cell}' is no number")
        return bool(OPERATORS[self.sign](left, right))


@dataclass(frozen=True)
class Condition:
    """Alternatives (`or`), each made of comparisons that must all hold (`and`)."""

    alternatives: tuple[tuple[Comparison, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The labels that it mentions, in order."""
        return tuple(dict.fromkeys(c.name for every in self.alternatives for c in every))

    @property
    def equalities(self) -> Iterator[Comparison]:
        """Those of its comparisons that ask for a value, or for any other one."""
        return (c for every in self.alternatives for c in every if c.sign in ("==", "!="))

    def holds(self, values: Mapping[str, str]) -> bool:
        """Whether a scan with these values is included; see Comparison.holds."""
        return any(all(c.holds(values.get(c.name, "")) for c in e) for e in self.alternatives)


def parse_condition(text: str) -> Condition:
    """Read a condition. Nothing in it is ever run as code.

    Raises:
        ValueError: If it is none; says what is wrong.
    """
    tokens = _tokens(text)
    alternatives: list[tuple[Comparison, ...]] = []
    together: list[Comparison] = []
    while True:
        if len(tokens) < 3 or tokens[1] not in OPERATORS:
            raise ValueError(
                f"'{text}' is no condition: it needs a label, one of {' '.join(OPERATORS)} and a "
                "value, e.g. `age >= 60 and site != HH`"
            )
        comparison = Comparison(*tokens[:3])
        if comparison.sign not in ("==", "!=") and math.isnan(as_number(tokens[2], math.nan)):
            point = tokens[2].replace(",", ".")
            fix = f"; write {point}" if COMMA.fullmatch(tokens[2]) else ""
            raise ValueError(f"'{text}': after {comparison.sign} stands a number{fix}")
        together.append(comparison)
        joint, tokens = tokens[3:4], tokens[4:]
        if joint != ["and"]:
            alternatives.append(tuple(together))
            together = []
        if not joint:
            return Condition(tuple(alternatives))
        if joint[0] not in ("and", "or"):
            raise ValueError(
                f"'{text}': '{joint[0]}' stands where `and` or `or` should; "
                "a value of several words needs quotes"
            )


def _tokens(text: str) -> list[str]:
    tokens, place = [], 0
    while text[place:].strip():
        match = TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"'{text}': can't be read from '{text[place:].strip()}' on")
        tokens.append(next(group for group in match.groups() if group is not None))
        place = match.end()
    return tokens

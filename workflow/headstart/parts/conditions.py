"""The key `where`: a condition on a scan's labels, such as `age >= 60 and site != HH`."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass

from headstart.parts.numbers import as_number

OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TOKEN = re.compile(r"""\s*(?:([<>=!]+)|"([^"]*)"|'([^']*)'|([^\s<>=!"'()]+))""")


@dataclass(frozen=True)
class Comparison:
    """A label, an operator, a value."""

    name: str
    sign: str
    value: str

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
    """Alternatives (`or`), each of comparisons that all have to hold (`and`)."""

    alternatives: tuple[tuple[Comparison, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The labels that it asks for, in the order of asking."""
        return tuple(dict.fromkeys(c.name for every in self.alternatives for c in every))

    def holds(self, values: Mapping[str, str]) -> bool:
        """Say whether a scan with these values is to be taken; see Comparison.holds."""
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
        if comparison.sign not in ("==", "!=") and isinstance(as_number(tokens[2], ""), str):
            raise ValueError(f"'{text}': after {comparison.sign} stands a number")
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

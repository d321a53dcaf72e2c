"""The split as the stage split writes it: each subject once, in one part of each repeat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from headstart.common.errors import UserError
from headstart.common.records import read_rows
from headstart.common.records import write_rows

REMEDY = (
    "delete it and type the same command: split makes it again "
    "(your own split goes to `split.file`)"
)


@dataclass(frozen=True)
class SplitRow:
    """A row of splits.csv.

    Attributes:
        subject: Who it is about.
        test: Whether the subject is held out for the final test.
        fold: The fold that holds the subject out; None for test subjects.
        validation: Whether the subject chooses the epoch where it is not held out.
        repeats: The fold that holds the subject out, by the number of the repeat, from 1 on; ""
            for test subjects.
    """

    subject: str
    test: bool
    fold: int | None
    validation: bool
    repeats: Annotated[dict[str, str], "repeat:"] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse a row that puts a subject in no part, or in two."""
        if not self.subject:
            raise ValueError("a subject has no name")
        if self.test != (self.fold is None) or (self.fold or 0) < 0:
            raise ValueError(f"subject {self.subject} has test {self.test:d}, fold {self.fold}")
        if self.test and self.validation:
            raise ValueError(f"subject {self.subject} has test 1 and validation 1")
        if any(fold.isdecimal() == self.test for fold in self.repeats.values()):
            raise ValueError(f"subject {self.subject} is not in one fold of each repeat")

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds that hold the subject out, one of each repeat; () for test subjects."""
        return () if self.fold is None else (self.fold, *map(int, self.repeats.values()))

    @property
    def part(self) -> str:
        """Name of the subject's part: test, fold-0, …."""
        return "test" if self.test else f"fold-{self.fold}"


def by_repeat(splits: Iterable[SplitRow]) -> list[list[SplitRow]]:
    """Return the split as it is in each repeat; a list of itself where there is one."""
    rows = list(splits)
    again = rows[0].repeats if rows else {}
    each = [[replace(row, repeats={}) for row in rows]]
    for number in again:
        cells = [row.repeats[number] for row in rows]
        each.append(
            [
                replace(row, fold=int(cell) if cell else None, repeats={})
                for row, cell in zip(rows, cells, strict=True)
            ]
        )
    return each


def write_splits(path: Path, splits: Iterable[SplitRow]) -> None:
    """Write splits.csv."""
    write_rows(path, SplitRow, splits)


def read_splits(path: Path) -> list[SplitRow]:
    """Read splits.csv.

    Raises:
        UserError: If a subject is there twice, or a row is none that `split` writes.
    """
    splits = read_rows(path, SplitRow, REMEDY)
    seen: set[str] = set()
    for row in splits:
        if row.subject in seen:
            raise UserError(
                f"{path}: was edited or damaged: subject {row.subject} is there twice; {REMEDY}"
            )
        seen.add(row.subject)
    return splits

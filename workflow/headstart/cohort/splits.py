"""The split as the stage split writes it: each subject once, in one part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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
    """

    subject: str
    test: bool
    fold: int | None
    validation: bool

    def __post_init__(self) -> None:
        """Refuse a row that puts a subject in no part, or in two."""
        if not self.subject:
            raise ValueError("a subject has no name")
        if self.test != (self.fold is None) or (self.fold or 0) < 0:
            raise ValueError(f"subject {self.subject} has test {self.test:d}, fold {self.fold}")
        if self.test and self.validation:
            raise ValueError(f"subject {self.subject} has test 1 and validation 1")

    @property
    def part(self) -> str:
        """Name of the subject's part: test, fold-0, …."""
        return "test" if self.test else f"fold-{self.fold}"


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

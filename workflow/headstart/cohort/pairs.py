"""The pairs of scans that a person should look at, as near-duplicates/pairs.csv lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from typing import Literal

from headstart.common.keys import Key
from headstart.common.keys import OfScan

Kind = Literal["near-duplicate", "sessions-differ", "numbering"]


@dataclass(frozen=True)
class PairRow(OfScan):
    """A row of pairs.csv.

    Attributes:
        other_subject: Subject of the other scan.
        other_session: Session of the other scan.
        kind: near-duplicate; sessions-differ: a subject's own two that look like two people;
            numbering: seem to be one person numbered as two.
        certain: Whether it is beyond doubt.
        similarity: Of the two, from -1 to 1.
        mirrored: Whether one was mirrored left to right.
        expected: How many pairs of strangers would be as similar by chance in this cohort.
    """

    other_subject: str
    other_session: str
    kind: Kind
    certain: bool
    similarity: Annotated[float, ".3f"]
    mirrored: bool
    expected: Annotated[float, ".2g"]

    @property
    def other(self) -> Key:
        """Subject and session of the other scan."""
        return self.other_subject, self.other_session

    @property
    def subjects(self) -> tuple[str, str]:
        """Both subjects; twice the same for two sessions of one."""
        return self.subject, self.other_subject

"""The card of a cohort that `headstart demo` made, by which its scans are known to be made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from pydantic import ValidationError

from headstart.common import files
from headstart.common.schema import Section
from headstart.common.walk import is_file
from headstart.data.config import Source

NAME = "cohort.json"
TEMPLATE = "ICBM 152 nonlinear symmetric 2009a, doi:10.1016/j.neuroimage.2010.07.033"


class _Mark(BaseModel):
    """What the card of any version has."""

    SYNTHETIC: Literal[True]


class DemoCard(Section):
    """What a cohort was made with.

    Attributes:
        SYNTHETIC: That nobody was scanned.
        template: What it was made from.
        seed: Seed of everything that is random.
        subjects: Number of subjects with good scans.
        broken: Number of those with broken ones.
        files: How many files there are.
        sha256: Digest of the names and digests of all files.
    """

    SYNTHETIC: Literal[True] = True
    template: str = TEMPLATE
    seed: int
    subjects: int
    broken: int
    files: int
    sha256: str

    def write(self, cohort: Path) -> None:
        """Write it into the cohort's folder."""
        files.write_json(cohort / NAME, self.model_dump(mode="json"))

    @classmethod
    def read(cls, cohort: Path) -> DemoCard | None:
        """Read the card in a cohort's folder; None if there is none of this version."""
        card = cohort / NAME
        try:
            return cls.model_validate_json(card.read_bytes()) if is_file(card) else None
        except ValidationError:
            return None


def synthetic(sources: Sequence[Source], root: Path) -> bool:
    """Whether scans are made up: the demo's, or in a folder that `headstart demo` made.

    Args:
        sources: The sources.
        root: The data root.
    """
    folders = [root / source.folder for source in sources]
    return any(source.source == "demo" for source in sources) or any(
        _is_marked(up / NAME) for folder in folders for up in (folder, folder.parent)
    )


def _is_marked(card: Path) -> bool:
    try:
        return is_file(card) and bool(_Mark.model_validate_json(card.read_bytes()))
    except ValidationError:
        return False

"""Scans from outside the study, as a run found them when it started."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlannedShare:
    """A share of the scans.

    Attributes:
        digest: Of the scans and their files, see `headstart.cohort.new_scans.NewScans.digest`.
        scans: How many.
    """

    digest: str
    scans: int


@dataclass(frozen=True)
class PlannedScans:
    """Scans from outside the study, as a run found them.

    Attributes:
        runs: Folders of the networks that answer, from the results root; of none that is finished,
            the experiment, for which the job says so.
        networks: Digest of their weights.
        shares: The shares; one of nothing where the scans can't be listed, for which the job says
            why.
    """

    runs: tuple[str, ...]
    networks: str
    shares: tuple[PlannedShare, ...]

"""What the search for near-duplicates can find in a cohort, and how often it is wrong."""

from __future__ import annotations

from pathlib import Path

from headstart.common import files
from headstart.common.schema import Section


class OfStrangers(Section):
    """Similarity of scans of different subjects: the median, and the highest that is usual."""

    median: float
    highest: float


class OfRescans(Section):
    """Second scans of one person, simulated: how many would be found, and their similarity."""

    scans: int
    certain: int
    listed: int
    lowest: float
    median: float | None


class FalseAlarms(Section):
    """How many pairs of strangers are expected among those beyond doubt, and among all listed."""

    certain: float
    listed: float


class OwnSessions(Section):
    """Pairs of a subject's own scans, and how many of them look like one head."""

    pairs: int
    listed: int


class Histogram(Section):
    """How many pairs of strangers are so similar, between edges; and each simulated second scan."""

    edges: tuple[float, ...]
    strangers: tuple[int, ...]
    simulated: tuple[float, ...]


class SearchRates(Section):
    """What a search that could be made can find.

    Attributes:
        subjects: How many were compared.
        pairs: Of scans of different subjects.
        strangers: Their similarity.
        expected_false_alarms: How often the search is wrong by chance.
        simulated: How often it finds who is there twice.
        own_sessions: What it says of subjects with several scans.
        outliers: Scans unlike the others.
    """

    subjects: int
    pairs: int
    strangers: OfStrangers
    expected_false_alarms: FalseAlarms
    simulated: OfRescans
    own_sessions: OwnSessions
    outliers: int


class Rates(Section):
    """near-duplicates/rates.json.

    Attributes:
        scans: How many were to be compared.
        unknown: What can't be told, and why; "" if there is nothing.
        search: What the search can find; None where there was nothing to compare.
        histogram: What the figure draws; None where there is none, and in audit.json.
    """

    scans: int
    unknown: str
    search: SearchRates | None = None
    histogram: Histogram | None = None

    def write(self, path: Path) -> None:
        """Write rates.json."""
        files.write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Rates:
        """Read rates.json."""
        return cls.model_validate_json(path.read_bytes())

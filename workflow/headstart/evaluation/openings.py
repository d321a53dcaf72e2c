"""The ledger of test openings: how often a study's test subjects were looked at, and with what.

It is no output of a rule, which Snakemake would delete before a rerun: the stage evaluate adds to
it, and nothing takes away from it.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from pathlib import Path

from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.common.schema import canonical_json
from headstart.evaluation.results import OURS
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having

KEPT = "bring it back from a backup: it is the only record of how often the test was opened"
DIGITS = 16  # of a digest


@dataclass(frozen=True)
class OpeningRow:
    """One look at the test subjects, in test-openings.csv.

    Attributes:
        opened: When, UTC.
        experiment: Whose networks were evaluated, as it was called then.
        networks: Their folds and seeds.
        settings: Digest of all settings and code that the result rests on.
        predictions: Digest of what they said of the test subjects.
        metric: The primary metric.
        value: Its value; None if it is not defined.
        n: Subjects.
    """

    opened: str
    experiment: str
    networks: tuple[str, ...]
    settings: str
    predictions: str
    metric: str
    value: float | None
    n: int


def opening(
    predictions: Sequence[Path], metrics: Sequence[MetricRow], primary: str, settings: str
) -> OpeningRow:
    """Describe a look at the test subjects.

    Args:
        predictions: predictions.csv of all networks of an experiment.
        metrics: What came out.
        primary: Name of the primary metric.
        settings: Digest of all that the result rests on.
    """
    runs = sorted(map(RunId.of, predictions))
    asked = having(metrics, protocol="test", group="all", metric=primary)
    (row,) = [row for row in asked if row.model in OURS]
    return OpeningRow(
        opened=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        experiment=runs[0].experiment,
        networks=tuple(f"fold-{run.fold}/seed-{run.seed}" for run in runs),
        settings=settings,
        predictions=_digest(predictions),
        metric=primary,
        value=row.value,
        n=row.n,
    )


def record(ledger: Path, row: OpeningRow) -> None:
    """Add a look to the ledger, unless the same predictions were looked at before.

    Raises:
        UserError: If the ledger is damaged.
    """
    with _alone(ledger):
        before = read_openings(ledger)
        if all(row.predictions != other.predictions for other in before):
            write_rows(ledger, OpeningRow, [*before, row])


def read_openings(ledger: Path) -> list[OpeningRow]:
    """Read the ledger; a study whose test was never opened has none.

    Raises:
        UserError: If it is damaged.
    """
    return read_rows(ledger, OpeningRow, KEPT) if ledger.exists() else []


def _digest(predictions: Sequence[Path]) -> str:
    """Digest what networks said of the test subjects, whatever the experiment is called."""
    from headstart.evaluation.predictions import read_run  # nibabel, which status has no time for

    said = [
        [[*row.key, row.answer] for row in read_run(path).rows if row.part == "test"]
        for path in sorted(predictions, key=RunId.of)
    ]
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()[:DIGITS]


@contextmanager
def _alone(ledger: Path) -> Iterator[None]:
    """Let one process at a time write; the kernel releases the lock of a killed one."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.with_name(f".{ledger.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

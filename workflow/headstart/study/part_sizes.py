"""How many scans each part of a training has."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from headstart.cohort.settings import SHARES
from headstart.cohort.splits import read_splits
from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.data.label_table import LabelRow
from headstart.study.config import Config


class PartSizes(NamedTuple):
    """Scans with a target and all covariates, of one fold.

    Attributes:
        training: That are learnt from.
        validation: For validation.
    """

    training: int
    validation: int


def expected_sizes(config: Config, experiment: str, scans: int) -> PartSizes:
    """Estimate them from the number of a study's scans.

    Args:
        config: The study's config.
        experiment: Whose training: a control may learn from a part of them.
        scans: How many there are, with or without a target and covariates.
    """
    split = config.split
    others = scans * (1 - split.test) * (1 - 1 / split.folds)
    training = int(others * (1 - split.validation))
    share = share_of(config, experiment)
    return PartSizes(int(training * share), int(others) - training)


def share_of(config: Config, experiment: str) -> float:
    """Return the share of the training subjects that an experiment learns from."""
    return SHARES.get(config.experiments[experiment].control or "", 1)


def counted_sizes(
    study: Path, target: str, fold: int, covariates: tuple[str, ...] = ()
) -> PartSizes | None:
    """Count them in the tables that check and split left; None where these are not there.

    Args:
        study: Results folder of the study.
        target: What is predicted.
        fold: The fold that is held out.
        covariates: Labels that the network sees beside a scan.
    """
    tables = [study / name for name in (study_paths.PASSED, study_paths.SPLITS)]
    if not all(table.is_file() for table in tables):
        return None
    times = (table.stat().st_mtime_ns for table in tables)
    return _counted(*tables, (target, *covariates), fold, *times)


@cache
def _counted(passed: Path, splits: Path, needed: tuple[str, ...], fold: int, *_: int) -> PartSizes:
    """Count them in tables as of two times."""
    part_of = {row.subject: row for row in read_splits(splits)}
    scans = [row for row in read_rows(passed, LabelRow) if all(map(row.values.get, needed))]
    rows = [part_of.get(scan.subject) for scan in scans]
    others = [row for row in rows if row is not None and not row.test and fold not in row.folds]
    validation = sum(row.validation for row in others)
    return PartSizes(len(others) - validation, validation)

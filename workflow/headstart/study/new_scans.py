"""Scans from outside the study: which there are when a run starts, and who answers for them.

Nothing of the study is made again for them: the networks that answer are those that are finished.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from headstart.cohort.new_scans import Share
from headstart.cohort.new_scans import list_new_scans
from headstart.common.errors import UserError
from headstart.common.run_id import CARD
from headstart.common.schema import canonical_json
from headstart.study.config import Config
from headstart.study.planned_scans import PlannedScans
from headstart.study.planned_scans import PlannedShare
from headstart.training.card import ModelCard
from headstart.training.config import AskedScans
from headstart.training.settings import Run

SCANS = 100  # of a shard, at least, where the study does not say how many shards there are
NOTHING = (PlannedShare("", 0),)


def plan_new_scans(config: Config, project: Path) -> dict[str, PlannedScans]:
    """Look for the scans that the study names, and for the networks.

    Args:
        config: The study.
        project: Folder of the checkout.
    """
    return {name: _planned(asked, config, project) for name, asked in config.new_scans.items()}


def _planned(asked: AskedScans, config: Config, project: Path) -> PlannedScans:
    results = project / config.results
    folders = [Path(config.study, run.trained) for run in config.runs(asked.experiment)]
    runs = [folder for folder in folders if (results / folder / CARD).is_file()]
    if not runs:
        return PlannedScans((str(Path(config.study, asked.experiment)),), "", NOTHING)
    try:
        cards = [ModelCard.read(results / folder) for folder in runs]
        shares = _shares(asked, cards[0].run, project)
    except (UserError, OSError):
        return PlannedScans(tuple(map(str, runs)), "", NOTHING)
    weights = canonical_json([card.weights_sha256 for card in cards])
    digest = hashlib.sha256(weights.encode()).hexdigest()[:16]
    return PlannedScans(tuple(map(str, runs)), digest, shares)


def _shares(asked: AskedScans, run: Run, project: Path) -> tuple[PlannedShare, ...]:
    """List the scans, and say which are in which share."""
    given = [project / asked.scans]
    scans = list_new_scans(given, run.channels, run.covariates, run.optional)
    shares = asked.shards or _usual_number(len(scans.files))
    parts = [scans.share(Share(number, shares)) for number in range(shares)]
    return tuple(PlannedShare(part.digest(), len(part.files)) for part in parts)


def _usual_number(scans: int) -> int:
    """Return a power of two, which few scans more or less leave as it is."""
    return 1 << max(0, (scans // SCANS).bit_length() - 1)

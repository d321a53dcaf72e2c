"""Look at all prepared shards together: what is left of each class of each mask."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from headstart.cohort.prepare import RefusedScansError
from headstart.cohort.prepare import gather
from headstart.cohort.settings import GatherSettings
from headstart.cohort.shards import RefusedScan
from headstart.cohort.shards import ShardCard
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.keys import OfScan
from headstart.common.records import read_rows
from headstart.common.schema import read_settings

PAGE = "refused.pdf"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--cards", type=Path, nargs="+", required=True, help="prepare/shard-K.json, all of them"
    )
    parser.add_argument("--settings", default="{}", help="JSON: air, synthetic")
    parser.add_argument("--passed", type=Path, required=True, help="check/passed.csv")
    parser.add_argument("--output", type=Path, required=True, help="folder of masks.csv")


def run(arguments: argparse.Namespace) -> None:
    """Run the command; scans that were refused are drawn, for a person to decide on them."""
    passed = read_rows(arguments.passed, OfScan)
    settings = read_settings(GatherSettings, arguments.settings)
    page = arguments.output / PAGE
    for path in (page, page.with_suffix(".svg")):
        path.unlink(missing_ok=True)
    try:
        gather(cards=arguments.cards, passed=passed, output=arguments.output, air=settings.air)
    except RefusedScansError as error:
        if not ShardCard.read(arguments.cards[0]).prepare.planes:
            raise  # no brains were asked for
        _draw(arguments, page, error.scans, synthetic=settings.synthetic)
        raise UserError(f"{error}; their brains are drawn in {page.resolve()}") from error


def _draw(
    arguments: argparse.Namespace, page: Path, refused: Sequence[RefusedScan], *, synthetic: bool
) -> None:
    # seconds of import that only this case needs
    from headstart.figures.preparation import plot
    from headstart.figures.settings import PlotSettings
    from headstart.figures.style import Stamp
    from headstart.study.provenance import identity

    study = arguments.output.resolve().parent.name
    stamp = Stamp(study, files.sha256(arguments.passed)[:8], identity("plot"), synthetic)
    plot(
        settings=PlotSettings(study=study, synthetic=synthetic),
        stamp=stamp,
        output=page,
        steps=arguments.output / "steps.csv",
        prepared=arguments.cards[0].parent,
        refused=refused,
    )

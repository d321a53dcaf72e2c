"""Look at all prepared shards together: what is left of each class of each mask."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.cohort.prepare import gather
from headstart.cohort.settings import GatherSettings
from headstart.common.keys import OfScan
from headstart.common.records import read_rows
from headstart.common.schema import read_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--cards", type=Path, nargs="+", required=True, help="prepare/shard-K.json, all of them"
    )
    parser.add_argument("--settings", default="{}", help="JSON: air")
    parser.add_argument("--passed", type=Path, required=True, help="check/passed.csv")
    parser.add_argument("--output", type=Path, required=True, help="folder of masks.csv")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    passed = read_rows(arguments.passed, OfScan)
    settings = read_settings(GatherSettings, arguments.settings)
    gather(cards=arguments.cards, passed=passed, output=arguments.output, air=settings.air)

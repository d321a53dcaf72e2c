"""Decide who trains and who is held out: whole subjects, stratified, from a seed."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.cohort.balance import BalanceRow
from headstart.cohort.balance import balance
from headstart.cohort.settings import SplitSettings
from headstart.cohort.split import read_own
from headstart.cohort.split import split
from headstart.cohort.splits import by_repeat
from headstart.cohort.splits import write_splits
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.common.schema import read_settings
from headstart.data.label_table import LabelRow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON: the stage's part of the config")
    parser.add_argument("--passed", type=Path, required=True, help="check/passed.csv")
    parser.add_argument("--output", type=Path, required=True, help="folder of splits.csv")
    parser.add_argument("--data", type=Path, default=Path(), help="data root, for split.file")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    settings = read_settings(SplitSettings, arguments.settings)
    passed = read_rows(arguments.passed, LabelRow)
    chosen = settings.split
    own = None
    if chosen.file is not None:
        own = read_own(arguments.data / chosen.file, settings.file, chosen.folds)
    splits = split(passed=passed, settings=chosen, together=settings.together, own=own)
    write_splits(arguments.output / "splits.csv", splits)
    rows: list[BalanceRow] = []
    for repeat in by_repeat(splits):
        made = balance(splits=repeat, passed=passed, stratify=chosen.stratify)
        rows += [row for row in made if not (rows and row.part == "test")]
    write_rows(arguments.output / "balance.csv", BalanceRow, rows)

"""Look for leaks in a split: one person, family or head in two parts."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.cohort.accounted import check_accounted
from headstart.cohort.audit import audit
from headstart.cohort.pairs import PairRow
from headstart.cohort.rates import Rates
from headstart.cohort.settings import AuditSettings
from headstart.cohort.splits import read_splits
from headstart.common.records import read_rows
from headstart.common.schema import read_settings
from headstart.data.label_table import LabelRow
from headstart.imaging.scan_rows import CheckRow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON: group, same, unrelated")
    parser.add_argument("--passed", type=Path, required=True, help="check/passed.csv")
    parser.add_argument("--summary", type=Path, required=True, help="check/summary.csv")
    parser.add_argument("--splits", type=Path, required=True, help="split/splits.csv")
    parser.add_argument("--pairs", type=Path, required=True, help="near-duplicates/pairs.csv")
    parser.add_argument("--rates", type=Path, required=True, help="near-duplicates/rates.json")
    parser.add_argument("--output", type=Path, required=True, help="split/audit.json")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    settings = read_settings(AuditSettings, arguments.settings)
    check_accounted(arguments.passed, arguments.summary)
    report = audit(
        splits=read_splits(arguments.splits),
        passed=read_rows(arguments.passed, LabelRow),
        summary=read_rows(arguments.summary, CheckRow),
        pairs=read_rows(arguments.pairs, PairRow),
        rates=Rates.read(arguments.rates),
        group=settings.group,
        same=settings.same,
        unrelated=settings.unrelated,
    )
    report.write(arguments.output)

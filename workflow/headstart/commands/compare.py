"""Compare experiments that ask for the same target with each other, on the same subjects.

Differences are paired; all pairs by one metric are a family, whose p values are corrected by Holm's
method. They are read off the intervals, as each metric has an interval of its own kind.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.common.arguments import add_predictions
from headstart.common.records import write_rows
from headstart.common.schema import read_settings
from headstart.evaluation.experiments import compare
from headstart.evaluation.results import ExperimentRow
from headstart.evaluation.settings import CompareSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON: classes, groups")
    add_predictions(parser)
    parser.add_argument("--output", type=Path, required=True, help="experiments.csv")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    rows = compare(
        settings=read_settings(CompareSettings, arguments.settings),
        passed=arguments.passed,
        splits=arguments.splits,
        prepared=arguments.prepared,
        predictions=arguments.predictions,
    )
    write_rows(arguments.output, ExperimentRow, rows)

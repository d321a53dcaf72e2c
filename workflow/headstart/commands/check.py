"""Compare the scans that were read with each other, and reject the bad."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.cohort.quality import compare_scans
from headstart.common.records import read_rows
from headstart.common.schema import read_settings
from headstart.data.label_table import LabelRow
from headstart.imaging.config import Check
from headstart.imaging.scan_rows import CheckRow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON: the config's section check")
    parser.add_argument("--labels", type=Path, required=True, help="labels.csv")
    parser.add_argument(
        "--checked", type=Path, nargs="+", required=True, help="check/shards/K.csv, all of them"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of passed.csv")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    compare_scans(
        checked=[row for path in arguments.checked for row in read_rows(path, CheckRow)],
        labels=read_rows(arguments.labels, LabelRow),
        rules=read_settings(Check, arguments.settings),
        output=arguments.output,
    )

"""Compare the prepared scans with each other: one head under two names, and scans unlike the rest.

Nothing is dropped. What is beyond doubt stops the study at its audit; what is doubtful is listed,
with a picture, for a person to judge.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.cohort.comparison import find_near_duplicates


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--prepared", type=Path, nargs="+", required=True, help="prepare/shard-K.json, all of them"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    find_near_duplicates(cards=arguments.prepared, output=arguments.output)

"""Arguments that several commands have in common."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_cohort(parser: argparse.ArgumentParser) -> None:
    """Declare the files of a cohort that is split and prepared."""
    parser.add_argument("--passed", type=Path, required=True, help="check/passed.csv")
    parser.add_argument("--splits", type=Path, required=True, help="split/splits.csv")
    parser.add_argument("--prepared", type=Path, required=True, help="folder of shard-K.json")


def add_predictions(parser: argparse.ArgumentParser) -> None:
    """Declare a cohort's files, and what networks say of its scans."""
    add_cohort(parser)
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        nargs="+",
        metavar="CSV",
        help="EXPERIMENT/.../fold-F/seed-S/predictions.csv, of all folds and seeds",
    )

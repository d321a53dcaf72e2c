"""Read every scan of a shard to its last byte, and say what is wrong with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.cohort.settings import CheckScansSettings
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.common.schema import read_settings
from headstart.imaging.scan_check import check_scans
from headstart.imaging.scan_rows import CheckRow
from headstart.imaging.scan_rows import ScanFiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON: masks, classes")
    parser.add_argument("--scans", type=Path, required=True, help="label/shards/K.csv")
    parser.add_argument("--data", type=Path, default=Path(), help="data root")
    parser.add_argument("--output", type=Path, required=True, help="check/shards/K.csv")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    settings = read_settings(CheckScansSettings, arguments.settings)
    checked = check_scans(
        scans=read_rows(arguments.scans, ScanFiles),
        data=arguments.data,
        masks=settings.masks,
        classes=settings.classes,
        volumes=settings.volumes,
        aligned=settings.aligned,
        optional=settings.optional,
    )
    write_rows(arguments.output, CheckRow, checked)

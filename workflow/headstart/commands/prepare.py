"""Prepare every scan once: one orientation, one voxel size, one window, one scale of intensity.

What is done to a scan depends on that scan alone. The volumes of a shard lie in one file that is
memory-mapped in training, which costs 0.1 ms per volume where reading the scan costs 100.

A small copy is left of every volume, by which near-duplicates are looked for.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.cohort.prepare import prepare
from headstart.cohort.settings import PrepareSettings
from headstart.common.records import read_rows
from headstart.common.schema import read_settings
from headstart.imaging.scan_rows import CheckRow
from headstart.imaging.scan_rows import ScanFiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--settings", required=True, help="JSON: prepare, channels, classes, accept"
    )
    parser.add_argument("--scans", type=Path, required=True, help="label/shards/K.csv")
    parser.add_argument("--checked", type=Path, required=True, help="check/shards/K.csv")
    parser.add_argument("--data", type=Path, default=Path(), help="data root")
    parser.add_argument("--output", type=Path, required=True, help="prepare/shard-K.json")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    settings = read_settings(PrepareSettings, arguments.settings)
    prepare(
        scans=read_rows(arguments.scans, ScanFiles),
        checked=read_rows(arguments.checked, CheckRow),
        data=arguments.data,
        output=arguments.output,
        settings=settings.prepare,
        channels=settings.channels,
        classes=settings.classes,
        accept=settings.accept,
    )

"""Collect the scans of all sources, with their labels, into labels.csv."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.common.schema import read_settings
from headstart.data.settings import LabelSettings
from headstart.study.labels import label
from headstart.training.target import Targets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON with `data` and `shards`")
    parser.add_argument("--data", type=Path, required=True, help="data root")
    parser.add_argument("--output", type=Path, required=True, help="folder of labels.csv")
    parser.add_argument(
        "--targets", default="{}", help="JSON: what the experiments are to predict; checked"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    settings = read_settings(LabelSettings, arguments.settings)
    label(
        sources=settings.data,
        shards=settings.shards,
        data=arguments.data,
        output=arguments.output,
        max_rejected=settings.max_rejected,
        targets=read_settings(Targets, arguments.targets).targets,
    )

"""Try a study's trainings on a few subjects for two epochs, before they are queued for hours."""

from __future__ import annotations

import argparse

from headstart.study.named import find
from headstart.study.try_trainings import try_trainings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="STUDY[/EXPERIMENT]", help="what to try; a study is all")


def run(arguments: argparse.Namespace) -> None:
    """Try each experiment that is named."""
    try_trainings(find(arguments.name))

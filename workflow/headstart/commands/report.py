"""Write a study's report: one HTML page that holds all of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.study.named import find
from headstart.study.report.page import write_report
from headstart.study.status import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("study", help="the study: its name, config file or results folder")
    parser.add_argument("--results", type=Path, help="results root, where the config has another")
    parser.add_argument(
        "--project", type=Path, default=Path(), help="where the config's paths start; here"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the page, and say where it is."""
    found = find(arguments.study, arguments.results)
    print(write_report(Study.read(found.results, found.study, arguments.project)))

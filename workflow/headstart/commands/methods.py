"""Write the methods and results of a study in words, for a paper and for the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.common import files
from headstart.study.methods.chapters import as_markup
from headstart.study.methods.tell import tell
from headstart.study.named import find
from headstart.study.status import Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("study", help="the study: its name, config file or results folder")
    parser.add_argument("--results", type=Path, help="results root, where the config has another")
    parser.add_argument(
        "--output", type=Path, help="write reStructuredText here, for the report; else print"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the methods, or write them."""
    found = find(arguments.study, arguments.results)
    study = Study.read(found.results, found.study, Path())
    text = tell(study.folder, study.slices)
    if arguments.output is None:
        print(text, end="")
    else:
        files.write_text(arguments.output, as_markup(text))

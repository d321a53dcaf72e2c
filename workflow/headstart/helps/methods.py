"""Write the methods and results of a study in words, for a paper and for the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.parts import files
from headstart.parts.methods import as_markup
from headstart.parts.methods import tell
from headstart.parts.standing import Study

RESULTS = Path("results")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("study", help="name of the study")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help=f"results root; default {RESULTS}"
    )
    parser.add_argument(
        "--output", type=Path, help="write reStructuredText here, for the report; else print"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the methods, or write them."""
    study = Study.read(arguments.results, arguments.study, Path())
    text = tell(study.folder, study.settings)
    if arguments.output is None:
        print(text, end="")
    else:
        files.write_text(arguments.output, as_markup(text))

"""Show a study's status: its stages, every training, why, and what to type next."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.study.named import find
from headstart.study.status import Study
from headstart.study.status_text import describe_study
from headstart.study.status_text import option_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("study", help="the study: its name, config file or results folder")
    parser.add_argument("--results", type=Path, help="results root, where the config has another")


def run(arguments: argparse.Namespace) -> None:
    """Print the study's state."""
    found = find(arguments.study, arguments.results)
    if found.file is not None and not (found.folder / study_paths.CONFIG).is_file():
        raise UserError(
            f"{found.folder}: {found.study} was not run yet; type: "
            f"snakemake --cores 2{option_for(found.file)}"
        )
    study = Study.read(found.results, found.study, Path())
    print(describe_study(study, option_for(found.file or found.folder / study_paths.CONFIG)))

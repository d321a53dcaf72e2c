"""Train one network: one experiment, one fold, one seed."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.common.arguments import add_cohort
from headstart.common.schema import read_settings
from headstart.study.provenance import check_code
from headstart.training.settings import Publication
from headstart.training.settings import Run
from headstart.training.train import TRY_EPOCHS
from headstart.training.train import TRY_SUBJECTS
from headstart.training.train import rehearse
from headstart.training.train import train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--settings", required=True, help="the run's settings, JSON")
    parser.add_argument("--code", help="digest of the code that the run was planned with")
    add_cohort(parser)
    parser.add_argument("--store", type=Path, required=True, help="folder of the run store")
    parser.add_argument("--output", type=Path, required=True, help="folder to publish to")
    parser.add_argument(
        "--networks",
        type=Path,
        default=Path(),
        help="folder of your own network's and loss's files",
    )
    parser.add_argument(
        "--start", default="", help="what train.start names: a training's folder, or a file"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--publication",
        default="{}",
        help="what the study says of the network in its model card, JSON: unit of the target, how "
        "to predict, file with all settings",
    )
    parser.add_argument(
        "--try",
        dest="work",
        action="store_const",
        const=rehearse,
        default=train,
        help=f"try it: {TRY_SUBJECTS} subjects, {TRY_EPOCHS} epochs, in a scratch folder; "
        "leaves the store and the output alone",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    arguments.work(
        run=read_settings(Run, arguments.settings),
        code=check_code("train", arguments.code),
        passed=arguments.passed,
        splits=arguments.splits,
        prepared=arguments.prepared,
        store=arguments.store,
        output=arguments.output,
        networks=arguments.networks,
        start=Path(arguments.start) if arguments.start else None,
        device=arguments.device,
        publication=read_settings(Publication, arguments.publication),
    )

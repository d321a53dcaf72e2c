"""Answer for held-out scans into which a known change was injected, dose by dose.

Of up to 20 subjects, evenly by what is true of them, each by the networks that have not seen it. A
network whose answers do not move looks elsewhere, or at nothing. A number or class is asked for
with less and less signal in the middle of the head; a mask with structures that fade into their
surroundings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.cohort.settings import Question
from headstart.common.arguments import add_cohort
from headstart.common.schema import read_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON: experiment, task, target, classes")
    add_cohort(parser)
    parser.add_argument(
        "--weights",
        type=Path,
        required=True,
        nargs="+",
        metavar="FILE",
        help=".../fold-F/seed-S/model.safetensors, of all folds and seeds",
    )
    parser.add_argument(
        "--networks",
        type=Path,
        help="folder of the networks' own .py file, if they have one: its code is run",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--output", type=Path, required=True, help="the answers, CSV")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    # torch takes seconds to import
    from headstart.explanation.inject import inject

    inject(
        settings=read_settings(Question, arguments.settings),
        passed=arguments.passed,
        splits=arguments.splits,
        prepared=arguments.prepared,
        weights=arguments.weights,
        networks=arguments.networks,
        device=arguments.device,
        output=arguments.output,
    )

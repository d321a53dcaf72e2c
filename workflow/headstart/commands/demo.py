"""Make the synthetic cohort that the demo study runs on."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from headstart.common.errors import UserError
from headstart.demo import made_cohort


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--output", type=Path, required=True, help="folder of the cohort")
    parser.add_argument("--subjects", type=int, default=240, help="at least 10; default 240")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another cohort")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes side by side"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command; a complete cohort of the same seed and size is left as it is."""
    output, subjects, seed = arguments.output, arguments.subjects, arguments.seed
    if subjects < 10 or seed < 0 or arguments.jobs < 1:
        raise UserError("demo: needs --subjects of at least 10, --seed of at least 0, --jobs of 1")
    if not made_cohort.is_complete(output, subjects=subjects, seed=seed):
        made_cohort.make_cohort(output=output, subjects=subjects, seed=seed, jobs=arguments.jobs)
    print(f"{output}: {subjects} SYNTHETIC subjects", file=sys.stderr)
    print(made_cohort.truth(output).to_string(index=False, float_format="%.2f"), file=sys.stderr)

"""Map where the answers for some held-out scans come from.

By occlusion, in the target's unit or as a change of probability, and by Grad-CAM++, relative to
its largest value; each scan by the networks that have not seen its subject. cases.csv names the
maps, on the prepared grid and on that of the scan's own file, and says how alike they are to maps
of networks whose weights are shuffled: a map that does not change shows nothing that was learnt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.common.arguments import add_predictions
from headstart.common.schema import read_settings
from headstart.explanation.settings import ExplainSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--settings",
        required=True,
        help="JSON: experiment, task, target, classes, explain, primary",
    )
    add_predictions(parser)
    parser.add_argument(
        "--weights",
        type=Path,
        required=True,
        nargs="+",
        metavar="FILE",
        help=".../fold-F/seed-S/model.safetensors, in the order of --predictions",
    )
    parser.add_argument(
        "--networks",
        type=Path,
        help="folder of the networks' own .py file, if they have one: its code is run",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--output", type=Path, required=True, help="folder of cases.csv and maps")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    # torch takes seconds to import
    from headstart.explanation.explain import explain

    explain(
        settings=read_settings(ExplainSettings, arguments.settings),
        passed=arguments.passed,
        splits=arguments.splits,
        prepared=arguments.prepared,
        predictions=arguments.predictions,
        weights=arguments.weights,
        networks=arguments.networks,
        device=arguments.device,
        output=arguments.output,
    )

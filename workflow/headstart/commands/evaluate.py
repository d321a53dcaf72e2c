"""Evaluate predictions of held-out subjects beside baselines that need no network.

Predictions of several seeds are averaged per scan, and so are those of all folds and seeds on the
test subjects: the model is then called `ensemble`, else `network`. (Of segmentations, the Dice is
averaged, not the masks, and so is what is measured of their objects.) Over several folds r and the
area under the ROC curve are means over folds, the other metrics are those of all folds'
predictions. A threshold between two classes, and the correction of a predicted number for the true
one, are fitted to predictions for other held-out subjects. answers.csv has what is answered for
each scan, the mean over repeats if there are some: of a number, such as an age, with the gap,
predicted minus true, as it is and corrected. Subjects are the unit of intervals, whose method is in
the column `ci_method`; differences are paired.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.common.arguments import add_predictions
from headstart.common.records import write_rows
from headstart.common.schema import read_settings
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.openings import opening
from headstart.evaluation.openings import record
from headstart.evaluation.results import AnswerRow
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.settings import EvaluateSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--settings", required=True, help="JSON: experiment, task, target, classes, primary, test"
    )
    add_predictions(parser)
    parser.add_argument(
        "--weights",
        type=Path,
        default=(),
        nargs="+",
        metavar="FILE",
        help=".../fold-F/seed-S/model.safetensors, in the order of --predictions: answers of "
        "other weights than these are refused",
    )
    parser.add_argument("--data", type=Path, default=Path(), help="data root, with the raw masks")
    parser.add_argument(
        "--openings",
        type=Path,
        required=True,
        metavar="CSV",
        help="the study's ledger, to which a look at the test subjects is added",
    )
    parser.add_argument("--rests-on", default="", help="digest of all that the result rests on")
    parser.add_argument("--output", type=Path, required=True, help="folder of metrics.csv")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    settings = read_settings(EvaluateSettings, arguments.settings)
    metrics, comparison, answers = evaluate(
        settings=settings,
        passed=arguments.passed,
        splits=arguments.splits,
        prepared=arguments.prepared,
        data=arguments.data,
        predictions=arguments.predictions,
        weights=arguments.weights,
    )
    if settings.test and not settings.control:  # told of before anybody can read what came out
        opened = opening(arguments.predictions, metrics, settings.primary, arguments.rests_on)
        record(arguments.openings, opened)
    write_rows(arguments.output / "answers.csv", AnswerRow, answers)
    write_rows(arguments.output / "comparison.csv", DifferenceRow, comparison)
    write_rows(arguments.output / "metrics.csv", MetricRow, metrics)

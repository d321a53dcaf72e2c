"""Predict the scans that a network was not trained on: a study's held-out ones, or new ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from headstart.cohort.answers import gather_answers
from headstart.cohort.new_scans import Share
from headstart.cohort.new_scans import list_new_scans
from headstart.common.errors import UserError
from headstart.common.run_id import PREDICTIONS
from headstart.common.schema import read_settings
from headstart.evaluation.held_out import gather_held_out
from headstart.study.named import runs_of
from headstart.training.card import ModelCard
from headstart.training.settings import PredictSettings

# What the workflow gives, and what is given for scans outside a study.
STUDY = ("settings", "model", "passed", "splits", "prepared", "data")
NEW = ("runs", "scans")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="folder for the predictions of a study; the table (.csv) for new scans",
    )
    parser.add_argument(
        "--networks",
        type=Path,
        help="folder of the network's own .py file, if it has one: its code is run",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--shard",
        type=Share.of,
        metavar="K/N",
        help="answer for share K of N alone, 0/N to N-1/N, each as a job of its own; then --gather",
    )
    parser.add_argument(
        "--gather",
        type=int,
        metavar="N",
        help="put the answers of all N shares together, in the order of the scans",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="STUDY/EXPERIMENT",
        help="the networks for scans from outside the study: all finished ones of an experiment, "
        "or STUDY/EXPERIMENT/fold-0/seed-0",
    )
    new = parser.add_argument_group("scans from outside the study")
    new.add_argument(
        "--run",
        dest="runs",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="results/STUDY/train/EXPERIMENT/main/fold-F/seed-S; of several, the mean counts",
    )
    new.add_argument(
        "--scans",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="NIfTI files, or folders of them; of a network that sees several channels, one table "
        "(.csv) with a column of paths per channel; a table with the column brain_mask too if it "
        "was trained with brain masks, and with a column for each of its covariates",
    )
    new.add_argument(
        "--calibration",
        type=Path,
        metavar="JSON",
        help="what `headstart calibrate` wrote: columns with the numbers as they are for that "
        "scanner are added; calibrated_low and calibrated_high say how well the calibration is "
        "known: the interval (95 %%) of the offset, not one person's range",
    )
    new.add_argument(
        "--memory",
        metavar="2G",
        help="most memory of this computer that is taken, in place of predict.memory of the study, "
        "by networks that learnt from patches: scans of any size are told piece by piece",
    )
    new.add_argument(
        "--planned", metavar="DIGEST", help="of the share's scans, as the workflow calls it"
    )
    study = parser.add_argument_group("held-out scans of the study, as the workflow calls it")
    study.add_argument("--settings", help="the run's settings, JSON")
    study.add_argument("--model", type=Path, help="folder that train published to")
    study.add_argument("--passed", type=Path, help="check/passed.csv")
    study.add_argument("--splits", type=Path, help="split/splits.csv")
    study.add_argument("--prepared", type=Path, help="folder with the shards")
    study.add_argument("--data", type=Path, help="data root")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    where = {"networks": arguments.networks, "device": arguments.device}
    if arguments.runs or arguments.scans or arguments.names:
        named = [run for name in arguments.names for run in runs_of(name)]
        arguments.runs = [*(arguments.runs or ()), *named]
        _check_given(arguments, NEW)
        if arguments.gather:
            card = ModelCard.read(arguments.runs[0])
            seen = card.run
            scans = list_new_scans(arguments.scans, seen.channels, seen.covariates, seen.optional)
            gather_answers(scans, arguments.gather, arguments.output, card.task.file)
            return
        from headstart.training.predict_new import predict_new

        predict_new(
            runs=arguments.runs,
            scans=arguments.scans,
            output=arguments.output,
            calibration=arguments.calibration,
            share=arguments.shard,
            planned=arguments.planned,
            memory=arguments.memory,
            **where,
        )
        return
    _check_given(arguments, STUDY)
    settings = read_settings(PredictSettings, arguments.settings)
    cohort = {name: getattr(arguments, name) for name in ("passed", "splits", "prepared")}
    if arguments.gather:
        gather_held_out(
            asked=settings,
            fold=settings.fold,
            test=settings.test,
            shares=arguments.gather,
            path=arguments.output / PREDICTIONS,
            weights=ModelCard.read(arguments.model).weights_sha256,
            **cohort,
        )
        return
    # torch takes seconds to import
    from headstart.training.predict import predict

    predict(
        settings=settings,
        model=arguments.model,
        data=arguments.data,
        output=arguments.output,
        share=arguments.shard,
        **cohort,
        **where,
    )


def _check_given(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    for name in names:
        if not getattr(arguments, name):
            option = "STUDY/EXPERIMENT" if name == "runs" else f"--{name}"
            raise UserError(f"predict: needs {option}; see `headstart predict --help`")

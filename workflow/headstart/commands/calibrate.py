"""Bring a network's predictions into line with a new scanner, by people whose number is known."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from headstart.common.errors import UserError
from headstart.common.text import counted
from headstart.data.tables import read_all
from headstart.study.named import runs_of
from headstart.training import calibration
from headstart.training.card import ModelCard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "name",
        metavar="STUDY/EXPERIMENT",
        help="the networks: all finished ones of an experiment, or STUDY/EXPERIMENT/fold-0/seed-0, "
        "or a folder with a model from elsewhere",
    )
    parser.add_argument(
        "--controls",
        type=Path,
        required=True,
        metavar="CSV",
        help="a row for each control: the scans as `headstart predict --scans` takes them in a "
        "table, or a table that it wrote; and a column of true numbers, named as the target",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="JSON",
        help="file to write, for `headstart predict --calibration`; predictions of the controls "
        "lie beside it",
    )
    parser.add_argument(
        "--networks",
        type=Path,
        help="folder of the network's own .py file, if it has one: its code is run",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def run(arguments: argparse.Namespace) -> None:
    """Predict the controls where they are not predicted yet, fit, and say what was found."""
    controls, output = arguments.controls, arguments.output
    if output.suffix != ".json":
        raise UserError(f"--output {output}: a calibration is a .json; type --output {output}.json")
    runs = runs_of(arguments.name)
    cards = [ModelCard.read(run) for run in runs]
    calibration.check_calibrated(cards)
    if not controls.is_file():
        raise UserError(f"{controls}: is not there; give a table with a row for each control")
    target = cards[0].run.target
    table = read_all(controls)
    calibration.check_columns(controls, table, target)
    if "prediction" not in table.columns:
        calibration.check_scans(controls, table, target, cards)
        # torch takes seconds to import
        from headstart.training.predict_new import predict_new

        scans, controls = controls, output.with_suffix(".csv")
        where = {"networks": arguments.networks, "device": arguments.device}
        predict_new(runs=runs, scans=[scans], output=controls, **where)
    known = calibration.read_controls(controls, target)
    fitted = calibration.calibrate(known, cards)
    fitted.write(output)
    left = f"; {counted(known.left_out, 'row')} without a prediction left out"
    left *= bool(known.left_out)
    print("\n".join([*calibration.describe(fitted), f"written: {output}{left}"]), file=sys.stdout)

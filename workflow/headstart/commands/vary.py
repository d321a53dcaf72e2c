"""Add an experiment to the config: another one, but for the keys that are set."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import yaml

from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.strict_yaml import load
from headstart.common.strict_yaml import read_study
from headstart.planning.vary import vary
from headstart.study.config import read_config
from headstart.study.named import find
from headstart.study.network_trial import check_networks
from headstart.study.study_words import DEFAULT
from headstart.study.targets import check_targets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    # the experiment first: --set takes every word that follows
    parser.usage = "%(prog)s STUDY/EXPERIMENT --set KEY=VALUE [KEY=VALUE ...] [--name NEW]"
    parser.add_argument(
        "name", metavar="STUDY/EXPERIMENT", help="the experiment to start from, in its study"
    )
    parser.add_argument(
        "--set",
        dest="changes",
        action="extend",
        nargs="+",
        required=True,
        metavar="KEY=VALUE",
        help="keys of the experiment and their new values, e.g. train.learning_rate=3e-4",
    )
    parser.add_argument(
        "--name", dest="new", help="name of the new experiment; the default describes the change"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the new experiment into the config file and say what to type next."""
    found = find(arguments.name)
    path = found.file
    if path is None:
        raise UserError(f"{found.study}: has no file in config/; name its config file instead")
    if found.experiment is None:
        known = ", ".join(f"{arguments.name}/{one}" for one in read_study(path)["experiments"])
        raise UserError(f"{arguments.name}: say which experiment to start from: {known}")
    with path.open(encoding="utf-8", newline="") as file:  # line ends stay what they are
        text = file.read()
    try:
        name, new = vary(text, found.experiment, arguments.changes, arguments.new)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    changed = read_config(load(new))
    check_targets(changed, Path(), changed.of_name(name))
    check_networks(changed, Path(), changed.of_name(name))
    files.write_text(path.resolve(), new)
    print(f"{path} has a new experiment, {name}:")
    print(yaml.safe_dump(load(new)["experiments"][name], sort_keys=False, indent=2))
    choice = "" if path == DEFAULT else f" --configfile {shlex.quote(str(path))}"
    print(f"run it: snakemake --cores 2{choice}")

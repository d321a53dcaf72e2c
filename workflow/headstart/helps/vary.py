"""Add an experiment to the config: another one, but for the keys that are set."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from headstart.parts import files
from headstart.parts.config import read_config
from headstart.parts.errors import UserError
from headstart.parts.yaml_text import add_entry
from headstart.parts.yaml_text import load

DEFAULT = Path("config/config.yaml")
LONGEST_NAME = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", help="the experiment to start from")
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        required=True,
        metavar="KEY=VALUE",
        help="a key of the experiment and its new value, e.g. train.learning_rate=3e-4; "
        "may be given several times",
    )
    parser.add_argument("--name", help="name of the new experiment; the default tells the change")
    parser.add_argument(
        "--config", type=Path, default=DEFAULT, help=f"the config file; default {DEFAULT}"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the new experiment into the config file and say what to type next."""
    path = arguments.config
    if not path.is_file():
        raise UserError(f"{path}: is not there; name your study's file with --config")
    with path.open(encoding="utf-8", newline="") as file:  # line ends stay what they are
        text = file.read()
    try:
        name, new = vary(text, arguments.experiment, arguments.changes, arguments.name)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    files.write_text(path.resolve(), new)
    print(f"{path} has a new experiment, {name}:")
    print(yaml.safe_dump(load(new)["experiments"][name], sort_keys=False, indent=2))
    choice = "" if path == DEFAULT else f" --configfile {shlex.quote(str(path))}"
    print(f"run it: snakemake --cores 2{choice}")


def vary(
    text: str, experiment: str, changes: Sequence[str], name: str | None = None
) -> tuple[str, str]:
    """Add an experiment that is like another one, but for some keys.

    Args:
        text: The config file.
        experiment: The experiment to start from.
        changes: KEY=VALUE each; KEY with dots, VALUE as in YAML.
        name: Name of the new experiment; the default is made from the changes.

    Returns:
        The new experiment's name and the new text, in which nothing else is changed.

    Raises:
        UserError: If the config is wrong or would be, the experiment is not there, the name is
            taken, or nothing would change.
    """
    entry: dict[str, Any] = {"like": experiment}
    for change in changes:
        _set(entry, change)
    name = name or _name(experiment, changes)
    try:
        raw = load(text)
    except yaml.YAMLError as error:
        raise UserError(f"not YAML: {' '.join(str(error).split())}") from None
    before = read_config(raw).experiments
    if experiment not in before:
        raise UserError(f"experiments: no '{experiment}'; there are: {', '.join(before)}")
    if name in before:
        raise UserError(f"experiments.{name}: is there already; choose another --name")
    changed = read_config(raw | {"experiments": raw["experiments"] | {name: entry}})
    if changed.experiments[name] == before[experiment]:
        raise UserError(f"experiments.{experiment}: has these values already; nothing was written")
    new = add_entry(text, "experiments", experiment, name, entry)
    read_config(load(new))
    return name, new


def _set(entry: dict[str, Any], change: str) -> None:
    key, equals, written = change.partition("=")
    if not re.fullmatch(r"\w+(\.\w+)*", key) or not equals:
        raise UserError(f"--set {change}: write KEY=VALUE, e.g. train.learning_rate=3e-4")
    try:
        value = yaml.safe_load(written)
    except yaml.YAMLError:
        raise UserError(f"--set {change}: the value is not YAML; put it in quotes") from None
    *above, last = key.split(".")
    section = entry
    for part in above:
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            raise UserError(f"--set {key}: a key above it is set as well; set one of the two")
    if last in section:
        raise UserError(f"--set {key}: is set already; give it once")
    section[last] = value


def _name(experiment: str, changes: Sequence[str]) -> str:
    """Return a name that tells the changes: age-learning-rate-3e-4."""
    parts = [re.sub(r"^[^=]*?(\w+)=", r"\1-", change) for change in changes]
    name = re.sub(r"[^a-z0-9]+", "-", "-".join([experiment, *parts]).lower()).strip("-")
    if len(name) > LONGEST_NAME:
        raise UserError("the new experiment needs a name: give it one with --name")
    return name

"""An experiment like another one, with some keys changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from headstart.common.errors import UserError
from headstart.common.strict_yaml import RefusedError
from headstart.common.strict_yaml import StrictLoader
from headstart.common.strict_yaml import load
from headstart.data.label_names import check_label
from headstart.data.label_names import labels_of_sources
from headstart.planning.edit_yaml import add_entry
from headstart.study.config import Config
from headstart.study.config import read_config

LONGEST_NAME = 60


def vary(
    text: str, experiment: str, changes: Sequence[str], name: str | None = None
) -> tuple[str, str]:
    """Add an experiment that is like another one, with some keys changed.

    Args:
        text: The config file.
        experiment: The experiment to start from.
        changes: KEY=VALUE each; KEY with dots, VALUE as in YAML.
        name: Name of the new experiment; the default is made from the changes.

    Returns:
        The new experiment's name and the new text, in which nothing else is changed.

    Raises:
        UserError: If the config is wrong or would be, the experiment is not there, the name is
            taken, nothing would change, or a new target or covariate is no label of the study.
    """
    entry: dict[str, Any] = {"like": experiment}
    for change in changes:
        _set(entry, change)
    name = name or _name(experiment, changes)
    raw = load(text)
    before = read_config(raw).experiments
    if experiment not in before:
        raise UserError(f"experiments: no '{experiment}'; there are: {', '.join(before)}")
    if name in before or name in raw["experiments"]:
        raise UserError(f"experiments.{name}: is there already; choose another --name")
    changed = read_config(raw | {"experiments": raw["experiments"] | {name: entry}})
    alone = before[experiment].model_copy(update={"sweep": {}, "variant_of": ""})
    if changed.experiments.get(name) == alone:
        raise UserError(f"experiments.{experiment}: has these values already; nothing was written")
    first = changed.of_name(name)[0]
    varied = changed.experiments[first]
    if varied.target != alone.target:
        _check_label(changed, f"experiments.{first}.target", varied.target, "mask")
    for covariate in varied.covariates:
        _check_label(changed, f"experiments.{first}.covariates", covariate, "source")
    below = before[experiment].variant_of or experiment
    new = add_entry(text, "experiments", below, name, entry)
    read_config(load(new))
    return name, new


def _check_label(config: Config, key: str, label: str, other: str) -> None:
    """Check that there is a label, or another thing that the key may name."""
    try:
        check_label(label, [*labels_of_sources(config.data), other])
    except ValueError as error:
        raise UserError(f"{key}: {error}") from None


def _set(entry: dict[str, Any], change: str) -> None:
    key, equals, written = change.partition("=")
    if not re.fullmatch(r"\w+(\.\w+)*", key) or not equals:
        raise UserError(f"--set {change}: write KEY=VALUE, e.g. train.learning_rate=3e-4")
    try:
        value = yaml.load(written, Loader=StrictLoader)  # noqa: S506 a safe loader
    except RefusedError as error:
        raise UserError(f"--set {change}: {error}") from None
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
    """Return a name that describes the changes: age-learning-rate-3e-4."""
    parts = [re.sub(r"^[^=]*?(\w+)=", r"\1-", change) for change in changes]
    name = re.sub(r"[^a-z0-9]+", "-", "-".join([experiment, *parts]).lower()).strip("-")
    if len(name) > LONGEST_NAME:
        raise UserError("the new experiment needs a name: give it one with --name")
    return name

"""What an experiment's `start` names, and whether it may: before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from headstart.training.registry import NETWORKS
from headstart.training.start import ENDINGS
from headstart.training.start import Start
from headstart.training.weights_catalogue import read_weights_catalogue

if TYPE_CHECKING:
    from headstart.study.experiment import Experiment
    from headstart.training.config import Train


def parent_of(name: str, experiments: Mapping[str, Experiment]) -> str | None:
    """Return the experiment that an experiment starts from; None if it starts from none."""
    start = experiments[name].train.start
    return start.origin if start is not None and start.origin in experiments else None


def check_start(
    name: str,
    experiments: Mapping[str, Experiment],
    folds: Mapping[str, Sequence[int]],
    sources: Sequence[str],
) -> None:
    """Check what is known of a start before anything runs.

    Args:
        name: The experiment.
        experiments: All.
        folds: The folds that each trains.
        sources: Names of the study's sources.

    Raises:
        ValueError: If it names nothing that there is, goes round in a loop, or must not be taken.
            The message begins with the key.
    """
    start = experiments[name].train.start
    if start is None or start.is_file:
        return
    where = f"experiments.{name}.train.start"
    parent = parent_of(name, experiments)
    if parent is None:
        others = ", ".join(other for other in experiments if other != name)
        _check_entry(experiments[name].train, start, where, others, sources)
        return
    way = [name]
    while (above := parent_of(way[-1], experiments)) is not None:
        way.append(above)
        if way.count(above) > 1:
            raise ValueError(f"{where}: a loop, {' -> '.join(way)}; start one of them from none")
    if start.sha256 is not None:
        raise ValueError(f"{where}.sha256: is for files and names of the catalogue; remove it")
    mine, theirs = experiments[name], experiments[parent]
    for key, asked, there in (
        ("folds", folds[name], folds[parent]),
        ("seeds", mine.seeds, theirs.seeds),
    ):
        if lacking := [one for one in asked if one not in there]:
            raise ValueError(
                f"{where}: {parent} trains no network of {key} {lacking} to start from; write "
                f"{key}: {[*there, *lacking]} in experiments.{parent}"
            )


def _check_entry(
    train: Train, start: Start, where: str, others: str, sources: Sequence[str]
) -> None:
    """Check a name of the catalogue; `others` are the experiments that it may name as well."""
    origin, catalogue = start.origin, read_weights_catalogue()
    if origin not in catalogue:
        raise ValueError(
            f"{where}: '{origin}' is neither another experiment of this study "
            f"({others or 'there is none'}), nor in the catalogue "
            f"({', '.join(catalogue)}), nor a file (its name ends in {', '.join(ENDINGS)})"
        )
    entry = catalogue[origin]
    for source in sources:
        if any(fnmatchcase(source, cohort) for cohort in entry.cohorts):
            raise ValueError(
                f"{where}: {origin} was trained on {entry.trained_on}, and so has seen the "
                f"subjects of the source {source}, which judge it here; start from an experiment "
                "of this study, or take train.start out"
            )
    if (start.sha256 or entry.sha256) is None:
        raise ValueError(
            f"{where}: nobody publishes the sha256 of {origin}; download {entry.mirrors[0]}, "
            f"look at it, and write `start: {{from: {origin}, sha256: …}}` with what sha256sum says"
        )
    if train.network in NETWORKS and train.network != entry.network:
        written = ", ".join(f"{key}: {value}" for key, value in entry.network_arguments.items())
        arguments = f" and network_arguments: {{{written}}}" if written else ""
        raise ValueError(
            f"{where}: {origin} has weights of {entry.network}, not of {train.network}; write "
            f"network: {entry.network}{arguments}"
        )

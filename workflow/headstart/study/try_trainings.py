"""A study's trainings, tried on a few subjects before they are queued for hours."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.common.records import read_rows
from headstart.common.run_id import RunId
from headstart.common.strict_yaml import read_study
from headstart.data.label_table import IMAGES
from headstart.data.label_table import LabelRow
from headstart.data.label_table import labels_of
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.config import read_resolved
from headstart.study.named import Named
from headstart.study.network_trial import check_networks
from headstart.study.provenance import identity
from headstart.study.slices import Slices
from headstart.study.starts import Starts
from headstart.study.starts import digests
from headstart.study.status_text import option_for
from headstart.training.train import rehearse


def try_trainings(found: Named) -> None:
    """Try each experiment that is named; what they train is thrown away.

    Args:
        found: The study, or one of its experiments or trainings.

    Raises:
        UserError: If the cohort was not prepared yet, a network can't be built from the files
            that a job gets, a target is no label, or a training does not go through.
    """
    _check_cohort(found)
    config = _config(found)
    experiments = list(config.experiments) if found.experiment is None else [found.experiment]
    # a job has a copy of one's own network, and no other files of this folder
    check_networks(config, Path(), experiments)
    passed = found.folder / study_paths.PASSED
    _check_targets(config, experiments, passed)
    slices = Slices(config, Path())
    starts = Starts(config, Path(), digests(config, Path()))
    for experiment in experiments:
        training = _first(config, experiment, found)
        print(f"{found.study}/{training.name}:", file=sys.stderr, flush=True)
        place = starts.place(training)
        rehearse(
            start=found.results / place if place else None,
            run=slices.train(*training),
            code=identity("train"),
            passed=passed,
            splits=found.folder / study_paths.SPLITS,
            prepared=found.folder / study_paths.PREPARED,
        )


def _check_cohort(found: Named) -> None:
    needed = (study_paths.PASSED, study_paths.SPLITS, study_paths.AUDIT)
    if all((found.folder / name).is_file() for name in needed):
        return
    option = option_for(found.file or found.folder / study_paths.CONFIG)
    raise UserError(
        f"{found.folder}: the cohort is not prepared yet; type: snakemake --cores 2 cohort{option}"
    )


def _config(found: Named) -> Config:
    if found.file is not None:
        return read_config(read_study(found.file))
    return read_resolved(found.folder / study_paths.CONFIG)


def _check_targets(config: Config, experiments: Iterable[str], passed: Path) -> None:
    """Fail before the first training if a later one has nothing to learn."""
    labels = labels_of(read_rows(passed, LabelRow))
    for experiment in experiments:
        asked = config.experiments[experiment]
        named = [("target", asked.target), *(("covariates", one) for one in asked.covariates)]
        for key, label in named:
            if label not in (*labels, "source", *IMAGES):
                raise UserError(
                    f"experiments.{experiment}.{key}: {passed} has no label '{label}'; "
                    f"there are: {', '.join(labels)}"
                )


def _first(config: Config, experiment: str, found: Named) -> RunId:
    """Return the training that is named, or else the first one."""
    runs = config.runs(experiment)
    named = [run for run in runs if found.includes(run)]
    if not named:
        there = ", ".join(run.name for run in runs)
        raise UserError(f"{found.study}: has no such training; there are: {there}")
    return named[0]

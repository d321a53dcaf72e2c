"""What each job of a stage leaves, by which one sees how far a study is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.cohort.new_scans import Share
from headstart.figures.registry import figures_of
from headstart.study.config import Config
from headstart.study.held_out_shards import held_out_shards
from headstart.study.stages import STAGES

Choice = Mapping[str, Any]


def parts(stage: str, config: Config) -> list[list[str]]:
    """List, for each job of a stage, the files that are there when it is done.

    What an earlier network predicted is there until the new one's turn comes: files of the
    experiment that the job's own rests on belong to it, too.

    Args:
        stage: A stage.
        config: The study.
    """
    below: defaultdict[str, list[tuple[Choice, str]]] = defaultdict(list)
    for other in STAGES[stage].rests_on:
        for one in _choices(other, config):
            if "experiment" in one:
                named = config.experiments.get(one["experiment"])  # None: a sweep, with its figures
                sweep = named.variant_of if named else None
                for name in filter(None, (one["experiment"], sweep)):
                    below[name] += [(one, file) for file in _left(other, one, config)]
    return [
        [
            *left,
            *(file for other, file in below[one.get("experiment", "")] if _agree(one, other)),
        ]
        for one in _choices(stage, config)
        for left in _jobs(stage, one, config)
    ]


def _jobs(stage: str, one: Choice, config: Config) -> list[list[str]]:
    """What each job of a choice leaves: all of it, and of shares of held-out scans each its own."""
    *shares, whole = _left(stage, one, config)
    return [*([share] for share in shares), [*shares, whole]]


def _left(stage: str, one: Choice, config: Config) -> list[str]:
    """List the files of a choice: tables of shares, if there are any, then what it leaves last.

    What was put together before is there until all shares have been told again.
    """
    whole = STAGES[stage].output.format(**one)
    shares = held_out_shards(config, one["experiment"]) if stage == "predict" else 1
    tables = [str(Share(number, shares).table(Path(whole))) for number in range(shares)]
    return [*(tables if shares > 1 else []), whole]


def _agree(one: Choice, other: Choice) -> bool:
    """Whether two jobs of an experiment, or sweep, are of the same run, if both are of one."""
    return all(one[key] == other[key] for key in one.keys() & other.keys() & {"fold", "seed"})


def _choices(stage: str, config: Config) -> list[dict[str, Any]]:
    """List what there is a job for: shards, runs, experiments, figures; or one for all."""
    fields = set(re.findall(r"{(\w+)}", STAGES[stage].output))
    if "figure" in fields:
        return _figures(config)
    if "shard" in fields:
        return [{"shard": number} for number in range(config.prepare.shards)]
    if stage == "compare" and not config.comparisons:
        return []
    wanted = STAGES[stage].wanted
    names = [
        name
        for name, experiment in config.experiments.items()
        if wanted(experiment) and (stage == "train" or config.is_evaluated(name))
    ]
    if "seed" in fields:
        return [run._asdict() for name in names for run in config.runs(name)]
    return [{"experiment": name} for name in names] if fields else [{}]


def _figures(config: Config) -> list[dict[str, Any]]:
    found = []
    for folder in config.figure_folders:
        of_one = folder in (*config.experiments, *config.sweeps)
        whose = {"experiment": folder} if of_one else {}
        of_network = {
            file: figure.rests_on in ("predict", "plot", "controls")
            for name, figure in figures_of(config, folder).items()
            for file in figure.files(name)
        }
        found += [
            {"folder": folder, "figure": file, **(whose if rests else {})}
            for file, rests in (of_network | {"manifest.json": True}).items()
        ]
    return found

"""What each job of a stage leaves, by which one sees how far a study is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from headstart.figures.registry import figures_of
from headstart.study.config import Config
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
                    below[name].append((one, STAGES[other].output.format(**one)))
    return [
        [
            STAGES[stage].output.format(**one),
            *(file for other, file in below[one.get("experiment", "")] if _agree(one, other)),
        ]
        for one in _choices(stage, config)
    ]


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

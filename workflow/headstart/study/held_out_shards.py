"""In how many jobs held-out scans are predicted, and how long that takes."""

from __future__ import annotations

import math

from headstart.imaging.config import Steps
from headstart.study.config import Config
from headstart.training import costs
from headstart.training.config import Train
from headstart.training.registry import NETWORKS

OF_SHARD = 4 * 3600.0  # seconds that are planned for a share of the held-out scans, at most
SCANS = 64  # for each of `prepare.shards`, as `headstart init` counts them
WRITE_SECONDS = 2.0  # for a predicted mask or image


def held_out_shards(config: Config, experiment: str) -> int:
    """Say in how many jobs each network of an experiment predicts its held-out scans.

    It follows from the config alone, not from the machine or from scans that were found.

    Args:
        config: The study.
        experiment: The experiment.
    """
    asked = config.experiments[experiment]
    if asked.predict.shards or asked.train.network not in NETWORKS:
        return asked.predict.shards or 1
    scans = held_out(config, experiment, SCANS * config.prepare.shards)
    planned = answering_seconds(config, experiment, scans, asked.train.threads)
    return 1 << max(0, math.ceil(math.log2(planned / OF_SHARD)))


def held_out(config: Config, experiment: str, scans: int) -> int:
    """How many of a study's scans each network of an experiment predicts."""
    split = config.split
    test = split.test if config.opens_test(experiment) else 0
    return math.ceil(scans * ((1 - split.test) / split.folds + test))


def answering_seconds(config: Config, experiment: str, scans: int, cores: int) -> float:
    """Seconds in which a network answers for prepared scans, on so many CPU cores."""
    asked = config.experiments[experiment]
    looking = predicting_seconds(asked.train, config.prepare, scans)
    looking *= asked.predict.times / min(asked.train.threads, cores)
    writing = WRITE_SECONDS * scans if writes_images(config, experiment) else 0.0
    return looking + writing


def predicting_seconds(train: Train, prepare: Steps, scans: int) -> float:
    """Seconds in which a network of ours answers for scans, on one CPU core.

    Args:
        train: How it was trained.
        prepare: How its scans are prepared.
        scans: How many there are.
    """
    seen = (train.network, train.network_arguments, prepare.usual_window)
    return (1 if train.patches is None else costs.TILES) * costs.looking_seconds(*seen, scans)


def writes_images(config: Config, experiment: str) -> bool:
    """Whether an experiment's answers are masks or images."""
    return bool(config.experiments[experiment].kind.file)

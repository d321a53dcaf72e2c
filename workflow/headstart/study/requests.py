"""What the jobs of train, predict, explain and inject ask for."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal
from typing import get_args

from headstart.cluster import machine
from headstart.common import files
from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.common.text import as_number
from headstart.study import estimates
from headstart.study.held_out_shards import answering_seconds
from headstart.study.held_out_shards import held_out
from headstart.study.held_out_shards import held_out_shards
from headstart.study.held_out_shards import writes_images
from headstart.study.part_sizes import expected_sizes
from headstart.study.settings import Settings
from headstart.training.registry import NETWORKS

Rule = Literal["train", "predict", "predict_held_out", "predict_shard", "explain", "inject"]
ON_GPU: tuple[Rule, ...] = get_args(Rule)  # the rules that ask for one

SPARE = 1.3  # times the memory that is planned, and
SLOW = 3.0  # times the time, so that a rough plan ends no job
# Bytes that clusters count besides: Snakemake's process, and in the address space, which h_vmem
# limits, files of libraries and stacks of threads that are in no memory.
BESIDES = 2e9
CUDA = 3.5e9  # bytes of a training's process on a GPU; not measured, and rather too many
SCAN = 1e9  # bytes in which predict brings a mask or an image back to its scan's own grid
STEP = 500  # MB, to which a request is rounded up
FASTER = 10  # times a CPU core, which any GPU is; not measured, and rather too few
# A shorter job waits no less; a training that is stopped at its limit goes on in another job.
SHORTEST, LONGEST = 60, 1440  # minutes


@dataclass(frozen=True)
class JobRequest:
    """What a job asks for.

    Attributes:
        memory: Of its computer, MB.
        minutes: Until it is stopped.
    """

    memory: int
    minutes: int


OF_OWN = JobRequest(8000, LONGEST)  # for a network of the user's own, of which nothing is known
GATHERING = JobRequest(2000, 30)  # for what puts the tables of shares together


def request(settings: Settings, rule: Rule, experiment: str, *, gpu: bool) -> JobRequest:
    """Say what a rule's jobs of an experiment ask for.

    Args:
        settings: The settings.
        rule: One of `Rule`.
        experiment: The experiment.
        gpu: Whether they run on a GPU.
    """
    if rule == "predict" and held_out_shards(settings.config, experiment) > 1:
        return GATHERING
    given = _given(settings, rule, experiment)
    if settings.config.experiments[experiment].train.network not in NETWORKS:
        return given(OF_OWN)
    table = settings.results / settings.config.study / study_paths.LABELS
    # before label there is only the longest time to ask for; Snakemake asks again before it submits
    scans = _rows(table, table.stat().st_mtime_ns) if table.is_file() else None
    planned = _memory(settings, rule, experiment, gpu=gpu)
    seconds = math.inf if scans is None else _seconds(settings, rule, experiment, scans)
    return given(_asked(planned, seconds / (FASTER if gpu else 1)))


def _asked(planned: float, seconds: float) -> JobRequest:
    """Ask for more than is planned of memory, in bytes, and of time."""
    minutes = min(LONGEST, max(SHORTEST, SLOW * seconds / 60))
    return JobRequest(_megabytes(SPARE * planned), math.ceil(minutes))


def _given(settings: Settings, rule: Rule, experiment: str) -> Callable[[JobRequest], JobRequest]:
    """Let a request ask for the memory that predictions keep to, where the study says how much."""
    memory = settings.config.experiments[experiment].predict.memory_bytes
    if memory is None or not rule.startswith("predict"):
        return lambda asked: asked
    return lambda asked: replace(asked, memory=_megabytes(memory))


def _megabytes(filled: float) -> int:
    """MB that are asked for where a process fills so many bytes."""
    return STEP * math.ceil((filled + BESIDES) / 1e6 / STEP)


def request_share(settings: Settings, name: str, *, gpu: bool) -> JobRequest:
    """Say what a job asks for that answers for a share of scans from outside the study.

    Args:
        settings: The settings.
        name: What the study calls these scans.
        gpu: Whether it runs on a GPU.
    """
    config, planned = settings.config, settings.new_scans[name]
    experiment = config.new_scans[name].experiment
    given = _given(settings, "predict_shard", experiment)
    if config.experiments[experiment].train.network not in NETWORKS:
        return given(OF_OWN)
    scans = max(share.scans for share in planned.shares)
    looking = answering_seconds(config, experiment, scans, _cores()) * len(planned.runs)
    preparing = sum(estimates.SCAN_SECONDS.values()) + estimates.preparing_seconds(config)
    asked = _asked(
        _memory(settings, "predict", experiment, gpu=gpu),
        looking / (FASTER if gpu else 1) + preparing * scans,
    )
    return given(asked)


def on_gpu(rule: Rule, gpus: Mapping[str, str], *, cluster: bool) -> bool:
    """Tell whether a rule's jobs run on a GPU.

    Args:
        rule: The rule.
        gpus: How many the command line or a profile asks for, by rule.
        cluster: Whether jobs go to a cluster, which gives them what they ask for.
    """
    return gpus.get(rule, "1") != "0" and (cluster or _gpu_is_here())


def check_gpus(gpus: Mapping[str, str]) -> None:
    """Check that no job is to have several GPUs.

    Args:
        gpus: How many the command line or a profile asks for, by rule.

    Raises:
        UserError: If a training or a prediction is, of which all but one would idle.
    """
    for rule in ON_GPU:
        asked = gpus.get(rule, "1")
        if as_number(asked, 1) > 1:
            raise UserError(
                f"set-resources {rule}:gpu={asked}: a training uses one GPU, and the others would "
                "idle; leave it at 1, and folds or seeds run side by side, each on its own GPU"
            )


def tight_gpus(settings: Settings, gpus: Mapping[str, str], *, cluster: bool) -> str:
    """Say which trainings the smallest GPU of the cluster's site does not hold; "" if it does.

    Args:
        settings: The settings.
        gpus: As for `on_gpu`.
        cluster: As for `on_gpu`.

    Raises:
        UserError: If there is no such site.
    """
    if not cluster or gpus.get("train") == "0":
        return ""
    place = machine.site(settings.project / "profiles" / "sge")
    lines = []
    for name in settings.experiments:
        filled = _training_memory(settings, name, gpu=True)
        if filled > place.memory:
            lines.append(
                f"headstart: {name}: {settings.config.experiments[name].train.batch_size} scans at "
                f"once fill about {filled / 1e9:.0f} GB, and {place.name} holds fewer: it then "
                "takes them in parts, if it holds one; or name a larger kind by --set-resources "
                "train:gpu_type=…"
            )
    return "\n".join(lines)


def _memory(settings: Settings, rule: Rule, experiment: str, *, gpu: bool) -> float:
    """Bytes that a job fills of its computer."""
    predicts = rule.startswith("predict")
    batch = 1 if predicts or rule == "inject" else None
    process = CUDA if gpu else _training_memory(settings, experiment, batch=batch)
    return process + (SCAN if predicts and writes_images(settings.config, experiment) else 0)


def _training_memory(
    settings: Settings, experiment: str, *, gpu: bool = False, batch: int | None = None
) -> float:
    config = settings.config
    train, window = config.experiments[experiment].train, config.prepare.window
    classes = estimates.classes_learnt(config, experiment)
    return estimates.training_memory(train, window, classes, gpu=gpu, batch=batch) or 0.0


def _seconds(settings: Settings, rule: Rule, experiment: str, scans: int) -> float:
    """Seconds that a job takes on CPU cores, of a study with so many scans."""
    config = settings.config
    train = config.experiments[experiment].train
    if rule == "train":
        sizes = expected_sizes(config, experiment, scans)
        return estimates.training_seconds(train, config.prepare, sizes) or 0.0
    if rule == "explain":
        return estimates.explaining_seconds(config, experiment) or 0.0
    if rule == "inject":
        return estimates.injecting_seconds(config, experiment) or 0.0
    of_shard = math.ceil(held_out(config, experiment, scans) / held_out_shards(config, experiment))
    return answering_seconds(config, experiment, of_shard, _cores())


def _cores() -> int:
    return os.cpu_count() or 1


@cache
def _rows(table: Path, _: int) -> int:
    """Rows of a table, as of a time."""
    return len(files.read_csv(table))


@cache
def _gpu_is_here() -> bool:
    return bool(machine.gpus())

"""What a study costs in bytes and hours: from its earlier runs, or else from rough figures."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from headstart.cohort.settings import SHARES
from headstart.common import files
from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.common.run_id import CARD
from headstart.common.run_id import FOLDER
from headstart.common.schema import WindowOrOwn
from headstart.common.text import duration
from headstart.data.label_table import MASK
from headstart.data.layouts.source import read_source
from headstart.evaluation.injected import MOST
from headstart.evaluation.injected import injection_of
from headstart.explanation.config import CHECKED
from headstart.explanation.config import OCCLUSION
from headstart.explanation.config import STEPS
from headstart.explanation.occlusion_grid import lay_out
from headstart.imaging.config import Steps
from headstart.imaging.step_costs import step_seconds
from headstart.study.config import Config
from headstart.study.held_out_shards import predicting_seconds
from headstart.study.jobs import Job
from headstart.study.part_sizes import PartSizes
from headstart.study.part_sizes import expected_sizes
from headstart.study.part_sizes import share_of
from headstart.study.retraining import comes_back
from headstart.study.settings import Settings
from headstart.training import costs
from headstart.training.card import ModelCard
from headstart.training.config import Train
from headstart.training.length import MEASURED
from headstart.training.length import epochs_asked
from headstart.training.length import passes
from headstart.training.length import saved_epochs
from headstart.training.registry import NETWORKS

RUN_BYTES = 16  # per weight: a run keeps its network, and a checkpoint with the optimizer's state
SNAPSHOT_BYTES = 8  # per weight: in the run store, and published
# Measured on one core for a scan of 256 x 256 x 150: 0.1 s and 0.7 s.
SCAN_SECONDS = {"check": 0.1, "prepare": 0.7}
START_SECONDS = {"train": 10.0, "other": 5.0}  # of a job, before it begins and after it ends
AUGMENT_SECONDS = 4e-8  # per voxel, of affine and a few transforms of intensity


def prepared_bytes(config: Config, scans: int) -> int:
    """Size of the prepared volumes and masks: two bytes per voxel and channel, one of the mask."""
    masks = any(source.mask for source in config.data)
    return (
        scans * math.prod(config.prepare.usual_window) * (2 * len(config.data[0].channels) + masks)
    )


def run_bytes(config: Config, experiment: str, scans: int | None) -> int:
    """Size of what a training leaves; 0 if the network is the user's own.

    Args:
        config: The study's config.
        experiment: The experiment.
        scans: How many scans the study has; None if unknown, and with it what follows from it.
    """
    train = config.experiments[experiment].train
    if train.network not in NETWORKS:
        return 0
    epochs = train.epochs or (
        epochs_asked(train, expected_sizes(config, experiment, scans).training) if scans else 0
    )
    saved = len(saved_epochs(train, epochs))
    weights = costs.weights(train.network, train.network_arguments)
    return int((RUN_BYTES + SNAPSHOT_BYTES * saved) * weights)


def training_memory(
    train: Train,
    window: WindowOrOwn,
    classes: int,
    *,
    gpu: bool = False,
    batch: int | None = None,
) -> float | None:
    """Bytes that a training fills at its peak, of a GPU or of its process without one.

    Args:
        train: How it trains.
        window: `prepare.window`.
        classes: Classes of the masks that it learns; 0 without.
        gpu: Whether it computes on a GPU, whose memory is meant then.
        batch: Scans at once; the default is what it trains with.

    Returns:
        None if the network is the user's own.
    """
    if train.network not in NETWORKS:
        return None
    scans = batch or max(2, train.batch_size)  # of single scans, the last two make a batch
    arguments = train.network_arguments
    seen = train.seen(window)
    return costs.training_memory(train.network, arguments, seen, scans, classes, gpu=gpu)


def training_seconds(train: Train, prepare: Steps, sizes: PartSizes) -> float | None:
    """Seconds that a training takes on free CPU cores of this machine, if nothing ends it early.

    Args:
        train: How it trains.
        prepare: How its scans are prepared.
        sizes: Scans that it learns from, and that validate it.

    Returns:
        None if the network is the user's own.
    """
    if train.network not in NETWORKS:
        return None
    of_network = (train.network, train.network_arguments, train.seen(prepare.window))
    learnt = sizes.training * train.per_scan
    measured = min(learnt, MEASURED) if NETWORKS[train.network].batch_norm else 0
    epoch = (
        costs.learning_seconds(*of_network, learnt)
        + costs.looking_seconds(*of_network, measured)
        + predicting_seconds(train, prepare, sizes.validation)
    )
    if train.augment:
        epoch += AUGMENT_SECONDS * (learnt + measured) * math.prod(of_network[-1])
    work = passes(train, sizes.training) * epoch / min(train.threads, os.cpu_count() or 1)
    return START_SECONDS["train"] + min(work, train.budget_seconds or math.inf)


def explaining_seconds(config: Config, experiment: str) -> float | None:
    """Seconds in which the answers for an experiment's chosen scans are explained, on a free CPU.

    Args:
        config: The study's config.
        experiment: The experiment.

    Returns:
        None if the network is the user's own.
    """
    asked, prepare = config.experiments[experiment], config.prepare
    train, explain = asked.train, asked.explain
    if train.network not in NETWORKS:
        return None
    window = prepare.usual_window
    passes = (
        len(lay_out(window, prepare.usual_voxel_size, explain))
        if OCCLUSION in explain.methods
        else 0
    )
    looked = predicting_seconds(train, prepare, passes) * asked.predict.times
    learnt = costs.learning_seconds(train.network, train.network_arguments, window, 1)
    # of classes that no table has named yet, two
    maps = (explain.cases + CHECKED * len(STEPS)) * max(1, len(config.task_of(asked).classes))
    each = (looked + learnt) / min(train.threads, os.cpu_count() or 1)
    return START_SECONDS["train"] + maps * len(asked.seeds) * each


def injecting_seconds(config: Config, experiment: str) -> float | None:
    """Seconds in which an experiment's networks answer for changed scans, on a free CPU.

    Args:
        config: The study's config.
        experiment: The experiment.

    Returns:
        None if the network is the user's own.
    """
    asked = config.experiments[experiment]
    if asked.train.network not in NETWORKS:
        return None
    scans = MOST * (1 + len(injection_of(asked.kind).doses)) * asked.predict.times
    looked = predicting_seconds(asked.train, config.prepare, scans) * len(asked.seeds)
    return START_SECONDS["train"] + looked / min(asked.train.threads, os.cpu_count() or 1)


@dataclass(frozen=True)
class Planned:
    """What a training was to take, beside what it took.

    Attributes:
        seconds: On a CPU; None for a GPU, and for a network of the user's own.
        memory: Peak, bytes; None for such a network.
    """

    seconds: float | None
    memory: float | None


def planned(card: ModelCard) -> Planned:
    """Say what a finished training was to take, for as many epochs as it came to."""
    run, gpu = card.run, card.spent[-1].gpu_memory > 0
    once = run.train.model_copy(update={"epochs": len(card.spent), "iterations": None})
    sizes = PartSizes(card.counts.training.scans, card.counts.validation.scans)
    seconds = training_seconds(once, card.prepare, sizes)
    classes = len(run.classes) if run.target == MASK else 0
    memory = training_memory(run.train, run.window, classes, gpu=gpu)
    return Planned(None if gpu else seconds, memory)


def beside_plan(card: ModelCard) -> str:
    """Say what memory a training took, and what was planned: time on a CPU, and memory."""
    last, plan = card.spent[-1], planned(card)
    used = f"{last.gpu_memory:.1f} GB of the GPU" if last.gpu_memory else f"{last.memory:.1f} GB"
    told = [duration(plan.seconds)] if plan.seconds else []
    told += [] if plan.memory is None else [f"{plan.memory / 1e9:.1f} GB"]
    return used + (f"; planned: {', '.join(told)}" if told else "")


def classes_learnt(config: Config, experiment: str) -> int:
    """Classes of the masks that an experiment learns; 0 without."""
    return len(config.classes) if config.experiments[experiment].target == MASK else 0


def download_bytes(settings: Settings, source: str) -> int | None:
    """What is to be downloaded of a source; None where nobody published its size."""
    wanted = settings.collections[source].resolve()
    chosen = wanted.choose(settings.collections[source].modality).values()
    names = {*wanted.tables, *(name for one in chosen for name in (*one.archives, *one.tables))}
    sizes = [wanted.files[name].size for name in names]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def count_scans(settings: Settings) -> int | None:
    """Count a study's scans: as label did in the last run, or in the folders; None if unknown."""
    table = settings.results / settings.config.study / study_paths.LABELS
    if table.is_file():
        return len(files.read_csv(table))
    found = 0
    for source in settings.config.data:
        if source.source == "demo":
            found += settings.config.fetch.demo_subjects
            continue
        try:
            found += sum(not scan.reason for scan in read_source(source, settings.data))
        except UserError:  # not fetched yet; or a mistake, which the stage label says with its line
            return None
    return found


def seconds(settings: Settings, job: Job, scans: int | None) -> tuple[float | None, bool]:
    """Estimate how long a job takes.

    Args:
        settings: The settings.
        job: The job.
        scans: How many scans the study has.

    Returns:
        Seconds, None where nothing is known; and whether they were seen in an earlier run.
    """
    if job.rule == "train":
        if comes_back(settings, job.run):
            return START_SECONDS["train"], True
        return of_earlier_runs(settings, job.run.experiment, scans)
    seen = _earlier(settings.results / job.benchmark) if job.benchmark else None
    if seen is not None:
        return seen, True
    if job.rule == "explain":
        return explaining_seconds(settings.config, job.wildcards["experiment"]), False
    if job.rule == "inject":
        return injecting_seconds(settings.config, job.wildcards["experiment"]), False
    if job.stage == "fetch":
        return None, False
    if job.rule in ("check_scans", "prepare"):
        if scans is None:
            return None, False
        each = SCAN_SECONDS[job.stage]
        if job.rule == "prepare":
            each += preparing_seconds(settings.config)
        return START_SECONDS["other"] + each * scans / len(settings.shards), False
    return START_SECONDS["other"], False


def preparing_seconds(config: Config) -> float:
    """CPU-seconds that the steps of preparation take of one scan."""
    masked = all(source.brain_mask for source in config.data)
    return step_seconds(config.preparation, len(config.channels), masked=masked)


def of_earlier_runs(
    settings: Settings, experiment: str, scans: int | None
) -> tuple[float | None, bool]:
    """Estimate how long a training takes: as in earlier runs, or else as on this machine's CPU.

    Args:
        settings: The settings.
        experiment: Its experiment.
        scans: How many scans the study has.

    Returns:
        As `seconds`.
    """
    train, window = settings.config.experiments[experiment].train, settings.config.prepare.window
    keys = ("network", "network_arguments", "batch_size", "sampling")
    share = share_of(settings.config, experiment)
    took: list[float] = []
    cards = f"train/{FOLDER.format(experiment='*', fold='*', seed='*')}/{CARD}"
    for path in (settings.results / settings.config.study).glob(cards):
        card = ModelCard.read(path.parent)
        before = card.run.train
        alike = all(getattr(before, key) == getattr(train, key) for key in keys)
        if alike and card.run.window == window:
            less = share / SHARES.get(card.run.control or "", 1)
            learnt = max(1, int(less * card.counts.training.scans))
            again = less * passes(train, learnt) / len(card.spent)
            took.append(again * card.seconds)
    if took:
        mean = sum(took) / len(took)
        return START_SECONDS["train"] + min(mean, train.budget_seconds or math.inf), True
    if scans is None:
        return None, False
    sizes = expected_sizes(settings.config, experiment, scans)
    return training_seconds(train, settings.config.prepare, sizes), False


def _earlier(benchmark: Path) -> float | None:
    """Seconds that a job took in an earlier run, or else its like did on average."""
    if not benchmark.is_file():
        likes = benchmark.parent.glob("*.tsv") if benchmark.stem.isdigit() else iter(())
        return _mean(value for one in likes if (value := measured(one)) is not None)
    return measured(benchmark)


def measured(benchmark: Path) -> float | None:
    """Seconds that a job took, as its benchmark says; None where there is none."""
    if not benchmark.is_file():
        return None
    with benchmark.open(encoding="utf-8") as file:
        row = next(csv.DictReader(file, delimiter="\t"), {})
    try:
        return float(row["s"])
    except (KeyError, ValueError):
        return None


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return sum(known) / len(known) if known else None

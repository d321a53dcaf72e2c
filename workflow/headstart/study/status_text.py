"""How far a study is, in words."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from headstart.common import study_paths
from headstart.common.text import duration
from headstart.study.named import called
from headstart.study.status import StageStatus
from headstart.study.status import Study
from headstart.study.status import Training
from headstart.study.study_words import DEFAULT

WIDTH = 100
NAME = 28  # columns of a name
LITTLE = 30  # columns that are too few for a text


def describe_study(study: Study, option: str) -> str:
    """Write a study's status down, in lines of at most 100 columns but for commands to type.

    Args:
        study: The study.
        option: How Snakemake's command line names its config.
    """
    stages, trainings, new = study.stages(), study.trainings(), study.new_scans()
    lines = [
        *_headline(study, trainings),
        "",
        *(line for stage in (*stages, *new) for line in _stage_lines(stage)),
        "",
        *_table(trainings),
        "",
        *_next(study, stages, trainings, option),
        *_next_answers(study, new, option),
    ]
    return "\n".join(lines)


def _headline(study: Study, trainings: Sequence[Training]) -> Iterator[str]:
    counts = []
    for state in ("finished", "running", "queued", "stopped", "failed", "dead"):
        count = sum(training.state == state for training in trainings)
        if count:
            counts.append(f"{count} {state}")
    plural = "" if len(trainings) == 1 else "s"
    yield f"{study.folder}: {len(trainings)} training{plural}: {', '.join(counts)}"
    if study.snakemake is not None:
        yield f"snakemake is at work on it: process {study.snakemake} on this machine"
    else:
        yield "no snakemake is at work on it on this machine"


def _stage_lines(stage: StageStatus) -> list[str]:
    state = "done" if stage.done == stage.parts else f"{stage.done} of {stage.parts}"
    return _wrapped(f"{stage.name:<16} {state:<12}", stage.told)


def _table(trainings: Sequence[Training]) -> Iterator[str]:
    head = ("experiment", "fold", "seed", "state", "epoch", "kept epoch", "time", "")
    rows = [
        (
            name if len(name := one.run.experiment) <= NAME else "",
            str(one.run.fold),
            str(one.run.seed),
            one.state,
            f"{one.epoch}/{one.epochs or '?'}",
            "" if one.best is None else f"{one.best[2]}: {one.best[0]} {one.best[1]:.4g}",
            _time(one),
            one.why,
        )
        for one in trainings
    ]
    widths = [
        max(map(len, column)) for column in zip(head[:-1], *(r[:-1] for r in rows), strict=True)
    ]
    names = ["", *(one.run.experiment for one in trainings)]
    for above, name, (*cells, why) in zip(["", *names], names, (head, *rows), strict=False):
        if len(name) > NAME and name != above:
            yield name
        start = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        yield from _wrapped(f"{start}  ", why)


def _time(one: Training) -> str:
    if one.minutes is None:
        return ""
    time = "< 1 min" if one.minutes < 1 else duration(60 * one.minutes)
    return time if one.state == "finished" else f"{time} left"


def _wrapped(start: str, text: str) -> list[str]:
    """Lay out a text beside the start of its line, or below it where there is little room."""
    first, others = start, " " * len(start)
    if WIDTH - len(start) < LITTLE and len(start) + len(text) > WIDTH:
        first = others = " " * 12
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False
    )
    lines = lines or [start]
    return [line.rstrip() for line in (lines if first == start else [start, *lines])]


def _next(
    study: Study, stages: Sequence[StageStatus], trainings: Sequence[Training], option: str
) -> Iterator[str]:
    finished = all(stage.done == stage.parts for stage in stages)
    finished &= all(training.state == "finished" for training in trainings)
    if study.snakemake is not None:
        yield "next: wait, and look again from time to time (Ctrl-C ends this command only)"
        yield f"  watch -n 30 headstart status {_called(study)}"
    else:
        if study.locked:
            yield "next, if no snakemake is at work on another machine either: free the results"
            yield f"  snakemake --unlock{option}"
        if any(stage.told.startswith("failed: ") for stage in stages if stage.done < stage.parts):
            yield "next: do what stands beside `failed` above; then go on, what is finished stays"
            yield f"  snakemake --cores 2{option}"
        elif not finished:
            yield "next: go on; what is finished stays (on a cluster --profile sge, not --cores 2)"
            yield f"  snakemake --cores 2{option}"
    if any(training.history is not None for training in trainings):
        yield "learning curves of the newest training:"
        yield f"  headstart plot {_called(study)}"
    if finished:
        yield f"next: look at {study.folder / study_paths.REPORT} and at the figures"
        yield f"  ls {shlex.quote(str(study.folder))}/figures/*/*.pdf"


def _next_answers(study: Study, new: Sequence[StageStatus], option: str) -> Iterator[str]:
    if study.snakemake is None and any(one.done < one.parts for one in new):
        yield "next, for the new scans:"
        yield f"  snakemake --cores 2 new_scans{option}"


def option_for(path: Path) -> str:
    """Return the words that name a study file to Snakemake; "" for the default."""
    return "" if path == DEFAULT else f" --configfile {shlex.quote(str(path))}"


def _called(study: Study) -> str:
    return called(study.folder.name, study.folder.parent)

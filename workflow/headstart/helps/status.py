"""Show where a study stands: its stages, every training, why, and what to type next."""

from __future__ import annotations

import argparse
import shlex
import textwrap
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import yaml

from headstart.parts.standing import Stage
from headstart.parts.standing import Study
from headstart.parts.standing import Training

WIDTH = 100
NAME = 28  # columns of a name
LITTLE = 30  # columns that are too few for a text
DEFAULT = Path("config/config.yaml")
RESULTS = Path("results")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("study", help="name of the study")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help=f"results root; default {RESULTS}"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the study's state."""
    study = Study.read(arguments.results, arguments.study, Path())
    print(describe(study, _config_option(study)))


def describe(study: Study, option: str) -> str:
    """Say where a study stands, in lines of at most 100 columns but for commands to type.

    Args:
        study: The study.
        option: How Snakemake's command line names its config.
    """
    stages, trainings = study.stages(), study.trainings()
    lines = [
        *_headline(study, trainings),
        "",
        *(line for stage in stages for line in _stage_lines(stage)),
        "",
        *_table(trainings),
        "",
        *_next(study, stages, trainings, option),
    ]
    return "\n".join(lines)


def _headline(study: Study, trainings: Sequence[Training]) -> Iterator[str]:
    counts = []
    for state in ("finished", "running", "queued", "failed", "dead"):
        count = sum(training.state == state for training in trainings)
        if count:
            counts.append(f"{count} {state}")
    yield f"{study.folder}: {len(trainings)} trainings: {', '.join(counts)}"
    if study.snakemake is not None:
        yield f"snakemake is at work: process {study.snakemake} on this machine"
    else:
        yield "no snakemake is at work on this machine"


def _stage_lines(stage: Stage) -> list[str]:
    state = "done" if stage.done == stage.parts else f"{stage.done} of {stage.parts}"
    return _wrapped(f"{stage.name:<10}{state:<12}", stage.told)


def _table(trainings: Sequence[Training]) -> Iterator[str]:
    head = ("experiment", "fold", "seed", "state", "epoch", "best epoch", "time", "")
    rows = [
        (
            one.experiment if len(one.experiment) <= NAME else f"{one.experiment[: NAME - 1]}…",
            str(one.fold),
            str(one.seed),
            one.state,
            f"{one.epoch}/{one.epochs}",
            "" if one.best is None else f"{one.best[2]}: {one.best[0]} {one.best[1]:.4g}",
            _time(one),
            one.why,
        )
        for one in trainings
    ]
    widths = [
        max(map(len, column)) for column in zip(head[:-1], *(r[:-1] for r in rows), strict=True)
    ]
    for *cells, why in (head, *rows):
        start = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        yield from _wrapped(f"{start}  ", why)


def _time(one: Training) -> str:
    if one.minutes is None:
        return ""
    time = f"{one.minutes:.0f} min" if one.minutes < 120 else f"{one.minutes / 60:.1f} h"
    time = "<1 min" if one.minutes < 1 else time
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
    study: Study, stages: Sequence[Stage], trainings: Sequence[Training], option: str
) -> Iterator[str]:
    finished = all(stage.done == stage.parts for stage in stages)
    finished &= all(training.state == "finished" for training in trainings)
    if study.snakemake is not None:
        yield "next: wait, and look again from time to time (Ctrl-C ends this command only)"
        results = study.folder.parent
        where = "" if results == RESULTS else f" --results {shlex.quote(str(results))}"
        yield f"  watch -n 30 headstart status {study.settings.config.study}{where}"
    else:
        if study.locked:
            yield "next, if no snakemake is at work on another machine either: free the results"
            yield f"  snakemake --unlock{option}"
        if not finished:
            yield "next: go on; what is finished stays (on a cluster --profile sge, not --cores 2)"
            yield f"  snakemake --cores 2{option}"
    histories = [(t.history.stat().st_mtime, t.history) for t in trainings if t.history is not None]
    if histories:
        yield "learning curves of the newest training:"
        yield f"  headstart plot --terminal {shlex.quote(str(max(histories)[1]))}"
    if finished:
        yield f"next: look at {study.folder}/report.html and at the figures"
        yield f"  ls {shlex.quote(str(study.folder))}/figures/*/*.pdf"


def _config_option(study: Study) -> str:
    """Return Snakemake's option for the study's config file, or else the resolved config."""
    for path in (DEFAULT, *sorted(Path("config").glob("*.yaml"))):
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            continue
        if isinstance(raw, dict) and raw.get("study") == study.settings.config.study:
            return "" if path == DEFAULT else f" --configfile {shlex.quote(str(path))}"
    return f" --configfile {shlex.quote(str(study.folder / 'config.json'))}"

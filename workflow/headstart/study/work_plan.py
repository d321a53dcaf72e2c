"""What a dry run ends with: each stage, its jobs, why they run, their hours and their bytes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headstart.common.disk import gigabytes
from headstart.common.text import counted
from headstart.common.text import duration
from headstart.study import estimates
from headstart.study import provenance
from headstart.study.jobs import TARGETS
from headstart.study.jobs import Job
from headstart.study.jobs import by_stage
from headstart.study.jobs import in_words
from headstart.study.retraining import changes
from headstart.study.retraining import comes_back
from headstart.study.settings import Settings
from headstart.study.stages import order

WIDTH = 100
MOST_EXPERIMENTS = 8
# The config's sections that a stage's own settings stand in.
SECTIONS = {
    "label": ("data",),
    "check": ("check", "classes"),
    "split": ("split",),
    "prepare": ("prepare", "classes"),
    "predict": ("final",),
}
# Snakemake's reasons, the first that fits counts.
REASONS = (
    ("Missing output files", "new"),
    ("Params have changed", "changed"),
    ("Code has changed", "changed"),
    ("Set of input files", "other input"),
    ("Updated input files", "other input"),
    ("Input files updated by another job", "follows from the above"),
    ("Forced execution", "as asked for"),
)


@dataclass(frozen=True)
class Row:
    """One line of the plan.

    Attributes:
        name: The stage, of a training with its experiment.
        jobs: How many jobs.
        seconds: How long they take, one after another; None if unknown.
        seen: Whether that was seen in earlier runs.
        size: Bytes that they leave on the disk; 0 where they are next to nothing.
        why: Why they run.
    """

    name: str
    jobs: int
    seconds: float | None
    seen: bool
    size: int | None
    why: str


def work_plan(settings: Settings, jobs: Sequence[Job]) -> list[str]:
    """Tell what would run, in at most 25 lines of at most 100 columns.

    Args:
        settings: The settings.
        jobs: The jobs that would run.
    """
    study = settings.config.study
    jobs = [job for job in jobs if job.rule not in TARGETS]
    if not jobs:
        return [f"{study}: nothing to do, all is there: `headstart status {settings.called}`"]
    rows = list(_rows(settings, jobs))
    if len(rows) > len(order()) + MOST_EXPERIMENTS:
        rows = _merged(rows)
    size = sum(row.size or 0 for row in rows)
    known = sum(row.seconds or 0 for row in rows)
    unknown = any(row.seconds is None for row in rows)
    open_end = any(row.size is None for row in rows)
    total = Row("all", len(jobs), known, all(row.seen for row in rows), size, "")
    cells = [("stage", "jobs", "time", "disk", "why")]
    cells += [(r.name, str(r.jobs), _time(r), _size(r.size), r.why) for r in rows]
    whole = f"{'more than ' if unknown and known else ''}{_time(total)}"
    cells.append(("all", str(len(jobs)), whole if known else "?", _size(size, open_end), ""))
    said = dict.fromkeys(filter(None, (_new_code(settings, job) for job in jobs)))
    return [
        f"{study}: what would run",
        *_table(cells),
        *(f"  {text}" for text in said),
        *_notes(rows),
    ]


def work_totals(settings: Settings, rules: Mapping[str, int]) -> list[str]:
    """Tell in one line how many jobs would run, of each stage.

    Args:
        settings: The settings.
        rules: Jobs of each rule.
    """
    stages = by_stage(rules)
    if not stages:
        return work_plan(settings, [])
    return [f"{settings.config.study}: what would run: {in_words(stages)}"]


def _rows(settings: Settings, jobs: Sequence[Job]) -> Iterator[Row]:
    scans = estimates.count_scans(settings)
    changed = _changed(settings)
    experiments = settings.config.experiments.items()
    variant_of = {name: experiment.variant_of for name, experiment in experiments}
    groups: dict[tuple[int, str], list[Job]] = {}
    for job in jobs:
        experiment = job.wildcards.get("experiment", "") if job.stage == "train" else ""
        name = variant_of.get(experiment) or experiment
        groups.setdefault((job.place, f"{job.stage} {name}".strip()), []).append(job)
    names = ["", *(variant_of[name] or name for name in settings.experiments)]
    for (_, name), members in sorted(
        groups.items(), key=lambda group: (group[0][0], names.index(group[0][1].partition(" ")[2]))
    ):
        stage = members[0].stage
        took = [estimates.seconds(settings, job, scans) for job in members]
        known = [seconds for seconds, _ in took if seconds is not None]
        yield Row(
            name,
            len(members),
            sum(known) if len(known) == len(members) else None,
            all(seen for _, seen in took),
            _bytes(settings, members, scans),
            _why(settings, members, stage, changed),
        )


def _bytes(settings: Settings, members: Sequence[Job], scans: int | None) -> int | None:
    config, stage = settings.config, members[0].stage
    if stage == "fetch":
        sizes = [
            estimates.download_bytes(settings, name)
            for name in settings.collections
            if any(job.rule == f"fetch_{name.replace('-', '_')}" for job in members)
        ]
        return None if None in sizes else sum(size for size in sizes if size is not None)
    if stage == "prepare":
        shards = sum(job.rule == "prepare" for job in members)
        share = shards / len(settings.shards)
        return None if scans is None else int(share * estimates.prepared_bytes(config, scans))
    if stage == "train":
        return sum(
            estimates.run_bytes(config, job.run.experiment, scans)
            for job in members
            if not comes_back(settings, job.run)
        )
    return 0


def _changed(settings: Settings) -> dict[str, tuple[Any, Any]]:
    """Keys of the config that are not what they were in the last run."""
    if not settings.resolved.is_file():
        return {}
    texts = (settings.resolved.read_text(encoding="utf-8"), settings.config.model_dump_json())
    before, now = (
        {**raw, "experiments": dict(raw["experiments"])} for raw in map(json.loads, texts)
    )
    return changes(before, now)


def _why(
    settings: Settings, members: Sequence[Job], stage: str, changed: dict[str, tuple[Any, Any]]
) -> str:
    kinds = [next((kind for words, kind in REASONS if words in job.reason), "") for job in members]
    kind = next((kind for _, kind in REASONS if kind in kinds), "")
    if kind != "changed":
        return f"{kind}: download" if stage == "fetch" and kind == "new" else kind
    experiment = members[0].wildcards.get("experiment", "")
    of_experiment = {
        "train": (f"experiments.{experiment}",),
        "explain": (f"experiments.{experiment}.explain",),
    }
    own = of_experiment.get(stage, SECTIONS.get(stage, ()))
    keys = [key for key in changed if key.startswith(own)] if own else []
    shown = [f"{key.removeprefix(own[0] + '.')} {_change(*changed[key])}" for key in keys]
    if not shown and stage in ("label", "check") and settings.changed_file:
        return f"files in the data folder, such as {settings.changed_file}"
    if not shown and any(_new_split(settings, job) for job in members):
        return f"{settings.config.split.file} is another one"
    if not shown and any(_new_code(settings, job) for job in members):
        return "its code is another one"
    return "; ".join(shown) or "what it rests on is another one"


def _new_split(settings: Settings, job: Job) -> bool:
    """Whether the user's own split, whose digest is among a job's params, is another one."""
    before, _, now = job.reason.partition(" now: ")
    return (
        bool(settings.split_file)
        and settings.split_file not in before
        and settings.split_file in now
    )


def _new_code(settings: Settings, job: Job) -> str:
    """Say why a job's code is another one than when it ran; "" if it is not.

    Snakemake's reason names the params that differ, the code's identity among them.
    """
    own = job.rule.replace("_", "-")
    stage = own if own in settings.codes else job.stage
    before, _, now = job.reason.partition(" now: ")
    code = settings.codes.get(stage)
    if code is None or f"'{code}'" not in now:
        return ""
    version = re.search(r"'(version-\d+)'", before)
    return provenance.what_changed(stage, version[1] if version else "", code)


def _change(old: Any, new: Any) -> str:
    words = f"{json.dumps(old)} -> {json.dumps(new)}"
    return words if len(words) <= 40 else "is another one"


def _merged(rows: Sequence[Row]) -> list[Row]:
    """Put the trainings of the last experiments into one row."""
    trainings = [row for row in rows if row.name.startswith("train ")]
    rest = trainings[MOST_EXPERIMENTS - 1 :]
    seconds = [row.seconds for row in rest if row.seconds is not None]
    both = Row(
        f"train {len(rest)} more",
        sum(row.jobs for row in rest),
        sum(seconds) if len(seconds) == len(rest) else None,
        all(row.seen for row in rest),
        sum(row.size or 0 for row in rest),
        "; ".join(dict.fromkeys(row.why for row in rest)),
    )
    first = rows.index(rest[0])
    return [*rows[:first], both, *(row for row in rows[first:] if row not in rest)]


def _time(row: Row) -> str:
    if row.seconds is None:
        return "?"
    about = "" if row.seen else "~"
    return "< 1 min" if row.seconds < 60 else f"{about}{duration(row.seconds)}"


def _size(size: int | None, more: bool = False) -> str:
    if size is None:
        return "?"
    return f"{gigabytes(size)}{' and more' if more else ''}" if size else "?" if more else ""


def _table(cells: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    for name, *numbers, why in cells:
        middle = "  ".join(f"{n:>{w}}" for n, w in zip(numbers, widths[1:], strict=True))
        line = f"  {name:<{widths[0]}}  {middle}  {why}".rstrip()
        yield line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    if any(_time(row).startswith("~") for row in rows):
        cores = counted(os.cpu_count() or 1, "core")
        yield f"  ~: a rough figure for a CPU, {cores} free; others: as in earlier runs"
    if any(row.seconds is None for row in rows):
        yield "  ?: not known before it was run once"
    yield "  The time is that of one job after the other."

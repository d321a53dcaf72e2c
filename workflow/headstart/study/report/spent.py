"""What the study took, beside what was planned."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from headstart.common.text import as_number
from headstart.common.text import counted
from headstart.common.text import duration
from headstart.study.estimates import planned
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import joined
from headstart.study.report.markup import table
from headstart.study.report.markup import tag
from headstart.study.stages import order
from headstart.training.card import ModelCard

UNKNOWN = "\u2014"


def spent(study: StudyFiles) -> PageSection:
    """Show time and memory of each training beside the plan, and of each stage."""
    cards = [card for name in study.config.experiments for card in study.cards(name)]
    head = ["training", "epochs", "time", "planned", "memory, GB", "planned, GB", "on"]
    note = (
        "Times are by the clock, on a machine that others may have used too; the plan counts free "
        "cores. Memory is the peak: of the process, or of the GPU where it trained on one."
    )
    stages = list(_stages(study.folder / "benchmarks"))
    return PageSection(
        "spent",
        "Planned and used",
        joined(
            [
                table("Trainings", head, map(_training, cards)) if cards else None,
                table("Stages", ["stage", "jobs", "time in all", "peak memory, GB"], stages)
                if stages
                else None,
                tag("p", note, class_="note"),
            ]
        ),
    )


def _training(card: ModelCard) -> list[str]:
    last, plan, run = card.spent[-1], planned(card), card.run
    return [
        f"{run.experiment}, fold {run.fold}, seed {run.seed}",
        str(len(card.spent)),
        duration(card.seconds),
        duration(plan.seconds) if plan.seconds else UNKNOWN,
        f"{last.gpu_memory or last.memory:.1f}",
        f"{plan.memory / 1e9:.1f}" if plan.memory else UNKNOWN,
        card.device,
    ]


def _stages(folder: Path) -> Iterator[list[str]]:
    for stage in order():
        rows = [_row(path) for path in sorted(folder.glob(f"{stage}*/**/*.tsv"))]
        rows += [_row(path) for path in sorted(folder.glob(f"{stage}*.tsv"))]
        if rows:
            seconds = sum(as_number(row.get("s", ""), 0) for row in rows)
            peak = max(as_number(row.get("max_rss", ""), 0) for row in rows)
            memory = f"{peak / 1000:.1f}" if peak else UNKNOWN
            yield [stage, counted(len(rows), "job"), duration(seconds), memory]


def _row(benchmark: Path) -> dict[str, str]:
    with benchmark.open(encoding="utf-8") as file:
        return next(csv.DictReader(file, delimiter="\t"), {})

"""Experiments against each other, where several ask for the same target."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

from headstart.common.text import numbers_alike
from headstart.evaluation.experiment_words import explanation
from headstart.evaluation.experiment_words import names_of
from headstart.evaluation.experiment_words import p_words
from headstart.evaluation.experiment_words import primary_families
from headstart.evaluation.experiment_words import question
from headstart.evaluation.experiment_words import sentence
from headstart.evaluation.experiment_words import title
from headstart.evaluation.results import ExperimentRow
from headstart.evaluation.results import having
from headstart.figures.registry import STUDY_FOLDER
from headstart.figures.style import metric_name
from headstart.study.comparable import other_volumes
from headstart.study.methods.comparisons import comparisons
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.drawings import drawing
from headstart.study.report.markup import Html
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import folded
from headstart.study.report.markup import joined
from headstart.study.report.markup import table
from headstart.study.report.markup import tag

SECONDARY = (
    "P values are corrected for the pairs that are compared by one metric, and not for the number "
    "of metrics: of many, some tell experiments apart by chance."
)


def experiments(study: StudyFiles) -> list[PageSection]:
    """Compare the study's experiments; none where no two of them can be."""
    if not study.config.comparisons:
        return []
    shown = [tag("p", "They are not compared yet.", class_="missing")]
    if rows := comparisons(study):
        families = [_family(study, family, rows) for family in primary_families(rows)]
        shown = [*families, drawing(study, STUDY_FOLDER, "experiments")]
    return [PageSection("experiments", "Experiments against each other", joined(shown))]


def _family(
    study: StudyFiles, family: Sequence[ExperimentRow], rows: Sequence[ExperimentRow]
) -> Html:
    first = family[0]
    asked = title(first)
    same = [row for row in rows if question(row) == question(first)]
    secondary = having(same, role="secondary")
    return joined(
        [
            tag("h3", asked),
            tag("ul", *(tag("li", sentence(row)) for row in family)),
            tag(
                "p",
                f"{explanation(family)} {other_volumes(study.config, names_of(family))}".rstrip(),
                class_="note",
            ),
            folded(
                "Secondary metrics",
                _table(f"{asked}, secondary metrics", secondary),
                tag("p", SECONDARY, class_="note"),
            )
            if secondary
            else None,
        ]
    )


def _table(caption: str, rows: Sequence[ExperimentRow]) -> Html:
    head = ["experiments", "metric", "difference", "p (Holm)", "better"]
    return table(caption, head, _cells(rows), numbers=False)


def _cells(rows: Sequence[ExperimentRow]) -> Iterator[list[str]]:
    for row in rows:
        number, *ends = numbers_alike(row.difference, row.ci_low, row.ci_high)
        within = f" [{', '.join(ends)}]" if ends[0] else ""
        yield [
            f"{row.experiment} \u2212 {row.other}",
            metric_name(row.metric, row.unit),
            f"{number or 'not defined'}{within}",
            "\u2014" if row.p_holm is None else p_words(row.p_holm),
            row.better or "\u2014",
        ]

"""All metrics beside those of the baselines, by site, and how the figure shows them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.common.text import decimals_of
from headstart.common.text import numbers_alike
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.fold_words import NO_INTERVAL
from headstart.evaluation.fold_words import fold_cell
from headstart.evaluation.fold_words import fold_means
from headstart.evaluation.results import PROTOCOLS_IN_WORDS
from headstart.evaluation.results import SMALLEST_SITE
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import by
from headstart.evaluation.results import having
from headstart.evaluation.results import methods_in_short
from headstart.evaluation.results import methods_of
from headstart.figures.style import metric_name
from headstart.study.methods.results import Outcome
from headstart.study.methods.results import outcomes
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.drawings import drawing
from headstart.study.report.markup import Html
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import folded
from headstart.study.report.markup import joined
from headstart.study.report.markup import table
from headstart.study.report.markup import tag
from headstart.study.report.openings import openings

FEW_AT_SITE = f"Sites of fewer than {SMALLEST_SITE} subjects have no row of their own."
ABSENT = "A class that nobody of a group has is left out of the means over classes."


def results(study: StudyFiles) -> PageSection:
    """Show each complete experiment's metrics beside those of its baselines."""
    found = list(outcomes(study))
    names = dict.fromkeys(one.experiment for one in found)
    shown = [
        joined(
            [
                tag("h3", name),
                *(_tables(study, one) for one in found if one.experiment == name),
                drawing(study, name, "evaluation"),
            ]
        )
        for name in names
    ]
    nothing = tag("p", "No experiment is complete yet.", class_="missing")
    return PageSection(
        "baselines", "Results beside baselines", joined([*(shown or [nothing]), openings(study)])
    )


def _tables(study: StudyFiles, one: Outcome) -> Html:
    path = study.folder / study_paths.METRICS.format(experiment=one.experiment)
    rows = having(read_rows(path, MetricRow), protocol=one.protocol)
    unit = study.config.experiments[one.experiment].unit
    people = counted(one.people, "subject")
    everyone = having(rows, group="all")
    kind = study.config.experiments[one.experiment].kind
    told = dict.fromkeys((one.metric, *kind.told_first()))
    metrics = [name for name in told if _is_known(everyone, name)]
    names = [metric_name(metric, unit) for metric in metrics]
    head = [
        "model",
        *names,
        f"{one.network.model} \u2212 baseline, {metric_name(one.metric, unit)}",
    ]
    says = kind.matching, kind.over_classes(study.config.classes)
    methods = methods_of(row for row in everyone if row.metric in metrics)
    ours = [row for row in rows if row.model == one.network.model]
    title = f"{one.experiment}, {PROTOCOLS_IN_WORDS[one.protocol]}"
    absent = f" {ABSENT}" if kind.target_kind == "class" else ""
    return joined(
        [
            table(f"{title}, {people}", head, _by_model(one, everyone, metrics)),
            tag("p", " ".join(_note(one, *says, methods, metrics)), class_="note"),
            _all_metrics(title, having(ours, group="all"), unit),
            _by_site(title, ours, metrics, names, absent),
            _by_fold(title, ours, metrics, names, absent),
        ]
    )


def _is_known(rows: Sequence[MetricRow], metric: str) -> bool:
    return any(row.value is not None for row in having(rows, metric=metric))


def _note(
    one: Outcome, matching: str, over_classes: str, methods: Sequence[str], metrics: Sequence[str]
) -> Iterator[str]:
    yield f"Primary metric: {metric_name(one.metric)}; the others are secondary."
    means = fold_means(metrics) if one.protocol == "cross-validation" else ""
    yield from filter(None, (matching, over_classes, means))
    if methods:
        yield f"In brackets: 95 % intervals, by {methods_in_short(methods)}."
    if one.network.seed_sd is not None:
        yield "SD over seeds: of each seed's answers alone, where the row is of their mean."
    if one.fitted:
        yield one.fitted


def _all_metrics(title: str, rows: Sequence[MetricRow], unit: str) -> Html:
    """Every metric of the network, one below the other."""
    folds = any(row.folds for row in rows)
    cells = [
        [
            metric_name(row.metric, unit),
            _metric([row], decimals_of(row.value, row.ci_low, row.ci_high)),
            row.ci_method.split(";")[0],
            *([fold_cell(row)] if folds else []),
        ]
        for row in rows
    ]
    head = ["metric", "the network", "interval (95 %)", *(["SD over folds (n)"] if folds else [])]
    return folded("All metrics", table(f"{title}: all metrics of the network", head, cells))


def _by_model(
    one: Outcome, rows: Sequence[MetricRow], metrics: Sequence[str]
) -> Iterator[list[str]]:
    ours = having(rows, model=one.network.model)
    decimals = {row.metric: decimals_of(row.value, row.ci_low, row.ci_high) for row in ours}
    for model in dict.fromkeys(row.model for row in rows):
        cells = [
            _metric(having(rows, model=model, metric=metric), decimals[metric])
            for metric in metrics
        ]
        against: list[str] = [
            _cell(row.difference, row.ci_low, row.ci_high, one.decimals)
            for row in having(one.differences, baseline=model)
        ]
        yield [in_words(model), *cells, *(against or ["\u2014"])]


def _metric(rows: Sequence[MetricRow], decimals: int) -> str:
    """Write a metric, its interval and its spread over seeds one below the other."""
    if not rows:
        return "\u2014"
    (row,) = rows
    spread = None
    if row.seed_sd is not None:
        (number,) = numbers_alike(row.seed_sd, decimals=decimals)
        spread = tag("small", f"SD over seeds {number}", class_="spread")
    return joined([_cell(row.value, row.ci_low, row.ci_high, decimals), spread])


def _cell(value: float | None, low: float | None, high: float | None, decimals: int) -> Html:
    number, *ends = numbers_alike(value, low, high, decimals=decimals)
    within = tag("small", f"[{', '.join(ends)}]") if ends[0] else None
    return joined([number or "not defined", within])


def _by_site(
    title: str,
    ours: Sequence[MetricRow],
    metrics: Sequence[str],
    names: Sequence[str],
    absent: str,
) -> Html | None:
    if not (sites := by("site", ours)):
        return None
    caption, head = f"{title}: the {ours[0].model} by site", ["group", "subjects", *names]
    note = tag("p", f"{FEW_AT_SITE}{absent}", class_="note")
    return folded("By site", table(caption, head, _by_group(ours, sites, metrics)), note)


def _by_fold(
    title: str,
    ours: Sequence[MetricRow],
    metrics: Sequence[str],
    names: Sequence[str],
    absent: str,
) -> Html | None:
    if not (folds := by("fold", ours)):
        return None
    caption, head = f"{title}: the {ours[0].model} by fold", ["group", "subjects", *names]
    of_all = having(ours, group="all")
    spread = [fold_cell(row) for name in metrics for row in having(of_all, metric=name)]
    cells = [*_by_group(ours, folds, metrics), ["SD over folds (n)", "", *spread]]
    note = tag("p", f"{NO_INTERVAL}{absent}", class_="note")
    return folded("By fold", table(caption, head, cells), note)


def _by_group(
    ours: Sequence[MetricRow], rows: Sequence[MetricRow], metrics: Sequence[str]
) -> Iterator[list[str]]:
    """Yield the cells of each group: its subjects, and the network's metrics."""
    of_all = having(ours, group="all")
    decimals = {row.metric: decimals_of(row.value, row.ci_low, row.ci_high) for row in of_all}
    for group in dict.fromkeys(row.group for row in rows):
        within = having(rows, group=group)
        cells = [_metric(having(within, metric=name), decimals[name]) for name in metrics]
        yield [group.replace("=", " "), str(max(row.n for row in within)), *cells]

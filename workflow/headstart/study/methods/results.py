"""What came out, beside the baselines."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.common.text import decimals_of
from headstart.common.text import number_with_interval
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.baseline_rows import kind_of
from headstart.evaluation.fitted_words import fitted_words
from headstart.evaluation.intervals import few
from headstart.evaluation.judgement import beside
from headstart.evaluation.judgement import judge
from headstart.evaluation.judgement import sentence
from headstart.evaluation.results import OURS
from headstart.evaluation.results import PROTOCOLS
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.evaluation.results import methods_of
from headstart.evaluation.results import verdict
from headstart.figures.style import metric_name
from headstart.study.config import Config
from headstart.study.methods.chapters import TextTable
from headstart.study.methods.comparisons import tell_comparisons
from headstart.study.methods.comparisons import tell_openings
from headstart.study.methods.phrases import and_joined
from headstart.study.methods.study_files import StudyFiles
from headstart.tasks.metrics import METRICS
from headstart.tasks.metrics import of_class


def tell_results(study: StudyFiles) -> Iterator[str | TextTable]:
    """Yield the results of each complete experiment, with a table."""
    found = list(outcomes(study))
    if any(one.has_intervals for one in found):
        yield (
            f"Brackets hold 95 % intervals by {and_joined(interval_methods(found))}, whose unit is "
            "the subject; differences are paired."
        )
        if any(one.protocol == "cross-validation" for one in found):
            yield (
                "The folds' networks have learnt from each other's held-out subjects, for which "
                "the variance of every metric by cross-validation was multiplied by 1 + k times "
                "held-out over training subjects, of k folds (Nadeau and Bengio)."
                f"{REPEATED * (study.config.split.repeats > 1)}"
            )
    parts = {
        "test": "the test subjects",
        "cross-validation": "the subjects of {}",
        "hold-out": "the subjects of {} alone",
    }
    yield from primary_metrics(study.config, found)
    kinds = [study.config.experiments[one.experiment].kind for one in found]
    yield from filter(None, dict.fromkeys(kind.judged_words for kind in kinds))
    for one in found:
        people = one.models[0].n
        of = _folds(study.config, one.experiment)
        yield (
            f"{one.experiment}, on {parts[one.protocol].format(of)}, held out "
            f"({counted(people, 'subject')}), "
            f"{who_predicts(study.config, one.experiment, one.protocol)}:"
        )
        unit = study.config.experiments[one.experiment].unit
        yield TextTable(
            f"{one.experiment}: the primary metric",
            ["model", metric_name(one.metric, unit), f"{one.network.model} minus baseline"],
            [
                [
                    in_words(row.model),
                    number_with_interval(row.value, row.ci_low, row.ci_high, one.decimals),
                    _difference(one, row.model),
                ]
                for row in one.models
            ],
        )
        yield sentence(judge(one.models, one.differences), unit)
        if one.beside:
            yield one.beside
        if one.fitted:
            yield one.fitted
        if few(people):
            yield few(people)
        elif one.verdicts:
            yield f"By the intervals of {METRICS[one.metric].words}, {one.verdicts}."
    yield from tell_comparisons(study)
    yield from tell_openings(study)


REPEATED = (
    " Over repeats, whose folds hold out the same subjects again, a metric is a mean: a subject "
    "counts once, with the mean of its answers' losses, and k is the number of folds of one repeat."
)


@dataclass(frozen=True)
class Outcome:
    """What came out of a complete experiment, by one protocol.

    Attributes:
        experiment: The experiment.
        protocol: cross-validation or test.
        metric: The metric that it is told by.
        models: This metric of the network and its baselines, on all subjects.
        differences: Network minus each baseline.
        beside: What is told with the metric, lest it mislead, in words.
        fitted: What came out of answers that were fitted to other folds first, in words.
        defined: Names of all metrics of the network that have a value.
    """

    experiment: str
    protocol: str
    metric: str
    models: Sequence[MetricRow]
    differences: Sequence[DifferenceRow]
    beside: str
    fitted: str
    defined: frozenset[str]

    @property
    def network(self) -> MetricRow:
        """The row of the network, or of the ensemble of several."""
        return next(row for row in self.models if row.model in OURS)

    @property
    def decimals(self) -> int:
        """Decimals of the network's number, which all that stand beside it have."""
        return decimals_of(self.network.value, self.network.ci_low, self.network.ci_high)

    @property
    def verdicts(self) -> str:
        """Which baselines are beaten, in words."""
        metric = METRICS[self.metric]
        better, by_verdict = metric.higher_is_better, dict[str, list[str]]()
        for row in self.differences:
            if metric.idle_is_best and kind_of(row.baseline) == "idle":
                continue
            said = verdict(row, higher_is_better=better)
            by_verdict.setdefault(said, []).append(f"'{in_words(row.baseline)}'")
        each = [f"{said} {and_joined(names)}" for said, names in by_verdict.items()]
        return f"the {self.models[0].model} {', '.join(each)}" if each else ""

    @property
    def has_intervals(self) -> bool:
        """From a single subject there is none."""
        return any(row.ci_low is not None for row in self.models)


def outcomes(study: StudyFiles) -> Iterator[Outcome]:
    """Yield what came out of each complete experiment, by each protocol."""
    for name, experiment in study.config.experiments.items():
        folder = study.folder / "evaluate" / name
        # what was chosen from a sweep before left its results, too
        if not study.config.is_reported(name):
            continue
        if not study.complete(name) or not (folder / "metrics.csv").is_file():
            continue
        metrics = read_rows(folder / "metrics.csv", MetricRow)
        comparison = read_rows(folder / "comparison.csv", DifferenceRow)
        key = study.config.primary_metric(name)
        for protocol in PROTOCOLS:
            models = having(metrics, group="all", metric=key, protocol=protocol)
            differences = having(comparison, metric=key, protocol=protocol)
            if models:
                told = having(metrics, group="all", protocol=protocol)
                against = having(comparison, protocol=protocol)
                also = beside(experiment.kind, judge(models, differences), key, told, against)
                ours = [row for row in told if row.model in OURS and row.value is not None]
                defined = frozenset(of_class(row.metric)[0] for row in ours)
                fitted = fitted_words(told, experiment.unit)
                yield Outcome(name, protocol, key, models, differences, also, fitted, defined)


def _folds(config: Config, experiment: str) -> str:
    folds, split = config.folds(experiment), config.split
    if split.repeats > 1 and len(folds) == split.all_folds:
        return f"{split.folds} folds, repeated {split.repeats} times"
    return f"fold{'s' * (len(folds) > 1)} {and_joined(map(str, folds))}"


def primary_metrics(config: Config, found: Sequence[Outcome]) -> Iterator[str]:
    """Name the metrics of each experiment that has a result, and by what rule objects match."""
    said: dict[str, list[str]] = {}
    further: dict[str, None] = {}
    for name in dict.fromkeys(one.experiment for one in found):
        kind, primary = config.experiments[name].kind, config.primary_metric(name)
        known = set[str]().union(*(one.defined for one in found if one.experiment == name))
        others = [METRICS[one].words for one in kind.metrics if one in known - {primary}]
        words = f"{METRICS[primary].words} was the primary metric"
        words += f"; secondary: {and_joined(others)}" if others else ""
        said.setdefault(words, []).append(name)
        further |= dict.fromkeys((kind.over_classes(config.classes), kind.matching))
    for words, names in said.items():
        yield f"Of {and_joined(names)}, the {words}."
    yield from filter(None, further)


def interval_methods(found: Sequence[Outcome]) -> list[str]:
    """How intervals came about, each way once; the factor of folds is told apart."""
    rows = [row for one in found for row in one.models if row.model in OURS]
    return list(dict.fromkeys(method.split(";")[0] for method in methods_of(rows)))


def who_predicts(config: Config, experiment: str, protocol: str) -> str:
    """Say how many networks a prediction is the mean of."""
    seeds, folds = config.experiments[experiment].seeds, config.folds(experiment)
    count = len(seeds) * (len(folds) if protocol == "test" else 1)
    if count == 1:
        return "each scan predicted by one network"
    what = config.experiments[experiment].kind.averaged
    return f"the mean {what} of {count} networks for each scan"


def _difference(one: Outcome, model: str) -> str:
    for row in having(one.differences, baseline=model):
        return number_with_interval(row.difference, row.ci_low, row.ci_high, one.decimals)
    return "\u2014"

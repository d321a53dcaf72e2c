"""What came out, beside the baselines."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.common.text import decimals_of
from headstart.common.text import number_with_interval
from headstart.evaluation.baseline_rows import PENALISED
from headstart.evaluation.baseline_rows import ROWS
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.baseline_rows import kind_of
from headstart.evaluation.fitted_words import fitted_words
from headstart.evaluation.fold_words import NO_INTERVAL
from headstart.evaluation.fold_words import fold_cell
from headstart.evaluation.fold_words import fold_means
from headstart.evaluation.fold_words import fold_words
from headstart.evaluation.fold_words import spread_cell
from headstart.evaluation.intervals import few
from headstart.evaluation.judgement import beside
from headstart.evaluation.judgement import judge
from headstart.evaluation.judgement import sentence
from headstart.evaluation.results import MISSED
from headstart.evaluation.results import OURS
from headstart.evaluation.results import PROTOCOLS
from headstart.evaluation.results import AnswerRow
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.evaluation.results import methods_of
from headstart.evaluation.results import verdict
from headstart.evaluation.results import without_prediction
from headstart.figures.style import metric_name
from headstart.study.config import Config
from headstart.study.experiment import Experiment
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
            "Brackets give 95 % confidence intervals with the subject as the unit, by the methods "
            "that stand beside each metric below, not corrected for the number of metrics; "
            "differences from baselines are paired."
        )
        if any(one.protocol == "cross-validation" for one in found):
            yield (
                "Since the networks of different folds share training subjects, the variance of "
                "every metric by cross-validation was multiplied by 1 + k times held-out over "
                "training subjects, where k is the number of folds (Nadeau and Bengio 2003)."
                f"{REPEATED * (study.config.split.repeats > 1)}"
            )
    told = (row.metric for one in found if one.protocol == "cross-validation" for row in one.told)
    if means := fold_means(told):
        yield f"By cross-validation: {means[0].lower()}{means[1:]}"
    if any(row.folds for one in found for row in one.told):
        yield NO_INTERVAL
    if any(one.scans > one.people for one in found):
        yield SESSIONS
    if any(MISSED in row.ci_method for one in found for row in one.told):
        yield MASKS
    parts = {
        "test": "the test set",
        "cross-validation": "{}, each held out in turn",
        "hold-out": "{}, held out",
    }
    yield from primary_metrics(study.config, found)
    kinds = [study.config.experiments[one.experiment].kind for one in found]
    yield from filter(None, dict.fromkeys(kind.judged_words for kind in kinds))
    yield from tell_baselines(found)
    for one in found:
        of = _folds(study.config, one.experiment)
        yield (
            f"{one.experiment}, on {parts[one.protocol].format(of)} "
            f"({counted(one.people, 'subject')}, {counted(one.scans, 'scan')}), "
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
        yield from filter(None, (one.lacking, one.beside, one.by_fold, one.fitted))
        if few(one.network.n):
            yield few(one.network.n)
        elif one.verdicts and any(row.ci_low is not None for row in one.differences):
            yield (
                f"By the intervals of these differences in {METRICS[one.metric].words}, "
                f"{one.verdicts}."
            )
        yield _every_metric(one, unit)
    yield from tell_comparisons(study)
    yield from tell_openings(study)


REPEATED = (
    " Over repeats, whose folds hold out the same subjects again, a metric is a mean: a subject "
    "counts once, with the mean of its answers' losses, and k is the number of folds of one repeat."
)
SURFACES = (
    "NSD is the share of both surfaces that lies within {tolerance:g} mm of the other one, HD95 "
    "the larger of the two 95th percentiles of the distances from one to the other, and ASSD the "
    "mean distance. A class that is in neither mask of a scan is left out of its metrics; where it "
    "is in one alone, Dice and NSD are 0 and the distances the diagonal of the scan."
)
LINEAR_MODELS = (
    "Linear models are ridge regressions (for classes, penalised logistic ones), whose penalty was "
    "chosen by cross-validation within the subjects that they were fitted to. Volumes enter them "
    "as logarithms, voxels as up to 500 principal components at whichever resolution did better in "
    "that cross-validation."
)
MASKS = (
    "Intervals of overlaps, distances, volume errors and counts of objects know only what these "
    "scans show: where rare failures were missed, they are too narrow."
)
SESSIONS = (
    "A subject with several scans counts once: they share its weight in all metrics, intervals and "
    "baselines. In training, and where validation chooses an epoch, every scan weighs the same."
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
        by_fold: What the metric is in each fold, in words; "" of one fold, and of the test.
        fitted: What came out of answers that were fitted to other folds first, in words.
        told: All metrics of the network that have a value.
        people: How many subjects are evaluated.
        scans: How many scans.
        lacking: How many scans have no prediction, and why, and which classes none of them has, in
            words; "" of none.
    """

    experiment: str
    protocol: str
    metric: str
    models: Sequence[MetricRow]
    differences: Sequence[DifferenceRow]
    beside: str
    by_fold: str
    fitted: str
    told: Sequence[MetricRow]
    people: int
    scans: int
    lacking: str

    @property
    def network(self) -> MetricRow:
        """The row of the network, or of the ensemble of several."""
        return next(row for row in self.models if row.model in OURS)

    @property
    def defined(self) -> frozenset[str]:
        """Names of the metrics that have a value."""
        return frozenset(of_class(row.metric)[0] for row in self.told)

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
        return f"the {self.models[0].model} {and_joined(each)}" if each else ""

    @property
    def part(self) -> str:
        """`3 of `, where the metric is told from so few of the subjects; "" if from all."""
        return "" if self.network.n == self.people else f"{self.network.n} of "

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
        answers = read_rows(
            study.path(study_paths.EVALUATED_ANSWERS.format(experiment=name)), AnswerRow
        )
        key = study.config.primary_metric(name)
        for protocol in PROTOCOLS:
            models = having(metrics, group="all", metric=key, protocol=protocol)
            differences = having(comparison, metric=key, protocol=protocol)
            if models:
                told = having(metrics, group="all", protocol=protocol)
                against = having(comparison, protocol=protocol)
                also = beside(experiment.kind, judge(models, differences), key, told, against)
                ours = [row for row in told if row.model in OURS and row.value is not None]
                fitted = fitted_words(told, experiment.unit)
                folds = fold_words(having(metrics, protocol=protocol), key, experiment.unit)
                of_protocol = having(answers, protocol=protocol)
                answered = [row for row in of_protocol if not row.rejected]
                people = len({row.subject for row in answered})
                absent = _absent(
                    study.config, experiment, len(answered), {row.metric for row in ours}
                )
                lacking = " ".join(filter(None, (without_prediction(of_protocol), absent)))
                yield Outcome(
                    experiment=name,
                    protocol=protocol,
                    metric=key,
                    models=models,
                    differences=differences,
                    beside=also,
                    by_fold=folds,
                    fitted=fitted,
                    told=ours,
                    people=people,
                    scans=len(answered),
                    lacking=lacking,
                )


def _absent(config: Config, experiment: Experiment, scans: int, told: Collection[str]) -> str:
    """Say which classes of masks have no Dice, as no scan has them; "" if all have one."""
    classes = config.classes if experiment.kind.target_kind == "mask" else ()
    absent = [name for name in classes if f"dice_{name}" not in told]
    return (
        f"No Dice of {and_joined(absent)}, which is in none of these {scans} scans, true or "
        "predicted: means over classes say nothing of it."
        if absent
        else ""
    )


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
        told = dict.fromkeys((*kind.metrics, *kind.told_first()))
        others = [METRICS[one].words for one in told if one in known - {primary}]
        words = METRICS[primary].words
        words += f"; secondary metrics: {and_joined(others)}" if others else ""
        said.setdefault(words, []).append(name)
        further |= dict.fromkeys((kind.over_classes(config.classes), kind.matching))
        if "nsd" in known:
            further |= {SURFACES.format(tolerance=config.evaluate.surface_tolerance): None}
    for words, names in said.items():
        yield f"Primary metric of {and_joined(names)}: {words}."
    yield from filter(None, further)


def interval_methods(found: Sequence[Outcome]) -> list[str]:
    """How intervals came about, each way once; the factor of folds is told apart."""
    rows = [row for one in found for row in one.told]
    return list(dict.fromkeys(method.split(";")[0] for method in methods_of(rows)))


def who_predicts(config: Config, experiment: str, protocol: str) -> str:
    """Say how many networks a prediction is the mean of."""
    seeds, folds = config.experiments[experiment].seeds, config.folds(experiment)
    count = len(seeds) * (len(folds) if protocol == "test" else 1)
    if count == 1:
        return "each scan predicted by one network"
    what = config.experiments[experiment].kind.averaged
    return f"of each scan the mean {what} of {count} networks"


def tell_baselines(found: Sequence[Outcome]) -> Iterator[str]:
    """Say what the baselines are, and whom they learnt from."""
    names = [name for name in ROWS if any(row.model == name for one in found for row in one.models)]
    if any(not ROWS[name].kind for name in names):
        test = any(one.protocol == "test" for one in found)
        yield (
            "For each fold, baselines were fitted to the subjects of the other folds, including "
            "those for validation"
            f"{'; on the test set they are averaged over the folds that were trained' * test}."
        )
    if how := [f"'{ROWS[name].words}' {ROWS[name].how}" for name in names if ROWS[name].how]:
        yield f"Of the baselines, {'; '.join(dict.fromkeys(how))}."
    if any(ROWS[name].cite == PENALISED for name in names):
        yield LINEAR_MODELS


def _every_metric(one: Outcome, unit: str) -> TextTable:
    seeds = any(row.seed_sd is not None for row in one.told)
    folds = any(row.folds for row in one.told)
    rows = [
        [
            metric_name(row.metric, unit),
            number_with_interval(row.value, row.ci_low, row.ci_high),
            row.ci_method.split(";")[0].removesuffix(f", {MISSED}"),
            *([spread_cell(row, row.seed_sd)] if seeds else []),
            *([fold_cell(row)] if folds else []),
        ]
        for row in one.told
    ]
    head = ["metric", one.network.model, "interval by", *(["SD over seeds"] if seeds else [])]
    head += ["SD over folds (n)"] if folds else []
    return TextTable(f"{one.experiment}: all metrics", head, rows, numbers=False)


def _difference(one: Outcome, model: str) -> str:
    for row in having(one.differences, baseline=model):
        return number_with_interval(row.difference, row.ci_low, row.ci_high, one.decimals)
    return "\u2014"

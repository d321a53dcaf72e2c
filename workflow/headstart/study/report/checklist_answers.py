"""What the study's files know of a checklist's items; what they do not know is left blank."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.common.text import capital
from headstart.common.text import counted
from headstart.data.label_table import IMAGES
from headstart.data.label_table import LabelRow
from headstart.data.label_table import lacking
from headstart.data.label_table import lacking_text
from headstart.evaluation.results import PROTOCOLS_IN_WORDS
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import by
from headstart.evaluation.results import methods_in_short
from headstart.evaluation.results import methods_of
from headstart.figures.style import metric_name
from headstart.imaging.scan_rows import CheckRow
from headstart.study.methods.chapters import Chapter
from headstart.study.methods.controls import found
from headstart.study.methods.explanation import explained
from headstart.study.methods.phrases import and_joined
from headstart.study.methods.phrases import asked_for
from headstart.study.methods.results import Outcome
from headstart.study.methods.results import outcomes
from headstart.study.methods.results import who_predicts
from headstart.study.methods.study_files import StudyFiles
from headstart.tasks.metrics import DECISIONS
from headstart.tasks.metrics import METRICS
from headstart.training.card import ModelCard
from headstart.training.registry import NETWORKS


@dataclass(frozen=True)
class Answer:
    """What stands beside an item.

    Attributes:
        text: What is known.
        anchor: The section of the page that has more.
        left: What only a person can add; "" if that is all.
    """

    text: str
    anchor: str = "methods"
    left: str = ""


@dataclass(frozen=True)
class Known:
    """A study, as the answers are told from it.

    Attributes:
        study: Its files.
        chapters: Its methods.
    """

    study: StudyFiles
    chapters: Mapping[str, Chapter]

    @cached_property
    def passed(self) -> list[LabelRow]:
        """The scans that were used."""
        return read_rows(self.study.path(study_paths.PASSED), LabelRow)

    @cached_property
    def cards(self) -> list[ModelCard]:
        """All finished trainings."""
        return [card for name in self.study.config.experiments for card in self.study.cards(name)]

    @cached_property
    def results(self) -> list[Outcome]:
        """What came out of complete experiments."""
        return list(outcomes(self.study))

    def said(self, chapter: str) -> Answer | None:
        """Refer to what a chapter of the methods says; None where there is no such chapter."""
        return Answer(f"{chapter}, in the methods") if chapter in self.chapters else None


def _kind(known: Known) -> Answer | None:
    if not known.cards:
        return None
    tasks = sorted({one.task for one in known.study.config.experiments.values()})
    return Answer(f"Deep learning: neural networks for {and_joined(tasks)}")


def _development(known: Known) -> Answer | None:
    text = f"Development, with evaluation on held-out subjects, for {_targets(known)}"
    return Answer(text, "results", left="population and aims") if known.cards else None


def _targets(known: Known) -> str:
    config = known.study.config
    return and_joined(
        dict.fromkeys(asked_for(one, config.classes) for one in config.experiments.values())
    )


def _sources(known: Known) -> Answer:
    names = sorted({source.source for source in known.study.config.data})
    return Answer(f"Sources: {and_joined(names)}", left="how representative they are")


def _sites(known: Known) -> Answer | None:
    sites = sorted({row.site for row in known.passed} - {""})
    if not sites:
        return None
    return Answer(f"{counted(len(sites), 'site')}: {and_joined(sites)}", left="setting and place")


def _acquisition(known: Known) -> Answer:
    rows = read_rows(known.study.path(study_paths.SUMMARY), CheckRow)
    used = {row.key for row in known.passed}
    sizes = [size for row in rows if row.key in used for size in row.voxel_size]
    channels = and_joined(known.study.config.channels)
    edges = dict.fromkeys(f"{size:.3g}" for size in (min(sizes), max(sizes)))
    return Answer(
        f"{channels}; voxels of {' to '.join(edges)} mm, as the files' headers say",
        "quality",
        left="scanner, sequence and field strength",
    )


def _selected(known: Known) -> Answer | None:
    if not known.cards:
        return None
    patches = any(card.run.train.patches for card in known.cards)
    what = "Patches" if patches else "The whole"
    return Answer(f"{what} of each prepared scan; how these were cropped is in Preparation")


def _missing(known: Known) -> Answer:
    targets = {e.target for e in known.study.config.experiments.values()} - set(IMAGES)
    lack = {name: sum(not row.values.get(name) for row in known.passed) for name in sorted(targets)}
    missing = [f"{name} in {counted(n, 'scan')}" for name, n in lack.items() if n]
    told = and_joined(missing) if missing else ""
    beside = any(one.covariates for one in known.study.config.experiments.values())
    what = "its target or a covariate" if beside else "its target"
    rule = f"A scan without {what} is left out of that experiment; nothing is imputed"
    without = [lacking_text(*one, len(known.passed)) for one in lacking(known.passed).items()]
    seen = f". {and_joined(without)}, in whose place networks see 0 and a flag" if without else ""
    return Answer(rule + (f". Missing: {told}" if told else "") + seen, "quality")


def _reference(known: Known) -> Answer:
    return Answer(f"Predicted: {_targets(known)}", left="how it was measured")


def _predictors(known: Known) -> Answer:
    config = known.study.config
    flags = f", and whether a scan has {and_joined(config.optional)}" if config.optional else ""
    voxels = f"The voxels of {and_joined(config.channels)}{flags}"
    experiments = config.experiments.items()
    beside = [
        f"{and_joined(one.covariates)} in {name}" for name, one in experiments if one.covariates
    ]
    return Answer(
        f"{voxels}, and the covariates {and_joined(beside)}"
        if beside
        else f"{voxels}; nothing else",
        left="why these",
    )


def _disjoint(known: Known) -> Answer:
    group = known.study.config.split.group
    return Answer("Subjects, with all their sessions" + (f", and each {group}" if group else ""))


def _start(known: Known) -> Answer | None:
    if not known.cards:
        return None
    if any(card.start for card in known.cards):
        return Answer("From earlier weights, see Training")
    if any(card.run.train.network not in NETWORKS for card in known.cards):
        return Answer("By the code of one's own network, see Training")
    seeds = sorted({card.run.seed for card in known.cards})
    return Answer(f"At random, by the seed{'s' * (len(seeds) > 1)} {and_joined(map(str, seeds))}")


def _chosen(known: Known) -> Answer | None:
    if not known.cards:
        return None
    keeps = {card.run.experiment: card.run.train.keep for card in known.cards}
    words = {
        "best": "the epoch that is best on the validation subjects",
        "last": "the last epoch",
        "ema": "the moving average of the weights at the end",
    }
    kept = dict.fromkeys(keeps.values())
    each = [
        f"{words[keep]} ({and_joined(name for name, its in keeps.items() if its == keep)})"
        for keep in kept
    ]
    return Answer(
        f"Kept: {and_joined(each if len(kept) > 1 else [words[keep] for keep in kept])}; "
        f"{counted(len(known.cards), 'network')} trained, in {counted(len(keeps), 'experiment')}"
    )


def _ensemble(known: Known) -> Answer | None:
    config = known.study.config
    told = _of_each(known, lambda one: who_predicts(config, one.experiment, one.protocol))
    return Answer(told, "baselines") if told else None


def _of_each(known: Known, say: Callable[[Outcome], str]) -> str:
    """Say something of each outcome, once of those that have it in common; "" without any."""
    said: dict[tuple[str, str], list[str]] = {}
    for one in known.results:
        said.setdefault((PROTOCOLS_IN_WORDS[one.protocol], say(one)), []).append(one.experiment)
    each = (f"{how} of {and_joined(names)}: {what}" for (how, what), names in said.items())
    return capital("; ".join(each))


def _metrics(known: Known) -> Answer | None:
    names: dict[str, None] = {}
    for one in known.results:
        kind = known.study.config.experiments[one.experiment].kind
        told = (*kind.metrics, *kind.further_metrics, *DECISIONS)
        names |= dict.fromkeys(metric_name(metric) for metric in told if metric in one.defined)
    return Answer(capital(and_joined(names)), "baselines") if names else None


def _uncertainty(known: Known) -> Answer | None:
    methods = methods_of(row for one in known.results for row in one.told)
    how = f"95 % intervals: {methods_in_short(methods)}"
    return Answer(how, "baselines") if methods else None


def _of_results(text: str, anchor: str, left: str = "") -> Callable[[Known], Answer | None]:
    return lambda known: Answer(text, anchor, left) if known.results else None


def _performance(known: Known) -> Answer | None:
    if not known.results:
        return None
    intervals = any(one.has_intervals for one in known.results)
    return Answer(f"Every metric{', with an interval where there is one' * intervals}", "baselines")


def _robustness(known: Known) -> Answer | None:
    told = [
        f"controls of {name}" for name in known.study.config.experiments if found(known.study, name)
    ]
    told += ["results by site"] * bool(_groups(known))
    told += ["standard deviations over seeds"] * any(
        row.seed_sd is not None for one in known.results for row in one.told
    )
    return Answer(capital(and_joined(told)), "baselines") if told else None


def _groups(known: Known) -> Answer | None:
    names = {one.experiment for one in known.results}
    paths = (known.study.path(study_paths.METRICS.format(experiment=name)) for name in names)
    told = any(by("site", read_rows(path, MetricRow)) for path in paths)
    return Answer("Results by site", "baselines") if told else None


def _explanation(known: Known) -> Answer | None:
    methods = {one.method for groups in explained(known.study).values() for one in groups}
    if not known.results:
        return None
    if not methods:
        return Answer("No maps were made", left="other methods, if any")
    return Answer(
        f"{and_joined(sorted(methods))}, with a check by shuffled weights",
        "explanation",
        left="what the maps mean",
    )


def _internal(known: Known) -> Answer | None:
    protocols = dict.fromkeys(PROTOCOLS_IN_WORDS[one.protocol] for one in known.results)
    return Answer(capital(and_joined(protocols)), "results") if protocols else None


def _external(known: Known) -> Answer | None:
    if not known.results:
        return None
    sites = known.study.config.split.sites
    of_sites = f", but folds are whole sites: {and_joined(sites)}" if sites else ""
    return Answer(
        f"None in the study's files{of_sites}", "results", left="evaluation elsewhere, if any"
    )


def _diagnostic(known: Known) -> Answer | None:
    shares = [
        METRICS[name].words
        for name in DECISIONS
        if any(name in one.defined for one in known.results)
    ]
    return Answer(capital(and_joined(shares)), "baselines") if shares else None


def _imbalance(known: Known) -> Answer | None:
    classes = [card.run for card in known.cards if card.task.target_kind == "class"]
    if not known.cards:
        return None
    if not classes:
        return Answer("No class of scans is predicted")
    weighted = any(run.train.class_weights for run in classes)
    return Answer(
        "Classes were weighted in the loss" if weighted else "Nothing was done about it in training"
    )


ANSWERED = {"number": "a number", "class": "a probability of each class"}


def _output(known: Known) -> Answer | None:
    tasks = [card.task for card in known.cards]
    answers = dict.fromkeys(
        f"{task.file}s on the scans' own grids"
        if task.file
        else ANSWERED.get(task.target_kind, task.answer_words)
        for task in tasks
    )
    chosen = any("threshold" in one.defined for one in known.results)
    threshold = "; a threshold by Youden's index on held-out predictions" * chosen
    return Answer(capital(and_joined(answers)) + threshold) if answers else None


def _sizes(known: Known) -> Answer | None:
    each = _of_each(
        known, lambda one: f"{counted(one.people, 'subject')}, {counted(one.scans, 'scan')}"
    )
    return Answer(each, "balance") if each else None


CODE = "Code: headstart, Apache-2.0, in the version named under Versions"


def _trained(text: str, left: str) -> Callable[[Known], Answer | None]:
    return lambda known: Answer(text, left=left) if known.cards else None


# By the name that checklists.yaml has for it.
ANSWERS: dict[str, Callable[[Known], Answer | None]] = {
    "kind": _kind,
    "development": _development,
    "sources": _sources,
    "sites": _sites,
    "exclusion": lambda _: Answer(
        "Scans were rejected by the rules that the table names", "quality", "who was eligible"
    ),
    "acquisition": _acquisition,
    "preparation": lambda known: known.said("Preparation"),
    "selected": _selected,
    "missing": _missing,
    "reference": _reference,
    "predictors": _predictors,
    "split": lambda known: known.said("Split"),
    "disjoint": _disjoint,
    "network": lambda known: known.said("Training"),
    "versions": lambda known: known.said("Versions"),
    "start": _start,
    "training": lambda known: known.said("Training"),
    "chosen": _chosen,
    "ensemble": _ensemble,
    "metrics": _metrics,
    "uncertainty": _uncertainty,
    "groups": _groups,
    "robustness": _robustness,
    "explanation": _explanation,
    "internal": _internal,
    "external": _external,
    "flow": lambda _: Answer("The flow diagram", "flow"),
    "balance": lambda _: Answer("The table of labels by part", "balance", "what that table lacks"),
    "performance": _performance,
    "diagnostic": _diagnostic,
    "failures": _of_results("The worst cases", "cases", "why they failed"),
    "updating": _of_results("None: networks are evaluated as they were trained", "baselines"),
    "imbalance": _imbalance,
    "output": _output,
    "sizes": _sizes,
    "protocol": lambda _: Answer(
        "config.json beside this page has every setting", "files", "where the protocol is"
    ),
    "available": _trained(CODE, "where weights and data can be had"),
    "code": _trained(CODE, "where changes to it can be had, if any"),
    "model": _trained("model.safetensors and model.json of each training", "where they can be had"),
    "inputs": _trained(
        "predict rejects scans that it can't read, and marks those unlike the training scans",
        "what users are to do then",
    ),
}

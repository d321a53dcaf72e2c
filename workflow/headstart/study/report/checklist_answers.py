"""What the study's files know of a checklist's items; what they do not know is left blank."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from headstart.cohort.splits import read_splits
from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.data.label_table import IMAGES
from headstart.data.label_table import LabelRow
from headstart.figures.style import metric_name
from headstart.study.methods.chapters import Chapter
from headstart.study.methods.explanation import explained
from headstart.study.methods.phrases import and_joined
from headstart.study.methods.results import Outcome
from headstart.study.methods.results import interval_methods
from headstart.study.methods.results import outcomes
from headstart.study.methods.results import who_predicts
from headstart.study.methods.study_files import StudyFiles
from headstart.training.card import ModelCard


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
    return Answer(f"Deep learning: 3-D networks for {and_joined(tasks)}")


def _sources(known: Known) -> Answer:
    names = sorted({source.source for source in known.study.config.data})
    return Answer(f"Sources: {and_joined(names)}", left="how representative they are")


def _sites(known: Known) -> Answer | None:
    sites = sorted({row.site for row in known.passed} - {""})
    return Answer(f"{counted(len(sites), 'site')}: {and_joined(sites)}") if sites else None


def _selected(known: Known) -> Answer | None:
    if not known.cards:
        return None
    patches = any(card.run.train.patches for card in known.cards)
    return Answer(
        "Patches of each scan" if patches else "None: the whole prepared volume of each scan"
    )


def _missing(known: Known) -> Answer:
    targets = {e.target for e in known.study.config.experiments.values()} - set(IMAGES)
    lack = {name: sum(not row.values.get(name) for row in known.passed) for name in sorted(targets)}
    told = and_joined(f"{name} in {counted(n, 'scan')}" for name, n in lack.items()) if lack else ""
    rule = "A scan without its target is left out of that experiment; nothing is imputed"
    return Answer(rule + (f". Missing: {told}" if told else ""), "quality")


def _reference(known: Known) -> Answer:
    targets = dict.fromkeys(one.target for one in known.study.config.experiments.values())
    return Answer(f"Predicted: {and_joined(targets)}", left="how it was measured")


def _predictors(known: Known) -> Answer:
    return Answer(f"The voxels of {and_joined(known.study.config.channels)}; nothing else")


def _disjoint(known: Known) -> Answer:
    group = known.study.config.split.group
    return Answer("Subjects, with all their sessions" + (f", and each {group}" if group else ""))


def _start(known: Known) -> Answer | None:
    if not known.cards:
        return None
    begun = any(card.start for card in known.cards)
    return Answer("From earlier weights, see Training" if begun else "See Training, in the methods")


def _chosen(known: Known) -> Answer | None:
    if not known.cards:
        return None
    keeps = sorted({card.run.train.keep for card in known.cards})
    words = {
        "best": "the epoch that is best on the validation subjects",
        "last": "the last epoch",
        "ema": "the moving average of the weights at the end",
    }
    return Answer(f"Kept: {and_joined(words.get(keep, keep) for keep in keeps)}")


def _ensemble(known: Known) -> Answer | None:
    told = [
        f"{one.experiment}, {one.protocol}: "
        f"{who_predicts(known.study.config, one.experiment, one.protocol)}"
        for one in known.results
    ]
    return Answer("; ".join(told), "baselines") if told else None


def _metrics(known: Known) -> Answer | None:
    names: dict[str, None] = {}
    for one in known.results:
        kind = known.study.config.experiments[one.experiment].kind
        told = (*kind.metrics, *kind.further_metrics)
        names |= dict.fromkeys(metric_name(metric) for metric in told if metric in one.defined)
    return Answer(and_joined(names), "baselines") if names else None


def _uncertainty(known: Known) -> Answer | None:
    methods = interval_methods(known.results)
    return Answer(f"95 % intervals: {and_joined(methods)}", "baselines") if methods else None


def _of_results(text: str, anchor: str) -> Callable[[Known], Answer | None]:
    return lambda known: Answer(text, anchor) if known.results else None


def _groups(known: Known) -> Answer | None:
    several = len({row.site for row in known.passed} - {""}) > 1
    return Answer("Results by site", "baselines") if several and known.results else None


def _explanation(known: Known) -> Answer | None:
    methods = {one.method for groups in explained(known.study).values() for one in groups}
    if not methods:
        return None
    return Answer(
        f"{and_joined(sorted(methods))}, with a check by shuffled weights",
        "explanation",
        left="what the maps mean",
    )


def _internal(known: Known) -> Answer | None:
    protocols = dict.fromkeys(one.protocol for one in known.results)
    return Answer(and_joined(protocols), "results") if protocols else None


def _external(known: Known) -> Answer | None:
    sites = known.study.config.split.sites
    return Answer(f"Folds are whole sites: {and_joined(sites)}", "results") if sites else None


def _diagnostic(known: Known) -> Answer | None:
    kinds = {
        known.study.config.experiments[one.experiment].kind.target_kind for one in known.results
    }
    return Answer("Classification, with intervals", "baselines") if "class" in kinds else None


def _imbalance(known: Known) -> Answer | None:
    classes = [card.run for card in known.cards if card.task.target_kind == "class"]
    if not classes:
        return None
    weighted = any(run.train.class_weights for run in classes)
    return Answer("Classes were weighted in the loss" if weighted else "Nothing was done about it")


def _output(known: Known) -> Answer | None:
    answers = dict.fromkeys(card.task.answer_words for card in known.cards)
    return Answer(and_joined(answers)) if answers else None


def _sizes(known: Known) -> Answer:
    splits = read_splits(known.study.path(study_paths.SPLITS))
    test = sum(row.test for row in splits)
    return Answer(f"{counted(len(splits), 'subject')}, {test} of them for the test", "balance")


def _available(known: Known) -> Answer | None:
    if not known.cards:
        return None
    return Answer(
        "Code: headstart, Apache-2.0, in the version named under Versions",
        left="where weights and data can be had",
    )


# By the name that checklists.yaml has for it.
ANSWERS: dict[str, Callable[[Known], Answer | None]] = {
    "kind": _kind,
    "sources": _sources,
    "sites": _sites,
    "exclusion": lambda _: Answer(
        "Scans were rejected by the rules that the table names", "quality"
    ),
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
    "explanation": _explanation,
    "internal": _internal,
    "external": _external,
    "flow": lambda _: Answer("The flow diagram", "flow"),
    "balance": lambda _: Answer("The table of labels by part", "balance"),
    "performance": _of_results("Every metric with its interval", "baselines"),
    "diagnostic": _diagnostic,
    "failures": _of_results("The worst cases", "cases"),
    "imbalance": _imbalance,
    "output": _output,
    "sizes": _sizes,
    "protocol": lambda _: Answer("config.json beside this page has every setting", "files"),
    "available": _available,
}

"""What came out, in words, before everything else."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

from headstart.common.text import capital
from headstart.common.text import counted
from headstart.common.text import number_with_interval
from headstart.common.text import numbers_alike
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.intervals import few
from headstart.evaluation.judgement import Judgement
from headstart.evaluation.judgement import judge
from headstart.evaluation.judgement import sentence
from headstart.evaluation.results import PROTOCOLS_IN_WORDS
from headstart.figures.style import metric_name
from headstart.study.methods.phrases import question
from headstart.study.methods.results import Outcome
from headstart.study.methods.results import outcomes
from headstart.study.methods.results import who_predicts
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.controls import warnings
from headstart.study.report.markup import Html
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import joined
from headstart.study.report.markup import tag
from headstart.study.status import Training
from headstart.tasks.metrics import METRICS


def headline(study: StudyFiles, trainings: Sequence[Training]) -> PageSection:
    """Tell the result of each experiment in a sentence, or what is missing."""
    found: dict[str, list[Outcome]] = {}
    for one in outcomes(study):
        found.setdefault(one.experiment, []).append(one)
    cards = [
        _card(study, found[name])
        if name in found
        else _missing(study, name, [one for one in trainings if one.run.experiment == name])
        for name in filter(study.config.is_reported, study.config.experiments)
    ]
    return PageSection("results", "Results in short", tag("div", *cards, class_="cards"))


def _card(study: StudyFiles, found: Sequence[Outcome]) -> Html:
    config, (first, *others) = study.config, found
    asked = config.experiments[first.experiment]
    network = first.network
    unit = _unit(first.metric, asked.unit)
    value, low, high = numbers_alike(network.value, network.ci_low, network.ci_high)
    verdict = judge(first.models, first.differences)
    how = capital(PROTOCOLS_IN_WORDS[first.protocol])
    return tag(
        "article",
        tag("h3", first.experiment, tag("small", question(asked, config.classes))),
        tag("p", sentence(verdict, asked.unit), class_=f"verdict {verdict.outcome}"),
        tag("p", first.beside) if first.beside else None,
        tag(
            "p",
            tag("strong", value or "not defined"),
            f" {unit}",
            tag("span", metric_name(first.metric)),
            class_="number",
        ),
        tag(
            "p",
            (f"95 % interval {low} to {high}, " if low else "no interval, ")
            + f"n = {first.part}{counted(first.people, 'subject')}"
            + " (it is not defined of the others)" * bool(first.part)
            + f". {how}, "
            + f"{who_predicts(config, first.experiment, first.protocol)}.",
        ),
        _baseline(verdict, first.decimals),
        *(tag("p", _in_short(one, asked.unit)) for one in others),
        tag("p", few(network.n), class_="caution") if few(network.n) else None,
        *(tag("p", one.lacking, class_="caution") for one in found if one.lacking),
        warnings(study, first.experiment),
    )


def _unit(metric: str, unit: str) -> str:
    return unit if METRICS[metric].in_unit else ""


def _baseline(verdict: Judgement, decimals: int) -> Html | None:
    row = verdict.baseline
    if row is None:
        return None
    number = number_with_interval(row.value, row.ci_low, row.ci_high, decimals)
    return tag("p", f"Best baseline: {in_words(row.model)}, {number}.")


def _in_short(one: Outcome, unit: str) -> str:
    """Tell the result of a further protocol in one line."""
    row = one.network
    number = number_with_interval(row.value, row.ci_low, row.ci_high)
    said = f"{sentence(judge(one.models, one.differences), unit)} {one.beside}".rstrip()
    protocol = capital(PROTOCOLS_IN_WORDS[one.protocol])
    return f"{protocol} (n = {one.part}{one.people}): {number}. {said}"


def _missing(study: StudyFiles, name: str, trainings: Sequence[Training]) -> Html:
    asked = study.config.experiments[name]
    return tag(
        "article",
        tag("h3", name, tag("small", question(asked, study.config.classes))),
        tag("p", _why_missing(trainings), class_="verdict missing"),
        tag("ul", *(tag("li", text) for text in _open(trainings))),
    )


def _why_missing(trainings: Sequence[Training]) -> str:
    done = sum(one.state == "finished" for one in trainings)
    if done == len(trainings):
        return "No result yet: it is trained, but not evaluated."
    return f"No result yet: {done} of {counted(len(trainings), 'training')} finished."


def _open(trainings: Sequence[Training]) -> Iterator[str]:
    for one in trainings:
        if one.state != "finished":
            epochs = f", epoch {one.epoch} of {one.epochs}" if one.epoch else ""
            why = f": {one.why}" if one.why else ""
            yield f"fold {one.run.fold}, seed {one.run.seed}: {one.state}{epochs}{why}"


def unfinished(study: StudyFiles) -> list[str]:
    """Name the experiments that have no result yet."""
    there = {one.experiment for one in outcomes(study)}
    asked = filter(study.config.is_reported, study.config.experiments)
    return [name for name in asked if name not in there]


def notice(study: StudyFiles) -> Html:
    """Say at the top of the page what is not real, or not there."""
    open_ones = unfinished(study)
    return joined(
        [
            tag(
                "p",
                tag("strong", "SYNTHETIC"),
                ": the scans are made up; nothing here is a finding about people.",
                class_="notice",
            )
            if study.synthetic
            else None,
            tag(
                "p",
                tag("strong", "NOT COMPLETE"),
                f": no result yet of {', '.join(open_ones)}.",
                class_="notice",
            )
            if open_ones
            else None,
        ]
    )

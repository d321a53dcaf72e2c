"""The scans that a network answers worst, and some to compare them with, in a viewer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.common import study_paths
from headstart.common.keys import Key
from headstart.common.run_id import PREDICTIONS
from headstart.common.text import numbers_alike
from headstart.evaluation.cases import Case
from headstart.evaluation.cases import in_order
from headstart.evaluation.predictions import NetworkPredictions
from headstart.evaluation.predictions import Pooled
from headstart.evaluation.predictions import pool_once
from headstart.evaluation.predictions import read_run
from headstart.evaluation.results import PROTOCOLS
from headstart.figures.mask_colours import MASK_COLOURS
from headstart.figures.predicted_masks import predicted_mask
from headstart.figures.style import metric_name
from headstart.figures.style import with_unit
from headstart.imaging.mask_classes import Classes
from headstart.study.experiment import Experiment
from headstart.study.methods.results import outcomes
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.markup import Html
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import joined
from headstart.study.report.markup import table
from headstart.study.report.markup import tag
from headstart.study.report.volumes import pack
from headstart.tasks.base import Task

WORST = 8  # rows of the table
SHOWN = 3  # of these in the viewer, and the median and the best
PLANES = ("sagittal", "coronal", "axial")
LAYERS = {"true": "filled", "predicted": "line"}
PRIVACY = (
    "A few scans only, and coarse: voxels of 4 mm or more, as on the contact sheet, to protect "
    "faces; finer only around a mask, where that part is too short to hold a face. Left is left."
)


@dataclass(frozen=True)
class Answers:
    """What the networks of an experiment say of held-out scans.

    Attributes:
        asked: The experiment.
        primary: The metric that its result is told by.
        task: Its task.
        classes: Each foreground class's values in the files.
        runs: The networks' own files.
        scans: All scans with a known target.
        pooled: Their answers.
    """

    asked: Experiment
    primary: str
    task: Task
    classes: Classes
    runs: Sequence[NetworkPredictions]
    scans: Mapping[Key, Scan]
    pooled: Pooled

    @cached_property
    def ordered(self) -> list[Case]:
        """The scans, from the worst to the best."""
        truth = self.task.truth([self.scans[key] for key in self.pooled.keys])
        return in_order(self.task, self.pooled.keys, truth, self.pooled.mean, self.primary)

    @property
    def dice_of(self) -> tuple[str, ...]:
        """The classes whose Dice is told beside the score; none where that is the Dice of one."""
        is_score = len(self.task.classes) == 1 and self.ordered[0].metric == "dice"
        return () if is_score else self.task.classes


def cases(study: StudyFiles) -> PageSection:
    """Show each complete experiment's worst cases."""
    first: dict[str, str] = {}
    for one in outcomes(study):
        first.setdefault(one.experiment, one.protocol)
    if not first:
        nothing = tag("p", "No experiment is complete yet.", class_="missing")
        return PageSection("cases", "Worst cases", nothing)
    shown = [_experiment(study, name, protocol) for name, protocol in first.items()]
    no_script = tag("noscript", tag("p", "The viewer needs JavaScript, which is switched off."))
    return PageSection("cases", "Worst cases", joined([tag("p", PRIVACY), no_script, *shown]))


def _experiment(study: StudyFiles, name: str, protocol: str) -> Html:
    if not (study.folder / study_paths.PREPARED).is_dir():
        return joined([tag("h3", name), tag("p", "The prepared volumes are not here.")])
    answers = _answers(study, name, protocol)
    ordered = answers.ordered
    if not ordered:
        return joined([tag("h3", name), tag("p", "No scan has a score of its own.")])
    named = listed(ordered)
    head, rows = _table(answers, named)
    looked = listed(ordered, SHOWN)
    part = "test scans" if protocol == "test" else "held-out scans of the folds"
    return joined(
        [
            tag("h3", name),
            table(f"{name}: the worst of {len(ordered)} {part}", head, rows, numbers=False),
            _viewer(name, answers, looked),
        ]
    )


def listed(ordered: Sequence[Case], most: int = WORST) -> dict[str, Case]:
    """Name the worst cases, none of them better than the median, and some to compare them with.

    Args:
        ordered: All of them, the worst first.
        most: How many of the worst, at the most.
    """
    middle = len(ordered) // 2
    worst = {f"worst {n + 1}": case for n, case in enumerate(ordered[: min(most, middle)])}
    median = {"median": ordered[middle]} if len(ordered) > 2 else {}
    return worst | median | {"best": ordered[-1]}


def _table(answers: Answers, named: Mapping[str, Case]) -> tuple[list[str], list[list[str]]]:
    """Return the headers and the rows of some cases, by what each is."""
    # of a single scan an error is no mean
    metric = metric_name(answers.ordered[0].metric, answers.asked.unit).removeprefix("mean ")
    head = ["", "subject", "session", *_headers(answers), metric]
    shown = [*named.values()]
    scores = numbers_alike(*(case.score for case in shown))
    told = _told(answers, shown)
    rows = zip(named, shown, told, scores, strict=True)
    return head, [[word, *case.key, *cells, score] for word, case, cells, score in rows]


def _answers(study: StudyFiles, name: str, protocol: str) -> Answers:
    asked = study.config.experiments[name]
    cohort = read_cohort(
        study.path(study_paths.PASSED),
        study.path(study_paths.SPLITS),
        study.folder / study_paths.PREPARED,
        asked.target,
    )
    classes = study.config.classes
    task = asked.kind.from_cohort(cohort, tuple(classes))
    scans = {(scan.subject, scan.session): scan for scan in cohort.scans if scan.target}
    paths = [study.folder / run.predicted / PREDICTIONS for run in study.config.runs(name)]
    runs = [read_run(path) for path in paths]
    pooled = pool_once(runs, PROTOCOLS[protocol], scans, task)
    primary = study.config.primary_metric(name)
    return Answers(asked, primary, task, classes, runs, scans, pooled)


def _headers(answers: Answers) -> list[str]:
    target = with_unit(answers.asked.target, answers.asked.unit)
    return {
        "number": [f"{target}, true", "predicted"],
        "class": [f"{target}, true", "predicted, with its probability"],
        "mask": [f"Dice, {name}" for name in answers.dice_of],
    }.get(answers.task.target_kind, [])


def _told(answers: Answers, shown: Sequence[Case]) -> list[list[str]]:
    """Return what is true of each scan and what was predicted, as the headers name it."""
    if answers.task.target_kind == "number":
        predicted = numbers_alike(*(float(answers.pooled.mean[case.place]) for case in shown))
        true = _as_written(*(float(answers.scans[case.key].target) for case in shown))
        return [[*pair] for pair in zip(true, predicted, strict=True)]
    return [_told_of(answers, case) for case in shown]


def _as_written(*numbers: float) -> list[str]:
    """Write what is true with the decimals of the number that has most."""
    decimals = max(len(f"{number:g}".partition(".")[2]) for number in numbers)
    return [f"{number:.{decimals}f}" for number in numbers]


def _told_of(answers: Answers, case: Case) -> list[str]:
    true = answers.scans[case.key].target
    predicted = answers.pooled.mean[case.place]
    if answers.task.target_kind == "class":
        most = int(np.argmax(predicted))
        return [true, f"{answers.task.classes[most]} ({predicted[most]:.2f})"]
    if answers.task.target_kind == "mask":
        dice = predicted[: len(answers.dice_of)]
        return ["in neither mask" if np.isnan(one) else f"{one:.3f}" for one in dice]
    return []


def _viewer(name: str, answers: Answers, looked: Mapping[str, Case]) -> Html:
    """Write a viewer of three planes; what it shows stands beside it as JSON."""
    masks = answers.task.target_kind == "mask"
    volumes = [
        {"name": f"{word}: {' / '.join(case.key)}", **_volume(answers, case.key, masks)}
        for word, case in looked.items()
    ]
    shown = {"colours": list(MASK_COLOURS), "volumes": volumes}
    # no text of the data may end the element that holds it
    data = Html(json.dumps(shown).replace("<", "\\u003c").replace("&", "\\u0026"))
    choices = (tag("option", volume["name"], value=str(n)) for n, volume in enumerate(volumes))
    boxes = [
        tag(
            "label",
            tag("input", type="checkbox", checked=True, data_layer=layer),
            f" {layer} mask ({shown_as})",
        )
        for layer, shown_as in LAYERS.items()
    ]
    legend = [
        tag("span", f"\u25a0 {one}", class_=f"class-{number % len(MASK_COLOURS)}")
        for number, one in enumerate(answers.task.classes)
    ]
    return tag(
        "div",
        tag(
            "p",
            tag("label", "Scan ", tag("select", *choices, data_choice=True)),
            *(boxes if masks else []),
            *(legend if masks else []),
            class_="controls",
        ),
        tag("div", *map(_plane, PLANES), class_="planes"),
        tag("script", data, type="application/json"),
        class_="viewer",
        role="group",
        aria_label=f"Viewer of {name}",
    )


def _plane(plane: str) -> Html:
    return tag(
        "div",
        tag("canvas", data_plane=plane, role="img", aria_label=f"{plane} slice"),
        tag(
            "label",
            f"{plane} ",
            tag("input", type="range", min="0", value="0", data_slice=plane),
        ),
    )


def _volume(answers: Answers, key: Key, masks: bool) -> dict[str, Any]:
    scan = answers.scans[key]
    if not masks:
        return asdict(pack(scan))
    predicted = predicted_mask(answers.runs, scan, answers.task, answers.classes)
    return asdict(pack(scan, scan.mask(), predicted))

"""What the controls of each experiment found, in words and as a figure."""

from __future__ import annotations

from headstart.evaluation.controls import Finding
from headstart.figures.registry import figures_of
from headstart.study.methods.controls import found
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.drawings import drawing
from headstart.study.report.markup import Html
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import joined
from headstart.study.report.markup import tag
from headstart.study.report.markup import with_code

FIGURES = ("controls", "injected")
NONE = (
    "No experiment asked for controls. `controls: true` in one trains it again with permuted "
    "labels, on the background of its scans alone, and on fewer subjects, and injects a known "
    "change into held-out scans."
)


def controls(study: StudyFiles) -> PageSection:
    """Tell what each control found, a warning apart from what is as it should be."""
    asked = [name for name, one in study.config.experiments.items() if one.controls]
    shown = [joined([tag("h3", name), _of(study, name)]) for name in asked]
    nothing = tag("p", with_code(NONE), class_="note")
    return PageSection("controls", "Controls", joined(shown or [nothing]))


def warnings(study: StudyFiles, experiment: str) -> Html:
    """Return what controls warn of, as it stands beside the experiment's result."""
    return joined(_told(one) for one in found(study, experiment) if one.warns)


def _of(study: StudyFiles, experiment: str) -> Html:
    told = found(study, experiment)
    finished = {one.control for one in told}
    missing = [one for one in study.config.experiments[experiment].controls if one not in finished]
    shown = [_told(one) for one in told]
    if missing:
        said = f"Not finished yet: {', '.join(missing)}."
        shown.insert(0, tag("p", said, class_="missing"))
    figures = [name for name in FIGURES if told and name in figures_of(study.config, experiment)]
    return joined([*shown, *(drawing(study, experiment, name) for name in figures)])


def _told(one: Finding) -> Html:
    return tag("p", one.words, class_="verdict worse" if one.warns else None)

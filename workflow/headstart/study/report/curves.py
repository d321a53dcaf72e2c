"""How the trainings went."""

from __future__ import annotations

from headstart.figures.registry import figures_of
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.drawings import drawing
from headstart.study.report.drawings import folded_drawing
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import joined
from headstart.study.report.markup import tag


def curves(study: StudyFiles) -> PageSection:
    """Show the learning curves and the augmentation of each experiment, and each sweep."""
    config = study.config
    shown = []
    for name in (*config.sweeps, *filter(config.is_reported, config.experiments)):
        figures = figures_of(config, name)
        shown += [
            tag("h3", name),
            *(drawing(study, name, one) for one in ("sweep", "curves") if one in figures),
        ]
        if "augmentation" in figures:
            shown.append(folded_drawing(study, name, "augmentation", "What augmentation does"))
    return PageSection("curves", "Learning curves", joined(shown))

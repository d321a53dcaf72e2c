"""How the controls of experiments were trained, and what they found."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.cohort.controls import PERMUTATIONS
from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.evaluation.controls import ControlRow
from headstart.evaluation.controls import Finding
from headstart.evaluation.controls import findings
from headstart.study.methods.phrases import and_joined
from headstart.study.methods.study_files import StudyFiles

HOW = {
    "shuffled": "with the targets permuted between the training subjects, and likewise between "
    f"those for validation (of {PERMUTATIONS} permutations the one least correlated with the "
    "truth)",
    "background": "on the background of the scans alone, the box around each head filled with "
    "voxels drawn from the background",
    "learning-curve": "on a quarter and on a half of the training subjects, by lot{strata}, in as "
    "many steps",
}


def tell_controls(study: StudyFiles) -> Iterator[str]:
    """Tell how the finished controls of each experiment were trained."""
    stratify = study.config.split.stratify
    strata = f", in equal shares of {and_joined(stratify)}" if stratify else ""
    for name, experiment in study.config.experiments.items():
        if found(study, name):
            how = [HOW[control].format(strata=strata) for control in experiment.controls]
            yield (
                f"As controls of {name}, networks were trained with the same settings, folds and "
                f"seeds: {'; '.join(how)}."
            )


def tell_findings(study: StudyFiles) -> Iterator[str]:
    """Tell what the finished controls of each experiment found."""
    for name in study.config.experiments:
        if told := found(study, name):
            yield f"Controls of {name}: {' '.join(one.words for one in told)}"


def found(study: StudyFiles, experiment: str) -> list[Finding]:
    """Return what the controls of an experiment found; [] where they are not finished."""
    path = study.folder / study_paths.CONTROLS.format(experiment=experiment)
    controls = study.config.controls(experiment)
    if not controls or not path.is_file() or not all(map(study.complete, controls)):
        return []
    unit = study.config.experiments[experiment].unit
    return list(findings(read_rows(path, ControlRow), unit))

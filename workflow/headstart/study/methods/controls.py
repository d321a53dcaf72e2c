"""How the controls of experiments were trained, and what they found."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.cohort.controls import PERMUTATIONS
from headstart.cohort.settings import INJECTED
from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.evaluation import injected
from headstart.evaluation.controls import ControlRow
from headstart.evaluation.controls import Finding
from headstart.evaluation.controls import findings
from headstart.explanation.injection import AROUND
from headstart.study.experiment import Experiment
from headstart.study.methods.phrases import and_joined
from headstart.study.methods.study_files import StudyFiles
from headstart.tasks.base import Task
from headstart.tasks.metrics import METRICS

HOW = {
    "shuffled": "with the targets permuted among the training subjects, and likewise among those "
    f"for validation (of {PERMUTATIONS} random permutations, the one least correlated with the "
    "truth)",
    "background": "on the background of the scans alone, the box around each head filled with "
    "voxels drawn from the background",
    "learning-curve": "on a quarter and on a half of the training subjects, drawn at random"
    "{strata}, for as many steps",
}


WHY = {
    "shuffled": "permuted labels: what they teach is related to the truth by chance alone, which "
    "lowers this error by no more than a bound",
    "background": "the background: any relation of it to the truth is a shortcut, but for that of "
    "the head's size, which the filled box shows",
}
OF_HEADS = (
    "of the head's voxels those nearest to its centre of mass became air in all channels, "
    "{doses} % of them"
)
OF_MASKS = (
    "each structure was drawn towards the mean of the background within {around} voxels of it, by "
    "{doses} of the difference"
)


def tell_controls(study: StudyFiles) -> Iterator[str]:
    """Tell how the finished controls of each experiment were made."""
    stratify = study.config.split.stratify
    strata = f" and stratified by {and_joined(stratify)}" if stratify else ""
    for name, experiment in study.config.experiments.items():
        if _of_trainings(study, name):
            how = [HOW[one].format(strata=strata) for one in experiment.controls if one in HOW]
            yield (
                f"As controls of {name}, networks were trained with the same settings, folds and "
                f"seeds: {'; '.join(how)}.{_judged(experiment)}"
            )
        if _of_injection(study, name):
            yield _how_injected(name, experiment.kind)


def _judged(experiment: Experiment) -> str:
    """Say by which metrics those that must fail are told to do so."""
    failing = experiment.kind.failing
    ways = [
        f"{METRICS[failing[one]].words} ({WHY[one]})" for one in experiment.controls if one in WHY
    ]
    return f" Controls that must fail are judged by {' and by '.join(ways)}." if ways else ""


def _how_injected(experiment: str, task: type[Task]) -> str:
    doses = and_joined(f"{dose:g}" for dose in injected.injection_of(task).doses)
    change = (OF_MASKS if task.per_voxel else OF_HEADS).format(doses=doses, around=AROUND)
    none = " standard deviations of the targets" if task.target_kind == "number" else ""
    told = (
        "What is told is the mean change over subjects at the largest dose"
        if task.per_voxel
        else "The slope is the mean over subjects of least-squares slopes through no change at no "
        "dose"
    )
    return (
        f"As a control of {experiment}, a known change was injected into the prepared scans of at "
        f"most {injected.MOST} held-out subjects, whom the networks that answered had not seen: "
        f"{change}. {told}, with a jackknife interval for these networks. Answers that move by "
        f"less than {injected.NONE:g}{none} on average at the largest dose, a limit of headstart's "
        "own, count as ones that do not move."
    )


def tell_findings(study: StudyFiles) -> Iterator[str]:
    """Tell what the finished controls of each experiment found."""
    for name in study.config.experiments:
        if told := found(study, name):
            yield f"Controls of {name}: {' '.join(one.words for one in told)}"


def found(study: StudyFiles, experiment: str) -> list[Finding]:
    """Return what the controls of an experiment found, as far as they are finished."""
    return [*_of_trainings(study, experiment), *_of_injection(study, experiment)]


def _of_injection(study: StudyFiles, experiment: str) -> list[Finding]:
    path = study.folder / study_paths.INJECTED.format(experiment=experiment)
    one = study.config.experiments[experiment]
    if INJECTED not in one.controls or not path.is_file() or not study.complete(experiment):
        return []
    return list(injected.findings(read_rows(path, injected.InjectedRow), one.kind, one.unit))


def _of_trainings(study: StudyFiles, experiment: str) -> list[Finding]:
    path = study.folder / study_paths.CONTROLS.format(experiment=experiment)
    controls = study.config.controls(experiment)
    if not controls or not path.is_file() or not all(map(study.complete, controls)):
        return []
    unit = study.config.experiments[experiment].unit
    return list(findings(read_rows(path, ControlRow), unit))

"""A finished study as files, whose report can be written; no network was trained for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from cards import make_card
from evaluated import CLASSES
from evaluated import WINDOW
from evaluated import make_study

from headstart.cohort.audit import Audit
from headstart.cohort.rates import Rates
from headstart.cohort.splits import read_splits
from headstart.common import files
from headstart.common import study_paths
from headstart.common.records import write_rows
from headstart.common.run_id import HISTORY
from headstart.common.run_id import PREDICTIONS
from headstart.common.run_id import RunId
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.experiments import compare
from headstart.evaluation.openings import opening
from headstart.evaluation.openings import record
from headstart.evaluation.results import AnswerRow
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import ExperimentRow
from headstart.evaluation.results import MetricRow
from headstart.figures.registry import INPUTS
from headstart.figures.registry import OF_CONTROLS
from headstart.figures.registry import OF_RUNS
from headstart.figures.registry import PREPARED
from headstart.figures.registry import ROOT
from headstart.figures.registry import figures_of
from headstart.figures.style import Stamp
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.report.page import write_report
from headstart.study.slices import Slices
from headstart.study.status import Study
from headstart.training.card import Count
from headstart.training.history import read_history

TARGETS = {"regression": "age", "classification": "sex", "segmentation": "mask"}


def make_finished(
    results: Path,
    task: str = "regression",
    *,
    study: str = "small",
    folds: tuple[int, ...] = (0, 1),
    unit: str = "years",
    experiments: tuple[str, ...] = ("exp",),
    primary: str = "",
    controls: Mapping[str, float] | None = None,
    repeats: int = 1,
    **more: Any,
) -> Study:
    """Write a study with all that it leaves but its weights.

    Args:
        results: The results root.
        task: What its experiments do.
        study: Its name.
        folds: Folds that it trains.
        unit: Unit of the target, of a regression.
        experiments: Their names.
        primary: Their primary metric.
        controls: The noise of what the first one's controls answer, by what they are.
        repeats: Repeats of its two folds.
        **more: As for `make_study`.
    """
    folder, more = results / study, more | {"repeats": repeats}
    make_study(folder, task=task, folds=folds, experiments=experiments, **more)
    asked = {"folds": list(folds), "primary": primary}
    asked |= {"unit": unit} if task == "regression" else {}
    keys: dict[str, dict[str, Any]] = dict.fromkeys(experiments, asked)
    keys[experiments[0]] = asked | {"controls": bool(controls)}
    raw = _raw(task, study, keys)
    raw["split"]["repeats"] = repeats
    config = read_config(raw)
    slices = Slices(config, results)
    files.write_json(folder / study_paths.CONFIG, config.model_dump(mode="json"))
    _write_audit(folder)
    for name in experiments:
        evaluate_study(folder, slices, name)
    runs = [run for name in experiments for run in config.runs(name)]
    rows = compare(
        settings=slices.compare(),
        **_cohort(folder),
        predictions=[folder / run.predicted / PREDICTIONS for run in runs],
    )
    if rows:
        write_rows(folder / study_paths.EXPERIMENTS, ExperimentRow, rows)
    for control, noise in (controls or {}).items():
        name = f"{experiments[0]}-{control}"
        like = more | {"noise": noise, "experiments": (name,)}
        make_study(folder, task=task, folds=folds, **like)
        evaluate_study(folder, slices, name)
    return Study.read(results, study, results)


def evaluate_study(folder: Path, slices: Slices, name: str) -> None:
    runs = slices.config.runs(name)
    for run in runs:
        _write_card(folder, slices, run)
    paths = [folder / run.predicted / PREDICTIONS for run in runs]
    metrics, comparison, answers = evaluate(
        settings=slices.evaluate(name),
        **_cohort(folder),
        data=folder / "data",
        predictions=paths,
    )
    write_rows(folder / study_paths.METRICS.format(experiment=name), MetricRow, metrics)
    primary = slices.config.primary_metric(name)
    if not slices.evaluate(name).control:
        record(folder / study_paths.OPENINGS, opening(paths, metrics, primary, "0" * 16))
    write_rows(folder / study_paths.COMPARISON.format(experiment=name), DifferenceRow, comparison)
    write_rows(folder / study_paths.EVALUATED_ANSWERS.format(experiment=name), AnswerRow, answers)


def _cohort(folder: Path) -> dict[str, Path]:
    return {
        "passed": folder / study_paths.PASSED,
        "splits": folder / study_paths.SPLITS,
        "prepared": folder / study_paths.PREPARED,
    }


def _raw(task: str, study: str, experiments: dict[str, dict[str, Any]]) -> dict[str, Any]:
    network = "unet" if task == "segmentation" else "sfcn"
    train = {"network": network, "epochs": 12}
    if task == "segmentation":
        train["network_arguments"] = {"channels": [4, 8], "strides": [2]}
    asked = {"task": task, "target": TARGETS[task], "seeds": [0, 1], "train": train}
    mask = {"mask": "{subject}_mask.nii.gz"}
    return {
        "study": study,
        "data": [{"source": "own", "channels": {"t1": "{subject}.nii.gz"}, **mask}],
        "classes": dict(CLASSES),
        "split": {"test": 0.25, "folds": 2},
        "prepare": {"voxel_size": [4, 4, 4], "window": list(WINDOW), "shards": 2},
        "experiments": {name: asked | own for name, own in experiments.items()},
        "final": list(experiments),
    }


def _write_audit(folder: Path) -> None:
    """Write what the audit of a split without leaks says."""
    splits = read_splits(folder / study_paths.SPLITS)
    nobody: dict[str, Any] = dict.fromkeys(("near_duplicates", "doubtful", "same"), ())
    Audit(
        **nobody,
        **{"unrelated": (), "leaks": (), "families": 0, "hashes_compared": 0, "folds": ()},
        subjects=len(splits),
        scans=len(splits),
        test=sum(row.test for row in splits),
        validation=sum(row.validation for row in splits),
        rates=Rates.read(folder / study_paths.RATES),
    ).write(folder / study_paths.AUDIT)


def _write_card(folder: Path, slices: Slices, run: RunId) -> None:
    settings = slices.train(*run)
    counts = make_card(settings).counts.model_copy(
        update={"training": Count(scans=20, subjects=16)}
    )
    digest = files.sha256(folder / run.trained / HISTORY)
    chosen = read_history(folder / run.trained / HISTORY).chosen
    card = make_card(settings, counts=counts, chosen_epoch=chosen, history_sha256=digest)
    card.write(folder / run.trained)


def draw(study: Study) -> None:
    """Draw all figures of the study, as the rules have it done."""
    config, folder = study.slices.config, study.folder
    stamp = Stamp(config.study, "data", "code", synthetic=False)
    for whose in config.figure_folders:
        for name, figure in figures_of(config, whose).items():
            given = {need: _given(config, folder, whose, need) for need in figure.needs}
            given["settings"] = study.slices.plot(whose if figure.chosen_by else None)
            output = folder / study_paths.FIGURE.format(folder=whose, figure=f"{name}.pdf")
            resolve_name(figure.draw)(stamp=stamp, output=output, **given)


def _given(config: Config, folder: Path, whose: str, need: str) -> Any:
    if need == PREPARED:
        return folder / study_paths.PREPARED
    if need == ROOT:
        return folder / "data"
    if need in OF_RUNS:
        name = PREDICTIONS if need == "predictions" else HISTORY
        runs = config.runs(whose)
        return [
            folder / (run.predicted if name == PREDICTIONS else run.trained) / name for run in runs
        ]
    if need in OF_CONTROLS:
        path = OF_CONTROLS[need].removeprefix("<study>/")
        return [folder / path.format(experiment=name) for name in config.controls(whose)]
    paths = INPUTS[need]
    found = [
        folder / path.removeprefix("<study>/").format(experiment=whose)
        for path in ([paths] if isinstance(paths, str) else paths)
    ]
    return found[0] if isinstance(paths, str) else found


def page_of(study: Study) -> str:
    """Write the study's report and read it."""
    return write_report(study).read_text(encoding="utf-8")

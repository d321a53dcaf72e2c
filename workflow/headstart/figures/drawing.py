"""Each figure from the files that it shows."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.cohort.balance import BalanceRow
from headstart.cohort.outliers import SimilarityRow
from headstart.cohort.pairs import PairRow
from headstart.cohort.prepared import read_cohort
from headstart.cohort.rates import Rates
from headstart.cohort.splits import read_splits
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.keys import Key
from headstart.common.records import read_rows
from headstart.common.run_id import RunId
from headstart.data.found_scans import RejectedRow
from headstart.data.label_table import LabelRow
from headstart.evaluation.predictions import pool
from headstart.evaluation.predictions import read_run
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.imaging.scan_rows import CheckRow
from headstart.tasks import TASKS
from headstart.training.history import History


def curves(
    *, settings: ExperimentPlotSettings, stamp: Stamp, output: Path, histories: Sequence[Path]
) -> None:
    """Draw the learning curves of all folds and seeds of an experiment.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        histories: `.../fold-F/seed-S/history.csv`.

    Raises:
        UserError: If a history lies in a folder of another name.
    """
    from headstart.figures.learning_curves import Curve
    from headstart.figures.learning_curves import draw_curves

    runs = [Curve(RunId.of(path), History.read(path)) for path in histories]
    title = _title(settings)
    with document(output, f"{title}: learning curves", stamp) as pages:
        draw_curves(pages, runs, title=title, unit=settings.unit)


def evaluation(
    *,
    settings: ExperimentPlotSettings,
    stamp: Stamp,
    output: Path,
    passed: Path,
    splits: Path,
    prepared: Path,
    predictions: Sequence[Path],
    metrics: Path,
    comparison: Path,
) -> None:
    """Draw the predictions of held-out subjects and the metrics beside the baselines.

    The protocols are those in metrics.csv, the test first.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.
        predictions: `.../fold-F/seed-S/predictions.csv`; masks lie beside them.
        metrics: metrics.csv.
        comparison: comparison.csv.

    Raises:
        UserError: As `read_cohort` and `pool`.
    """
    from headstart.figures.evaluation import draw_evaluation
    from headstart.figures.evaluation_result import Result

    cohort = read_cohort(passed, splits, prepared, settings.target)
    scans = {(scan.subject, scan.session): scan for scan in cohort.scans if scan.target}
    sites = {row.key: row.site for row in read_rows(passed, LabelRow)}
    classes = settings.classes
    task = TASKS[settings.task].of(cohort, tuple(classes))
    runs = [read_run(path) for path in predictions]
    measured, differences = read_rows(metrics, MetricRow), read_rows(comparison, DifferenceRow)
    title = _title(settings)
    parts = {"test": "test", "cross-validation": "fold"}
    with document(output, f"{title}: evaluation", stamp) as pages:
        for protocol in [name for name in parts if having(measured, protocol=name)]:
            result = Result(
                title=title,
                task=task,
                target=cohort.target,
                unit=settings.unit,
                classes=classes,
                protocol=protocol,
                pooled=pool(runs, parts[protocol], scans, task),
                scans=scans,
                sites=sites,
                runs=runs,
                metrics=having(measured, protocol=protocol),
                comparison=having(differences, protocol=protocol),
            )
            draw_evaluation(pages, result)


def augmentation(
    *,
    settings: ExperimentPlotSettings,
    stamp: Stamp,
    output: Path,
    passed: Path,
    splits: Path,
    prepared: Path,
) -> None:
    """Draw what TorchIO does to one training scan.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.

    Raises:
        UserError: As `read_cohort` and `make_augmentation`.
    """
    from headstart.figures.contact_sheet import draw_augmentation

    cohort = read_cohort(passed, splits, prepared, settings.target)
    title = _title(settings)
    with document(output, f"{title}: augmentation", stamp) as pages:
        draw_augmentation(
            pages,
            cohort.training(fold=0)[0],
            settings.augment,
            title=title,
            with_mask=TASKS[settings.task].dense,
        )


def contact_sheet(
    *,
    stamp: Stamp,
    output: Path,
    labels: Path,
    rejected: Sequence[Path],
    passed: Path,
    summary: Path,
    prepared: Path,
    pairs: Path,
    similarity: Path,
) -> None:
    """Draw a small picture of every scan, those rejected or marked ones first.

    Args:
        stamp: What the footer says, and of which study.
        output: The PDF.
        labels: `label/labels.csv`.
        rejected: rejected.csv of label and check.
        passed: `check/passed.csv`.
        summary: `check/summary.csv`.
        prepared: Folder of the prepared shards.
        pairs: `near-duplicates/pairs.csv`.
        similarity: `near-duplicates/similarity.csv`.

    Raises:
        UserError: If a scan neither passed nor was rejected, or has no volume.
    """
    from headstart.cohort.flags import find_marks
    from headstart.cohort.flags import rejected_scans
    from headstart.figures.contact_sheet import Tile
    from headstart.figures.contact_sheet import draw_contact_sheet

    keys = dict.fromkeys(row.key for row in read_rows(labels, LabelRow))
    away = rejected_scans([read_rows(path, RejectedRow) for path in rejected], keys.keys())
    bad = {row.key for row in away}
    keys |= dict.fromkeys(row.key for row in away)
    similar = read_rows(similarity, SimilarityRow)
    marks = find_marks(away, read_rows(summary, CheckRow), read_rows(pairs, PairRow), similar)
    pictures = _pictures(prepared)
    good = {row.key for row in read_rows(passed, LabelRow)}
    if bad | good != set(keys) or bad & good or good - pictures.keys():
        raise UserError(
            f"{passed}: {len(good)} scans passed and {len(bad)} were rejected, but {len(keys)} "
            f"were found and {len(pictures)} prepared; run check and prepare again"
        )
    distance = {scan.key: scan.distance for scan in similar}
    in_order = sorted(keys, key=lambda key: -distance.get(key, 0.0))
    tiles = [Tile(key, pictures.get(key), marks.get(key)) for key in in_order]
    study = stamp.study
    with document(output, f"{study}: contact sheet", stamp) as pages:
        draw_contact_sheet(pages, tiles, study=study)


def near_duplicates(
    *,
    stamp: Stamp,
    output: Path,
    pairs: Path,
    pictures: Path,
    rates: Path,
) -> None:
    """Draw how alike strangers are, and the pairs that stand out side by side.

    Args:
        stamp: What the footer says, and of which study.
        output: The PDF.
        pairs: `near-duplicates/pairs.csv`.
        pictures: `near-duplicates/pictures.npy`.
        rates: `near-duplicates/rates.json`.
    """
    import numpy as np

    from headstart.figures.near_duplicates import draw_near_duplicates

    study = stamp.study
    with document(output, f"{study}: near-duplicates", stamp) as pages:
        draw_near_duplicates(
            pages,
            study=study,
            pairs=read_rows(pairs, PairRow),
            pictures=np.load(pictures),
            rates=Rates.read(rates),
        )


def distributions(
    *,
    stamp: Stamp,
    output: Path,
    rejected: Sequence[Path],
    summary: Path,
    pairs: Path,
    similarity: Path,
) -> None:
    """Draw how shape, voxel size, intensity and similarity are spread, the marked scans marked.

    Args:
        stamp: What the footer says, and of which study.
        output: The PDF.
        rejected: rejected.csv of label and check.
        summary: `check/summary.csv`.
        pairs: `near-duplicates/pairs.csv`.
        similarity: `near-duplicates/similarity.csv`.
    """
    from headstart.cohort.flags import find_marks
    from headstart.cohort.flags import rejected_scans
    from headstart.figures.distributions import draw_distributions

    checked, similar = read_rows(summary, CheckRow), read_rows(similarity, SimilarityRow)
    found = {row.key for row in checked}
    away = rejected_scans([read_rows(path, RejectedRow) for path in rejected], found)
    marks = find_marks(away, checked, read_rows(pairs, PairRow), similar)
    study = stamp.study
    with document(output, f"{study}: the scans", stamp) as pages:
        draw_distributions(pages, study=study, summary=checked, similarity=similar, marks=marks)


def flow(
    *,
    stamp: Stamp,
    output: Path,
    labels: Path,
    rejected: Sequence[Path],
    passed: Path,
    splits: Path,
) -> None:
    """Draw who came in, who was rejected, and how the rest was divided.

    Args:
        stamp: What the footer says, and of which study.
        output: The PDF.
        labels: `label/labels.csv`.
        rejected: rejected.csv of label and check.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
    """
    from headstart.figures.cohort_flow import draw_flow

    study = stamp.study
    tables = [read_rows(path, RejectedRow) for path in rejected]
    with document(output, f"{study}: data and exclusions", stamp) as pages:
        draw_flow(
            pages,
            study=study,
            labels=read_rows(labels, LabelRow),
            rejected=dict(zip(("label", "check"), tables, strict=True)),
            passed=read_rows(passed, LabelRow),
            splits=read_splits(splits),
        )


def balance(*, stamp: Stamp, output: Path, passed: Path, balance: Path) -> None:
    """Draw each label in each part, how far the parts differ, and each label by site.

    Args:
        stamp: What the footer says, and of which study.
        output: The PDF.
        passed: `check/passed.csv`.
        balance: `split/balance.csv`.
    """
    from headstart.figures.balance import draw_balance
    from headstart.figures.balance import draw_differences
    from headstart.figures.balance import draw_sites

    study = stamp.study
    with document(output, f"{study}: split and balance", stamp) as pages:
        rows = read_rows(balance, BalanceRow)
        draw_balance(pages, rows, study=study)
        draw_differences(pages, rows, study=study)
        draw_sites(pages, read_rows(passed, LabelRow), study=study)


def manifest(study: str, figures: Sequence[Path]) -> dict[str, Any]:
    """List figures with size and sha256, so that who copies them can tell that they are whole."""
    entries = [
        {"file": path.name, "bytes": path.stat().st_size, "sha256": files.sha256(path)}
        for path in sorted(figures)
    ]
    return {"study": study, "files": entries}


def terminal(histories: Sequence[Path]) -> str:
    """Draw the learning curves of one run, or of two overlaid, as text.

    Args:
        histories: One or two history.csv, finished or live.

    Raises:
        UserError: If there are more than two, or one is missing or empty.
    """
    from headstart.figures.terminal import terminal_curves

    if len(histories) > 2:
        raise UserError(f"plot: one or two trainings, not {len(histories)}")
    runs = []
    for path in histories:
        if not path.is_file():
            raise UserError(f"{path}: is not there; give a history.csv of the stage train")
        runs.append(History.read(path))
        if not runs[-1].epochs:
            raise UserError(f"{path}: has no epoch yet; try again when the first one is done")
    if len({(run.key_metric, run.validates) for run in runs}) > 1:
        raise UserError(
            "plot: the two runs are of different tasks, or one of them validates and the other "
            "does not; show them one by one"
        )
    width = min(shutil.get_terminal_size().columns, 120)
    names = ["/".join(path.parent.parts[-4:]) for path in histories]
    return terminal_curves(runs, names, width=width, colour=sys.stdout.isatty())


def _title(settings: ExperimentPlotSettings) -> str:
    of_what = "" if TASKS[settings.task].dense else f" of {settings.target}"
    return f"{settings.experiment} ({settings.task}{of_what})"


def _pictures(prepared: Path) -> dict[Key, Any]:
    """Return a small picture of each prepared scan."""
    from headstart.cohort.shards import ShardCard
    from headstart.cohort.shards import read_scan
    from headstart.cohort.shards import volumes_of
    from headstart.figures.contact_sheet import thumbnail

    pictures = {}
    for path in sorted(prepared.glob("shard-*.json")):
        card = ShardCard.read(path)
        for scan in card.scans:
            volume = read_scan(volumes_of(path), scan.index, scan.sha256)
            pictures[scan.key] = thumbnail(volume[0], card.prepare.voxel_size)
    return pictures

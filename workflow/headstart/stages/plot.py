"""Draw figures as PDF: vector, made for print, the same input always giving the same bytes."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.parts import files
from headstart.parts.cohort import read_cohort
from headstart.parts.errors import UserError
from headstart.parts.figures import Stamp
from headstart.parts.figures import document
from headstart.parts.predictions import Key
from headstart.parts.predictions import fold_and_seed
from headstart.parts.predictions import pool
from headstart.parts.predictions import read_run
from headstart.parts.provenance import code_digest

# What each kind of figure is drawn from.
NEEDS = {
    "curves": ("passed", "histories"),
    "evaluation": ("passed", "splits", "prepared", "predictions", "metrics", "comparison"),
    "augmentation": ("passed", "splits", "prepared"),
    "contact-sheet": (
        *("labels", "rejected", "passed", "summary"),
        *("prepared", "lookalikes", "likeness"),
    ),
    "distributions": ("rejected", "passed", "summary", "lookalikes", "likeness"),
    "flow": ("labels", "rejected", "passed", "splits"),
    "balance": ("passed", "balance"),
    "manifest": ("files",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--terminal",
        type=Path,
        nargs="+",
        metavar="HISTORY",
        help="show one history.csv, or two overlaid, in the terminal; needs nothing else",
    )
    parser.add_argument("--kind", choices=NEEDS, help="what to draw")
    parser.add_argument("--settings", default="{}", help="JSON: study, synthetic, experiment, …")
    parser.add_argument("--output", type=Path, help="the PDF, or manifest.json")
    parser.add_argument("--labels", type=Path, help="label/labels.csv")
    parser.add_argument(
        "--rejected", type=Path, nargs=2, help="label/rejected.csv check/rejected.csv"
    )
    parser.add_argument("--passed", type=Path, help="check/passed.csv; its digest is in the footer")
    parser.add_argument("--summary", type=Path, help="check/summary.csv")
    parser.add_argument("--splits", type=Path, help="split/splits.csv")
    parser.add_argument("--balance", type=Path, help="split/balance.csv")
    parser.add_argument("--lookalikes", type=Path, help="prepare/lookalikes.csv")
    parser.add_argument("--likeness", type=Path, help="prepare/likeness.csv")
    parser.add_argument("--prepared", type=Path, help="folder of shard-K.json")
    parser.add_argument(
        "--histories", type=Path, nargs="+", help=".../fold-F/seed-S/history.csv, all runs"
    )
    parser.add_argument(
        "--predictions", type=Path, nargs="+", help=".../fold-F/seed-S/predictions.csv, all runs"
    )
    parser.add_argument("--metrics", type=Path, help="evaluate/EXPERIMENT/metrics.csv")
    parser.add_argument("--comparison", type=Path, help="evaluate/EXPERIMENT/comparison.csv")
    parser.add_argument("--files", type=Path, nargs="+", help="the figures that a manifest lists")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    if arguments.terminal:
        print(terminal(arguments.terminal))
        return
    _check_complete(arguments)
    settings = json.loads(arguments.settings)
    if arguments.kind == "manifest":
        files.write_json(arguments.output, manifest(settings["study"], arguments.files))
        return
    given = {name: getattr(arguments, name) for name in NEEDS[arguments.kind]}
    draw: dict[str, Callable[..., None]] = {
        "curves": curves,
        "evaluation": evaluation,
        "augmentation": augmentation,
        "contact-sheet": contact_sheet,
        "distributions": distributions,
        "flow": flow,
        "balance": balance,
    }
    draw[arguments.kind](settings=settings, output=arguments.output, **given)


def curves(
    *, settings: Mapping[str, Any], output: Path, passed: Path, histories: Sequence[Path]
) -> None:
    """Draw the learning curves of all folds and seeds of an experiment.

    Args:
        settings: The stage's slice: study, synthetic, experiment, task, target.
        output: The PDF.
        passed: `check/passed.csv`, for its digest.
        histories: `.../fold-F/seed-S/history.csv`.

    Raises:
        UserError: If a history lies in a folder of another name.
    """
    from headstart.parts.curves import draw_curves
    from headstart.parts.curves import read_history

    runs = [read_history(path, *fold_and_seed(path)) for path in histories]
    title = _title(settings)
    with document(output, f"{title}: learning curves", _stamp(settings, passed)) as pages:
        draw_curves(pages, runs, title=title, unit=settings.get("unit", ""))


def evaluation(
    *,
    settings: Mapping[str, Any],
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
        settings: The stage's slice: study, synthetic, experiment, task, target, classes.
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
    from headstart.parts.panels import Result
    from headstart.parts.panels import draw_evaluation

    task, target = settings["task"], settings["target"]
    cohort = read_cohort(passed, splits, prepared, target, task)
    scans = {(scan.subject, scan.session): scan for scan in cohort.scans if scan.target}
    sites = {
        (row["subject"], row["session"]): row["site"]
        for row in files.read_csv(passed).to_dict("records")
    }
    names = cohort.classes or tuple(settings["classes"].values())
    runs = [read_run(path) for path in predictions]
    judged = pd.read_csv(metrics)
    title = _title(settings)
    parts = {"test": "test", "cross-validation": "fold"}
    with document(output, f"{title}: evaluation", _stamp(settings, passed)) as pages:
        for protocol in [name for name in parts if (judged["protocol"] == name).any()]:
            result = Result(
                title=title,
                task=task,
                target=target,
                unit=settings.get("unit", ""),
                names=names,
                protocol=protocol,
                pooled=pool(runs, parts[protocol], scans, task, names),
                scans=scans,
                sites=sites,
                runs=runs,
                metrics=judged,
                comparison=pd.read_csv(comparison),
            )
            draw_evaluation(pages, result)


def augmentation(
    *, settings: Mapping[str, Any], output: Path, passed: Path, splits: Path, prepared: Path
) -> None:
    """Draw what TorchIO does to one training scan.

    Args:
        settings: The stage's slice: study, synthetic, experiment, task, target, augment.
        output: The PDF.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.

    Raises:
        UserError: As `read_cohort` and `make_augmentation`.
    """
    from headstart.parts.gallery import draw_augmentation

    cohort = read_cohort(passed, splits, prepared, settings["target"], settings["task"])
    title = _title(settings)
    with document(output, f"{title}: augmentation", _stamp(settings, passed)) as pages:
        draw_augmentation(
            pages,
            cohort.training(fold=0)[0],
            settings["augment"],
            title=title,
            with_mask=settings["task"] == "segmentation",
        )


def contact_sheet(
    *,
    settings: Mapping[str, Any],
    output: Path,
    labels: Path,
    rejected: Sequence[Path],
    passed: Path,
    summary: Path,
    prepared: Path,
    lookalikes: Path,
    likeness: Path,
) -> None:
    """Draw a small picture of every scan, those that were turned away or flagged first.

    Args:
        settings: The stage's slice: study, synthetic.
        output: The PDF.
        labels: `label/labels.csv`.
        rejected: rejected.csv of label and check.
        passed: `check/passed.csv`.
        summary: `check/summary.csv`.
        prepared: Folder of the prepared shards.
        lookalikes: `prepare/lookalikes.csv`.
        likeness: `prepare/likeness.csv`.

    Raises:
        UserError: If a scan neither passed nor was turned away, or has no volume.
    """
    from headstart.parts.gallery import Tile
    from headstart.parts.gallery import draw_contact_sheet
    from headstart.parts.marks import find_marks
    from headstart.parts.marks import turned_away

    keys = dict.fromkeys(_scans_in(files.read_csv(labels)))
    away = turned_away([files.read_csv(path) for path in rejected], set(keys))
    keys |= dict.fromkeys(_scans_in(away))
    marks = find_marks(away, *map(files.read_csv, (summary, lookalikes, likeness)))
    pictures = _pictures(prepared)
    bad, good = set(_scans_in(away)), set(_scans_in(files.read_csv(passed)))
    if bad | good != set(keys) or bad & good or good - pictures.keys():
        raise UserError(
            f"{passed}: {len(good)} scans passed and {len(bad)} were turned away, but {len(keys)} "
            f"were found and {len(pictures)} prepared; run check and prepare again"
        )
    tiles = [Tile(key, pictures.get(key), marks.get(key)) for key in keys]
    study = settings["study"]
    with document(output, f"{study}: contact sheet", _stamp(settings, passed)) as pages:
        draw_contact_sheet(pages, tiles, study=study)


def distributions(
    *,
    settings: Mapping[str, Any],
    output: Path,
    rejected: Sequence[Path],
    passed: Path,
    summary: Path,
    lookalikes: Path,
    likeness: Path,
) -> None:
    """Draw how shape, voxel size, intensity and likeness are spread, the marked scans marked.

    Args:
        settings: The stage's slice: study, synthetic.
        output: The PDF.
        rejected: rejected.csv of label and check.
        passed: `check/passed.csv`, for its digest.
        summary: `check/summary.csv`.
        lookalikes: `prepare/lookalikes.csv`.
        likeness: `prepare/likeness.csv`.
    """
    from headstart.parts.marks import find_marks
    from headstart.parts.marks import turned_away
    from headstart.parts.spread import draw_distributions

    checked, pairs, likes = map(files.read_csv, (summary, lookalikes, likeness))
    away = turned_away([files.read_csv(path) for path in rejected], set(_scans_in(checked)))
    marks = find_marks(away, checked, pairs, likes)
    study = settings["study"]
    with document(output, f"{study}: the scans", _stamp(settings, passed)) as pages:
        draw_distributions(pages, study=study, summary=checked, likeness=likes, marks=marks)


def flow(
    *,
    settings: Mapping[str, Any],
    output: Path,
    labels: Path,
    rejected: Sequence[Path],
    passed: Path,
    splits: Path,
) -> None:
    """Draw who came in, who was turned away, and how the rest was divided.

    Args:
        settings: The stage's slice: study, synthetic.
        output: The PDF.
        labels: `label/labels.csv`.
        rejected: rejected.csv of label and check.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
    """
    from headstart.parts.flow import draw_flow

    study = settings["study"]
    tables = [files.read_csv(path) for path in rejected]
    with document(output, f"{study}: data and exclusions", _stamp(settings, passed)) as pages:
        draw_flow(
            pages,
            study=study,
            labels=files.read_csv(labels),
            rejected=dict(zip(("label", "check"), tables, strict=True)),
            passed=files.read_csv(passed),
            splits=files.read_csv(splits),
        )


def balance(*, settings: Mapping[str, Any], output: Path, passed: Path, balance: Path) -> None:
    """Draw each label in each part, how far the parts differ, and each label by site.

    Args:
        settings: The stage's slice: study, synthetic.
        output: The PDF.
        passed: `check/passed.csv`.
        balance: `split/balance.csv`.
    """
    from headstart.parts.flow import draw_balance
    from headstart.parts.flow import draw_differences
    from headstart.parts.flow import draw_sites

    study = settings["study"]
    with document(output, f"{study}: split and balance", _stamp(settings, passed)) as pages:
        draw_balance(pages, files.read_csv(balance), study=study)
        draw_differences(pages, files.read_csv(balance), study=study)
        draw_sites(pages, files.read_csv(passed), study=study)


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
    from headstart.parts.curves import key_column
    from headstart.parts.curves import read_history
    from headstart.parts.terminal import terminal_curves

    if len(histories) > 2:
        raise UserError(f"plot --terminal: one or two histories, not {len(histories)}")
    runs = []
    for path in histories:
        if not path.is_file():
            raise UserError(f"{path}: is not there; give a history.csv of the stage train")
        runs.append(read_history(path, 0, 0))
        if runs[-1].table.empty:
            raise UserError(f"{path}: has no epoch yet; try again when the first one is done")
    if len({key_column(run) for run in runs}) > 1:
        raise UserError(
            "plot --terminal: the two runs are of different tasks; show them one by one"
        )
    width = min(shutil.get_terminal_size().columns, 120)
    names = ["/".join(path.parent.parts[-4:]) for path in histories]
    return terminal_curves(runs, names, width=width, colour=sys.stdout.isatty())


def _check_complete(arguments: argparse.Namespace) -> None:
    if arguments.kind is None:
        raise UserError(f"plot: give --kind ({', '.join(NEEDS)}), or --terminal HISTORY")
    for name in (*NEEDS[arguments.kind], "output"):
        if getattr(arguments, name) is None:
            raise UserError(f"plot: --kind {arguments.kind} needs --{name}")


def _stamp(settings: Mapping[str, Any], passed: Path) -> Stamp:
    return Stamp(
        study=settings["study"],
        data=files.sha256(passed)[:8],
        code=code_digest("plot")[:8],
        synthetic=settings.get("synthetic", False),
    )


def _title(settings: Mapping[str, Any]) -> str:
    of_what = "" if settings["task"] == "segmentation" else f" of {settings['target']}"
    return f"{settings['experiment']} ({settings['task']}{of_what})"


def _scans_in(table: pd.DataFrame) -> Iterator[Key]:
    return zip(table["subject"], table["session"], strict=True)


def _pictures(prepared: Path) -> dict[Key, Any]:
    """Return a small picture of each prepared scan."""
    import numpy as np

    from headstart.parts.gallery import thumbnail

    pictures = {}
    for card in sorted(prepared.glob("shard-*.json")):
        shard = json.loads(card.read_text(encoding="utf-8"))
        if not shard["scans"]:
            continue
        volumes = np.load(card.with_suffix(".npy"), mmap_mode="r")
        for scan in shard["scans"]:
            key = (scan["subject"], scan["session"])
            pictures[key] = thumbnail(volumes[scan["index"], 0], shard["voxel_size"])
    return pictures

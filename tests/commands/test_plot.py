from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from cards import make_card
from cards import make_identity
from cards import make_run
from evaluated import Study
from evaluated import change_masks
from evaluated import make_study

from headstart.cli import main
from headstart.cohort.flags import Mark
from headstart.cohort.flags import find_marks
from headstart.cohort.flags import rejected_scans
from headstart.cohort.outliers import SimilarityRow
from headstart.cohort.pairs import PairRow
from headstart.common import files
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.common.schema import settings_text
from headstart.data.found_scans import RejectedRow
from headstart.data.label_table import LabelRow
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.settings import EvaluateSettings
from headstart.figures.contact_sheet import thumbnail
from headstart.figures.registry import FIGURES
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.settings import PlotSettings
from headstart.figures.settings import SweepPlotSettings
from headstart.imaging.scan_rows import CheckRow
from headstart.tasks import TASKS
from headstart.training import run_store
from headstart.training.history import Epoch
from headstart.training.history import History

# one group: what they share is made once, not once per process
pytestmark = pytest.mark.xdist_group("plot")

TARGETS = {"regression": "age", "classification": "sex", "segmentation": "mask"}
AUGMENT = [{"RandomNoise": {"std": 0.2}}, {"RandomFlip": {"axes": [0]}}]


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> dict[str, Study]:
    made = {}
    for task in TARGETS:
        study = make_study(tmp_path_factory.mktemp(task), task=task, subjects=24)
        words = ["evaluate", "--settings", settings_text(judged(task)), *study.tables, *study.data]
        words += ["--predictions", *map(str, study.predictions)]
        words += ["--openings", str(study.root / "test-openings.csv")]
        assert main([*words, "--output", str(study.root / "evaluate/exp")]) == 0
        made[task] = study
    return made


@pytest.fixture(scope="module")
def drawn(studies, tmp_path_factory) -> Callable[[str, str], Path]:
    """Draw a figure of a study, each once."""

    @cache
    def draw(kind: str, task: str) -> Path:
        output = tmp_path_factory.mktemp(kind) / "figure.pdf"
        assert main(words(studies[task], kind, task, output)) == 0
        return output

    return draw


def judged(task: str) -> EvaluateSettings:
    of_runs = {"test": True, "folds": (0, 1), "seeds": (0, 1)}
    return EvaluateSettings(**question(task), primary=TASKS[task].metrics[0], **of_runs)


def question(task: str) -> dict[str, Any]:
    classes = {"rim": (1,), "core": (2,)} if task == "segmentation" else {}
    return {"experiment": "exp", "task": task, "target": TARGETS[task], "classes": classes}


def shown(kind: str, task: str, *, synthetic: bool = True) -> PlotSettings:
    of_study = {"study": "first-day", "synthetic": synthetic}
    if not FIGURES[kind].chosen_by:
        return CohortPlotSettings(
            **of_study, units={"age": "years"}, classes=question(task)["classes"]
        )
    unit = "years" if task == "regression" else ""
    if kind == "sweep":
        swept = {"settings": ("train.epochs",), "variants": {"exp": ("12",)}}
        return SweepPlotSettings(**of_study, **question(task), unit=unit, **swept)
    of_study |= {"unit": unit, "primary": TASKS[task].metrics[0]}
    return ExperimentPlotSettings(**of_study, **question(task), augment=AUGMENT)


def words(study: Study, kind: str, task: str, output: Path, *, synthetic: bool = True) -> list[str]:
    root = study.root
    of_kind = {
        "curves": ["--histories", *study.histories],
        "sweep": ["--histories", *study.histories],
        "evaluation": [
            *study.data,
            *("--predictions", *study.predictions),
            *("--metrics", root / "evaluate/exp/metrics.csv"),
            *("--comparison", root / "evaluate/exp/comparison.csv"),
        ],
        "augmentation": [],
        "contact-sheet": [*flags(root), *cohort(root)],
        "near-duplicates": [
            *("--pairs", root / "near-duplicates/pairs.csv"),
            *("--pictures", root / "near-duplicates/pictures.npy"),
            *("--rates", root / "near-duplicates/rates.json"),
        ],
        "distributions": [*flags(root), *cohort(root)],
        "flow": cohort(root),
        "balance": ["--balance", root / "split/balance.csv"],
    }[kind]
    settings = settings_text(shown(kind, task, synthetic=synthetic))
    given = ["plot", "--kind", kind, "--settings", settings, *study.tables]
    return [*given, *map(str, of_kind), "--output", str(output)]


def cohort(root: Path) -> list[Path | str]:
    rejected = [root / "label/rejected.csv", root / "check/rejected.csv"]
    return ["--labels", root / "label/labels.csv", "--rejected", *rejected]


def flags(root: Path) -> list[Path | str]:
    return [
        *("--summary", root / "check/summary.csv"),
        *("--pairs", root / "near-duplicates/pairs.csv"),
        *("--similarity", root / "near-duplicates/similarity.csv"),
    ]


def text_of(pdf: Path) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils)")
    done = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, check=True)
    return done.stdout.decode()


def pages_of(pdf: Path) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf.read_bytes()))


KINDS = [
    *(("curves", task) for task in TARGETS),
    *(("evaluation", task) for task in TARGETS),
    ("sweep", "segmentation"),
    ("augmentation", "segmentation"),
    ("contact-sheet", "regression"),
    ("near-duplicates", "regression"),
    ("distributions", "regression"),
    ("flow", "regression"),
    ("balance", "regression"),
]


@pytest.mark.parametrize(("kind", "task"), KINDS)
def test_each_kind_is_drawn_and_its_foot_says_from_what(studies, drawn, kind, task):
    output = drawn(kind, task)
    assert b"CreationDate" not in output.read_bytes()
    text = text_of(output)
    passed = studies[task].root / "check/passed.csv"
    digest = hashlib.sha256(passed.read_bytes()).hexdigest()[:8]
    assert text.count("study first-day") == text.count(f"data {digest}") == pages_of(output)
    assert text.count("SYNTHETIC") == pages_of(output)
    assert not re.search(r"\$|\\math|\^\{", text), "TeX that is not set"


@pytest.mark.parametrize(("kind", "task"), KINDS)
def test_no_figure_of_real_scans_is_called_synthetic(studies, kind, task, tmp_path: Path):
    output = tmp_path / "figure.pdf"
    assert main(words(studies[task], kind, task, output, synthetic=False)) == 0
    assert "SYNTHETIC" not in text_of(output)


@pytest.mark.parametrize(("kind", "task"), [("curves", "regression"), ("flow", "regression")])
def test_two_processes_write_the_same_bytes(studies, kind, task, tmp_path: Path):
    digests = []
    for number in (1, 2):
        output = tmp_path / f"{number}.pdf"
        command = [sys.executable, "-m", "headstart"]
        subprocess.run(
            [*command, *words(studies[task], kind, task, output)],
            env=os.environ
            | {"PYTHONHASHSEED": str(number), "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
        digests.append(hashlib.sha256(output.read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_evaluation_keeps_its_bytes_and_has_a_page_per_protocol(studies, drawn, tmp_path: Path):
    before, output = drawn("evaluation", "segmentation"), tmp_path / "again.pdf"
    assert main(words(studies["segmentation"], "evaluation", "segmentation", output)) == 0
    assert output.read_bytes() == before.read_bytes()
    # numbers, surfaces and volumes, and overlays, on the test and by cross-validation
    assert pages_of(output) == 6


CLASSES = {
    "255": {"rim": [255], "core": [1]},
    "merged and beyond a byte": {"rim": [300, -1], "core": [2, 257]},
    "in the other order": {"rim": [2], "core": [1]},
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, nib.Nifti1Image) for name in CLASSES), (next(iter(CLASSES)), nib.Nifti2Image)],
)
def test_overlays_show_the_predicted_masks_whatever_their_files_call_the_classes(
    studies, drawn, name, kind, tmp_path: Path
):
    """The same masks in other values, or in NIfTI-2, make the same figure, to the byte."""
    plain = drawn("evaluation", "segmentation")
    original, copy = studies["segmentation"], tmp_path / "study"
    shutil.copytree(original.root, copy)
    stored = np.array([0, *(values[-1] for values in CLASSES[name].values())], np.int16)
    study = Study(copy, [copy / p.relative_to(original.root) for p in original.predictions], [])
    change_masks(study, lambda mask: kind(stored[np.asarray(mask.dataobj)], mask.affine))
    given = words(study, "evaluation", "segmentation", tmp_path / "figure.pdf")
    place = given.index("--settings") + 1
    given[place] = json.dumps(json.loads(given[place]) | {"classes": list(CLASSES[name].items())})
    assert main(given) == 0
    assert (tmp_path / "figure.pdf").read_bytes() == plain.read_bytes()
    assert "none predicted" not in text_of(plain)


def test_a_row_of_slices_without_a_prediction_says_so(tmp_path: Path):
    study = make_study(tmp_path, task="segmentation", subjects=12, folds=(0, 1), seeds=(0,))
    given = [
        "evaluate",
        "--settings",
        settings_text(judged("segmentation")),
        *study.tables,
        *study.data,
    ]
    given += ["--predictions", *map(str, study.predictions)]
    given += ["--openings", str(study.root / "test-openings.csv")]
    assert main([*given, "--output", str(study.root / "evaluate/exp")]) == 0
    change_masks(study, lambda mask: nib.Nifti1Image(0 * np.asarray(mask.dataobj), mask.affine))
    output = tmp_path / "figure.pdf"
    assert main(words(study, "evaluation", "segmentation", output)) == 0
    assert text_of(output).count("none predicted here") == 6


def test_curves_name_metric_and_unit_and_count_runs(drawn):
    output = drawn("curves", "regression")
    text = text_of(output)
    assert "2 folds \u00d7 2 seeds" in text
    assert "mean absolute error (years)" in text
    assert pages_of(output) == 2


def test_one_run_is_one_page(tmp_path: Path):
    study = make_study(tmp_path, subjects=24, folds=(0,), seeds=(0,))
    assert main(words(study, "curves", "regression", tmp_path / "c.pdf")) == 0
    assert pages_of(tmp_path / "c.pdf") == 1


def labels_of_curves(folder: Path, lowest_loss: float) -> set[str]:
    """Return the words on the curves of a training whose loss falls from 2.4."""
    study = make_study(folder, subjects=24, folds=(0,), seeds=(0,))
    (path,) = study.histories
    history = History.read(path)
    train = np.geomspace(2.4, lowest_loss, len(history.epochs))
    validation = np.geomspace(2.4, 2 * lowest_loss, len(history.epochs))
    losses = zip(history.epochs, train, validation, strict=True)
    epochs = tuple(replace(one, train_loss=loss, val_loss=val) for one, loss, val in losses)
    replace(history, epochs=epochs).write(path)
    assert main(words(study, "curves", "regression", folder / "curves.pdf")) == 0
    return set(text_of(folder / "curves.pdf").split())


def test_a_logarithmic_loss_has_plain_numbers(tmp_path: Path):
    assert {"0.1", "0.2", "0.5", "1", "2"} <= labels_of_curves(tmp_path, 0.08)


def test_a_loss_over_many_decades_is_labelled_at_each_alone(tmp_path: Path):
    labels = labels_of_curves(tmp_path, 1e-5)
    assert {"0.001", "0.01", "0.1", "1"} <= labels
    assert not {"0.002", "0.005", "0.02", "0.05"} & labels


def test_evaluation_prints_the_numbers_of_the_table(studies, drawn):
    output = drawn("evaluation", "regression")
    metrics = pd.read_csv(studies["regression"].root / "evaluate/exp/metrics.csv")
    text = text_of(output)
    chosen = metrics[(metrics["metric"] == "mae") & (metrics["group"] == "all")]
    assert len(chosen) == 10
    assert "the best baseline (" in " ".join(text.split())
    for row in chosen.itertuples():
        assert set(in_words(row.model).split()) <= set(text.split())  # wrapped beside the rows
        assert any(f"{row.value:.{decimals}f}" in text for decimals in (1, 2, 3))


def test_flow_counts_add_up(drawn):
    output = drawn("flow", "regression")
    text = text_of(output)
    for words_of_page in ("Found: 31 scans", "Rejected by the check: 2", "Passed: 29 scans"):
        assert words_of_page in text


def test_contact_sheet_marks_rejected_scans_outliers_and_near_duplicates(drawn):
    output = drawn("contact-sheet", "regression")
    text = text_of(output)
    assert "file ends too early" in text
    assert "NaN or infinite voxels" in text
    assert "outlier, 7.0 SD" in text
    assert text.count("mirror of sub-") == 2
    assert text.count("perhaps as sub-") == 2
    note = " ".join(text.split())
    assert "31 of 31 scans. First the marked ones: 2 rejected" in note
    assert "1 unlike the others" in note
    assert "4 perhaps the same person as another" in note


def test_near_duplicates_are_drawn_with_what_is_expected_by_chance(drawn):
    output = drawn("near-duplicates", "regression")
    text = " ".join(text_of(output).split())
    assert "beyond doubt: similarity 0.941, fewer than 0.001 expected by chance" in text
    assert "doubtful: similarity 0.380, 0.2 expected by chance" in text
    assert "(copies of 3 scans, rotated, shifted" in text
    assert "it found 3 of 3, 2 of them beyond doubt." in text
    assert "400 pairs of scans of different subjects" in text


@pytest.mark.parametrize(
    ("table", "kind"), [("check/passed.csv", LabelRow), ("check/rejected.csv", RejectedRow)]
)
def test_contact_sheet_stops_where_scans_are_lost(
    table: str, kind: type, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    study = make_study(tmp_path, subjects=12, folds=(0,), seeds=(0,))
    write_rows(study.root / table, kind, read_rows(study.root / table, kind)[1:])
    assert main(words(study, "contact-sheet", "regression", tmp_path / "sheet.pdf")) == 2
    assert "run check and prepare again" in capsys.readouterr().err
    assert not (tmp_path / "sheet.pdf").exists()


def test_a_row_of_a_table_that_label_rejected_is_no_scan():
    rejected = [
        RejectedRow("s1", "1", "", "conflicting-labels", ""),
        RejectedRow("s7", "", "", "no-scan", ""),
        RejectedRow("s9", "1", "", "no-row", ""),
    ]
    checked = [RejectedRow("s2", "1", "", "crc", "")]
    away = rejected_scans([rejected, checked], {("s1", "1"), ("s2", "1")})
    assert [row.subject for row in away] == ["s9", "s2"]


def test_distributions_count_the_marked(drawn):
    output = drawn("distributions", "regression")
    text = text_of(output)
    assert "29 of 31 scans: those that could be read" in " ".join(text.split())
    assert "outlier (1)" in text
    assert "near-duplicate (4)" in text
    alike = (
        "The same in all: voxels, left-right 32; voxels, back-front 40; voxels, down-up 32; voxel"
    )
    assert alike in " ".join(text.split())


def test_each_scan_has_one_mark_the_worst():
    rejected = [RejectedRow("a", "1", "", "crc", "")]
    hashes = {("a", "1"): "", ("b", "1"): "x", ("b", "2"): "x", ("c", "1"): "y", ("d", "1"): ""}
    summary = [CheckRow(*key, path="", hash=digest) for key, digest in hashes.items()]
    pairs = [
        PairRow("a", "1", "c", "1", "near-duplicate", True, 0.9, False, 1e-9),
        PairRow("c", "1", "e", "1", "near-duplicate", False, 0.4, False, 0.5),
    ]
    similarity = [SimilarityRow(subject, "1", 0.5, 6.54, outlier=True) for subject in "acd"]
    assert find_marks(rejected, summary, pairs, similarity) == {
        ("a", "1"): Mark("rejected", "damaged compression"),
        ("b", "2"): Mark("near-duplicate", "same voxels as 1"),
        ("c", "1"): Mark("outlier", "outlier, 6.5 SD"),
        ("e", "1"): Mark("near-duplicate", "perhaps as c"),
        ("d", "1"): Mark("outlier", "outlier, 6.5 SD"),
    }


def test_a_crop_is_shown_finer_than_a_head():
    crop = thumbnail(np.random.default_rng(0).normal(size=(48, 64, 48)).astype("f2"), (1, 1, 1))
    assert crop.shape == (24 + 32, 32)


@pytest.mark.parametrize("voxel_size", [(1, 1, 1), (2, 2, 2), (1, 1, 3), (5, 5, 5)])
def test_thumbnails_are_too_coarse_for_a_face(voxel_size):
    shape = [int(200 / edge) for edge in voxel_size]
    picture = thumbnail(np.random.default_rng(0).normal(size=shape).astype("f2"), voxel_size)
    assert picture.shape[0] <= 2 * 200 / 4
    assert picture.shape[1] <= 200 / 4
    assert 0 <= picture.min() <= picture.max() <= 1


def test_the_manifest_lists_size_and_sha256(tmp_path: Path):
    figures = [tmp_path / "b.pdf", tmp_path / "a.pdf"]
    for figure in figures:
        figure.write_bytes(figure.name.encode())
    given = [
        "plot",
        "--kind",
        "manifest",
        "--settings",
        '{"study": "s", "units": {}, "classes": {}}',
    ]
    given += ["--files"]
    assert main([*given, *map(str, figures), "--output", str(tmp_path / "manifest.json")]) == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["study"] == "s"
    assert [entry["file"] for entry in manifest["files"]] == ["a.pdf", "b.pdf"]
    assert manifest["files"][0]["sha256"] == hashlib.sha256(b"a.pdf").hexdigest()
    assert manifest["files"][0]["bytes"] == 5


def test_the_terminal_shows_one_run_or_two_overlaid(studies, capsys):
    first, second, *_ = map(str, studies["regression"].histories)
    assert main(["plot", first]) == 0
    one = capsys.readouterr().out
    assert "kept:" in one
    assert "validation mae" in one
    assert "val_" not in one
    assert any("\u2800" < character < "\u28ff" for character in one)
    assert main(["plot", first, second]) == 0
    two = capsys.readouterr().out
    assert " exp/fold-0/seed-0: " in two
    assert " exp/fold-0/seed-1: " in two
    assert "\033" not in two  # no colours into a pipe
    assert max(map(len, two.splitlines())) <= 120


def test_the_terminal_shows_a_live_history(tmp_path: Path, capsys):
    history = tmp_path / "history.csv"
    History("mae", (Epoch(1, 0.1, 3.0, 4.0, {"mae": 4.0}),), chosen=1).write(history)
    assert main(["plot", str(history)]) == 0
    assert "at epoch 1" in capsys.readouterr().out
    attempts = [tmp_path / f"runs/{seed}/attempt-1/history.csv" for seed in (3, 4)]
    for seed, attempt in zip((3, 4), attempts, strict=True):
        attempt.parent.mkdir(parents=True)
        shutil.copy(history, attempt)
        run_store.write_identity(attempt.parents[1], make_identity(make_run(fold=2, seed=seed)))
    assert main(["plot", *map(str, attempts)]) == 0
    two = capsys.readouterr().out
    assert " age/fold-2/seed-3: " in two
    assert " age/fold-2/seed-4: " in two


def test_curves_of_a_history_that_was_edited_are_not_drawn(tmp_path: Path, capsys):
    study = make_study(tmp_path, folds=(0,), seeds=(0,), subjects=24)
    (path,) = study.histories
    make_card(make_run(), history_sha256=files.sha256(path)).write(path.parent)
    path.write_text(path.read_text().replace("0.", "0.0", 1))
    for asked in (["plot", str(path)], words(study, "curves", "regression", tmp_path / "a.pdf")):
        assert main(asked) == 2
        assert f"{path}: was damaged or edited" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--kind", "curves"], "--kind curves needs --passed"),
        ([], "give --kind"),
        (["nowhere.csv"], "nowhere.csv: is not there"),
        (["a.csv", "b.csv", "c.csv"], "one or two trainings"),
    ],
)
def test_a_wrong_command_says_what_is_missing(given, said, capsys):
    assert main(["plot", *given]) == 2
    assert said in capsys.readouterr().err


def test_without_validation_the_curves_are_those_of_training(tmp_path: Path, capsys):
    study = make_study(tmp_path, subjects=24, seeds=(0, 1))
    for path in study.histories:
        history = History.read(path)
        epochs = tuple(Epoch(one.number, 0.1, one.train_loss) for one in history.epochs)
        replace(history, epochs=epochs).write(path)
    output = tmp_path / "curves.pdf"
    last = shown("curves", "regression").model_copy(update={"keep": "last"})
    given = ["--settings", settings_text(last), *study.tables]
    given += ["--histories", *map(str, study.histories)]
    assert main(["plot", "--kind", "curves", *given, "--output", str(output)]) == 0
    text = text_of(output)
    assert pages_of(output) == 2
    assert "nobody was set aside for validation" in " ".join(text.split())
    assert "Validation" not in text
    for histories in (study.histories[:1], study.histories[:2]):
        assert main(["plot", *map(str, histories)]) == 0
        printed = capsys.readouterr().out
        assert "training loss" in printed
        assert "validation" not in printed
        assert "kept:" in printed

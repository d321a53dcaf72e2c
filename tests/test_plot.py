from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated import Study
from evaluated import make_study

from headstart.cli import main
from headstart.parts.gallery import thumbnail
from headstart.parts.marks import Mark
from headstart.parts.marks import find_marks
from headstart.parts.marks import turned_away

REJECTED = ["subject", "session", "path", "reason", "detail"]
TARGETS = {"regression": "age", "classification": "sex", "segmentation": "mask"}
AUGMENT = [{"RandomNoise": {"std": 0.2}}, {"RandomFlip": {"axes": [0]}}]


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> dict[str, Study]:
    made = {}
    for task in TARGETS:
        study = make_study(tmp_path_factory.mktemp(task), task=task, subjects=24)
        question = {k: v for k, v in slice_of(task).items() if k not in ("study", "synthetic")}
        words = ["evaluate", "--settings", json.dumps(question | {"test": True}), *study.tables]
        words += ["--predictions", *map(str, study.predictions)]
        assert main([*words, "--output", str(study.root / "evaluate/exp")]) == 0
        made[task] = study
    return made


def slice_of(task: str, *, synthetic: bool = True) -> dict[str, object]:
    return {
        "study": "first-day",
        "synthetic": synthetic,
        "experiment": "exp",
        "task": task,
        "target": TARGETS[task],
        "classes": {"1": "rim", "2": "core"} if task == "segmentation" else {},
        "unit": "years" if task == "regression" else "",
        "augment": AUGMENT,
    }


def words(study: Study, kind: str, task: str, output: Path, *, synthetic: bool = True) -> list[str]:
    root = study.root
    of_kind = {
        "curves": ["--histories", *study.histories],
        "evaluation": [
            *("--predictions", *study.predictions),
            *("--metrics", root / "evaluate/exp/metrics.csv"),
            *("--comparison", root / "evaluate/exp/comparison.csv"),
        ],
        "augmentation": [],
        "contact-sheet": [*flags(root), *cohort(root)],
        "distributions": [*flags(root), *cohort(root)],
        "flow": cohort(root),
        "balance": ["--balance", root / "split/balance.csv"],
    }[kind]
    settings = json.dumps(slice_of(task, synthetic=synthetic))
    given = ["plot", "--kind", kind, "--settings", settings, *study.tables]
    return [*given, *map(str, of_kind), "--output", str(output)]


def cohort(root: Path) -> list[Path | str]:
    rejected = [root / "label/rejected.csv", root / "check/rejected.csv"]
    return ["--labels", root / "label/labels.csv", "--rejected", *rejected]


def flags(root: Path) -> list[Path | str]:
    return [
        *("--summary", root / "check/summary.csv"),
        *("--lookalikes", root / "prepare/lookalikes.csv"),
        *("--likeness", root / "prepare/likeness.csv"),
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
    ("augmentation", "segmentation"),
    ("contact-sheet", "regression"),
    ("distributions", "regression"),
    ("flow", "regression"),
    ("balance", "regression"),
]


@pytest.mark.parametrize(("kind", "task"), KINDS)
def test_each_kind_is_drawn_and_its_foot_says_from_what(studies, kind, task, tmp_path: Path):
    output = tmp_path / "figure.pdf"
    assert main(words(studies[task], kind, task, output)) == 0
    assert b"CreationDate" not in output.read_bytes()
    text = text_of(output)
    passed = studies[task].root / "check/passed.csv"
    digest = hashlib.sha256(passed.read_bytes()).hexdigest()[:8]
    assert text.count("study first-day") == text.count(f"data {digest}") == pages_of(output)
    assert text.count("SYNTHETIC") == pages_of(output)


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


def test_evaluation_keeps_its_bytes_and_has_a_page_per_protocol(studies, tmp_path: Path):
    outputs = [tmp_path / "1.pdf", tmp_path / "2.pdf"]
    for output in outputs:
        assert main(words(studies["segmentation"], "evaluation", "segmentation", output)) == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert pages_of(outputs[0]) == 4  # numbers and overlays, on the test and by cross-validation


def test_curves_name_metric_and_unit_and_count_runs(studies, tmp_path: Path):
    output = tmp_path / "curves.pdf"
    main(words(studies["regression"], "curves", "regression", output))
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
    (path,) = study.root.glob("train/exp/*/fold-0/seed-0/history.csv")
    history = pd.read_csv(path)
    history["train_loss"] = np.geomspace(2.4, lowest_loss, len(history))
    history["inner_loss"] = np.geomspace(2.4, 2 * lowest_loss, len(history))
    history.to_csv(path, index=False)
    assert main(words(study, "curves", "regression", folder / "curves.pdf")) == 0
    return set(text_of(folder / "curves.pdf").split())


def test_a_logarithmic_loss_has_plain_numbers(tmp_path: Path):
    assert {"0.1", "0.2", "0.5", "1", "2"} <= labels_of_curves(tmp_path, 0.08)


def test_a_loss_over_many_decades_is_labelled_at_each_alone(tmp_path: Path):
    labels = labels_of_curves(tmp_path, 1e-5)
    assert {"0.001", "0.01", "0.1", "1"} <= labels
    assert not {"0.002", "0.005", "0.02", "0.05"} & labels


def test_evaluation_prints_the_numbers_of_the_table(studies, tmp_path: Path):
    output = tmp_path / "evaluation.pdf"
    main(words(studies["regression"], "evaluation", "regression", output))
    metrics = pd.read_csv(studies["regression"].root / "evaluate/exp/metrics.csv")
    text = text_of(output)
    chosen = metrics[(metrics["metric"] == "mae") & (metrics["group"] == "all")]
    assert len(chosen) == 8
    for row in chosen.itertuples():
        assert row.model in text
        assert f"{row.value:.1f}"[:3] in text


def test_flow_counts_add_up(studies, tmp_path: Path):
    output = tmp_path / "flow.pdf"
    main(words(studies["regression"], "flow", "regression", output))
    text = text_of(output)
    for words_of_page in ("Found: 31 scans", "Turned away by check: 2", "Passed: 29 scans"):
        assert words_of_page in text


def test_contact_sheet_marks_rejected_and_odd_scans(studies, tmp_path: Path):
    output = tmp_path / "sheet.pdf"
    main(words(studies["regression"], "contact-sheet", "regression", output))
    text = text_of(output)
    assert "truncated" in text
    assert "not-finite" in text
    assert "unlike the others" in text
    assert text.count("mirror of sub-") == 2
    note = " ".join(text.split())
    assert "31 of 31 scans, first the 2 turned away" in note
    assert "the 1 unlike the others and the 2 that look like" in note


@pytest.mark.parametrize("table", ["check/passed.csv", "check/rejected.csv"])
def test_contact_sheet_stops_where_scans_are_lost(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    study = make_study(tmp_path, subjects=12, folds=(0,), seeds=(0,))
    kept = pd.read_csv(study.root / table, dtype=str).iloc[1:]
    kept.to_csv(study.root / table, index=False)
    assert main(words(study, "contact-sheet", "regression", tmp_path / "sheet.pdf")) == 2
    assert "run check and prepare again" in capsys.readouterr().err
    assert not (tmp_path / "sheet.pdf").exists()


def test_a_row_of_a_table_that_label_turned_away_is_no_scan():
    rejected = pd.DataFrame(
        [
            ("s1", "1", "", "conflicting-labels", ""),
            ("s7", "", "", "no-scan", ""),
            ("s9", "1", "", "no-row", ""),
        ],
        columns=REJECTED,
    )
    checked = pd.DataFrame([("s2", "1", "", "crc", "")], columns=REJECTED)
    away = turned_away([rejected, checked], {("s1", "1"), ("s2", "1")})
    assert away["subject"].tolist() == ["s9", "s2"]


def test_distributions_count_the_marked(studies, tmp_path: Path):
    output = tmp_path / "distributions.pdf"
    main(words(studies["regression"], "distributions", "regression", output))
    text = text_of(output)
    assert "29 of 31 scans: those that could be read" in " ".join(text.split())
    assert "unlike the others (1)" in text
    assert "looks like another (2)" in text
    assert "all 4" in text


def test_each_scan_has_one_mark_the_worst():
    def table(columns: str, *rows: tuple[str, ...]) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=columns.split())

    rejected = table("subject session reason", ("a", "1", "crc"))
    summary = table(
        "subject session hash",
        ("a", "1", ""),
        ("b", "1", "x"),
        ("b", "2", "x"),
        ("c", "1", "y"),
        ("d", "1", ""),
    )
    pairs = table(
        "subject session other_subject other_session correlation flipped",
        ("a", "1", "c", "1", "0.999", "0"),
    )
    likeness = table("subject session odd", ("a", "1", "1"), ("c", "1", "1"), ("d", "1", "1"))
    assert find_marks(rejected, summary, pairs, likeness) == {
        ("a", "1"): Mark("rejected", "crc"),
        ("b", "2"): Mark("alike", "same voxels as 1"),
        ("c", "1"): Mark("alike", "like a"),
        ("d", "1"): Mark("odd", "unlike the others"),
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
    given = ["plot", "--kind", "manifest", "--settings", '{"study": "s"}', "--files"]
    assert main([*given, *map(str, figures), "--output", str(tmp_path / "manifest.json")]) == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["study"] == "s"
    assert [entry["file"] for entry in manifest["files"]] == ["a.pdf", "b.pdf"]
    assert manifest["files"][0]["sha256"] == hashlib.sha256(b"a.pdf").hexdigest()
    assert manifest["files"][0]["bytes"] == 5


def test_the_terminal_shows_one_run_or_two_overlaid(studies, capsys):
    first, second, *_ = map(str, studies["regression"].histories)
    assert main(["plot", "--terminal", first]) == 0
    one = capsys.readouterr().out
    assert "kept:" in one
    assert any("\u2800" < character < "\u28ff" for character in one)
    assert main(["plot", "--terminal", first, second]) == 0
    two = capsys.readouterr().out
    assert "seed-0" in two
    assert "seed-1" in two
    assert "\033" not in two  # no colours into a pipe
    assert max(map(len, two.splitlines())) <= 120


def test_the_terminal_shows_a_live_history(tmp_path: Path, capsys):
    history = tmp_path / "history.csv"
    history.write_text("epoch,learning_rate,train_loss,inner_loss,inner_mae\n1,0.1,3.0,4.0,4.0\n")
    assert main(["plot", "--terminal", str(history)]) == 0
    assert "at epoch 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--kind", "curves"], "--kind curves needs --passed"),
        ([], "give --kind"),
        (["--terminal", "nowhere.csv"], "nowhere.csv: is not there"),
        (["--terminal", "a", "b", "c"], "one or two histories"),
    ],
)
def test_a_wrong_command_says_what_is_missing(given, said, capsys):
    assert main(["plot", *given]) == 2
    assert said in capsys.readouterr().err

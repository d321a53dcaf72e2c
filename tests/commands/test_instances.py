"""Masks that are judged by their objects: the tables of evaluate, and the pages of plot."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from evaluated import VOXEL
from evaluated import WINDOW
from evaluated import Study
from evaluated import make_study
from prepared_shards import write_digests
from words_on_pages import on_another
from words_on_pages import words_of

from headstart.cli import main
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import masks_of
from headstart.common import files
from headstart.common.schema import settings_text
from headstart.evaluation.predictions import read_run
from headstart.evaluation.predictions import write_predictions
from headstart.evaluation.settings import EvaluateSettings
from headstart.figures.settings import ExperimentPlotSettings
from headstart.tasks.instance_segmentation import InstanceSegmentation
from headstart.tasks.objects import measure_with_objects

TASK = InstanceSegmentation(("rim", "core"))
QUESTION: dict[str, Any] = {
    **{"experiment": "exp", "task": "segmentation", "target": "mask", "instances": True},
    **{"classes": {"rim": (1,), "core": (2,)}, "primary": "lesion_f1"},
}


def spots(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A mask of some cubes, and one that misses the smallest, and has others where nothing is."""
    truth, said = np.zeros((2, *WINDOW), np.uint8)
    places = np.stack(np.meshgrid(*[np.arange(7, n - 8, 6) for n in WINDOW]), -1).reshape(-1, 3)
    chosen = rng.permutation(places)[: rng.integers(6, 11)]
    for number, (x, y, z) in enumerate(chosen):
        size, value = int(rng.integers(1, 5)), 1 + (number == 0)
        cube = (slice(x, x + size), slice(y, y + size), slice(z, z + size))
        if number < len(chosen) - 2:
            truth[cube] = value
        if size > 1 and rng.random() < 0.9:
            said[cube] = value
    return truth, said


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """One of which the masks hold spots, predicted by one network of each fold."""
    made = make_study(tmp_path_factory.mktemp("spots"), task="segmentation", seeds=(0,))
    rng, drawn = np.random.default_rng(3), {}
    for path in sorted((made.root / "prepare").glob("shard-*.json")):
        masks = np.load(masks_of(path))
        for scan in ShardCard.read(path).scans:
            drawn[scan.subject, scan.session] = spots(rng)
            masks[scan.index] = drawn[scan.subject, scan.session][0]
        np.save(masks_of(path), masks)
        write_digests(path)
    for path in made.predictions:
        rows = []
        for row in read_run(path).rows:
            place, (truth, said) = path.parent / row.answer["mask"], drawn[row.key]
            nib.save(nib.Nifti1Image(said, nib.load(place).affine), place)
            measured = measure_with_objects(truth, said, 2, (VOXEL,) * 3, 1.0).ravel()
            texts = ["" if cell != cell else str(cell) for cell in measured]
            cells = dict(zip(TASK.evaluated_columns, texts, strict=True))
            cells |= {"mask": row.answer["mask"], "mask_sha256": files.sha256(place)}
            rows.append(replace(row, answer=cells))
        write_predictions(path, rows, weights="0" * 64)
    settings = EvaluateSettings(**QUESTION, test=False, folds=(0, 1), seeds=(0,))
    assert evaluate(made, settings) == 0
    return made


def evaluate(study: Study, settings: EvaluateSettings) -> int:
    words = ["evaluate", "--settings", settings_text(settings), *study.tables, *study.data]
    words += ["--predictions", *map(str, study.predictions)]
    words += ["--openings", str(study.root / "test-openings.csv")]
    return main([*words, "--output", str(study.root / "evaluate/exp")])


def predicted(study: Study) -> pd.DataFrame:
    """The answers for held-out scans of all folds."""
    table = pd.concat(map(pd.read_csv, study.predictions))
    return table[table["part"] == "fold"]


def test_the_network_and_its_baselines_are_told_by_objects(study: Study) -> None:
    metrics = pd.read_csv(study.root / "evaluate/exp/metrics.csv")
    everyone = metrics[metrics["group"] == "all"].set_index(["model", "metric"])
    models = {"network", "background", "mean-mask", "label-transfer"}
    names = {*TASK.metrics, *TASK.further_metrics, "false_lesions_rim", "pq_core"}
    assert {*everyone.index} >= {(model, name) for model in models for name in names}
    table = predicted(study)
    # a subject has one weight, whatever the number of its sessions
    of_subject = table.groupby("subject")["lesion_f1_rim"].mean()
    row = everyone.loc["network", "lesion_f1_rim"]
    assert row["value"] == pytest.approx(of_subject.mean())
    assert row["ci_low"] < row["value"] < row["ci_high"]
    assert row["ci_method"].startswith("jackknife-t (logit scale)")
    assert row["n"] == len(of_subject)
    assert everyone.loc["background", "lesion_f1"]["value"] == 0
    assert everyone.loc["background", "lesion_precision"].isna()["value"]
    assert everyone.loc["network", "lesion_f1"]["value"] > 0.6
    comparison = pd.read_csv(study.root / "evaluate/exp/comparison.csv")
    better = comparison[comparison["metric"] == "lesion_f1"].set_index("baseline")
    assert (better["ci_low"] > 0).all()


def test_answers_that_were_not_measured_by_objects_are_predicted_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = make_study(tmp_path, task="segmentation", subjects=24, seeds=(0,))
    settings = EvaluateSettings(**QUESTION, test=False, folds=(0, 1), seeds=(0,))
    assert evaluate(plain, settings) == 2
    assert "has no column lesion_f1_rim; delete" in capsys.readouterr().err


def test_pages_show_missed_and_false_objects(study: Study, tmp_path: Path) -> None:
    settings = ExperimentPlotSettings(**QUESTION, study="first-day", synthetic=True)
    root, output = study.root, tmp_path / "evaluation.pdf"
    words = ["plot", "--kind", "evaluation", "--settings", settings_text(settings), *study.tables]
    words += ["--predictions", *map(str, study.predictions)]
    words += ["--metrics", str(root / "evaluate/exp/metrics.csv")]
    words += ["--comparison", str(root / "evaluate/exp/comparison.csv"), "--output", str(output)]
    assert main(words) == 0
    *_, numbers, cases = words_of(output)
    assert not on_another(numbers) + on_another(cases)
    said = " ".join(word[4] for word in numbers)
    table = predicted(study)
    true, found, false = (
        int(table[[f"{name}_rim", f"{name}_core"]].sum().sum())
        for name in ("true_lesions", "lesions", "false_lesions")
    )
    missed = true - (found - false)
    assert f"{true} true objects, {missed} missed, {false} false" in said
    assert "of an IoU of 0.1 or more" in said
    titles = " ".join(word[4] for word in cases)
    assert (titles.count("missed: "), titles.count("false: ")) == (3, 3)
    assert len(set(re.findall(r"sub-\d+", titles))) > 1

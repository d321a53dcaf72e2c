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
from scipy.ndimage import find_objects
from scipy.ndimage import label
from words_on_pages import on_another
from words_on_pages import words_of

from headstart.cli import main
from headstart.cohort.prepared import read_cohort
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import masks_of
from headstart.cohort.true_mask import true_ids
from headstart.common import files
from headstart.common.schema import settings_text
from headstart.evaluation import baselines
from headstart.evaluation.predictions import read_run
from headstart.evaluation.predictions import write_predictions
from headstart.evaluation.settings import EvaluateSettings
from headstart.figures.settings import ExperimentPlotSettings
from headstart.tasks.instance_segmentation import InstanceSegmentation
from headstart.tasks.instance_segmentation import SegmentationOfIds

# one group: what they share is made once, not once per process
pytestmark = pytest.mark.xdist_group("instances")

TASK = InstanceSegmentation(("rim", "core"))
QUESTION: dict[str, Any] = {
    **{"experiment": "exp", "task": "segmentation", "target": "mask", "instances": True},
    **{"classes": {"rim": (1,), "core": (2,)}, "primary": "lesion_f1"},
}
OF_IDS = SegmentationOfIds(("lesion",))
IDS = QUESTION | {"instances": "ids", "classes": {"lesion": "any"}}


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
    return study_of(tmp_path_factory.mktemp("spots"), TASK, QUESTION)


@pytest.fixture(scope="module")
def of_ids(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The same, where each spot of the raw masks is two objects that touch, if it is large."""
    return study_of(tmp_path_factory.mktemp("ids"), OF_IDS, IDS)


def halved(truth: np.ndarray) -> np.ndarray:
    """Ids of the halves of spots, far apart as numbers."""
    parts, count = label(truth > 0)
    ids = np.zeros(truth.shape, np.uint16)
    for number, where in enumerate(find_objects(parts), start=1):
        inside, half = parts[where] == number, (where[0].stop - where[0].start) // 2
        ids[where][inside] = 65535 - number
        ids[where][:half][inside[:half]] = number
    assert len(np.unique(ids)) - 1 >= count
    return ids


def study_of(root: Path, task: InstanceSegmentation, question: dict[str, Any]) -> Study:
    made = make_study(root, task="segmentation", seeds=(0,))
    rng, drawn = np.random.default_rng(3), {}
    for path in sorted((made.root / "prepare").glob("shard-*.json")):
        masks = np.load(masks_of(path))
        for scan in ShardCard.read(path).scans:
            truth, said = spots(rng)
            if task is OF_IDS:
                raw = root / f"data/{scan.subject}_{scan.session}_mask.nii.gz"
                masks[scan.index], said = np.minimum(truth, 1), np.minimum(said, 1)
                truth = halved(truth)
                nib.save(nib.Nifti1Image(truth, nib.load(raw).affine), raw)
            else:
                masks[scan.index] = truth
            drawn[scan.subject, scan.session] = truth, said
        np.save(masks_of(path), masks)
        write_digests(path)
    for path in made.predictions:
        rows = []
        for row in read_run(path).rows:
            place, (truth, said) = path.parent / row.answer["mask"], drawn[row.key]
            nib.save(nib.Nifti1Image(said, nib.load(place).affine), place)
            measured = task.measure(truth, said, len(task.classes), (VOXEL,) * 3, 1.0).ravel()
            texts = ["" if cell != cell else str(cell) for cell in measured]
            cells = dict(zip(task.evaluated_columns, texts, strict=True))
            cells |= {"mask": row.answer["mask"], "mask_sha256": files.sha256(place)}
            rows.append(replace(row, answer=cells))
        write_predictions(path, rows, weights="0" * 64)
    settings = EvaluateSettings(**question, test=False, folds=(0, 1), seeds=(0,))
    assert evaluate(made, settings) == 0
    return made


def evaluate(study: Study, settings: EvaluateSettings) -> int:
    words = ["evaluate", "--settings", settings_text(settings), *study.tables, *study.data]
    words += ["--predictions", *map(str, study.predictions)]
    words += ["--openings", str(study.root / "test-openings.csv")]
    return main([*words, "--output", str(study.root / "evaluate/exp")])


def plot(study: Study, question: dict[str, Any], output: Path) -> int:
    settings = ExperimentPlotSettings(**question, study="first-day", synthetic=True)
    root = study.root
    words = ["plot", "--kind", "evaluation", "--settings", settings_text(settings), *study.tables]
    words += [*study.data, "--predictions", *map(str, study.predictions)]
    words += ["--metrics", str(root / "evaluate/exp/metrics.csv")]
    words += ["--comparison", str(root / "evaluate/exp/comparison.csv"), "--output", str(output)]
    return main(words)


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
    output = tmp_path / "evaluation.pdf"
    assert plot(study, QUESTION, output) == 0
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


def test_objects_with_ids_are_counted_as_such(of_ids: Study, tmp_path: Path) -> None:
    """In the tables, of the baselines too, and on the pages."""
    metrics = pd.read_csv(of_ids.root / "evaluate/exp/metrics.csv")
    everyone = metrics[metrics["group"] == "all"].set_index(["model", "metric"])["value"]
    table = predicted(of_ids)
    raw = [nib.load(of_ids.root / "data" / name) for name in table["target"]]
    true = sum(len(np.unique(np.asarray(mask.dataobj))) - 1 for mask in raw)
    assert true == table["true_lesions_lesion"].sum()
    components = sum(label(np.asarray(mask.dataobj) > 0, np.ones((3, 3, 3)))[1] for mask in raw)
    assert true > 1.5 * components
    f1 = table.groupby("subject")["lesion_f1_lesion"].mean().mean()
    assert everyone["network", "lesion_f1"] == pytest.approx(f1)
    assert everyone["background", "lesion_f1"] == 0
    output = tmp_path / "evaluation.pdf"
    assert plot(of_ids, IDS, output) == 0
    *_, numbers, cases = words_of(output)
    said = " ".join(word[4] for word in numbers)
    missed = true - int((table["lesions_lesion"] - table["false_lesions_lesion"]).sum())
    assert f"{true} true objects, {missed} missed" in said
    assert "own ids, so that those which touch stay apart" in said
    assert not on_another(numbers) + on_another(cases)


def test_a_baseline_is_measured_with_ids(of_ids: Study) -> None:
    """What is said of the mask itself: half of the objects that touch are found."""
    files = (of_ids.root / place for place in ("check/passed.csv", "split/splits.csv", "prepare"))
    scan = read_cohort(*files, "mask").scans[0]
    said = baselines.segmentation(
        [scan], [scan], [0], IDS["classes"], of_ids.root / "data", 1.0, OF_IDS.measure, true_ids
    )
    measured = dict(zip(OF_IDS.evaluated_columns, said["label-transfer"][0], strict=True))
    assert measured["dice_lesion"] == 1
    assert measured["true_lesions_lesion"] > measured["lesions_lesion"] > 0
    assert measured["lesion_precision_lesion"] == 1

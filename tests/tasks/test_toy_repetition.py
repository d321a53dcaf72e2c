"""A task that is added in one file and one row goes from prepared scans to its figure."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from small_study import AFFINE
from small_study import SOURCE_AFFINE
from small_study import SOURCE_SHAPE
from small_study import WINDOW
from small_study import SmallStudy
from toy_repetition import Repetition

from headstart.cohort.prepared import read_cohort
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.settings import EvaluateSettings
from headstart.figures import evaluation
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.style import Stamp
from headstart.tasks import TASKS
from headstart.training.config import Train
from headstart.training.predict import predict
from headstart.training.predict_new import predict_new
from headstart.training.settings import PredictSettings
from headstart.training.settings import Run
from headstart.training.train import train

NETWORK = """
from torch import nn


class Net(nn.Conv3d):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels, 3, padding=1)
"""
QUESTION = {"experiment": "clean", "task": "repetition", "target": "image", "classes": {}}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallStudy:
    """The small study, whose scans are to be made again."""
    monkeypatch.setitem(TASKS, "repetition", Repetition)
    study = SmallStudy(tmp_path / "study")
    (study.folder / "net.py").write_text(NETWORK)
    return study


def test_it_is_trained_on_patches_of_scans_without_masks(study: SmallStudy, tmp_path: Path) -> None:
    for path in study.prepared.glob("*-mask.npy"):
        path.unlink()
    settings = Train(network="net.py:Net", epochs=1, sampling={"patches": [4, 4, 4]})
    run = Run(**QUESTION, channels=("T1",), window=WINDOW, train=settings, fold=0, seed=0)
    output = tmp_path / "model"
    common = {**study.inputs, "networks": study.folder, "device": "cpu"}
    train(run=run, code="x", store=tmp_path / "runs", output=output, **common)
    assert np.isfinite(pd.read_csv(output / "history.csv")["train_loss"]).all()


def test_it_is_trained_and_answers_with_images_that_are_evaluated_and_drawn(
    study: SmallStudy, tmp_path: Path
) -> None:
    settings = Train(network="net.py:Net", epochs=5, threads=1, learning_rate=0.05)
    run = Run(**QUESTION, channels=("T1",), window=WINDOW, train=settings, fold=0, seed=0)
    common = {**study.inputs, "networks": study.folder, "device": "cpu"}
    model = study.folder / RunId("clean", 0, 0).trained
    train(run=run, code="x", store=tmp_path / "runs", output=model, **common)
    history = pd.read_csv(model / "history.csv")
    assert history["val_mae"].min() < 0.8 * history["val_mae"][0]

    output = study.folder / RunId("clean", 0, 0).predicted
    asked = PredictSettings(**QUESTION, channels=("T1",), test=True, fold=0, seed=0)
    predict(settings=asked, model=model, data=study.data, output=output, **common)
    table = files.read_csv(output / "predictions.csv")
    row = table.iloc[0]
    image = nib.load(output / row["image"])
    assert (image.shape, image.get_data_dtype()) == (SOURCE_SHAPE, np.float32)
    np.testing.assert_array_equal(image.affine, SOURCE_AFFINE)
    assert row["image_sha256"] == files.sha256(output / row["image"])
    # the source's x and y run the other way; its last x slice lies outside the window
    made = image.get_fdata()[7::-1, ::-1]
    scan = read_cohort(**study.inputs, target="image").scans[0]
    assert np.abs(made - scan.volume()[0]).mean() == pytest.approx(float(row["error"]), rel=1e-4)
    assert not image.get_fdata()[8].any()

    judged = {"passed": study.passed, "splits": study.splits, "prepared": study.prepared}
    judged |= {"predictions": [output / "predictions.csv"]}
    evaluated = EvaluateSettings(**QUESTION, primary="mae", test=True, folds=(0,), seeds=(0,))
    metrics, differences, _ = evaluate(settings=evaluated, **judged)
    errors = table[table["part"] == "fold"].astype({"error": float}).groupby("subject")["error"]
    assert metrics[0].value == pytest.approx(errors.mean().mean())
    assert {row.model for row in metrics} == {"network"}  # it names no baseline
    assert not differences
    tables = {"metrics": tmp_path / "metrics.csv", "comparison": tmp_path / "comparison.csv"}
    write_rows(tables["metrics"], MetricRow, metrics)
    write_rows(tables["comparison"], DifferenceRow, differences)
    evaluation.plot(
        settings=ExperimentPlotSettings(**QUESTION, study="small", primary="mae"),
        stamp=Stamp("small", "0" * 8, "x", synthetic=True),
        output=tmp_path / "evaluation.pdf",
        data=study.data,
        **judged | tables,
    )
    assert (tmp_path / "evaluation.pdf").read_bytes().startswith(b"%PDF")

    new = nib.Nifti1Image(np.asarray(scan.volume()[0], np.float32), AFFINE)
    nib.save(new, tmp_path / "new.nii.gz")
    answers = tmp_path / "answers.csv"
    scans = [tmp_path / "new.nii.gz"]
    predict_new(runs=[model], scans=scans, output=answers, networks=study.folder, device="cpu")
    (row,) = files.read_csv(answers).to_dict("records")
    assert (row["target"], row["networks"], row["spread"]) == ("image", "1", "")
    again = nib.load(tmp_path / row["image"]).get_fdata()
    np.testing.assert_allclose(again, made, rtol=1e-6)

    (output / "images/s00_1.nii.gz").write_bytes(b"edited")
    with pytest.raises(UserError, match=r"s00_1\.nii\.gz: was damaged or edited"):
        evaluate(settings=evaluated, **judged)

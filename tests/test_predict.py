from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from small_study import SOURCE_AFFINE
from small_study import SOURCE_SHAPE
from small_study import SmallStudy

from headstart.parts.errors import UserError
from headstart.stages.predict import predict
from headstart.stages.train import train


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


def train_and_predict(study, task, *, test=False, **settings):
    slice_ = study.settings(task, **settings)
    common = {**study.inputs, "networks": study.folder, "device": "cpu"}
    output = study.folder / "train"
    train(settings=slice_, code="x", store=study.folder / "runs", output=output, **common)
    return predict_only(study, slice_, test=test)


def predict_only(study, slice_, *, test=False):
    common = {**study.inputs, "networks": study.folder, "device": "cpu"}
    kept = {key: value for key, value in slice_.items() if key not in ("train", "window")}
    output = study.folder / "predict"
    predict(
        settings=kept | {"test": test},
        model=study.folder / "train",
        data=study.data,
        output=output,
        **common,
    )
    return pd.read_csv(output / "predictions.csv", dtype={"session": str})


def test_regression(study):
    # the truth of a held-out scan may be missing: it is predicted all the same
    study.change_table("age", {0: ""})
    table = train_and_predict(study, "regression", epochs=30, learning_rate=0.05)
    assert list(table) == ["subject", "session", "part", "target", "prediction"]
    assert set(table["part"]) == {"fold"}
    assert list(zip(table["subject"], table["session"], strict=True))[:2] == [
        ("s00", "1"),
        ("s00", "2"),
    ]
    assert table["target"].isna().sum() == 1
    known = table.dropna()
    # in years, and better than everybody's mean
    error = (known["prediction"] - known["target"]).abs().mean()
    assert error < (known["target"] - known["target"].mean()).abs().mean()


def test_classification_with_test_subjects(study):
    table = train_and_predict(study, "classification", test=True, epochs=20, learning_rate=0.05)
    columns = ["subject", "session", "part", "target", "p_F", "p_M", "prediction"]
    assert list(table) == columns
    np.testing.assert_allclose(table["p_F"] + table["p_M"], 1)
    assert set(table["subject"][table["part"] == "test"]) == {"s17", "s18", "s19"}
    assert (table["prediction"] == np.where(table["p_M"] > 0.5, "M", "F")).all()
    assert (table["prediction"] == table["target"]).mean() > 0.6


def test_segmentation_on_the_scan_s_own_grid(study):
    table = train_and_predict(study, "segmentation", epochs=40, learning_rate=0.05)
    kinds = ("dice", "volume", "true_volume")
    names = [f"{kind}_{name}" for kind in kinds for name in ("left", "right")]
    assert list(table) == ["subject", "session", "part", "target", *names, "mask"]
    row = table.iloc[0]
    image = nib.load(study.folder / "predict" / row["mask"])
    mask = np.asarray(image.dataobj)
    assert mask.shape == SOURCE_SHAPE
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(image.affine, SOURCE_AFFINE)
    truth = np.asarray(nib.load(study.data / row["target"]).dataobj)
    for value, name in ((1, "left"), (2, "right")):
        a, b = mask == value, truth == value
        assert row[f"dice_{name}"] == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
        assert row[f"volume_{name}"] == pytest.approx(a.sum() * 8 / 1000)
        assert row[f"true_volume_{name}"] == pytest.approx(b.sum() * 8 / 1000)
    # it learnt, but what the window cropped is missed
    assert row["dice_right"] > 0.8
    assert (truth[8] == 1).sum() == 16
    assert not mask[8].any()


def test_absent_in_truth_and_prediction_is_not_a_success(study):
    first = study.settings("segmentation", epochs=1)
    train_and_predict(study, "segmentation", epochs=1)
    slice_ = first | {"classes": {"1": "left", "2": "right"}}
    scan = study.table.iloc[0]
    empty = nib.Nifti1Image(np.zeros(SOURCE_SHAPE, np.uint8), SOURCE_AFFINE)
    nib.save(empty, study.data / scan["mask"])
    (study.data / study.table.iloc[1]["mask"]).unlink()
    # a network that sees background everywhere
    from safetensors.torch import load_file
    from safetensors.torch import save_file

    weights = load_file(study.folder / "train" / "model.safetensors")
    weights = {name: value * 0 for name, value in weights.items()}
    save_file(weights, study.folder / "train" / "model.safetensors")
    table = predict_only(study, slice_)
    assert np.isnan(table["dice_left"][0])
    assert table["true_volume_left"][0] == 0
    # without a raw mask nothing is claimed
    assert np.isnan(table["true_volume_left"][1])
    assert table["dice_left"][2] == 0


def test_rerun_gives_the_same_bytes(study):
    train_and_predict(study, "segmentation", epochs=1)
    folder = study.folder / "predict"
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    predict_only(study, study.settings("segmentation"))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first
    assert len(first) == 8


def test_an_edited_network_is_noticed(study):
    train_and_predict(study, "regression", epochs=1)
    network = study.folder / "net.py"
    network.write_text(network.read_text() + "# edited\n")
    with pytest.raises(UserError, match=r"net\.py: was edited after"):
        predict_only(study, study.settings())


def test_other_channels_are_named(study):
    train_and_predict(study, "regression", epochs=1)
    with pytest.raises(UserError, match=r"trained on the channels \['T1'\], not \['T2'\]"):
        predict_only(study, study.settings() | {"channels": ["T2"]})


def test_the_card_is_plain_json(study):
    train_and_predict(study, "regression", epochs=1)
    card = json.loads((study.folder / "train" / "model.json").read_text())
    assert isinstance(card["target_mean"], float)

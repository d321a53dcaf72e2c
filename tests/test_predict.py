from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file
from safetensors.torch import save_file
from small_study import AFFINE
from small_study import SOURCE_AFFINE
from small_study import SOURCE_SHAPE
from small_study import SmallStudy

from headstart.cli import main
from headstart.parts import files
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


def write_scans(study, folder):
    """Write the prepared volumes as the raw scans that they could come from."""
    for shard in sorted(study.prepared.glob("shard-[01].json")):
        volumes = np.load(shard.with_suffix(".npy"))[:, 0].astype(np.float32)
        for entry in json.loads(shard.read_text())["scans"]:
            path = folder / entry["subject"] / entry["session"] / "T1.nii.gz"
            path.parent.mkdir(parents=True)
            nib.save(nib.Nifti1Image(volumes[entry["index"]], AFFINE), path)
    return folder


def new_command(runs, scans, output):
    words = ["predict", "--run", *runs, "--scans", *scans, "--output", output, "--device", "cpu"]
    return main([str(word) for word in words])


@pytest.mark.parametrize("task", ["regression", "classification", "segmentation"])
def test_new_scans_are_predicted_as_held_out_ones(study, task, tmp_path, monkeypatch):
    known = train_and_predict(study, task, epochs=5, learning_rate=0.05)
    scans = write_scans(study, tmp_path / "new")
    paths = [
        scans / row["subject"] / row["session"] / "T1.nii.gz" for row in known.to_dict("records")
    ]
    monkeypatch.chdir(study.folder)  # where the network's file is
    assert new_command([study.folder / "train"], paths, tmp_path / "new.csv") == 0
    table = pd.read_csv(tmp_path / "new.csv")
    assert list(table["scan"]) == list(map(str, paths))
    assert table["rejected"].isna().all()
    columns = [name for name in table if name.startswith(("p_", "prediction"))]
    pd.testing.assert_frame_equal(table[columns], known[columns])
    for before, after in zip(known.get("mask", []), table.get("mask", []), strict=True):
        old = np.asarray(nib.load(study.folder / "predict" / before).dataobj)
        new = np.asarray(nib.load(tmp_path / after).dataobj)
        # the study's own raw scans hold one slice more
        np.testing.assert_array_equal(new, old[:8][::-1, ::-1])


def test_networks_are_averaged_and_a_table_keeps_its_columns(study, tmp_path, monkeypatch):
    train_and_predict(study, "classification", epochs=1)
    shutil.copytree(study.folder / "train", study.folder / "other")
    weights = load_file(study.folder / "other" / "model.safetensors")
    weights = {name: -value for name, value in weights.items()}
    save_file(weights, study.folder / "other" / "model.safetensors")
    scans = write_scans(study, tmp_path / "new")
    pd.DataFrame({"who": ["one", "two"], "T1": ["s01/1/T1.nii.gz", "s02/1/T1.nii.gz"]}).to_csv(
        scans / "new.csv", index=False
    )
    monkeypatch.chdir(study.folder)
    runs = [study.folder / "train", study.folder / "other"]
    said = {}
    for name, chosen in {"first": runs[:1], "second": runs[1:], "both": runs}.items():
        assert new_command(chosen, [scans / "new.csv"], tmp_path / f"{name}.csv") == 0
        said[name] = pd.read_csv(tmp_path / f"{name}.csv")
    assert list(said["both"]) == ["who", "T1", "rejected", "p_F", "p_M", "prediction"]
    mean = (said["first"]["p_F"] + said["second"]["p_F"]) / 2
    np.testing.assert_allclose(said["both"]["p_F"], mean)
    assert not np.allclose(said["first"]["p_F"], said["second"]["p_F"])


def test_bad_new_scans_are_named_and_the_others_predicted(study, tmp_path, monkeypatch, capsys):
    train_and_predict(study, "regression", epochs=1)
    scans = write_scans(study, tmp_path / "new")
    good, torn, missing = (scans / f"{name}/1/T1.nii.gz" for name in ("s01", "s02", "nobody"))
    torn.write_bytes(torn.read_bytes()[:500])
    monkeypatch.chdir(study.folder)
    output = tmp_path / "new.csv"
    assert new_command([study.folder / "train"], [good, torn, missing], output) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "can't be used" in line]
    assert "2 of 3 scans can't be used" in line
    assert "truncated: s02/1/T1.nii.gz: its compressed data end too early" in line
    table = files.read_csv(output)
    assert [bool(cell) for cell in table["prediction"]] == [True, False, False]
    assert [cell.split(":")[0] for cell in table["rejected"]] == ["", "truncated", "missing"]


def test_networks_that_have_no_mean_and_scans_that_do_not_fit(study, tmp_path, capsys):
    train_and_predict(study, "regression", epochs=1)
    other = tmp_path / "other"
    shutil.copytree(study.folder / "train", other)
    card = json.loads((other / "model.json").read_text())
    output = tmp_path / "new.csv"
    for key, value, said in (
        ("prepare", {"voxel_size": [1, 1, 1]}, "only networks for one question and one kind"),
        ("settings", card["settings"] | {"target": "weight"}, "predicts weight, but"),
    ):
        (other / "model.json").write_text(json.dumps(card | {key: value}))
        assert new_command([study.folder / "train", other], ["a.nii"], output) == 2
        assert said in capsys.readouterr().err
    for key, value, said in (
        ("brain_masks", "all", "so each new scan needs one"),
        ("channels", ["T1", "T2"], "sees 2 channels; give a table"),
    ):
        (other / "model.json").write_text(json.dumps(card | {key: value}))
        assert new_command([other], ["a.nii"], output) == 2
        assert said in capsys.readouterr().err
    table = tmp_path / "list.csv"
    for text, said in (
        ("T1,brain_mask\na.nii,b.nii\n", "trained on scans without brain masks; remove"),
        ("T2\na.nii\n", "lacks the column T1"),
        ("T1\n", "lists no scan"),
        ("T1\na.nii\n./a.nii\n", "a is given twice"),
    ):
        table.write_text(text)
        assert new_command([study.folder / "train"], [table], output) == 2
        assert said in capsys.readouterr().err
    assert main(["predict", "--scans", "a.nii", "--output", str(output)]) == 2
    assert "needs --run" in capsys.readouterr().err
    assert new_command([tmp_path], ["a.nii"], output) == 2
    assert "model.json: is not there" in capsys.readouterr().err
    assert not output.exists()

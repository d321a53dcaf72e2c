from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from contextlib import suppress
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from prepared_shards import write_digests
from safetensors.torch import load_file
from small_study import AFFINE
from small_study import SOURCE_AFFINE
from small_study import SOURCE_SHAPE
from small_study import SmallStudy
from small_study import edit_card
from small_study import write_weights

from headstart.cli import main
from headstart.cohort.new_scans import Share
from headstart.cohort.new_scans import list_new_scans
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import volumes_of
from headstart.common import files
from headstart.common import integrity
from headstart.common.errors import UserError
from headstart.common.schema import settings_text
from headstart.imaging.config import Preparation
from headstart.imaging.headers import GEOMETRY
from headstart.imaging.headers import geometry_fields
from headstart.imaging.headers import image_like
from headstart.imaging.nifti import read_volume
from headstart.tasks import task_with
from headstart.training import own_network
from headstart.training.card import ModelCard
from headstart.training.predict import predict
from headstart.training.settings import PredictSettings
from headstart.training.train import train

PROJECT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("HEADSTART_SHARED", PROJECT.parent / "shared"))


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


def train_and_predict(study, task, *, test=False, **settings):
    slice_ = study.run(task, **settings)
    common = {**study.inputs, "networks": study.folder, "device": "cpu"}
    output = study.folder / "train"
    train(run=slice_, code="x", store=study.folder / "runs", output=output, **common)
    return predict_only(study, slice_, test=test)


def predict_with(study, model, output, slice_=None, *, test=False):
    common = {**study.inputs, "networks": study.folder, "device": "cpu"}
    slice_ = slice_ or study.run()
    kept = slice_.model_dump(exclude={"train", "window"})
    settings = PredictSettings(**kept, test=test)
    predict(settings=settings, model=model, data=study.data, output=output, **common)


def predict_only(study, slice_, *, test=False):
    output = study.folder / "predict"
    predict_with(study, study.folder / "train", output, slice_, test=test)
    return pd.read_csv(output / "predictions.csv", dtype={"session": str})


@pytest.mark.parametrize(
    ("task", "loss", "columns"),
    [
        ("regression", "soft_label", ["prediction"]),
        ("classification", "focal", ["p_F", "p_M"]),
        ("classification", "ordinal", ["p_2", "p_10"]),
        ("segmentation", "tversky", ["dice_left", "dice_right"]),
        ("segmentation", "focal_tversky", ["dice_left", "dice_right"]),
    ],
)
def test_every_loss_goes_from_the_settings_to_the_predictions(study, task, loss, columns):
    if loss == "ordinal":
        numbers = {"F": "2", "M": "10"}
        study.change_table("sex", {n: numbers[sex] for n, sex in enumerate(study.table["sex"])})
    train_and_predict(study, task, loss=loss, epochs=15, learning_rate=0.05)
    history = pd.read_csv(study.folder / "train/history.csv")
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    card = ModelCard.read(study.folder / "train")
    assert card.run.train.loss == loss
    assert type(card.task) is task_with(task, loss)
    (path,) = study.folder.rglob("predictions.csv")
    said = pd.read_csv(path)
    numbers = said[columns].to_numpy()
    assert np.isfinite(numbers).all()
    if task == "regression":
        low, high = card.state["bins"][0], card.state["bins"][-1]
        assert ((numbers > low) & (numbers < high)).all()
        assert numbers.std() > 0
    if task == "classification":
        np.testing.assert_allclose(numbers.sum(axis=1), 1, atol=1e-6)
    if loss == "ordinal":
        assert card.task.classes == ("2", "10")


def test_a_network_predicts_without_the_code_of_the_loss_that_trained_it(study):
    path = study.folder / "loss.py"
    path.write_text("class Loss:\n    def __call__(self, output, truth):\n")
    with path.open("a") as file:
        file.write("        return (output[:, 0] - truth).abs().mean()\n")
    own = train_and_predict(study, "regression", loss="loss.py:Loss", epochs=3)
    card = ModelCard.read(study.folder / "train")
    assert card.loss_digest == own_network.digest("loss.py:Loss", study.folder)
    path.write_text("raise SystemExit('somebody else runs it')\n")
    again = predict_only(study, card.run)
    assert again.equals(own)
    assert train_and_predict(study, "regression", loss="l1", epochs=3).equals(own)


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


def test_probabilities_are_those_of_the_true_frequencies(study):
    study.change_table("sex", dict.fromkeys(range(0, 21, 3), "F"))
    table = train_and_predict(study, "classification", class_weights=True, epochs=2)
    names = {}
    exec((study.folder / "net.py").read_text(), names)
    network = names["Net"](1, 2).eval()
    network.load_state_dict(load_file(study.folder / "train" / "model.safetensors"))
    volume = torch.from_numpy(np.load(study.prepared / "shard-0.npy")[:1]).float()
    with torch.no_grad():
        odds = network(volume)[0].softmax(0)
    few, many = ModelCard.read(study.folder / "train").task.weights
    assert few < 1 < many
    first = table.iloc[0]
    expected = (odds[0] / odds[1]).item() * many / few
    assert first["p_F"] / first["p_M"] == pytest.approx(expected, rel=1e-5)


def test_segmentation_on_the_scan_s_own_grid(study):
    table = train_and_predict(study, "segmentation", epochs=40, learning_rate=0.05)
    kinds = ("dice", "nsd", "hd95", "assd", "volume", "true_volume")
    names = [f"{kind}_{name}" for kind in kinds for name in ("left", "right")]
    assert list(table) == ["subject", "session", "part", "target", *names, "mask", "mask_sha256"]
    row = table.iloc[0]
    written = study.folder / "predict" / row["mask"]
    assert row["mask_sha256"] == hashlib.sha256(written.read_bytes()).hexdigest()
    image = nib.load(written)
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
    volumes = table.filter(like="volume_").astype(str).to_numpy().ravel()
    assert max(len(text.replace(".", "").strip("0")) for text in volumes) <= 6
    # it learnt, but what the window cropped is missed
    assert row["dice_right"] > 0.8
    assert (truth[8] == 1).sum() == 16
    assert not mask[8].any()


def test_absent_in_truth_and_prediction_is_not_a_success(study):
    train_and_predict(study, "segmentation", epochs=1)
    scan = study.table.iloc[0]
    empty = nib.Nifti1Image(np.zeros(SOURCE_SHAPE, np.uint8), SOURCE_AFFINE)
    nib.save(empty, study.data / scan["mask"])
    study.change_table("mask", {1: ""})
    # a network that sees background everywhere
    weights = load_file(study.folder / "train" / "model.safetensors")
    weights = {name: value * 0 for name, value in weights.items()}
    write_weights(study.folder / "train", weights)
    table = predict_only(study, study.run("segmentation", epochs=1))
    assert np.isnan(table["dice_left"][0])
    assert table["true_volume_left"][0] == 0
    # without a raw mask nothing is claimed
    assert np.isnan(table["true_volume_left"][1])
    assert table["dice_left"][2] == 0


def test_a_mask_that_vanished_or_was_replaced_is_refused_by_its_name(study):
    train_and_predict(study, "segmentation", epochs=1)
    path = study.data / study.table.iloc[0]["mask"]
    for card in study.prepared.glob("shard-*.json"):
        masks = {(row.subject, row.session): row.mask for row in study.table.itertuples()}
        scans = ShardCard.read(card).scans
        told = [read_volume(study.data / masks[scan.key]).content for scan in scans]
        made = zip(scans, told, strict=True)
        write_digests(
            card, scans=tuple(scan.model_copy(update={"mask_content": c}) for scan, c in made)
        )
    assert predict_only(study, study.run("segmentation"))["dice_left"].notna().all()
    other = nib.load(path)
    said = f"{path.name}: is another mask than the one that was prepared"
    # as much of each class, elsewhere
    nib.save(nib.Nifti1Image(np.roll(np.asarray(other.dataobj), 1, axis=2), other.affine), path)
    with pytest.raises(UserError, match=said):
        predict_only(study, study.run("segmentation"))
    path.unlink()
    said = f"{path.name}: the mask of subject 's00', session '1', is gone since .*; put it back"
    with pytest.raises(UserError, match=said):
        predict_only(study, study.run("segmentation"))


def test_rerun_gives_the_same_bytes(study):
    train_and_predict(study, "segmentation", epochs=1)
    folder = study.folder / "predict"
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    predict_only(study, study.run("segmentation"))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first
    assert len(first) == 9


def test_an_edited_network_is_noticed(study):
    train_and_predict(study, "regression", epochs=1)
    network = study.folder / "net.py"
    network.write_text(network.read_text() + "# edited\n")
    with pytest.raises(UserError, match=r"net\.py:Net: was edited, or a file"):
        predict_only(study, study.run())


@pytest.mark.parametrize(
    ("key", "value"), [("fold", 1), ("seed", 1), ("experiment", "other"), ("target", "weight")]
)
def test_a_network_that_lies_in_the_place_of_another_is_refused(study, key, value):
    train_and_predict(study, "regression", epochs=1)
    with pytest.raises(UserError, match=f"is a network of {key} .*, not {value}"):
        predict_only(study, study.run().model_copy(update={key: value}))


def test_other_channels_are_named(study):
    train_and_predict(study, "regression", epochs=1)
    with pytest.raises(UserError, match=r"trained on the channels \['T1'\], not \['T2'\]"):
        predict_only(study, study.run().model_copy(update={"channels": ("T2",)}))


FORMS = [(1, 1), (1, 0), (0, 4), (4, 1), (2, 3)]


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("unit", ["mm", "meter", "micron"])
@pytest.mark.parametrize("codes", FORMS)
def test_an_image_like_another_has_its_geometry_field_by_field(tmp_path, kind, unit, codes):
    scale = {"mm": 1, "meter": 0.001, "micron": 1000}[unit]
    affine = np.diag([scale, scale, scale, 1]) @ SOURCE_AFFINE
    image = kind(np.zeros(SOURCE_SHAPE, np.int16), affine)
    image.set_qform(affine, codes[0])
    image.set_sform(affine, codes[1])
    image.header.set_xyzt_units(unit, "sec")
    image.header["pixdim"][4] = 2.3
    image.header["descrip"] = "Doe^Jane"
    nib.save(image, tmp_path / "scan.nii.gz")
    scan = nib.load(tmp_path / "scan.nii.gz").header
    fields = json.loads(json.dumps(geometry_fields(scan)))
    assert "Jane" not in str(fields)
    nib.save(image_like(np.ones(SOURCE_SHAPE, np.uint8), fields), tmp_path / "mask.nii.gz")
    mask = nib.load(tmp_path / "mask.nii.gz")
    for name in GEOMETRY:
        np.testing.assert_array_equal(mask.header[name], scan[name])
    assert (type(mask), mask.get_data_dtype()) == (kind, np.uint8)
    assert np.asarray(mask.dataobj).all()
    assert mask.header["descrip"] == b""


def test_masks_have_the_values_and_the_header_of_the_study(study):
    values = {"left": (255,), "right": (1026, 7)}
    plain = train_and_predict(study, "segmentation", epochs=10, learning_rate=0.05)
    before = [
        np.asarray(nib.load(study.folder / "predict" / name).dataobj) for name in plain["mask"]
    ]
    for path in study.table["mask"]:
        raw = nib.load(study.data / path)
        array = np.array([0, 255, 1026], np.int16)[np.asarray(raw.dataobj)]
        array[0, 0, 0] = 5  # of no class: background
        array[4, 2:4] = np.where(array[4, 2:4] == 1026, 7, array[4, 2:4])
        # stored from the other side
        nib.save(nib.as_closest_canonical(nib.Nifti1Image(array, raw.affine)), study.data / path)
    for shard in study.prepared.glob("shard-*.json"):
        card = ShardCard.read(shard)
        codes = {"sform_code": 4, "qform_code": 4}
        headers = [scan.source_header | codes for scan in card.scans]
        scans = [
            scan.model_copy(update={"source_header": header})
            for scan, header in zip(card.scans, headers, strict=True)
        ]
        card.model_copy(update={"scans": tuple(scans)}).write(shard)
    slice_ = study.run("segmentation", epochs=10, learning_rate=0.05)
    run = ModelCard.read(study.folder / "train").run
    edit_card(
        study.folder / "train",
        run=run.model_copy(update={"classes": values}),
    )
    table = predict_only(study, slice_)
    digest = "mask_sha256"
    pd.testing.assert_frame_equal(table.drop(columns=digest), plain.drop(columns=digest))
    for path, old in zip(table["mask"], before, strict=True):
        image = nib.load(study.folder / "predict" / path)
        assert (image.header["sform_code"], image.header["qform_code"]) == (4, 4)
        expected = np.array([0, 255, 1026])[old]
        np.testing.assert_array_equal(np.asarray(image.dataobj), expected)


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_what_is_no_number_is_no_prediction(study, task, tmp_path):
    train_and_predict(study, task, epochs=1)
    scans = write_scans(study, tmp_path / "new")
    weights = load_file(study.folder / "train" / "model.safetensors")
    write_weights(
        study.folder / "train",
        {
            name: value * np.nan if value.is_floating_point() else value
            for name, value in weights.items()
        },
    )
    with pytest.raises(UserError, match="subject 's00', session '1': the network gives numbers"):
        predict_only(study, study.run(task))
    output, own = tmp_path / "new.csv", ("--networks", study.folder)
    assert new_command([study.folder / "train"], [scans / "s01/1/T1.nii.gz"], output, *own) == 2
    row = files.read_csv(output).iloc[0]
    assert "not finite" in row["rejected"]
    assert (row.get("prediction", ""), row.get("mask", "")) == ("", "")

    write_weights(study.folder / "train", weights)
    for path in study.prepared.glob("shard-?.npy"):
        np.save(path, np.full_like(np.load(path), np.nan))
    with pytest.raises(UserError, match="its prepared volume is not finite; prepare it again"):
        predict_only(study, study.run(task))


@pytest.mark.parametrize("task", ["regression", "segmentation"])
def test_a_held_out_scan_that_cannot_be_told_fails_alone(study, task, capsys):
    before = train_and_predict(study, task, epochs=1)
    study.spoil(("s00", "2"))
    table = predict_only(study, study.run(task))
    assert list(table) == [*before, "rejected"]
    (place,) = np.flatnonzero(table["rejected"].notna())
    row = table.iloc[place]
    assert (row["subject"], row["session"]) == ("s00", "2")
    why = "subject 's00', session '2': its prepared volume is not finite; prepare it again"
    assert row["rejected"] == why
    assert row[before.columns[4:]].isna().all()
    pd.testing.assert_frame_equal(table[[*before]].drop(place), before.drop(place))
    assert (
        f"1 of {len(table)} scans can't be predicted; the first: {why}" in capsys.readouterr().err
    )
    if task == "segmentation":
        images = {path.name for path in (study.folder / "predict/masks").iterdir()}
        assert images == {Path(name).name for name in table["mask"].dropna()}


def held_out_command(study, task, output, *more):
    instances = task == "instances"
    kept = study.run("segmentation" if instances else task).model_dump(exclude={"train", "window"})
    kept |= {"instances": True} if instances else {}
    settings = settings_text(PredictSettings(**kept, test=True))
    words = ["predict", "--settings", settings, "--model", study.folder / "train"]
    words += [word for name, path in study.inputs.items() for word in (f"--{name}", path)]
    words += ["--networks", study.folder, "--data", study.data, "--output", output, *more]
    return main([str(word) for word in [*words, "--device", "cpu"]])


@pytest.mark.parametrize("task", ["classification", "segmentation", "instances"])
def test_held_out_scans_are_the_same_bytes_in_any_number_of_shares(study, task, capsys):
    train_and_predict(study, "segmentation" if task == "instances" else task, epochs=1)
    study.spoil(("s00", "2"))

    def files_in(folder):
        found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
        kept = {name: path for name, path in found.items() if name.parts[0] != "predictions-shards"}
        return {name: path.read_bytes() for name, path in kept.items()}

    once, shared = study.folder / "once", study.folder / "shared"
    assert held_out_command(study, task, once) == 0
    warned = "1 of 10 scans can't be predicted; the first: subject 's00', session '2'"
    assert warned in capsys.readouterr().err
    if task != "classification":  # of a split before
        (shared / "masks").mkdir(parents=True)
        (shared / "masks/gone_1.nii.gz").touch()
    for share in ("2/7", "0/7", "6/7", "1/7", "3/7", "5/7"):
        assert held_out_command(study, task, shared, "--shard", share) == 0
    assert held_out_command(study, task, shared, "--gather", "7") == 2
    assert "predictions-shards/4.csv" in capsys.readouterr().err
    assert held_out_command(study, task, shared, "--shard", "4/7") == 0
    assert held_out_command(study, task, shared, "--gather", "7") == 0
    assert warned in capsys.readouterr().err
    assert files_in(shared) == files_in(once)
    assert held_out_command(study, task, shared, "--gather", "1") == 2
    assert "predictions-shards: is of another split; delete it" in capsys.readouterr().err
    # in another number of shares, nothing of the earlier ones is left
    for share in ("0/2", "1/2"):
        assert held_out_command(study, task, shared, "--shard", share) == 0
    assert held_out_command(study, task, shared, "--gather", "2") == 0
    assert {path.name for path in (shared / "predictions-shards").iterdir()} == {"0.csv", "1.csv"}
    assert held_out_command(study, task, shared) == 0
    assert files_in(shared) == files_in(once)
    assert not [*(shared / "predictions-shards").iterdir()]


@pytest.mark.parametrize("task", ["regression", "segmentation"])
def test_where_no_share_can_be_told_it_is_one_error(study, task, capsys):
    train_and_predict(study, task, epochs=1)
    weights = load_file(study.folder / "train" / "model.safetensors")
    weights = {n: v * np.nan if v.is_floating_point() else v for n, v in weights.items()}
    write_weights(study.folder / "train", weights)
    output = study.folder / "shared"
    for share in ("0/2", "1/2"):
        assert held_out_command(study, task, output, "--shard", share) == 0
    capsys.readouterr()
    assert held_out_command(study, task, output, "--gather", "2") == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "the network gives numbers that are not finite; train it again" in said[0]
    assert not (output / "predictions.csv").exists()


def test_a_new_scan_of_no_plausible_size_or_of_nothing_is_rejected(study, tmp_path):
    train_and_predict(study, "regression", epochs=1)
    scans = write_scans(study, tmp_path / "new")
    paths = [scans / f"s0{number}/1/T1.nii.gz" for number in (1, 2, 3)]
    image = nib.load(paths[0])
    nib.save(nib.Nifti1Image(image.get_fdata(), AFFINE * 0.001), paths[0])
    metres = nib.Nifti1Image(nib.load(paths[1]).get_fdata(), np.diag([0.001] * 3 + [1]) @ AFFINE)
    metres.header.set_xyzt_units("meter")
    nib.save(metres, paths[1])
    own = ("--networks", study.folder)
    assert new_command([study.folder / "train"], paths, tmp_path / "new.csv", *own) == 2
    table = files.read_csv(tmp_path / "new.csv")
    assert [cell.split(":")[0] for cell in table["rejected"]] == ["field-of-view", "", ""]
    assert [bool(cell) for cell in table["prediction"]] == [False, True, True]


def write_scans(study, folder):
    """Write the prepared volumes as the raw scans that they could come from."""
    for shard in sorted(study.prepared.glob("shard-[01].json")):
        volumes = np.load(volumes_of(shard))[:, 0].astype(np.float32)
        for scan in ShardCard.read(shard).scans:
            path = folder / scan.subject / scan.session / "T1.nii.gz"
            path.parent.mkdir(parents=True)
            nib.save(nib.Nifti1Image(volumes[scan.index], AFFINE), path)
    return folder


def new_command(runs, scans, output, *more):
    words = ["predict", "--run", *runs, "--scans", *scans, "--output", output, "--device", "cpu"]
    return main([str(word) for word in (*words, *more)])


@pytest.mark.parametrize("task", ["regression", "classification", "segmentation"])
def test_new_scans_are_predicted_as_held_out_ones(study, task, tmp_path):
    known = train_and_predict(study, task, epochs=5, learning_rate=0.05)
    scans = write_scans(study, tmp_path / "new")
    paths = [
        scans / row["subject"] / row["session"] / "T1.nii.gz" for row in known.to_dict("records")
    ]
    own = ("--networks", study.folder)
    assert new_command([study.folder / "train"], paths, tmp_path / "new.csv", *own) == 0
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
    # of the last layer alone: a variance below 0 would give no numbers
    weights = {n: -value if n.startswith("head") else value for n, value in weights.items()}
    write_weights(study.folder / "other", weights)
    scans = write_scans(study, tmp_path / "new")
    pd.DataFrame({"who": ["one", "two"], "T1": ["s01/1/T1.nii.gz", "s02/1/T1.nii.gz"]}).to_csv(
        scans / "new.csv", index=False
    )
    own = ("--networks", study.folder)
    runs = [study.folder / "train", study.folder / "other"]
    said, cards = {}, []
    read = integrity.read_sealed

    def noted(path, *of):
        cards.extend([path] if path.name == "model.json" else [])
        return read(path, *of)

    monkeypatch.setattr(integrity, "read_sealed", noted)
    for name, chosen in {"first": runs[:1], "second": runs[1:], "both": runs}.items():
        assert new_command(chosen, [scans / "new.csv"], tmp_path / f"{name}.csv", *own) == 0
        said[name] = pd.read_csv(tmp_path / f"{name}.csv")
    cards = [path for path in cards if path.name == "model.json"]
    assert cards[-2:] == [run / "model.json" for run in runs]  # of two, each once
    assert len(cards) == 4
    answer = ["p_F", "p_M", "prediction", "networks", "spread"]
    assert list(said["both"]) == ["who", "T1", "rejected", "warning", "target", "unit", *answer]
    assert said["both"]["networks"].tolist() == [2, 2]
    assert said["first"]["spread"].isna().all()
    p = said["both"][["p_F", "p_M"]].to_numpy().argmax(axis=1)
    each = [said[name][["p_F", "p_M"]].to_numpy()[[0, 1], p] for name in ("first", "second")]
    np.testing.assert_allclose(said["both"]["spread"], np.std(each, axis=0, ddof=1))
    mean = (said["first"]["p_F"] + said["second"]["p_F"]) / 2
    np.testing.assert_allclose(said["both"]["p_F"], mean)
    assert not np.allclose(said["first"]["p_F"], said["second"]["p_F"])


def test_networks_in_one_mean_have_each_their_own_helper(study, tmp_path, capsys):
    """Two files that import `helper`, each the one that lies beside it."""
    code = (study.folder / "net.py").read_text()
    for name, shift in {"a": 100.0, "b": -100.0}.items():
        (study.folder / name).mkdir()
        (study.folder / name / "helper.py").write_text(f"SHIFT = {shift}\n")
        (study.folder / name / "net.py").write_text(
            f"{code}\nfrom helper import SHIFT\nclass Shifted(Net):\n"
            "    def forward(self, volumes):\n        return super().forward(volumes) + SHIFT\n"
        )
        train_and_predict(study, "regression", network=f"{name}/net.py:Shifted", epochs=1)
        (study.folder / "train").rename(study.folder / f"train-{name}")
    runs, own = [study.folder / "train-a", study.folder / "train-b"], ("--networks", study.folder)
    scan, said = write_scans(study, tmp_path / "new") / "s01/1/T1.nii.gz", {}
    for name, chosen in {"a": runs[:1], "b": runs[1:], "both": runs}.items():
        assert new_command(chosen, [scan], tmp_path / f"{name}.csv", *own) == 0
        said[name] = pd.read_csv(tmp_path / f"{name}.csv")["prediction"].item()
    assert said["a"] - said["b"] > 100
    np.testing.assert_allclose(said["both"], (said["a"] + said["b"]) / 2)

    (study.folder / "a" / "helper.py").write_text("import absent\n")
    now = own_network.digest(ModelCard.read(runs[0]).run.train.network, study.folder)
    edit_card(runs[0], network_digest=now)
    assert new_command(runs[:1], [scan], tmp_path / "c.csv", *own) == 2
    assert "No module named 'absent' (helper.py, line 1)" in capsys.readouterr().err


def test_a_folder_of_scans_and_warnings_for_those_that_say_little(study, tmp_path, capsys):
    train_and_predict(study, "regression", epochs=1)
    edit_card(study.folder / "train", unit="years")
    run = tmp_path / "a network by itself"
    shutil.copytree(study.folder / "train", run)
    scans = write_scans(study, tmp_path / "new")
    image = nib.load(scans / "s01/1/T1.nii.gz")
    strange = np.random.default_rng(0).normal(900, 9, image.shape).astype(np.float32)
    nib.save(nib.Nifti1Image(strange, AFFINE), scans / "strange.nii.gz")
    (scans / ".hidden.nii.gz").touch()
    own = ("--networks", study.folder)
    assert new_command([run], [scans], tmp_path / "new.csv", *own) == 0
    table = files.read_csv(tmp_path / "new.csv").set_index("scan")
    assert len(table) == 22
    assert set(table["target"]) == {"age"}
    assert set(table["unit"]) == {"years"}
    splits = pd.read_csv(study.splits, dtype=str).set_index("subject")
    for path, row in table.iterrows():
        subject = str(path).split("/")[-3]
        if str(path).endswith("strange.nii.gz"):
            assert "intensities are distributed unlike" in row["warning"]
        elif splits.loc[subject, "test"] == "1" or splits.loc[subject, "fold"] == "0":
            assert "learnt" not in row["warning"]
        else:
            assert row["warning"] == "a network has learnt from this very scan"
    assert "scans, see the column warning of" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert new_command([run], [tmp_path / "empty"], tmp_path / "none.csv") == 2
    assert "holds no NIfTI file" in capsys.readouterr().err


def test_bad_new_scans_are_named_and_the_others_predicted(study, tmp_path, capsys):
    train_and_predict(study, "regression", epochs=1)
    scans = write_scans(study, tmp_path / "new")
    good, torn, missing = (scans / f"{name}/1/T1.nii.gz" for name in ("s01", "s02", "nobody"))
    torn.write_bytes(torn.read_bytes()[:500])
    output, own = tmp_path / "new.csv", ("--networks", study.folder)
    assert new_command([study.folder / "train"], [good, torn, missing], output, *own) == 2
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if "can't be used" in line]
    assert "2 of 3 scans can't be used" in line
    assert "new.csv: 1 scan predicted, 2 rejected" in said
    assert "3 of 3 scans done" in said
    assert "truncated: s02/1/T1.nii.gz: its compressed data end too early" in line
    table = files.read_csv(output)
    assert [bool(cell) for cell in table["prediction"]] == [True, False, False]
    assert [cell.split(":")[0] for cell in table["rejected"]] == ["", "truncated", "missing"]


def in_shares(number, runs, scans, output, *more):
    """Answer for scans share by share, the last first, and put the answers together."""
    for share in reversed(range(number)):
        assert new_command(runs, scans, output, *more, "--shard", f"{share}/{number}") == 0
    assert new_command(runs, scans, output, *more, "--gather", number) == 0


def answers_in(folder):
    """All that answers are, but for the tables of shares."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in paths if path.parent.name != "new-shards"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


@pytest.mark.parametrize("task", ["regression", "segmentation"])
def test_answers_are_the_same_to_the_byte_in_any_number_of_shares(study, task, tmp_path, capsys):
    train_and_predict(study, task, epochs=1)
    scans = write_scans(study, tmp_path / "new")
    torn, holes = (scans / f"{name}/1/T1.nii.gz" for name in ("s02", "s07"))
    torn.write_bytes(torn.read_bytes()[:500])
    lost = nib.load(holes).get_fdata()
    lost[3, 3, 3] = np.nan
    nib.save(nib.Nifti1Image(lost, AFFINE), holes)
    other = tmp_path / "other"
    shutil.copytree(study.folder / "train", other)
    weights = load_file(other / "model.safetensors")
    write_weights(other, {name: value * 1.1 for name, value in weights.items()})
    given = [study.folder / "train", other], [scans]
    own = ("--networks", study.folder)
    assert new_command(*given, tmp_path / "once/new.csv", *own) == 2
    once = answers_in(tmp_path / "once")
    table = files.read_csv(tmp_path / "once/new.csv")
    reasons = table["rejected"].str.partition(":")[0]
    assert sorted(reasons)[-2:] == ["not-finite", "truncated"]
    # a whole number is one, whichever scans are beside it
    assert set(table["networks"]) == {"2", ""}
    capsys.readouterr()
    for number in (1, 3, 7):
        output = tmp_path / f"in {number}"
        in_shares(number, *given, output / "new.csv", *own)
        assert answers_in(output) == once
        assert "warning: 2 of 21 scans can't be used" in capsys.readouterr().err


def test_an_added_scan_is_of_one_share_and_no_share_may_be_of_other_scans(study, tmp_path, capsys):
    train_and_predict(study, "segmentation", epochs=1)
    scans = write_scans(study, tmp_path / "new")
    output, own = tmp_path / "answers/new.csv", ("--networks", study.folder)
    given = [study.folder / "train"], [scans], output
    in_shares(3, *given, *own)
    before = [list_new_scans([scans], ["T1"]).share(Share(n, 3)).digest() for n in range(3)]
    shutil.copy(scans / "s01/1/T1.nii.gz", scans / "more.nii.gz")
    after = [list_new_scans([scans], ["T1"]).share(Share(n, 3)).digest() for n in range(3)]
    (changed,) = [n for n in range(3) if before[n] != after[n]]
    assert new_command(*given, *own, "--gather", 3) == 2
    assert f"new-shards/{changed}.csv: scans were added, removed" in capsys.readouterr().err
    share = ("--shard", f"{changed}/3", "--planned")
    assert new_command(*given, *own, *share, before[changed]) == 2
    assert "added, removed or replaced" in capsys.readouterr().err
    assert new_command(*given, *own, *share, after[changed]) == 0
    assert new_command(*given, *own, "--gather", 3) == 0
    assert new_command(*given[:2], tmp_path / "once/new.csv", *own) == 0
    assert answers_in(output.parent) == answers_in(tmp_path / "once")
    # what is gone leaves no mask, and no table of a share that was another before
    (scans / "more.nii.gz").unlink()
    in_shares(2, *given, *own)
    assert "new-masks/more.nii.gz" not in answers_in(output.parent)
    assert sorted(path.name for path in (output.parent / "new-shards").iterdir()) == [
        "0.csv",
        "1.csv",
    ]
    for wrong in ("3/3", "-1/3", "1", "a/b"):
        with pytest.raises(SystemExit):
            new_command(*given, *own, f"--shard={wrong}")


def test_networks_that_have_no_mean_and_scans_that_do_not_fit(study, tmp_path, capsys):
    train_and_predict(study, "regression", epochs=1)
    other = tmp_path / "other"
    shutil.copytree(study.folder / "train", other)
    card = ModelCard.read(other)
    output = tmp_path / "new.csv"
    weights = {"weights_sha256": "0" * 64}
    of_weight = {"run": card.run.model_copy(update={"target": "weight"})}
    for change, said in (
        ({"device": "cpu"}, "is given twice, or under two names"),
        (weights | {"prepare": Preparation()}, "only networks for one question and one kind"),
        (weights | of_weight, "predicts weight, but"),
    ):
        card.model_copy(update=change).write(other)
        assert new_command([study.folder / "train", other], ["a.nii"], output) == 2
        assert said in capsys.readouterr().err
    for change, said in (
        ({"brain_masks": "all"}, "so each new scan needs one"),
        (
            {"run": card.run.model_copy(update={"channels": ("T1", "T2")})},
            "sees 2 channels; give a table",
        ),
    ):
        card.model_copy(update=change).write(other)
        assert new_command([other], ["a.nii"], output) == 2
        assert said in capsys.readouterr().err
    table = tmp_path / "list.csv"
    for text, said in (
        ("T1,brain_mask\na.nii,b.nii\n", "trained on scans without brain masks; remove"),
        ("T2\na.nii\n", "lacks the column T1"),
        ("T1\n", "lists no scan"),
        ("T1\na.nii\n./a.nii\n", "a.nii is given twice"),
    ):
        table.write_text(text)
        assert new_command([study.folder / "train"], [table], output) == 2
        assert said in capsys.readouterr().err
    for name in ("new", "new.xlsx"):
        assert new_command([study.folder / "train"], ["a.nii"], tmp_path / name) == 2
        assert f"--output {tmp_path / 'new.csv'}" in capsys.readouterr().err
        assert not (tmp_path / name).exists()
    assert main(["predict", "--scans", "a.nii", "--output", str(output)]) == 2
    assert "needs STUDY/EXPERIMENT" in capsys.readouterr().err
    assert new_command([tmp_path], ["a.nii"], output) == 2
    assert "model.json: is not there" in capsys.readouterr().err
    assert not output.exists()


def test_where_the_table_can_not_lie_is_said_before_a_scan_is_read(study, tmp_path, capsys):
    train_and_predict(study, "regression", epochs=1)
    (tmp_path / "file").touch()
    scans = [write_scans(study, tmp_path / "new")]
    own = ("--networks", study.folder)
    assert new_command([study.folder / "train"], scans, tmp_path / "file/new.csv", *own) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}/file: File exists; something of this name is in the way" in said
    assert "scans checked" not in said


RUNS = {
    "absolute": "{folder}/gift.py:Net",
    "out of the folder": "../gift.py:Net",
    "beside": "gift.py:Net",
}


@pytest.mark.parametrize("network", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("networks", [False, True])
def test_a_card_runs_no_code_that_nobody_named(study, tmp_path, capsys, network, networks):
    """A network from somebody else: the card names a file, and a digest that fits it."""
    train_and_predict(study, "regression", epochs=1)
    gift = study.folder / "gift.py"
    gift.write_text(
        f"open({str(tmp_path / 'RAN')!r}, 'w')\n" + (study.folder / "net.py").read_text()
    )
    model = study.folder / "train"
    run = ModelCard.read(model).run
    named = run.train.model_copy(update={"network": network.format(folder=study.folder)})
    run = run.model_copy(update={"train": named})
    edit_card(model, run=run, network_digest=files.sha256(gift))
    scans = write_scans(study, tmp_path / "new")
    empty = tmp_path / "empty/below"
    empty.mkdir(parents=True)
    own = ("--networks", empty) if networks else ()
    paths = [scans / "s01/1/T1.nii.gz"]
    assert new_command([model], paths, tmp_path / "new.csv", *own) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "gift.py" in said
    assert ("--networks FOLDER" in said) == (not networks)
    assert not (tmp_path / "RAN").exists()


DAMAGES = {
    "a bit of the weights": ("model.safetensors", lambda b: b[:-9] + bytes([b[-9] ^ 4]) + b[-8:]),
    "the weights cut": ("model.safetensors", lambda b: b[:100]),
    "no weights": ("model.safetensors", lambda _: b""),
    "a number of the card": (
        "model.json",
        lambda b: b.replace(b'"mean": ', b'"mean": 1'),
    ),
    "the card cut": ("model.json", lambda b: b[: len(b) // 2]),
    "a card of nothing": ("model.json", lambda _: b"[]"),
    "no text": ("model.json", lambda _: b"\xff\xfe\x00"),
    "a deep card": ("model.json", lambda _: b"[" * 100_000),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    study = SmallStudy(tmp_path_factory.mktemp("trained") / "study")
    train_and_predict(study, "regression", epochs=1)
    return study


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_network_is_not_believed(trained, tmp_path, name):
    file, damage = DAMAGES[name]
    model = Path(shutil.copytree(trained.folder / "train", tmp_path / "train"))
    before = (model / file).read_bytes()
    (model / file).write_bytes(damage(before))
    assert (model / file).read_bytes() != before
    with pytest.raises(UserError, match=rf"{file}: .*type the same command"):
        predict_with(trained, model, tmp_path / "predict")
    assert not (tmp_path / "predict").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"run": {}}, "run.experiment"),
        ({"state": {"mean": math.nan, "standard_deviation": 1.0}}, "state.mean"),
        ({"state": {"mean": None, "standard_deviation": 1.0}}, "state.mean"),
        ({"state": {"mean": 40.0}}, "standard_deviation"),
        ({"state": {"classes": ["F", "M"]}}, "state.classes"),
        ({"weights_sha256": ""}, "sha256"),
        ({"chosen_epoch": "the best"}, "chosen_epoch"),
        ({"parent": None}, "parent"),
    ],
)
def test_a_card_that_describes_no_network(trained, tmp_path, change, said):
    model = Path(shutil.copytree(trained.folder / "train", tmp_path / "train"))
    path = model / "model.json"
    integrity.write_sealed(path, integrity.read_sealed(path, "") | change)
    with pytest.raises(UserError, match=rf"model\.json: .*{said}|model.safetensors: .*{said}"):
        predict_with(trained, model, tmp_path / "predict")


def test_weights_of_another_network(trained, tmp_path):
    model = Path(shutil.copytree(trained.folder / "train", tmp_path / "train"))
    write_weights(model, {"other": torch.zeros(3)})
    with pytest.raises(UserError, match="do not fit the network"):
        predict_with(trained, model, tmp_path / "predict")
    weights = model / "model.safetensors"
    weights.write_bytes(b"no tensors at all")
    edit_card(model, weights_sha256=files.sha256(weights))
    with pytest.raises(UserError, match="do not fit the network"):
        predict_with(trained, model, tmp_path / "predict")


GIFTS = sorted((SHARED / "cases/attack").glob("*-model.*"))


@pytest.mark.skipif(not GIFTS, reason="no hostile cards here")
@pytest.mark.parametrize("gift", GIFTS, ids=lambda path: path.name)
def test_hostile_cards_and_weights(trained, tmp_path, capsys, gift):
    model = Path(shutil.copytree(trained.folder / "train", tmp_path / "train"))
    mine = model / f"model{gift.suffix}"
    shutil.copy(gift, mine)
    own = ("--networks", trained.folder)
    assert new_command([model], ["a.nii"], tmp_path / "new.csv", *own) == 2
    assert str(mine) in capsys.readouterr().err.splitlines()[-1]
    if gift.suffix == ".json":  # as if whoever made it had known how to seal it
        with suppress(ValueError):
            integrity.write_sealed(mine, json.loads(gift.read_bytes()))
    else:
        edit_card(model, weights_sha256=files.sha256(mine))
    assert new_command([model], ["a.nii"], tmp_path / "new.csv", *own) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("headstart: ")

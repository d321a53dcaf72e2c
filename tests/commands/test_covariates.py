"""Networks that see labels beside the scan: trained, interrupted, and asked about new scans."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file
from small_study import AFFINE
from small_study import SmallStudy

from headstart.cli import main
from headstart.cohort.prepared import cohort_digest
from headstart.cohort.prepared import read_cohort
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import volumes_of
from headstart.common.errors import OutOfTimeError
from headstart.common.errors import UserError
from headstart.common.schema import settings_text
from headstart.training.card import ModelCard
from headstart.training.config import Predict
from headstart.training.predict import predict
from headstart.training.settings import PredictSettings
from headstart.training.settings import Publication
from headstart.training.start import Start

HARD = {"epochs": 3, "batch_size": 3, "augment": [{"RandomNoise": {}}, {"RandomFlip": {}}]}


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


def asked(study, *covariates, task="regression", **train):
    return study.run(task, **train).model_copy(update={"covariates": covariates})


def go(study, run, name="train", **more):
    study.train(run, study.folder / name, study.folder / "runs" / name, **more)
    return study.folder / name


def go_predict(study, run, *, test=False):
    settings = PredictSettings(**run.model_dump(exclude={"train", "window"}), test=test)
    common = {**study.inputs, "networks": study.folder, "device": "cpu"}
    output = study.folder / "predict"
    predict(
        settings=settings, model=study.folder / "train", data=study.data, output=output, **common
    )
    return pd.read_csv(output / "predictions.csv", dtype=str)


def write_new(study, folder, rows, **columns):
    """Write the prepared volumes of some scans as raw ones, with a table of them."""
    paths = {}
    for shard in sorted(study.prepared.glob("shard-[01].json")):
        volumes = np.load(volumes_of(shard))[:, 0].astype(np.float32)
        for scan in ShardCard.read(shard).scans:
            path = folder / f"{scan.subject}-{scan.session}.nii.gz"
            folder.mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(volumes[scan.index], AFFINE), path)
            paths[scan.subject, scan.session] = path.name
    keys = zip(rows["subject"], rows["session"], strict=True)
    table = pd.DataFrame({"T1": [paths[key] for key in keys], **columns})
    table.to_csv(folder / "scans.csv", index=False)
    return folder / "scans.csv"


def ask(study, output, *scans, runs=("train",)):
    words = ["predict", "--run", *(study.folder / run for run in runs), "--scans", *scans]
    words += ["--output", output, "--device", "cpu", "--networks", study.folder]
    return main([str(word) for word in words])


def test_runs_without_covariates_are_what_they_were(study):
    assert "covariate" not in settings_text(study.run())
    card = ModelCard.read(go(study, study.run(epochs=1)))
    assert "covariate" not in settings_text(card)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_rounds_under_a_time_limit_have_the_bits_of_an_unbroken_run(study, task, monkeypatch):
    """A passed deadline leaves time for one step: the run is gone on with at every place."""
    label = "sex" if task == "regression" else "age"
    run = asked(study, label, task=task, **HARD | {"epochs": 2, "keep": "ema"})
    unbroken = go(study, run)
    monkeypatch.setenv("HEADSTART_DEADLINE", "0")
    for _ in range(6):
        with pytest.raises(OutOfTimeError):
            go(study, run, "broken")
    broken = go(study, run, "broken")
    for name in ("history.csv", "model.safetensors"):
        assert (broken / name).read_bytes() == (unbroken / name).read_bytes()


@pytest.mark.parametrize("flips", ["none", 4])
def test_new_scans_are_predicted_to_the_bit_as_held_out_ones(study, tmp_path, capsys, flips):
    study.change_table("site", dict(enumerate("ABABABABABABABABABABA")))
    augment = [{"RandomFlip": {"axes": ["LR", "AP"]}}]
    run = asked(study, "sex", "site", **HARD | {"augment": augment, "learning_rate": 0.05})
    go(study, run, publication=Publication(predict=Predict(flips=flips)))
    known = go_predict(study, run)
    rows = study.table.merge(known[["subject", "session"]])
    table = write_new(study, tmp_path / "new", rows, site=rows["site"], sex=rows["sex"])
    assert ask(study, tmp_path / "new.csv", table) == 0, capsys.readouterr().err
    new = pd.read_csv(tmp_path / "new.csv", dtype=str)
    assert new["prediction"].tolist() == known["prediction"].tolist()
    # the other sex is another prediction
    other = rows["sex"].map({"F": "M", "M": "F"})
    table = write_new(study, tmp_path / "new", rows, site=rows["site"], sex=other)
    assert ask(study, tmp_path / "new.csv", table) == 0
    assert (pd.read_csv(tmp_path / "new.csv", dtype=str)["prediction"] != known["prediction"]).all()


def test_the_card_says_what_was_fitted_to_training_scans_alone(study):
    study.change_table("age", dict.fromkeys((0, 1), "900"))  # held out with fold 0
    run = asked(study, "age", task="classification", epochs=1)
    card = ModelCard.read(go(study, run))
    cohort = read_cohort(**study.inputs, target="sex", covariates=["age"])
    ages = [float(scan.covariates[0]) for scan in cohort.training(0)]
    (age,) = card.covariates.fitted
    assert 900 not in ages
    assert (age.mean, age.standard_deviation) == pytest.approx((np.mean(ages), np.std(ages)))
    names = load_file(study.folder / "train/model.safetensors")
    assert "features.0.weight" in names
    assert sum(name.startswith("covariate_effect.") for name in names) == 4


def test_a_scan_that_lacks_a_covariate_is_in_no_part_and_that_is_said(study, capsys):
    cohort = read_cohort(**study.inputs, target="age", covariates=["sex"])
    lost = [cohort.training(0)[0], cohort.held_out(0)[2]]
    rows = [
        row
        for row, key in enumerate(zip(study.table["subject"], study.table["session"], strict=True))
        if key in [(scan.subject, scan.session) for scan in lost]
    ]
    run = asked(study, "sex", epochs=1)
    go(study, run, "before")
    study.change_table("sex", dict.fromkeys(rows, ""))
    card = ModelCard.read(go(study, run))
    assert card.counts.without_covariate == 2
    assert card.counts.training.scans == len(cohort.training(0)) - 1
    said = "warning: 2 of 21 scans left out, for they lack a covariate (sex)"
    assert said in capsys.readouterr().err
    table = go_predict(study, run)
    assert "2 of 21 scans of the cohort left out" in capsys.readouterr().err
    assert (lost[1].subject, lost[1].session) not in set(
        zip(table["subject"], table["session"], strict=True)
    )
    assert len(table) == len(cohort.held_out(0)) - 1


def test_a_test_without_any_covariate_is_no_test(study):
    run = asked(study, "sex", epochs=1)
    test = [row for row, name in enumerate(study.table["subject"]) if name >= "s17"]
    study.change_table("sex", dict.fromkeys(test, ""))
    go(study, run)
    go_predict(study, run)
    with pytest.raises(UserError, match="no scan of the test has the covariates sex all at once"):
        go_predict(study, run, test=True)
    study.change_table("sex", dict.fromkeys(range(21), ""))
    with pytest.raises(UserError, match="no scan has the covariates sex all at once"):
        go_predict(study, run)


def test_a_changed_value_is_another_run_and_one_that_is_not_learnt_from_is_not(study):
    def digest(*covariates):
        cohort = read_cohort(**study.inputs, target="age", covariates=covariates)
        return cohort_digest(cohort, 0)

    before, plain = digest("sex"), digest()
    assert before != plain
    held_out = study.table.index[study.table["subject"] == "s03"]
    study.change_table("sex", dict.fromkeys(held_out, "F"))
    assert digest("sex") == before
    learnt = study.table.index[study.table["subject"] == "s02"]
    study.change_table("sex", dict.fromkeys(learnt, "M"))
    assert digest("sex") != before
    assert digest() == plain


def test_new_scans_come_with_their_covariates(study, tmp_path, capsys):
    run = asked(study, "sex", "age", task="classification", epochs=1)
    run = run.model_copy(update={"target": "site"})
    study.change_table("site", dict(enumerate("AABBABABABABABABABABA")))
    go(study, run)
    rows = study.table.iloc[[0, 1, 2, 4]]
    table = write_new(study, tmp_path / "new", rows, sex=rows["sex"])
    capsys.readouterr()
    output = tmp_path / "new.csv"
    assert ask(study, output, tmp_path / "new/s00-1.nii.gz") == 2
    said = capsys.readouterr().err
    assert "the network sees sex and age beside the scan; give a table (.csv) with" in said
    assert ask(study, output, table) == 2
    said = capsys.readouterr().err
    assert "lacks the column age; it needs paths in T1, and the covariates sex, age" in said
    assert not output.exists()

    ages = ["30", "", "old", "400"]
    table = write_new(study, tmp_path / "new", rows, sex=["F", "F", "F", "X"], age=ages)
    assert ask(study, output, table) == 2
    found = pd.read_csv(output, dtype=str, keep_default_na=False)
    assert found["rejected"].tolist() == [
        "",
        "age is missing, which the network needs beside the scan",
        "age is 'old', which is no number",
        "",
    ]
    assert [bool(cell) for cell in found["p_A"]] == [True, False, False, True]
    assert "its sex 'X' is that of no training scan (F, M)" in found["warning"][3]
    assert "its age is 400, that of training scans from" in found["warning"][3]
    assert "training scan" not in found["warning"][0]


def test_networks_of_other_covariates_have_no_mean(study, tmp_path, capsys):
    go(study, asked(study, "sex", epochs=1), "one")
    go(study, asked(study, epochs=1), "two")
    rows = study.table.iloc[:1]
    table = write_new(study, tmp_path / "new", rows, sex=rows["sex"])
    assert ask(study, tmp_path / "new.csv", table, runs=("one", "two")) == 2
    assert "its covariates is [], but that of" in capsys.readouterr().err


def test_a_network_of_other_covariates_is_in_the_wrong_place(study):
    go(study, asked(study, "sex", epochs=1))
    with pytest.raises(UserError, match="is a network of covariates"):
        go_predict(study, asked(study, "site", epochs=1))


def test_what_is_odd_is_said_before_the_training(study, capsys):
    study.change_table("site", dict(enumerate("ABABABABABABABABABABA")))
    # sex by another name
    study.change_table(
        "site", {row: {"F": "x", "M": "y"}[s] for row, s in study.table["sex"].items()}
    )
    run = asked(study, "site", "source", task="classification", epochs=1)
    go(study, run)
    said = capsys.readouterr().err
    assert "the covariate site alone tells the target sex of nearly every training scan" in said
    assert "source is 'small' in all 8 training scans of this fold" in said
    assert "8 training scans for 1 term of covariates (site, source)" in said


def test_a_parent_s_weights_go_on_and_its_covariates_do_not(study):
    go(study, asked(study, "sex", **HARD), "parent")
    start = Start.model_validate({"from": "small", "freeze": ["features"]})
    run = asked(study, "site", epochs=1, start=start, learning_rate=1e-9, warmup=0)
    study.change_table("site", dict(enumerate("ABABABABABABABABABABA")))
    weights = load_file(study.folder / "parent/model.safetensors")
    child = go(study, run, "child", start=study.folder / "parent")
    found = load_file(child / "model.safetensors")
    assert found["features.0.weight"].equal(weights["features.0.weight"])
    assert found["covariate_effect.2.weight"].abs().max() < 1e-6
    assert weights["covariate_effect.2.weight"].abs().max() > 1e-4

"""What runs again after a change, and what does not."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from fresh import PROJECT
from rows import label_rows
from study import FROM_BOTH_TRAININGS
from study import FROM_COMPARED
from study import FROM_RESULTS
from study import FROM_TRAINING
from study import Checkout
from study import planned
from study import write_scan

from headstart.cohort.config import Split
from headstart.cohort.split import split
from headstart.common.run_id import RunId

pytestmark = pytest.mark.slow

AGE = RunId("age", 0, 0)
# What rests on the cohort, without the figures of all this: for tests of what leads there.
TRAINED = [f"tiny/{RunId(name, 0, 0).trained}/model.json" for name in ("age", "sex")]
METRICS = "tiny/evaluate/age/metrics.csv"
DATA_RULES = {"label", "check_scans", "check", "prepare", "gather", "split", "audit"}
DATA_RULES |= {"near_duplicates"}


def of_experiments(jobs: Counter[str]) -> set[str]:
    return set(jobs) - DATA_RULES


STUDIES = sorted(
    path.stem
    for path in (PROJECT / "config").glob("*.yaml")
    if "\nexperiments:" in path.read_text()
)


def test_results_that_were_deleted_are_made_again(checkout: Checkout) -> None:
    assert checkout.planned() == Counter()
    weights = checkout.study / AGE.trained / "model.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    (checkout.study / "predict" / AGE.folder / "predictions.csv").unlink()
    jobs = checkout.done(f"tiny/predict/{AGE.folder}/predictions.csv")
    assert (jobs["train"], jobs["predict"]) == (1, 1)
    assert weights.read_bytes() == before  # from the run store
    for file in ("evaluate/age/metrics.csv", "figures/age/curves.pdf", "check/passed.csv"):
        (checkout.study / file).unlink()
        assert checkout.planned() != Counter(), file
    checkout.done()
    assert checkout.planned() == Counter()


@pytest.mark.parametrize("study", STUDIES)
def test_every_shipped_study_shows_all_jobs_from_nothing(study: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "-n", "-p", "--cores", "2"),
            *("--configfile", f"config/{study}.yaml", "--config", f"results={tmp_path}"),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert set(planned(run.stdout + run.stderr)) > DATA_RULES | {"train", "predict", "evaluate"}


def test_cohort_is_all_that_a_training_rests_on(new_checkout: Checkout) -> None:
    # so that, once it is made, several experiments may train side by side (Snakemake's locks)
    training = new_checkout.planned(f"tiny/{AGE.trained}/model.json")
    assert new_checkout.planned("cohort") - Counter(cohort=1) == training - Counter(train=1)


def test_nothing_runs_twice(checkout: Checkout) -> None:
    assert checkout.planned() == Counter()


def test_configfile_replaces_the_default_study(new_checkout: Checkout) -> None:
    run = new_checkout.snakemake("-n")
    assert run.code == 0, run.text
    assert "tiny/label/labels.csv" in run.text
    assert "demo/" not in run.text


def test_new_experiment_runs_alone(checkout: Checkout) -> None:
    config = checkout.config()
    config["experiments"]["age-slow"] = {"like": "age", "train": {"learning_rate": 1e-4}}
    checkout.configure(config)
    jobs = checkout.done()
    assert jobs == FROM_TRAINING + FROM_COMPARED
    assert (checkout.study / "figures/age-slow/manifest.json").exists()


def test_learning_rate_reruns_its_experiment(checkout: Checkout) -> None:
    config = checkout.config()
    config["experiments"]["age"]["train"]["learning_rate"] = 0.01
    checkout.configure(config)
    assert checkout.planned() == FROM_TRAINING


def test_a_unit_in_other_words_trains_nothing(checkout: Checkout) -> None:
    config = checkout.config()
    config["experiments"]["age"]["unit"] = "years of age"
    checkout.configure(config)
    jobs = checkout.planned()
    assert jobs > FROM_RESULTS  # the cohort's figures say the unit, too
    assert {"prepare", "split", "train", "predict", "evaluate"}.isdisjoint(jobs)


def test_another_way_to_predict_predicts_again_with_the_networks_that_there_are(
    checkout: Checkout,
) -> None:
    config = checkout.config()
    mirrors = [{"RandomFlip": {"axes": ["LR", "AP"]}}]
    config["experiments"]["age"]["train"]["augment"] = mirrors
    checkout.configure(config)
    checkout.done(TRAINED[0])
    config["experiments"]["age"]["predict"] = {"flips": 4}
    checkout.configure(config)
    weights = checkout.study / AGE.trained / "model.safetensors"
    before, runs = weights.read_bytes(), sorted((checkout.study / "runs").glob("*/attempt-*"))
    assert checkout.done() == FROM_TRAINING + Counter(plot_augmentation=1)
    card = json.loads((checkout.study / AGE.trained / "model.json").read_text())
    assert card["predict"]["flips"] == 4
    assert (checkout.folder / "results/.settings" / card["snapshot"]).is_file()
    assert weights.read_bytes() == before
    assert sorted((checkout.study / "runs").glob("*/attempt-*")) == runs
    assert checkout.planned() == Counter()


def test_new_seeds_are_the_only_new_trainings(checkout: Checkout) -> None:
    config = checkout.config()
    config["experiments"]["age"]["seeds"] = [0, 1]
    checkout.configure(config)
    assert checkout.planned() == FROM_TRAINING
    assert checkout.done(METRICS) == Counter(train=1, predict=1, evaluate=1)


def test_new_subject_touches_one_shard(checkout: Checkout) -> None:
    write_scan(checkout.folder / "scans/Sub_900/T1.nii.gz", 900)
    with (checkout.folder / "scans/participants.csv").open("a") as table:
        table.write("Sub_900,44,F,L\n")
    jobs = checkout.done(*TRAINED)
    once = {rule: jobs[rule] for rule in DATA_RULES}
    assert once == dict.fromkeys(DATA_RULES, 1)
    assert jobs["train"] == 2
    assert checkout.planned(*TRAINED) == Counter()


def test_new_label_column_rebuilds_no_volume(checkout: Checkout) -> None:
    config = checkout.config()
    config["data"][0]["labels"]["hand"] = "Hand"
    checkout.configure(config)
    jobs = checkout.done(TRAINED[0])
    assert jobs["label"] == 1
    assert jobs["check_scans"] == jobs["prepare"] == 0
    assert "already finished" in log_of(checkout)


def test_corrected_age_rebuilds_no_volume(checkout: Checkout) -> None:
    checkout.edit("scans/participants.csv", "Sub_101,41", "Sub_101,47")
    jobs = checkout.done(*TRAINED)
    assert jobs["check_scans"] == jobs["prepare"] == 0
    assert jobs["label"] == jobs["check"] == jobs["split"] == 1
    assert jobs["train"] == 2


def test_other_tables_edit_stops_at_label(checkout: Checkout) -> None:
    checkout.edit("scans/participants.csv", "Sub_101,41,M,R", "Sub_101,41,M,L")
    assert set(checkout.done()) <= {"label", "check"}


def test_edited_network_of_ones_own_reruns_training(checkout: Checkout) -> None:
    checkout.edit("tiny_net.py", "AdaptiveAvgPool3d(2)", "AdaptiveMaxPool3d(2)")
    assert checkout.planned() == FROM_BOTH_TRAININGS
    assert checkout.done(*TRAINED) == Counter(train=2)


def test_network_that_is_not_there_is_said_before_any_job(checkout: Checkout) -> None:
    (checkout.folder / "tiny_net.py").unlink()
    run = checkout.snakemake("-n")
    assert run.code == 2
    assert "train.network: " in run.text
    assert "tiny_net.py is not there" in run.text


def test_touch_everything_but_the_scans_runs_nothing(checkout: Checkout) -> None:
    apart = {".snakemake", "scans"}
    files = [path for path in checkout.folder.rglob("*") if not apart & set(path.parts)]
    random.Random(1).shuffle(files)
    for path in files:
        os.utime(path)
    assert checkout.planned() == Counter()


def test_moved_folder_runs_nothing(checkout: Checkout) -> None:
    moved = Checkout(checkout.folder.rename(checkout.folder.with_name("else where")))
    assert moved.planned() == Counter()


def test_fresh_clone_on_old_results(checkout: Checkout, tmp_path: Path) -> None:
    clone = Checkout(tmp_path / "clone")
    clone.folder.mkdir()
    for name in ("Snakefile", "workflow", "profiles", "config", "envs", "scans", "tiny_net.py"):
        copy = shutil.copytree if (checkout.folder / name).is_dir() else shutil.copyfile
        copy(checkout.folder / name, clone.folder / name)
    config = clone.config()
    config["results"] = str(checkout.folder / "results")
    clone.configure(config)
    assert clone.planned() == Counter()
    config["experiments"]["sex"]["train"]["learning_rate"] = 0.01
    clone.configure(config)
    assert clone.planned() == FROM_TRAINING


def test_a_leak_stops_training_until_a_person_has_decided(checkout: Checkout) -> None:
    scan = nib.load(checkout.folder / "scans/Sub_101/T1.nii.gz")
    voxels = np.asarray(scan.dataobj) + np.random.default_rng(1).normal(0, 0.5, scan.shape)
    copy = checkout.folder / "scans/Sub_900/T1.nii.gz"
    copy.parent.mkdir()
    nib.save(nib.Nifti1Image(voxels.round().astype(np.int16), scan.affine), copy)
    with (checkout.folder / "scans/participants.csv").open("a") as table:
        table.write("Sub_900,44,F,L\n")
    config = checkout.config()
    config["split"]["seed"] = next(seed for seed in range(99) if apart(checkout, seed))
    checkout.configure(config)
    run = checkout.snakemake()
    assert run.code == 1
    assert "1 leak between parts, e.g. Sub_101 (" in run.text
    assert not set(run.jobs) & {"train", "predict", "evaluate", "audit"}
    # what a person decides by is there
    assert run.jobs["plot_near_duplicates"] == run.jobs["near_duplicates"] == 1

    pair = {"subjects": ["Sub_101", "Sub_900"], "reason": "a test made one of the other"}
    config["split"]["unrelated"] = [pair]
    checkout.configure(config)
    jobs = checkout.done()
    assert (jobs["split"], jobs["audit"], jobs["train"]) == (0, 1, 2)
    config["split"]["unrelated"][0]["reason"] = "said in other words"
    checkout.configure(config)
    assert checkout.done() == Counter(audit=1, report=1)

    del config["split"]["unrelated"]
    config["split"]["same"] = [pair]
    checkout.configure(config)
    jobs = checkout.done(*TRAINED)
    assert (jobs["split"], jobs["audit"], jobs["prepare"]) == (1, 1, 0)
    assert checkout.planned(*TRAINED) == Counter()


def apart(checkout: Checkout, seed: int) -> bool:
    """Tell whether a seed puts the copy and its original into two parts."""
    subjects = [*(f"Sub_{number}" for number in range(101, 113)), "Sub_900"]
    passed = label_rows(pd.DataFrame({"subject": subjects}))
    chosen = Split.model_validate(checkout.config()["split"] | {"seed": seed})
    part = {row.subject: (row.test, row.fold) for row in split(passed=passed, settings=chosen)}
    return part["Sub_101"] != part["Sub_900"]


def test_edited_split_file_divides_again(checkout: Checkout) -> None:
    own = checkout.folder / "scans/my_split.csv"
    shutil.copy(checkout.study / "split/splits.csv", own)
    config = checkout.config()
    config["split"]["file"] = "my_split.csv"
    checkout.configure(config)
    jobs = checkout.done("tiny/split/audit.json")
    assert (jobs["split"], jobs["audit"]) == (1, 1)
    rows = own.read_text().splitlines()
    last = rows[-1].split(",")
    last[1:] = ["1", "", "0"] if last[1] == "0" else ["0", "0", "0"]
    own.write_text("\n".join([*rows[:-1], ",".join(last)]) + "\n")
    assert checkout.done("tiny/split/audit.json")["split"] == 1
    assert ",".join(last) in (checkout.study / "split/splits.csv").read_text()
    own.unlink()
    run = checkout.snakemake("-n")
    assert run.code == 2
    assert "my_split.csv is not there" in run.text


def test_failed_training_keeps_its_checkpoints_and_leaves_no_stale_metric(
    checkout: Checkout,
) -> None:
    config = checkout.config()
    config["experiments"]["age"]["train"] |= {"learning_rate": 0.02, "epochs": 3}
    checkout.configure(config)
    failed = checkout.snakemake(FAIL_AFTER_STEPS="1")
    assert failed.code == 1
    assert "the test asked for a failure" in failed.text
    assert not (checkout.study / AGE.trained / "model.json").exists()
    histories = list(checkout.study.glob("runs/*/attempt-1/history.csv"))
    unfinished = [h for h in histories if not (h.parents[1] / "finished").exists()]
    assert len(unfinished) == 1
    assert len(unfinished[0].read_text().splitlines()) >= 2

    # the metrics of the old learning rate are not taken for current
    assert checkout.planned(METRICS) == Counter(train=1, predict=1, evaluate=1)
    assert checkout.done() == FROM_TRAINING
    assert checkout.planned() == Counter()
    log = log_of(checkout)
    assert "epoch 1/3" not in log
    assert "epoch 3/3" in log


def log_of(checkout: Checkout) -> str:
    return (checkout.study / AGE.log).read_text()

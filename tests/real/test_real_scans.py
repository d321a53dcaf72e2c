"""Real scans from raw file to figures: the shipped studies with small networks and one epoch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from fresh import copy_project
from study import Checkout

from headstart.cohort.audit import Audit
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import ShardScan
from headstart.common.files import read_csv
from headstart.common.run_id import RunId

# one group: with `--dist loadgroup` each study runs once, not once per worker
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("real")]

FIGURES = ("curves", "evaluation")
# What is changed of the experiments' training.
HIPPOCAMPUS = {
    "epochs": 1,
    "threads": 1,
    "network_arguments": {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]},
}
IXI = {"epochs": 1, "network_arguments": {"channels": [4, 8, 8, 8, 8, 8]}}


def run_study(name: str, experiment: str, root: Path, train: dict[str, Any], folder: Path) -> Path:
    """Run a shipped study to an experiment's figures, its training small; return its results."""
    checkout = Checkout(copy_project(folder / "project"))
    changes = {"experiments": {experiment: {"train": train, "seeds": [0]}}}
    (checkout.folder / "config/small.yaml").write_text(yaml.safe_dump(changes))
    checkout.done(
        # of several `--configfile` the last counts; of its files the later overlays the earlier
        *("--configfile", f"config/{name}.yaml", "config/small.yaml"),
        *("--config", f"root={root}", f"results={folder / 'results'}"),
        "--",
        *(f"{name}/figures/{experiment}/{figure}.pdf" for figure in FIGURES),
    )
    return folder / "results" / name


def prepared_scans(study: Path) -> list[ShardScan]:
    cards = map(ShardCard.read, sorted(study.glob("prepare/shard-*.json")))
    return [scan for card in cards for scan in card.scans]


def numbers(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column, errors="raise")


def assert_figures(study: Path, experiment: str) -> None:
    for figure in FIGURES:
        pdf = study / "figures" / experiment / f"{figure}.pdf"
        assert pdf.read_bytes().startswith(b"%PDF")


@pytest.fixture(scope="module")
def hippocampus(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = shared_data / "msd_task04_hippocampus"
    folder = tmp_path_factory.mktemp("hippocampus")
    return run_study("hippocampus", "hippocampus", root, HIPPOCAMPUS, folder)


@pytest.fixture(scope="module")
def ixi(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = shared_data / "ixi10_2mm"
    return run_study("ixi-mini", "age", root, IXI, tmp_path_factory.mktemp("ixi"))


def test_hippocampus_every_scan_passes(hippocampus: Path) -> None:
    assert len(read_csv(hippocampus / "label/labels.csv")) == 200
    assert len(read_csv(hippocampus / "check/passed.csv")) == 200
    for stage in ("label", "check"):
        assert read_csv(hippocampus / stage / "rejected.csv").empty
    scans = prepared_scans(hippocampus)
    assert len(scans) == 200
    assert all(scan.mask_voxels > 0 and scan.mask_voxels_cropped == 0 for scan in scans)


def test_hippocampus_no_person_straddles_folds(hippocampus: Path) -> None:
    passed = read_csv(hippocampus / "check/passed.csv")
    # from the file names, whatever the stages made of them
    case = passed["channel:T1"].map(lambda path: int(re.findall(r"\d+", Path(path).name)[0]))
    person = (case + 1) // 2
    assert person.nunique() < len(case)
    assert (numbers(passed["subject"]) == person).all()

    splits = read_csv(hippocampus / "split/splits.csv").set_index("subject")
    assert sorted(splits.index) == sorted(set(passed["subject"]))
    fold = passed["subject"].map(splits["fold"])
    assert (fold.groupby(person).nunique() == 1).all()
    sizes = splits["fold"].value_counts()
    assert sorted(sizes.index) == list("01234")
    assert sizes.max() - sizes.min() <= 1
    assert Audit.read(hippocampus / "split/audit.json").leaks == ()


def test_hippocampus_predicts_the_held_out_fold(hippocampus: Path) -> None:
    predictions = read_csv(hippocampus / RunId("hippocampus", 0, 0).predicted / "predictions.csv")
    passed = read_csv(hippocampus / "check/passed.csv")
    splits = read_csv(hippocampus / "split/splits.csv").set_index("subject")
    held_out = passed[passed["subject"].map(splits["fold"]) == "0"]
    assert list(predictions["session"]) == list(held_out["session"])
    for name in ("dice_anterior", "dice_posterior"):
        assert numbers(predictions[name]).between(0, 1).all()
    metrics = read_csv(hippocampus / "evaluate/hippocampus/metrics.csv")
    assert {"network"} < set(metrics["model"])  # and its baselines
    assert set(metrics["protocol"]) == {"hold-out"}
    assert_figures(hippocampus, "hippocampus")


def test_hippocampus_masks_lie_on_the_raw_scans(hippocampus: Path, shared_data: Path) -> None:
    run = hippocampus / RunId("hippocampus", 0, 0).predicted
    first = read_csv(run / "predictions.csv").iloc[0]
    passed = read_csv(hippocampus / "check/passed.csv").set_index("session")
    predicted = nib.load(run / first["mask"])
    raw = nib.load(
        shared_data / "msd_task04_hippocampus" / passed.loc[first["session"], "channel:T1"]
    )
    assert predicted.shape == raw.shape
    assert np.allclose(predicted.affine, raw.affine)


def test_ixi_every_scan_passes_with_its_facts(ixi: Path) -> None:
    assert len(read_csv(ixi / "check/passed.csv")) == 10
    summary = read_csv(ixi / "check/summary.csv")
    assert set(summary["orientation"]) == {"PSR"}
    assert set(summary["shape"]) == {"120x120x90"}
    assert set(summary["voxel_size"]) == {"2x2x2"}
    # uint8 with a slope: what is reported are intensities, not the stored bytes
    assert (numbers(summary["p99"]) > 255).any()


def test_ixi_labels_are_those_of_the_table(ixi: Path, shared_data: Path) -> None:
    passed = read_csv(ixi / "check/passed.csv")
    table = read_csv(shared_data / "ixi10_2mm/lists/IXI_demog_n10.csv")
    assert list(passed["subject"]) == list(table["MRID"].str[:6])
    assert list(passed["age"]) == list(table["Age"])
    assert list(passed["sex"]) == list(table["Sex"])
    assert set(passed["site"]) == {"HH"}


def test_ixi_prepared_volumes_stand_upright(ixi: Path) -> None:
    scans = prepared_scans(ixi)
    assert len(scans) == 10
    for scan in scans:
        assert nib.aff2axcodes(np.array(scan.affine)) == ("R", "A", "S")
    for volumes in map(np.load, sorted(ixi.glob("prepare/shard-?.npy"))):
        assert volumes.shape[1:] == (1, 48, 64, 48)
        assert np.isfinite(volumes).all()


def test_ixi_each_subject_is_predicted_once(ixi: Path) -> None:
    runs = [RunId("age", fold, 0) for fold in (0, 1)]
    predictions = pd.concat(read_csv(ixi / run.predicted / "predictions.csv") for run in runs)
    assert sorted(predictions["subject"]) == sorted(read_csv(ixi / "check/passed.csv")["subject"])
    assert np.isfinite(numbers(predictions["prediction"])).all()
    for run in runs:
        history = read_csv(ixi / run.trained / "history.csv")
        assert list(history["chosen"]) == ["1"]
    metrics = read_csv(ixi / "evaluate/age/metrics.csv")
    assert {"network"} < set(metrics["model"])
    assert_figures(ixi, "age")

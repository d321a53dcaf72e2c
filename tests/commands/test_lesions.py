"""A lesion study at its own sizes: prepared, learnt from patches, predicted by tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from rows import label_rows
from scipy.ndimage import label

from headstart.cli import main
from headstart.cohort.prepare import prepare
from headstart.cohort.prepared import read_cohort
from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import write_splits
from headstart.common.records import write_rows
from headstart.common.schema import canonical_json
from headstart.common.schema import settings_text
from headstart.data.label_table import LabelRow
from headstart.imaging.config import Preparation
from headstart.imaging.nifti import read_volume
from headstart.imaging.scan_rows import CheckRow
from headstart.imaging.scan_rows import ScanFiles
from headstart.study.provenance import identity
from headstart.tasks.objects import OBJECT_MEASURES
from headstart.training.card import ModelCard
from headstart.training.config import Train
from headstart.training.settings import PredictSettings
from headstart.training.settings import Run

# one group: what they share is made once, not once per process
pytestmark = pytest.mark.xdist_group("lesions")

PSR = np.array([[0.0, 0, 2, -20], [-2, 0, 0, 18], [0, 2, 0, -15], [0, 0, 0, 1]])
CLASSES = {"lesion": (5,)}
NETWORK = """
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(in_channels, 8, 3, padding=1), nn.LeakyReLU(),
            nn.Conv3d(8, 8, 3, padding=1), nn.LeakyReLU(), nn.Conv3d(8, out_channels, 1),
        )

    def forward(self, volumes):
        return self.layers(volumes)
"""


def write_scan(folder: Path, number: int) -> None:
    """Write a bright ball, of another size each, with three brighter lesions in it."""
    rng = np.random.default_rng(number)
    shape = (60, 64, 62)
    places = np.indices(shape)
    centre = np.array(shape).reshape(3, 1, 1, 1) / 2
    radius = 15 + 1.5 * number
    ball = ((places - centre) ** 2).sum(0) < radius**2
    mask = np.zeros(shape, np.uint8)
    for _ in range(3):
        middle = centre + rng.uniform(-8, 8, (3, 1, 1, 1))
        mask[((places - middle) ** 2).sum(0) < rng.uniform(2.5, 4) ** 2] = 5
    array = 20 * np.abs(rng.normal(size=shape)) + 400 * ball + 250 * (mask > 0)
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.astype(np.int16), PSR), folder / f"s{number}.nii.gz")
    nib.save(nib.Nifti1Image(mask, PSR), folder / f"s{number}-mask.nii.gz")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six scans, prepared at their own sizes."""
    folder = tmp_path_factory.mktemp("lesions")
    rows, scans, splits = [], [], []
    for number in range(6):
        write_scan(folder / "data", number)
        name = f"s{number}"
        files = {"T1": f"{name}.nii.gz", "mask": f"{name}-mask.nii.gz", "brain_mask": ""}
        who = {"subject": name, "session": "1", "source": "made", "site": ""}
        rows.append(who | files)
        scans.append(ScanFiles(name, "1", {"T1": files["T1"]}, files["mask"], brain_mask=""))
        splits.append(SplitRow(name, False, number % 3, number == 1))
    for place in ("check", "split"):
        (folder / place).mkdir()
    write_rows(folder / "check/passed.csv", LabelRow, label_rows(pd.DataFrame(rows), "T1"))
    write_splits(folder / "split/splits.csv", splits)
    checked = [
        CheckRow(*s.key, path=s.first, hash=read_volume(folder / "data" / s.first).digest)
        for s in scans
    ]
    prepare(
        scans=scans,
        checked=checked,
        data=folder / "data",
        output=folder / "prepare/shard-0.json",
        settings=Preparation(voxel_size=(2, 2, 2), window="own"),
        channels=["T1"],
        classes=CLASSES,
    )
    (folder / "net.py").write_text(NETWORK)
    return folder


def run(**train: Any) -> Run:
    settings = {
        **{"network": "net.py:Net", "threads": 1, "learning_rate": 0.02, "epochs": 12},
        "augment": [{"RandomAffine": {"degrees": 10}}, {"RandomFlip": {"axes": [0, 1]}}],
        "sampling": {"patches": [16, 16, 16], "per_scan": 6, "foreground": 0.5},
    }
    return Run(
        **{"experiment": "lesions", "task": "segmentation", "target": "mask", "classes": CLASSES},
        **{"channels": ("T1",), "window": "own", "fold": 0, "seed": 0},
        train=Train(**settings | train),
    )


def learn(study: Path, output: Path, run: Run, **predict: Any) -> None:
    assert (
        command(
            "train",
            *["--settings", settings_text(run), "--code", identity("train"), *inputs(study)],
            *["--store", output / "runs", "--output", output / "train"],
            *["--publication", canonical_json({"predict": predict})],
        )
        == 0
    )


def inputs(study: Path) -> list[Any]:
    files = ["--passed", study / "check/passed.csv", "--splits", study / "split/splits.csv"]
    return [*files, "--prepared", study / "prepare", "--networks", study, "--device", "cpu"]


def command(*words: Any) -> int:
    return main([str(word) for word in words])


def predicted(study: Path, output: Path, **judged: Any) -> pd.DataFrame:
    kept = run().model_dump(exclude={"train", "window"})
    settings = settings_text(PredictSettings(**kept, test=False, **judged))
    words = ["predict", "--settings", settings, "--model", output / "train", *inputs(study)]
    assert command(*words, "--data", study / "data", "--output", output / "predict") == 0
    return pd.read_csv(output / "predict/predictions.csv")


@pytest.fixture(scope="module")
def learnt(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("learnt")
    learn(study, output, run(), flips=4)
    return output


def test_lesions_are_learnt_from_patches_and_found_by_tiles(study, learnt, capsys) -> None:
    sizes = {
        s.shape
        for s in read_cohort(
            study / "check/passed.csv", study / "split/splits.csv", study / "prepare", "mask"
        ).scans
    }
    assert len(sizes) > 1
    assert all(max(shape) > 16 for shape in sizes)
    history = pd.read_csv(learnt / "train/history.csv")
    assert history["val_dice"].max() > 0.8
    table = predicted(study, learnt)
    assert "the same answer as for a whole scan at once" in capsys.readouterr().err
    assert list(table["subject"]) == ["s0", "s3"]
    assert (table["dice_lesion"] > 0.8).all()
    # the masks are on the scans' own grids, with the study's own values
    for subject, name in zip(table["subject"], table["mask"], strict=True):
        mask, truth = (
            nib.load(path)
            for path in (learnt / "predict" / name, study / "data" / f"{subject}-mask.nii.gz")
        )
        np.testing.assert_allclose(mask.affine, truth.affine)
        found, true = (np.asarray(image.dataobj) == 5 for image in (mask, truth))
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.8
    card = ModelCard.read(learnt / "train")
    assert (card.predict.flips, card.run.window) == (4, "own")


def test_lesions_are_counted_on_the_scans_own_grids(study, learnt) -> None:
    plain, table = predicted(study, learnt), predicted(study, learnt, instances=True)
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    assert {*table} - {*plain} == {f"{name}_lesion" for name in OBJECT_MEASURES}
    for row in table.itertuples():
        paths = study / "data" / f"{row.subject}-mask.nii.gz", learnt / "predict" / row.mask
        true, found = (np.asarray(nib.load(path).dataobj) == 5 for path in paths)
        counts = [label(mask, np.ones((3, 3, 3)))[1] for mask in (true, found)]
        assert counts == [row.true_lesions_lesion, row.lesions_lesion]
    assert (table["lesion_sensitivity_lesion"] == 1).all()
    assert (table["pq_lesion"] > 0.5).all()


def test_new_scans_are_predicted_as_held_out_ones(study, learnt, tmp_path) -> None:
    known = predicted(study, learnt)
    paths = [study / "data" / f"{subject}.nii.gz" for subject in known["subject"]]
    words = ["predict", "--run", learnt / "train", "--scans", *paths, "--networks", study]
    assert command(*words, "--output", tmp_path / "new.csv", "--device", "cpu") == 0
    table = pd.read_csv(tmp_path / "new.csv")
    assert table["rejected"].isna().all()
    for before, after in zip(known["mask"], table["mask"], strict=True):
        old, new = nib.load(learnt / "predict" / before), nib.load(tmp_path / after)
        np.testing.assert_array_equal(np.asarray(new.dataobj), np.asarray(old.dataobj))


def test_overlap_and_flips_train_nothing_again(study, learnt, capsys) -> None:
    weights = (learnt / "train/model.safetensors").read_bytes()
    before = predicted(study, learnt)
    capsys.readouterr()
    learn(study, learnt, run(), overlap=0.5)
    assert "already finished" in capsys.readouterr().err
    assert (learnt / "train/model.safetensors").read_bytes() == weights
    assert ModelCard.read(learnt / "train").predict.flips == "none"
    after = predicted(study, learnt)
    assert not (after["mask_sha256"] == before["mask_sha256"]).all()


@pytest.mark.parametrize(
    ("plane", "patch"),
    [("sagittal", [1, 24, 24]), ("coronal", [24, 1, 24]), ("axial", [24, 24, 1])],
)
def test_lesions_are_learnt_from_single_slices(study, tmp_path, capsys, plane, patch) -> None:
    arguments = {"plane": plane, "channels": [8, 16], "strides": [2]}
    sampling = {"patches": patch, "per_scan": 24, "foreground": 0.7}
    slices = {"network": "unet_slices", "network_arguments": arguments, "sampling": sampling}
    learn(study, tmp_path, run(**slices, epochs=12, batch_size=8))
    table = predicted(study, tmp_path)
    size = "x".join(map(str, patch))
    assert f"tiles of {size} voxels with margins of" in capsys.readouterr().err
    assert (table["dice_lesion"] > 0.5).all()
    for subject, name in zip(table["subject"], table["mask"], strict=True):
        mask = nib.load(tmp_path / "predict" / name)
        assert mask.shape == nib.load(study / "data" / f"{subject}-mask.nii.gz").shape

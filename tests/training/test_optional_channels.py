"""A contrast that some scans lack: from their folder to the answer for a scan without it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from heads import head

from headstart.cohort.answers import gather_answers
from headstart.cohort.controls import controlled
from headstart.cohort.new_scans import Share
from headstart.cohort.new_scans import list_new_scans
from headstart.cohort.prepare import gather
from headstart.cohort.prepare import prepare
from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import write_splits
from headstart.cohort.step_report import StepRow
from headstart.common.errors import UserError
from headstart.common.records import read_rows
from headstart.data.config import Source
from headstart.data.label_table import LabelRow
from headstart.explanation.explained import Explained
from headstart.imaging.config import Preparation
from headstart.imaging.scan_check import check_scans
from headstart.imaging.scan_rows import ScanFiles
from headstart.study.labels import label
from headstart.tasks.regression import Regression
from headstart.training import remarks
from headstart.training.card import ModelCard
from headstart.training.config import Train
from headstart.training.data import EpochLoader
from headstart.training.data import load_volume
from headstart.training.data import validation_batches
from headstart.training.inference import load_network
from headstart.training.predict import predict
from headstart.training.predict_new import predict_new
from headstart.training.settings import PredictSettings
from headstart.training.settings import Run
from headstart.training.train import train
from headstart.training.training_scans import describe

CPU = torch.device("cpu")
EDGES, WINDOW = (4.0, 4.0, 4.0), (24, 28, 24)
SUBJECTS, LACKING = 12, (2, 5, 8, 11)
# whatever could make something else of nothing, by us and by TorchIO
LOUD = [
    {"RandomNoise": {"std": [1, 2]}},
    {"RandomBiasField": {"coefficients": 0.9}},
    {"RandomGamma": {"log_gamma": [0.5, 0.6]}},
    {"RandomAffine": {"degrees": 20}},
    {"RandomSpike": {}},
]
NETWORK = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(
            nn.Conv3d(in_channels, 4, 3, stride=4), nn.ReLU(),
            nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(32, out_channels),
        )
"""


@dataclass
class Study:
    """Twelve subjects, four of them without FLAIR, as far as prepare."""

    folder: Path

    @property
    def inputs(self) -> dict[str, Path]:
        names = {"passed": "label/labels.csv", "splits": "splits.csv", "prepared": "prepare"}
        return {key: self.folder / name for key, name in names.items()}

    @property
    def rows(self) -> list[LabelRow]:
        return read_rows(self.inputs["passed"], LabelRow)

    def scans(self) -> list[Scan]:
        return [*read_cohort(**self.inputs, target="age").scans]

    def label(self, **flair: Any) -> None:
        section = {"path": "{subject}/flair.nii", "align": "header", "optional": True} | flair
        channels = {"T1": "{subject}/T1.nii", "FLAIR": section}
        table = {"path": "ages.csv", "column": "ID"}
        source = Source(source="own", channels=channels, table=table, labels={"age": "age"})
        label(
            sources=[source],
            shards=1,
            data=self.folder / "data",
            output=self.folder / "label",
            max_rejected=0.1,
        )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    made, own = Study(folder), folder / "data/own"
    for number in range(SUBJECTS + 1):
        one = own / f"s{number:02d}" if number < SUBJECTS else folder / "new"
        one.mkdir(parents=True)
        array = head(number) * (100 + 5 * number)
        nib.save(nib.Nifti1Image(array, np.diag([*EDGES, 1])), one / "T1.nii")
        if number not in LACKING:
            other = nib.affines.from_matvec(np.diag(EDGES), [2, 2, 2])
            nib.save(nib.Nifti1Image(200 - array, other), one / "flair.nii")
    ages = [f"s{number:02d},{20 + 5 * number}" for number in range(SUBJECTS)]
    (own / "ages.csv").write_text("\n".join(["ID,age", *ages]))
    made.label()
    files = [row.files for row in made.rows]
    optional = {"aligned": ["FLAIR"], "optional": ["FLAIR"]}
    data = folder / "data"
    rows = check_scans(scans=files, data=data, masks=False, classes={}, **optional)
    assert [row.reason for row in rows] == [""] * SUBJECTS
    prepare(
        scans=files,
        checked=rows,
        data=data,
        output=folder / "prepare/shard-0.json",
        settings=Preparation(
            voxel_size=EDGES, window=WINDOW, align={"FLAIR": "header"}, optional=["FLAIR"]
        ),
        channels=["T1", "FLAIR"],
        classes={},
    )
    splits = [SplitRow(row.subject, False, n // 4, n % 4 == 1) for n, row in enumerate(made.rows)]
    write_splits(folder / "splits.csv", splits)
    (folder / "net.py").write_text(NETWORK)
    return made


def test_scans_that_lack_it_are_taken_and_counted(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    study.label()
    assert "label: 4 of 12 scans lack FLAIR" in capsys.readouterr().err
    lacking = {row.subject for row in study.rows if not row.channels["FLAIR"]}
    assert lacking == {f"s{number:02d}" for number in LACKING}


def test_without_optional_they_are_refused(study: Study, tmp_path: Path) -> None:
    other = Study(tmp_path)
    (tmp_path / "data").symlink_to(study.folder / "data")
    with pytest.raises(UserError, match=r"4 of 12 scans are rejected \(4 missing-channel\)"):
        other.label(optional=False)
    (row,) = check_scans(
        scans=[study.rows[2].files],
        data=study.folder / "data",
        masks=False,
        classes={},
        aligned=["FLAIR"],
    )
    assert row.reason == "missing"


@pytest.mark.parametrize(
    ("bad", "advised"), [("FLAIR", "; or leave it away, for FLAIR is optional"), ("T1", "")]
)
def test_a_scan_can_do_without_a_bad_file_of_an_optional_channel(
    study: Study, tmp_path: Path, bad: str, advised: str
) -> None:
    paths = {name: tmp_path / f"{name}.nii" for name in ("T1", "FLAIR")}
    for path in paths.values():
        path.symlink_to(study.folder / "data" / study.rows[0].channels["T1"])
    paths[bad].unlink()
    paths[bad].write_bytes(b"")
    channels = {name: path.name for name, path in paths.items()}
    (row,) = check_scans(
        scans=[ScanFiles("s", "1", channels, "", "")],
        data=tmp_path,
        masks=False,
        classes={},
        optional=["FLAIR"],
    )
    assert row.reason == "unreadable"
    assert row.detail == f"{bad}.nii: is empty; fetch or copy it again{advised}"


def test_a_channel_that_nobody_has_is_a_mistake(study: Study, tmp_path: Path) -> None:
    other = Study(tmp_path)
    (tmp_path / "data").symlink_to(study.folder / "data")
    with pytest.raises(UserError, match=r"no scan has the optional channel FLAIR, by \{sub.*/fl\."):
        other.label(path="{subject}/fl.nii")


def test_in_its_place_there_is_nothing_and_a_flag_says_so(study: Study, tmp_path: Path) -> None:
    for number, scan in enumerate(study.scans()):
        seen = load_volume(scan).numpy()
        there = number not in LACKING
        assert seen.shape == (3, *WINDOW)
        assert (seen[2] == there).all()
        assert (seen[1].std() > 0.5) == there
        assert seen[1].any() == there
        assert seen[0].std() > 0.5
        taken = load_volume(scan.without([1])).numpy()
        np.testing.assert_array_equal(taken[0], seen[0])
        assert not taken[1:].any()
        assert scan.air[2] == there
    card = study.folder / "prepare/shard-0.json"
    gather(cards=[card], passed=study.rows, output=tmp_path)
    steps = read_rows(tmp_path / "steps.csv", StepRow)
    assert [n for n, row in enumerate(steps) if row.covered is None] == [*LACKING]


def batches(scans: list[Scan], epoch: int = 1, **settings: Any) -> dict[str, torch.Tensor]:
    """Return what the network sees of each scan in an epoch."""
    config = Train(network="sfcn", batch_size=3, **settings)
    loader = EpochLoader(scans, Regression(), config, 0, CPU)
    rows = (zip(b.scans, b.volumes, strict=True) for b in loader.epoch(epoch))
    return {scan.subject: volume for pairs in rows for scan, volume in pairs}


@pytest.mark.parametrize("sampling", ["whole", {"patches": [16, 16, 16]}])
def test_augmentation_makes_nothing_of_what_is_not_there(study: Study, sampling: Any) -> None:
    scans = study.scans()
    seen = batches(scans, augment=LOUD, modality_dropout=0, sampling=sampling)
    plain = batches(scans, modality_dropout=0, sampling=sampling)
    for scan in scans:
        there = not scan.lacking
        assert (seen[scan.subject][2] == there).all()
        assert bool(seen[scan.subject][1].any()) == there
        changed = (seen[scan.subject] - plain[scan.subject]).abs().amax((1, 2, 3)) > 0.1
        assert changed.tolist() == [True, there, False]


def test_it_is_dropped_at_random_by_seed_epoch_and_subject_alone(study: Study) -> None:
    scans = study.scans()
    flags = [
        {name: volume[2].unique().item() for name, volume in batches(scans, epoch).items()}
        for epoch in range(1, 41)
    ]
    have = [scan.subject for scan in scans if not scan.lacking]
    share = np.mean([[1 - of[name] for name in have] for of in flags])
    assert share == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / 320))
    assert not any(of[scan.subject] for of in flags for scan in scans if scan.lacking)
    again = batches(scans[::-1], 7)
    fewer = batches(scans[:4], 7)
    assert {name: volume[2].unique().item() for name, volume in again.items()} == flags[6]
    assert all(flags[6][name] == volume[2].unique().item() for name, volume in fewer.items())
    dropped = next(name for name in have if not flags[6][name])
    assert not again[dropped][1].any()
    for epoch in range(1, 9):
        kept = batches(scans, epoch, modality_dropout=0)
        assert all(kept[name][2].all() for name in have)


def test_validation_drops_nothing(study: Study) -> None:
    scans = study.scans()
    seen = torch.cat([b.volumes for b in validation_batches(scans, Regression(), 5, CPU)])
    assert seen[:, 2].amax((1, 2, 3)).tolist() == [not scan.lacking for scan in scans]
    assert all(torch.equal(one, load_volume(scan)) for one, scan in zip(seen, scans, strict=True))


def test_a_scan_is_unlike_others_by_what_it_has_alone(study: Study) -> None:
    scans = study.scans()
    have = [scan for scan in scans if not scan.lacking]
    for training in (have, scans):
        known = describe(training, [])
        assert np.isfinite([*known.template, *known.percentiles, *known.farthest.values()]).all()
        assert [known.unlike(scan) for scan in scans] == [[]] * SUBJECTS
        assert [known.unlike(scan.without([1])) for scan in have] == [[]] * len(have)


def run() -> Run:
    return Run(
        experiment="age",
        task="regression",
        target="age",
        classes={},
        channels=("T1", "FLAIR"),
        optional=("FLAIR",),
        window=WINDOW,
        train=Train(network="net.py:Net", epochs=3, threads=1),
        fold=0,
        seed=0,
    )


@pytest.fixture(scope="module")
def model(study: Study) -> Path:
    common = {**study.inputs, "networks": study.folder, "device": "cpu"}
    store, output = study.folder / "runs", study.folder / "train"
    train(run=run(), code="x", store=store, output=output, **common)
    return output


def test_a_network_learns_with_it_and_answers_without(
    study: Study, model: Path, tmp_path: Path
) -> None:
    card = ModelCard.read(model)
    assert card.prepare.optional == card.run.optional == ("FLAIR",)
    kept = card.run.model_dump(exclude={"train", "window", "optional"})
    predict(
        settings=PredictSettings(**kept, test=False),
        model=model,
        data=study.folder / "data",
        output=tmp_path / "predict",
        **study.inputs,
        networks=study.folder,
        device="cpu",
    )
    said = pd.read_csv(tmp_path / "predict/predictions.csv")
    assert len(said) == 4
    assert np.isfinite(said["prediction"]).all()

    # a file alone, a row without the cell, and a table without the column are one and the same
    new = study.folder / "new"
    (tmp_path / "cell.csv").write_text(f"T1,FLAIR\n{new}/T1.nii,\n")
    (tmp_path / "column.csv").write_text(f"T1\n{new}/T1.nii\n")
    (tmp_path / "both.csv").write_text(f"T1,FLAIR\n{new}/T1.nii,{new}/flair.nii\n")
    told = {}
    for name in (new / "T1.nii", *(tmp_path / f"{n}.csv" for n in ("cell", "column", "both"))):
        output = tmp_path / "new" / f"{name.stem}.csv"
        predict_new(runs=[model], scans=[name], output=output, networks=study.folder, device="cpu")
        told[name.stem] = pd.read_csv(output).iloc[0]
    alone = {told[name]["prediction"] for name in ("T1", "cell", "column")}
    assert len(alone) == 1
    assert told["both"]["prediction"] not in alone
    without = ["told without FLAIR" in str(row["warning"]) for row in told.values()]
    assert without == [True, True, True, False]
    output = tmp_path / "known.csv"
    known = study.folder / "data/own/s06/T1.nii"
    predict_new(runs=[model], scans=[known], output=output, networks=study.folder, device="cpu")
    (warning,) = pd.read_csv(output)["warning"]
    assert warning == "told without FLAIR; a network has learnt from this very scan"


def test_new_scans_of_one_or_two_channels_are_the_same_bytes_in_any_number_of_shares(
    study: Study, model: Path, tmp_path: Path
) -> None:
    new, rows = study.folder / "new", ["T1,FLAIR,note"]
    for number in range(6):
        shutil.copy(new / "T1.nii", tmp_path / f"T1-{number}.nii")
        rows.append(f"T1-{number}.nii,{new / 'flair.nii' if number % 2 else ''},of {number}")
    (tmp_path / "scans.csv").write_text("\n".join(rows))
    scans = [tmp_path / "scans.csv"]
    told = []
    for shares in (0, 1, 4):
        given = {"runs": [model], "scans": scans, "output": tmp_path / f"in-{shares}.csv"}
        how = given | {"networks": study.folder, "device": "cpu"}
        for share in [Share(number, shares) for number in range(shares)] or [None]:
            predict_new(**how, share=share)
        if shares:
            listed = list_new_scans(scans, ["T1", "FLAIR"], optional=["FLAIR"])
            gather_answers(listed, shares, given["output"], "")
        told.append(given["output"].read_bytes())
    assert told[0] == told[1] == told[2]
    assert told[0].count(b"told without FLAIR") == 3


def test_the_log_says_how_many_lack_it(study: Study) -> None:
    said = [*remarks.on_lacking(("T1", "FLAIR"), study.scans()[:7])]
    assert said == ["2 of 7 scans lack FLAIR, of those to learn from"]


def test_a_scan_without_the_first_channel_is_refused(
    study: Study, model: Path, tmp_path: Path
) -> None:
    flair = study.folder / "new/flair.nii"
    (tmp_path / "scans.csv").write_text(f"T1,FLAIR\n,{flair}\n")
    with pytest.raises(UserError, match="1 of 1"):
        predict_new(
            runs=[model],
            scans=[tmp_path / "scans.csv"],
            output=tmp_path / "answers.csv",
            networks=study.folder,
            device="cpu",
        )
    assert pd.read_csv(tmp_path / "answers.csv")["rejected"][0].startswith("missing: ")


def test_where_nobody_to_learn_from_has_it_training_is_refused(
    study: Study, tmp_path: Path
) -> None:
    changed = split_by(study, tmp_path, LACKING)
    asked = run().model_copy(update={"fold": 1})
    with pytest.raises(UserError, match="fold 1 trains on no scan with the optional channel FLAIR"):
        train_on(changed, asked, tmp_path)


def train_on(study: Study, asked: Run, folder: Path) -> None:
    train(
        run=asked,
        code="x",
        store=folder / "runs",
        output=folder / "train",
        networks=study.folder,
        **study.inputs,
    )


def split_by(study: Study, folder: Path, training: tuple[int, ...]) -> Study:
    """The same study, of which these subjects alone train in fold 1; number 3 validates."""
    rows = [
        SplitRow(row.subject, False, 0 if n in (3, *training) else 1, n == 3)
        for n, row in enumerate(study.rows)
    ]
    write_splits(folder / "splits.csv", rows)
    for name in ("label", "prepare", "net.py", "data"):
        (folder / name).symlink_to(study.folder / name)
    return Study(folder)


def test_half_of_the_subjects_has_half_of_the_channels(study: Study, tmp_path: Path) -> None:
    changed = split_by(study, tmp_path, (*LACKING, 4, 6))
    cohort = read_cohort(**changed.inputs, target="age")
    for seed in range(20):
        half = controlled(cohort, "half", 1, seed).training(1)
        assert not all(scan.lacking for scan in half)


def test_a_control_of_which_nobody_has_it_is_refused(study: Study, tmp_path: Path) -> None:
    changed = split_by(study, tmp_path, (2, 5, 8, 11, 4))
    cohort = read_cohort(**changed.inputs, target="age")
    seed = next(
        seed
        for seed in range(100)
        if all(scan.lacking for scan in controlled(cohort, "quarter", 1, seed).training(1))
    )
    asked = run().model_copy(update={"fold": 1, "seed": seed, "control": "quarter"})
    said = "fold 1 of the control quarter trains on no scan with the optional channel FLAIR; take"
    with pytest.raises(UserError, match=said):
        train_on(changed, asked, tmp_path)


def test_air_of_a_flag_is_the_flag_itself(study: Study, model: Path) -> None:
    """Occlusion and a hole in the head change what the scan shows, not whether it is there."""
    trained = load_network(model, ModelCard.read(model), study.folder, "cpu")
    for scan in study.scans()[1:3]:
        explained = Explained(trained, scan, "")
        assert explained.volume.shape[0] == len(explained.air) == 3
        assert explained.air[2] == explained.volume[2].unique()

"""The stage explain on a small study: what it leaves, and of whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from prepared_shards import write_digests
from scipy.ndimage import map_coordinates
from small_study import AFFINE
from small_study import SOURCE_AFFINE
from small_study import SOURCE_SHAPE
from small_study import WINDOW
from small_study import SmallStudy

from headstart.cli import main
from headstart.cohort.prepared import read_cohort
from headstart.cohort.shards import ShardCard
from headstart.common.records import read_rows
from headstart.common.run_id import RunId
from headstart.common.schema import settings_text
from headstart.explanation.config import Explain
from headstart.explanation.explained import Explained
from headstart.explanation.results import ExplainedCase
from headstart.explanation.results import ExplainedGroup
from headstart.explanation.results import read_map
from headstart.explanation.settings import ExplainSettings
from headstart.imaging.geometry import head
from headstart.tasks import TASKS
from headstart.training.predict import predict
from headstart.training.settings import PredictSettings

RUN = RunId("small", 0, 0)
MIDDLE = np.zeros((4, 4))
MIDDLE[:3, 3] = 7  # mm, of the grid, whose middle becomes 0


class Answered:
    """A small study with a network and its answers for the fold that it has not seen."""

    def __init__(self, folder: Path, task: str) -> None:
        self.study = SmallStudy(folder)
        self.run = self.study.run(task, epochs=2)
        self.study.train(self.run, folder / RUN.trained, folder / "runs")
        predict(
            settings=PredictSettings(
                **self._question(), channels=self.run.channels, test=False, fold=0, seed=0
            ),
            model=folder / RUN.trained,
            **self.study.inputs,
            data=self.study.data,
            output=folder / RUN.predicted,
            networks=folder,
            device="cpu",
        )

    def _question(self) -> dict[str, Any]:
        return {"experiment": "small", "task": self.run.task, "target": self.run.target} | {
            "classes": self.run.classes
        }

    def volume(self, row: ExplainedCase) -> np.ndarray:
        """The scan that a row is of, (x, y, z)."""
        files = self.study.inputs
        cohort = read_cohort(files["passed"], files["splits"], files["prepared"], self.run.target)
        (scan,) = [scan for scan in cohort.scans if scan.key == row.key]
        return np.asarray(scan.volume()[0], np.float32)

    def explain(self, output: Path, **asked: Any) -> int:
        asked = {"methods": ("occlusion", "grad-cam++"), "patch": 4, "stride": 4, **asked}
        primary = TASKS[self.run.task].metrics[0]
        settings = ExplainSettings(**self._question(), explain=Explain(**asked), primary=primary)
        folder = self.study.folder
        given = {
            **self.study.inputs,
            "predictions": folder / RUN.predicted / "predictions.csv",
            "weights": folder / RUN.trained / "model.safetensors",
            "networks": folder,
            "output": output,
            "device": "cpu",
        }
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        return main(["explain", "--settings", settings_text(settings), *words])


@pytest.fixture(scope="module")
def ages(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    return Answered(tmp_path_factory.mktemp("ages"), "regression")


def test_maps_lie_where_the_scans_do(ages: Answered, tmp_path: Path) -> None:
    ages.explain(tmp_path, cases=3)
    rows = read_rows(tmp_path / "cases.csv", ExplainedCase)
    assert [(row.method, row.choice) for row in rows] == [
        (method, choice)
        for method in ("grad-cam++", "occlusion")
        for choice in ("best", "typical", "worst")
    ]
    for row in rows:
        prepared, own = nib.load(tmp_path / row.map), nib.load(tmp_path / row.own_grid)
        assert prepared.shape == WINDOW
        assert np.allclose(prepared.affine, AFFINE)
        assert own.shape == SOURCE_SHAPE
        assert np.allclose(own.affine, SOURCE_AFFINE)
        # the peak is the same place in both
        voxel = np.linalg.inv(own.affine) @ [row.peak_x, row.peak_y, row.peak_z, 1]
        there = np.asarray(own.dataobj)[tuple(np.rint(voxel[:3]).astype(int))]
        assert there == pytest.approx(row.peak, rel=1e-5)
        inside = head(np.asarray(ages.volume(row)))
        shown = np.abs(np.asarray(prepared.dataobj))[inside]
        assert shown.max() == pytest.approx(abs(row.peak), rel=1e-5)


def test_a_peak_lies_in_the_head(
    ages: Answered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def largest_in_air(explained: Explained, *_: object) -> np.ndarray:
        seen = explained.volume[0].numpy()
        return np.where(seen == seen.min(), 9, np.where(seen == seen.max(), -2, 0))

    monkeypatch.setattr("headstart.explanation.explain.occlusion", largest_in_air)
    ages.explain(tmp_path, cases=3, methods=["occlusion"])
    rows = read_rows(tmp_path / "cases.csv", ExplainedCase)
    assert [row.peak for row in rows] == [-2, -2, -2]


def test_only_held_out_subjects_are_explained_each_once(ages: Answered, tmp_path: Path) -> None:
    ages.explain(tmp_path, cases=60, methods=("grad-cam++",))
    rows = read_rows(tmp_path / "cases.csv", ExplainedCase)
    # fold 0 of subjects 0 to 16; s00 has two sessions
    assert sorted(row.subject for row in rows) == ["s00", "s03", "s06", "s09", "s12", "s15"]
    errors = {
        choice: [abs(row.answer - float(row.target)) for row in rows if row.choice == choice]
        for choice in ("best", "typical", "worst")
    }
    assert max(errors["best"]) <= min(errors["typical"])
    assert max(errors["typical"]) <= min(errors["worst"])
    checked = [row.choice for row in rows if row.all_layers is not None]
    assert checked == ["best", "typical", "worst"]


def test_the_mean_map_is_that_of_all_cases(ages: Answered, tmp_path: Path) -> None:
    ages.explain(tmp_path, cases=4)
    rows = read_rows(tmp_path / "cases.csv", ExplainedCase)
    for group in read_rows(tmp_path / "groups.csv", ExplainedGroup):
        own = [read_map(tmp_path / row.map) for row in rows if row.method == group.method]
        assert group.cases == len(own) == 4
        assert np.allclose(read_map(tmp_path / group.map), np.mean(own, axis=0), atol=1e-6)
        alike = [row.all_layers for row in rows if row.method == group.method]
        median = np.median([one for one in alike if one is not None])
        assert group.similarity == pytest.approx(median, rel=1e-5)
        # the grid's middle is 0 mm
        affine = nib.load(tmp_path / group.map).affine
        assert np.allclose(affine @ [3.5, 3.5, 3.5, 1], [0, 0, 0, 1])


def test_the_same_maps_come_again(ages: Answered, tmp_path: Path) -> None:
    for name in ("one", "other"):
        ages.explain(tmp_path / name, cases=3)
    made = sorted(path.relative_to(tmp_path / "one") for path in tmp_path.glob("one/*/*.nii.gz"))
    assert len(made) == 2 * (3 * (2 + 3) + 1)
    for path in (*made, Path("cases.csv")):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "other" / path).read_bytes()


def test_scans_that_were_laid_onto_a_template_are_explained_where_they_lie(tmp_path: Path) -> None:
    ages = Answered(tmp_path / "study", "regression")
    placed = lay_onto_template(ages.study.prepared)
    ages.explain(tmp_path / "made", cases=3, methods=["occlusion"])
    row, *_ = read_rows(tmp_path / "made/cases.csv", ExplainedCase)
    prepared, own = (nib.load(tmp_path / "made" / name) for name in (row.map, row.own_grid))
    assert np.allclose(prepared.affine, placed)
    assert np.allclose(own.affine, SOURCE_AFFINE)
    voxels = np.indices(SOURCE_SHAPE).reshape(3, -1)
    places = apply_affine(np.linalg.inv(placed) @ own.affine, voxels.T).T
    inside = ((places >= 0) & (places <= 7)).all(axis=0)
    assert inside.sum() > 100
    expected = map_coordinates(prepared.get_fdata(), places, order=1)
    shown = own.get_fdata().ravel()
    assert np.allclose(shown[inside], expected[inside], atol=1e-4 * abs(row.peak))
    # the mean lies in the template, whose voxels have the size that was asked for
    (group,) = read_rows(tmp_path / "made/groups.csv", ExplainedGroup)
    mean = nib.load(tmp_path / "made" / group.map)
    assert np.allclose(mean.affine, np.diag([2, 2, 2, 1]) - MIDDLE)
    assert "patches of 4x4x4 mm" in group.detail


def lay_onto_template(prepared: Path) -> np.ndarray:
    """Say of all scans that they were turned and enlarged to fit; return where their voxels lie."""
    turn = np.eye(4)
    turn[:2, :2] = 1.2 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    placed = turn @ AFFINE
    for path in prepared.glob("shard-*.json"):
        card = ShardCard.read(path)
        affine = tuple(map(tuple, placed.tolist()))
        scans = tuple(scan.model_copy(update={"affine": affine}) for scan in card.scans)
        prepare = card.prepare.model_copy(update={"space": "affine", "brain": "given"})
        write_digests(path, card.model_copy(update={"scans": scans, "prepare": prepare}))
    return placed


def test_each_class_is_explained_by_its_own_probability(tmp_path: Path) -> None:
    Answered(tmp_path, "classification").explain(tmp_path / "made", cases=3, methods=["occlusion"])
    rows = read_rows(tmp_path / "made/cases.csv", ExplainedCase)
    assert {(row.group, row.target) for row in rows} == {("F", "F"), ("M", "M")}
    assert all(0 < row.answer < 1 and abs(row.peak) < 1 for row in rows)
    groups = read_rows(tmp_path / "made/groups.csv", ExplainedGroup)
    assert [group.group for group in groups] == ["F", "M"]


def test_answers_of_other_weights_are_refused(
    ages: Answered, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = ages.study.folder / RUN.trained / "model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + b"\0")
    assert ages.explain(tmp_path, cases=3) == 2
    assert "are answers of other weights" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    weights.write_bytes(kept)

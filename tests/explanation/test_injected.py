"""A known change that is injected into scans: where it is, and that networks are told by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from small_study import SmallStudy
from small_study import write_weights

from headstart.cli import main
from headstart.cohort.settings import Question
from headstart.common.records import read_rows
from headstart.common.run_id import RunId
from headstart.common.schema import settings_text
from headstart.evaluation.injected import FADING
from headstart.evaluation.injected import HOLE
from headstart.evaluation.injected import InjectedRow
from headstart.explanation.injection import faded
from headstart.explanation.injection import with_hole

RUN = RunId("small", 0, 0)


def a_head() -> np.ndarray:
    """Two channels of a ball of radius 8 voxels about a place beside the middle."""
    places = np.indices((24, 24, 20)).T - [13, 10, 9]
    ball = (np.linalg.norm(places, axis=-1) < 8).T
    return np.stack([ball * 2.0 - 1, ball * 5.0]).astype(np.float32)


def test_a_hole_is_in_the_middle_of_the_head_and_as_large_as_said() -> None:
    volume = a_head()
    inside = volume[0] > 0
    for percent in (0.0, 1.0, 10.0):
        made = with_hole(volume, [-1.0, 0.0], (1, 1, 1), percent)
        hole = inside & (made[0] == -1)
        assert hole.sum() == round(percent / 100 * inside.sum())
        assert ((made[1] == 0) == ~inside | hole).all()
        assert (made[:, ~hole] == volume[:, ~hole]).all()
        if percent:
            assert np.allclose(np.argwhere(hole).mean(axis=0), (13, 10, 9), atol=0.3)


def test_a_hole_is_round_in_millimetres() -> None:
    made = with_hole(a_head(), [-1.0, 0.0], (1, 1, 3), 10)
    hole = np.argwhere((a_head()[0] > 0) & (made[0] == -1))
    x, _, z = np.ptp(hole, axis=0) + 1
    assert x == pytest.approx(3 * z, abs=3)


def test_a_structure_fades_into_what_surrounds_it_and_nothing_else_does() -> None:
    mask = np.zeros((16, 16, 16), np.uint8)
    mask[4:7, 4:7, 4:7], mask[7:10, 4:7, 4:7] = 1, 2
    volume = np.where(mask, 10.0 * mask, 1.0)[None].astype(np.float32)
    volume[0, 14:] = 100  # too far away to count
    for share, value in ((0.0, 10), (0.5, 5.5), (1.0, 1.0)):
        made = faded(volume, mask, share)
        assert made[0, mask == 1] == pytest.approx(value)
        assert made[0, mask == 2] == pytest.approx(20 + share * (1 - 20))
        assert (made[0, mask == 0] == volume[0, mask == 0]).all()


class Study:
    """A small study with a trained network."""

    def __init__(self, folder: Path, task: str) -> None:
        self.small = SmallStudy(folder)
        self.run = self.small.run(task, epochs=1)
        self.model = folder / RUN.trained
        self.small.train(self.run, self.model, folder / "runs")

    def responses(self, output: Path) -> list[InjectedRow]:
        keys = ("experiment", "task", "target", "classes")
        question = Question(**{key: getattr(self.run, key) for key in keys})
        given = self.small.inputs | {
            "weights": self.model / "model.safetensors",
            "networks": self.small.folder,
            "output": output,
        }
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        words += ["--settings", settings_text(question), "--device", "cpu"]
        assert main(["inject", *words]) == 0
        return read_rows(output, InjectedRow)

    def make_blind(self) -> None:
        """Let the network see nothing."""
        weights = load_file(self.model / "model.safetensors")
        write_weights(self.model, weights | {"head.weight": weights["head.weight"] * 0})


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_answers_of_held_out_subjects_move_and_those_of_a_blind_network_do_not(
    tmp_path: Path, task: str
) -> None:
    study = Study(tmp_path / "study", task)
    rows = study.responses(tmp_path / "responses.csv")
    held_out = ["s00", "s03", "s06", "s09", "s12", "s15"]  # each once
    assert sorted(row.subject for row in rows if row.dose == 0) == held_out
    assert [row.dose for row in rows[:5]] == [0, *HOLE.doses]
    assert {row.group for row in rows} == {"" if task == "regression" else "M"}
    targets = [row.target for row in rows if row.dose == 0]
    assert targets == sorted(targets, key=lambda one: (len(one), one))
    whole = {row.subject: row.answer for row in rows if row.dose == 0}
    assert all(row.answer != whole[row.subject] for row in rows if row.dose == 2)
    study.make_blind()
    rows = study.responses(tmp_path / "responses.csv")
    assert len({row.answer for row in rows}) == 1


def test_of_masks_the_share_that_is_labelled_is_told(tmp_path: Path) -> None:
    rows = Study(tmp_path / "study", "segmentation").responses(tmp_path / "responses.csv")
    assert {row.group for row in rows} == {"left", "right"}
    assert {row.dose for row in rows} == {0, *FADING.doses}
    assert all(0 <= row.answer <= 1 for row in rows)


@pytest.mark.parametrize("task", ["regression", "segmentation"])
def test_a_scan_that_the_networks_cannot_tell_is_left_out_alone(
    tmp_path: Path, task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    study = Study(tmp_path / "study", task)
    whole = study.responses(tmp_path / "responses.csv")
    study.small.spoil(("s06", "1"))
    capsys.readouterr()
    rows = study.responses(tmp_path / "responses.csv")
    assert rows == [row for row in whole if row.subject != "s06"]
    assert "warning: subject 's06', session '1': its prepared volume" in capsys.readouterr().err

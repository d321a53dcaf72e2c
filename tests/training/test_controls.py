"""Controls as trainings: a shortcut in the background is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prepared_shards import write_shard
from small_study import AFFINE
from small_study import SOURCE
from small_study import SmallStudy

from headstart.common.records import read_rows
from headstart.data.label_table import LabelRow
from headstart.evaluation.predictions import read_run
from headstart.imaging.config import Preparation
from headstart.training.card import ModelCard
from headstart.training.predict import predict
from headstart.training.settings import PredictSettings

WINDOW = (32, 32, 32)
PREPARE = Preparation(voxel_size=(2, 2, 2), window=WINDOW, normalise="none")

NETWORK = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        linear = nn.Linear(64 * in_channels, out_channels)
        super().__init__(nn.AdaptiveAvgPool3d(4), nn.Flatten(), linear)
"""


def study_with_heads(folder: Path, *, mark: float) -> SmallStudy:
    """Write heads in noise that show sex, and a corner of a man's scan that is so much brighter."""
    study = SmallStudy(folder)
    (study.folder / "blocks.py").write_text(NETWORK)
    rows = read_rows(study.passed, LabelRow)
    random = np.random.default_rng(0)
    volumes = random.normal(0, 0.1, (len(rows), 1, *WINDOW)).astype(np.float16)
    for volume, row in zip(volumes[:, 0], rows, strict=True):
        volume[12:22, 12:22, 12:22] += 2 + 4 * (row.values["sex"] == "M")
        volume[:5, :5, :5] += mark * (row.values["sex"] == "M")
    for old in study.prepared.iterdir():
        old.unlink()
    masks = np.zeros((len(rows), *WINDOW), np.uint8)
    write_shard(
        study.prepared / "shard-0.json",
        [row.key for row in rows],
        volumes,
        masks,
        prepare=PREPARE,
        affine=AFFINE,
        source=SOURCE,
    )
    return study


def right(study: SmallStudy, control: str | None) -> float:
    """Train, predict who was held out, and return the share that is right."""
    train = {"network": "blocks.py:Net", "learning_rate": 0.1, "keep": "last"}
    run = study.run("classification", epochs=30, **train)
    run = run.model_copy(update={"window": WINDOW, "control": control})
    model, store = study.folder / f"model-{control}", study.folder / "runs"
    study.train(run, model, store)
    asked = run.model_dump(include=set(PredictSettings.model_fields))
    # the folder says which run it is
    output = study.folder / f"predict/{control or 'none'}/main/fold-0/seed-0"
    predict(
        settings=PredictSettings(**asked, test=True),
        model=model,
        **study.inputs,
        data=study.data,
        output=output,
        networks=study.folder,
        device="cpu",
    )
    rows = read_run(output / "predictions.csv").rows
    assert ModelCard.read(model).run.control == control
    return float(np.mean([row.answer["prediction"] == row.target for row in rows]))


def test_a_mark_in_the_background_is_found_and_a_head_is_not(tmp_path: Path) -> None:
    plain = study_with_heads(tmp_path / "plain", mark=0)
    assert right(plain, None) == 1
    assert right(plain, "background") < 0.85
    assert right(study_with_heads(tmp_path / "marked", mark=0.8), "background") == 1


def test_permuted_labels_teach_nothing_of_what_the_head_shows(tmp_path: Path) -> None:
    study = study_with_heads(tmp_path / "study", mark=0.8)
    assert right(study, "shuffled") < 0.85


@pytest.mark.parametrize(("control", "learnt"), [("quarter", 2), ("half", 4), (None, 8)])
def test_a_share_of_the_subjects_is_learnt_from(
    tmp_path: Path, control: str | None, learnt: int
) -> None:
    study = SmallStudy(tmp_path / "study")
    run = study.run(epochs=1).model_copy(update={"control": control})
    study.train(run, tmp_path / "model", tmp_path / "runs")
    counts = ModelCard.read(tmp_path / "model").counts
    assert counts.training.subjects == learnt
    assert counts.validation.subjects == 3

"""The augmentation that `init` writes leaves every answer as it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml

from headstart import cli


@pytest.fixture
def augmentation(tmp_path: Path):
    """Return the transforms of the study that init writes for a target with given values."""

    def call(target: str, values: list[Any], *words: str) -> dict[str, Any]:
        for n, value in enumerate(values):
            path = tmp_path / f"scans/{100 + n}_T1.nii.gz"
            path.parent.mkdir(exist_ok=True)
            voxels = np.random.default_rng(n).normal(500, 90, (10, 12, 11)).astype(np.int16)
            nib.save(nib.Nifti1Image(voxels, np.diag([4.0, 4, 4, 1])), path)
            assert value is not None
        rows = {"ID": [str(100 + n) for n in range(len(values))], target: values}
        pd.DataFrame(rows).to_csv(tmp_path / "scans/table.csv", index=False)
        output = tmp_path / "study.yaml"
        wanted = ["--output", str(output), *words]
        assert cli.main(["init", str(tmp_path / "scans"), *wanted]) == 0
        (experiment,) = yaml.safe_load(output.read_text())["experiments"].values()
        transforms = [next(iter(one.items())) for one in experiment["train"]["augment"]]
        assert max(Counter(name for name, _ in transforms).values()) == 1
        return dict(transforms)

    return call


def test_what_tells_nothing_of_the_answer_changes(augmentation):
    of_sex = augmentation("sex", list("MF") * 10)
    assert {"RandomAffine", "RandomBiasField", "RandomGamma", "RandomNoise"} <= set(of_sex)


@pytest.mark.parametrize("target", ["motion", "image_quality", "Scanner", "field_strength"])
def test_intensities_stay_where_they_may_be_the_answer(augmentation, target):
    assert set(augmentation(target, ["high", "low"] * 10)) == {"RandomFlip", "RandomAffine"}


@pytest.mark.parametrize("values", ["LR", ("left", "right"), ("lh", "rh"), ("links", "rechts")])
def test_a_side_is_never_mirrored(augmentation, values):
    assert "RandomFlip" not in augmentation("focus", list(values) * 10)


def test_a_target_that_asks_for_the_side_is_not_mirrored(augmentation):
    assert "RandomFlip" not in augmentation("laterality", ["1", "2"] * 10)


def test_other_questions_are_mirrored(augmentation):
    assert augmentation("sex", list("MF") * 10)["RandomFlip"] == {"axes": ["LR"]}


def test_a_size_is_not_scaled(augmentation):
    volumes = [round(3000 + 37.5 * n, 1) for n in range(20)]
    assert augmentation("hippocampal_volume", volumes)["RandomAffine"]["scales"] == 0


def test_an_age_is_scaled(augmentation):
    ages = [20.5 + 3 * n for n in range(20)]
    assert augmentation("age", ages)["RandomAffine"]["scales"] == 0.05


def test_the_pair_that_a_mirror_needs_is_named(augmentation, tmp_path):
    augmentation("focus", ["left", "right"] * 10)
    text = " ".join((tmp_path / "study.yaml").read_text().replace("#", "").split())
    assert "with it, the pair needs `swap: [[left, right]]`" in text


def test_no_pair_is_made_of_a_question_about_the_side(augmentation, tmp_path):
    augmentation("laterality", ["1", "2"] * 10)
    assert "swap" not in (tmp_path / "study.yaml").read_text()


def steps_of(folder: Path, edge: float, name: str, target: str) -> dict[str, str]:
    """Return the steps of preparation that init proposes, once they are uncommented."""
    size = (10, 12, 11)
    for n in range(20):
        path = folder / f"scans/{100 + n}_{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        voxels = np.random.default_rng(n).normal(500, 90, size).astype(np.int16)
        nib.save(nib.Nifti1Image(voxels, np.diag([edge] * 3 + [1])), path)
    rows = {"ID": [str(100 + n) for n in range(20)], target: [30.5 + n for n in range(20)]}
    pd.DataFrame(rows).to_csv(folder / "scans/table.csv", index=False)
    output = folder / "study.yaml"
    assert cli.main(["init", str(folder / "scans"), "--output", str(output)]) == 0
    written = yaml.safe_load(output.read_text())["prepare"]
    lines = [line.replace("  # ", "  ", 1) for line in output.read_text().splitlines()]
    keys = ("brain:", "bias:", "space:")
    proposed = [line for line in lines if line.strip().startswith(keys)]
    assert not {"brain", "bias", "space"} & set(written)
    return yaml.safe_load("\n".join(proposed)) or {}


def test_brains_on_a_template_are_proposed_for_whole_heads(tmp_path: Path) -> None:
    steps = {"brain": "deepbet", "bias": "n4", "space": "affine"}
    assert steps_of(tmp_path / "age", 18.0, "T1", "age") == steps
    # an affine map would take away what is asked for
    assert steps_of(tmp_path / "volume", 18.0, "T1", "volume") == steps | {"space": "rigid"}
    assert steps_of(tmp_path / "crop", 4.0, "T1", "age") == {}
    assert steps_of(tmp_path / "T2", 18.0, "T2", "age") == {}

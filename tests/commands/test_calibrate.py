from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from small_study import AFFINE
from small_study import SmallStudy

from headstart.cli import main
from headstart.training.train import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    study = SmallStudy(tmp_path_factory.mktemp("trained") / "study")
    common = {**study.inputs, "networks": study.folder, "device": "cpu"}
    for task in ("regression", "classification"):
        run = study.run(task, epochs=3)
        train(run=run, code="x", store=study.folder / "runs", output=study.folder / task, **common)
    return study


def local_scans(folder: Path, n: int) -> Path:
    """Write scans that no network has seen, and a table of them."""
    rng = np.random.default_rng(7)
    for number in range(n):
        volume = rng.normal(50, 10, (8, 8, 8)).astype(np.float32)
        nib.save(nib.Nifti1Image(volume, AFFINE), folder / f"{number}.nii.gz")
    table = {"T1": [f"{i}.nii.gz" for i in range(n)], "age": np.linspace(20, 80, n).round(1)}
    pd.DataFrame(table).to_csv(folder / "local.csv", index=False)
    return folder / "local.csv"


def calibrate(study: SmallStudy, controls: Path, output: Path, task: str = "regression") -> int:
    words = ["calibrate", study.folder / task, "--controls", controls, "--output", output]
    words += ["--networks", study.folder, "--device", "cpu"]
    return main([str(word) for word in words])


def test_local_scans_are_predicted_and_later_ones_are_brought_into_line(trained, tmp_path, capsys):
    controls = local_scans(tmp_path, 8)
    assert calibrate(trained, controls, tmp_path / "scanner.json") == 0
    predicted = pd.read_csv(tmp_path / "scanner.csv")
    gap = (predicted["prediction"] - predicted["age"]).mean()
    said = capsys.readouterr().out
    assert "8 controls of 20 to 80" in said
    assert f"offset: {gap:+.2f}" in said
    words = ["predict", "--run", trained.folder / "regression", "--scans", tmp_path / "3.nii.gz"]
    words += ["--networks", trained.folder, "--device", "cpu", "--output", tmp_path / "new.csv"]
    words += ["--calibration", tmp_path / "scanner.json"]
    assert main([str(word) for word in words]) == 0
    (row,) = pd.read_csv(tmp_path / "new.csv").to_dict("records")
    assert row["prediction"] == pytest.approx(predicted["prediction"][3])
    assert row["calibrated"] == pytest.approx(row["prediction"] - gap)
    assert row["calibrated_low"] < row["calibrated"] < row["calibrated_high"]
    # from the table that was written, the same
    assert calibrate(trained, tmp_path / "scanner.csv", tmp_path / "again.json") == 0
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "scanner.json").read_bytes()
    assert not (tmp_path / "again.csv").exists()


def test_what_can_not_be_calibrated_is_said_before_a_scan_is_read(trained, tmp_path, capsys):
    controls = local_scans(tmp_path, 5)

    def said(*of: object, **more: str) -> str:
        assert calibrate(trained, *of, **more) == 2
        assert not (tmp_path / "scanner.csv").exists()
        return capsys.readouterr().err

    output = tmp_path / "scanner.json"
    assert "predicts sex by classification; only numbers" in said(
        controls, output, task="classification"
    )
    assert "type --output" in said(controls, tmp_path / "scanner")
    assert "is not there" in said(tmp_path / "none.csv", output)
    pd.DataFrame({"T1": ["0.nii.gz"], "Age": [20]}).to_csv(controls, index=False)
    assert "has no column 'age'" in said(controls, output)
    scans = {"T1": [f"{i}.nii.gz" for i in range(5)]}
    pd.DataFrame({**scans, "age": [20, 30, "unknown", 50, 60]}).to_csv(controls, index=False)
    assert "local.csv: row 4 has the age 'unknown'" in said(controls, output)
    pd.DataFrame({**scans, "age": [20, 30, 999, 50, 60]}).to_csv(controls, index=False)
    assert "age is 20 to 999 in these controls" in said(controls, output)
    pd.DataFrame({"T1": ["0.nii.gz"], "age": [20]}).to_csv(controls, index=False)
    assert "1 control" in said(controls, output)

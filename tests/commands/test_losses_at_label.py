"""What label loses: guarded by a share, and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headstart.common import files
from headstart.common.errors import UserError
from headstart.data.config import Source
from headstart.study.labels import label


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / "ours" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "ours" / name).touch()


def run(root: Path, max_rejected: float = 0.1, **section: Any) -> dict[str, str]:
    """Label; return path: reason of what is rejected."""
    sources = [Source.model_validate({"source": "ours"} | section)]
    try:
        label(
            sources=sources, shards=2, data=root, output=root / "label", max_rejected=max_rejected
        )
    finally:
        rejected = files.read_csv(root / "label/rejected.csv")
        found = dict(zip(rejected["path"], rejected["reason"], strict=True))
    return found


TWO = {"T1": "{subject}/T1.nii", "T2": "{subject}/T2.nii"}


def test_a_share_that_is_lost_stops_the_stage_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, *(f"s{n}/T1.nii" for n in range(20)), *(f"s{n}/T2.nii" for n in range(18)))
    assert set(run(tmp_path, channels=TWO).values()) == {"missing-channel"}
    (tmp_path / "ours/s0/T2.nii").unlink()
    with pytest.raises(UserError, match=r"3 of 20 scans .* check\.max_rejected = 0\.1") as caught:
        run(tmp_path, channels=TWO)
    assert str(tmp_path / "label/rejected.csv") in str(caught.value)
    assert len(files.read_csv(tmp_path / "label/rejected.csv")) == 3
    assert "s0/T2.nii: there is no such file for T2" in capsys.readouterr().err
    assert len(run(tmp_path, channels=TWO, max_rejected=0.2)) == 3


def test_what_where_leaves_out_is_no_loss(tmp_path: Path) -> None:
    write(tmp_path, *(f"{'ab'[n % 2]}/s{n}.nii" for n in range(10)))
    section = {"channels": {"T1": "{kind}/{subject}.nii"}, "where": "kind == a"}
    assert set(run(tmp_path, **section).values()) == {"where"}


def test_rows_that_belong_to_no_scan_are_no_loss(tmp_path: Path) -> None:
    write(tmp_path, "a.nii", "b.nii")
    rows = [f"{name},1" for name in "abcdefgh"]
    (tmp_path / "ours/t.csv").write_text("\n".join(["ID,Age", *rows]) + "\n")
    table = {"table": {"path": "t.csv", "column": "ID"}, "labels": {"age": "Age"}}
    run(tmp_path, channels={"T1": "{subject}.nii"}, **table)


def test_masks_and_channels_without_an_image_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, *(f"{kind}/s{n}.nii" for kind in ("T1", "T2", "mask") for n in range(3)))
    write(tmp_path, "mask/s010.nii", "T2/s281.nii", "atlas/all.nii")
    section: dict[str, Any] = {
        "channels": {"T1": "T1/{subject}.nii", "T2": "T2/{subject}.nii"},
        "mask": "mask/{subject}.nii",
        "brain_mask": "atlas/all.nii",
    }
    found = run(tmp_path, **section)
    assert found == {"ours/mask/s010.nii": "no-image", "ours/T2/s281.nii": "no-image"}
    assert "ours/mask/s010.nii" in capsys.readouterr().err
    table = files.read_csv(tmp_path / "label/rejected.csv")
    assert table["subject"].tolist() == ["s010", "s281"]


def test_in_bids_too(tmp_path: Path) -> None:
    write(tmp_path, *(f"sub-{n}/anat/sub-{n}_T1w.nii" for n in range(3)))
    masks = (f"derivatives/lesions/sub-{n}/anat/sub-{n}_label-lesion_mask.nii" for n in range(4))
    write(tmp_path, *masks)
    mask = "derivatives/lesions/label-lesion_mask"
    found = run(tmp_path, layout="bids", channels={"T1": "T1w"}, mask=mask)
    name = "derivatives/lesions/sub-3/anat/sub-3_label-lesion_mask.nii"
    assert found == {f"ours/{name}": "no-image"}

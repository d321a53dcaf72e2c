"""Prepared shards: whole or not there, on one grid, the same on every run, and reversible."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from headstart.cli import main
from headstart.parts import files
from headstart.parts.config import Prepare
from headstart.parts.errors import UserError
from headstart.parts.likeness import thumbnail
from headstart.parts.scans import read_volume
from headstart.parts.volumes import mask_to_source_grid
from headstart.stages.prepare import gather
from headstart.stages.prepare import prepare

SETTINGS = Prepare(voxel_size=(2.0, 2.0, 2.0), window=(16, 16, 16))
PSR = np.array([[0.0, 0, 2, -20], [-2, 0, 0, 18], [0, 2, 0, -15], [0, 0, 0, 1]])


def write_scan(
    folder: Path, subject: str, *, kind: type = np.int16, lesion: int = 0
) -> dict[str, str]:
    rng = np.random.default_rng(int(subject))
    array = rng.integers(0, 40, (18, 20, 14)).astype(np.float64)
    array[4:14, 5:15, 3:11] += 300 + 20 * rng.random((10, 10, 8))
    mask = np.zeros(array.shape, np.uint8)
    mask[6:10, 7:12, 4:9] = 1
    mask[8:12, 7:12, 6:9] = 2
    if lesion:
        mask[0, :, :] = 1
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.astype(kind), PSR), folder / f"{subject}.nii.gz")
    nib.save(nib.Nifti1Image(mask, PSR), folder / f"{subject}-mask.nii.gz")
    return {
        "subject": subject,
        "session": "1",
        "T1": f"{subject}.nii.gz",
        "mask": f"{subject}-mask.nii.gz",
        "brain_mask": "",
    }


def checked(scans: pd.DataFrame, data: Path, reasons: dict[str, str] | None = None) -> pd.DataFrame:
    return scans[["subject", "session"]].assign(
        reason=[(reasons or {}).get(s, "") for s in scans["subject"]],
        also="",
        hash=[read_volume(data / path).digest for path in scans["T1"]],
    )


def shard(folder: Path, numbers: range = range(3), **changes: object) -> dict[str, object]:
    scans = pd.DataFrame([write_scan(folder / "data", str(n)) for n in numbers])
    return {
        "scans": scans,
        "checked": checked(scans, folder / "data"),
        "data": folder / "data",
        "output": folder / "out" / "shard-0.json",
        "settings": SETTINGS,
        "channels": ["T1"],
        "masks": True,
    } | changes


def test_shard_is_described_by_its_json(tmp_path: Path) -> None:
    job = shard(tmp_path)
    prepare(**job)
    card = json.loads((tmp_path / "out/shard-0.json").read_text())
    volumes = np.load(tmp_path / "out/shard-0.npy", mmap_mode="r")
    masks = np.load(tmp_path / "out/shard-0-mask.npy", mmap_mode="r")
    assert (volumes.dtype, volumes.shape) == (np.float16, (3, 1, 16, 16, 16))
    assert (masks.dtype, masks.shape) == (np.uint8, (3, 16, 16, 16))
    assert card["shape"] == [3, 1, 16, 16, 16]
    assert card["sha256"] == files.sha256(tmp_path / "out/shard-0.npy")
    assert card["mask_sha256"] == files.sha256(tmp_path / "out/shard-0-mask.npy")
    assert [scan["index"] for scan in card["scans"]] == [0, 1, 2]
    for scan in card["scans"]:
        assert scan["mask_voxels"] == (masks[scan["index"]] > 0).sum()
        assert scan["mask_voxels_cropped"] == 0
        assert nib.aff2axcodes(np.array(scan["affine"])) == ("R", "A", "S")
        raw = nib.load(tmp_path / "data" / f"{scan['subject']}-mask.nii.gz")
        back = mask_to_source_grid(
            masks[scan["index"]],
            np.array(scan["affine"]),
            np.array(scan["source_affine"]),
            scan["source_shape"],
        )
        np.testing.assert_array_equal(back, np.asarray(raw.dataobj))


def test_every_scan_leaves_a_thumbnail(tmp_path: Path) -> None:
    prepare(**shard(tmp_path))
    small = np.load(tmp_path / "out/shard-0-thumbnails.npy")
    volumes = np.load(tmp_path / "out/shard-0.npy")
    np.testing.assert_array_equal(small, [thumbnail(volume[0]) for volume in volumes])


def test_thumbnails_are_compared_once_all_shards_are_there(tmp_path: Path) -> None:
    def compared(shards: list[list[str]], folder: Path) -> list[pd.DataFrame]:
        rows = {subject: write_scan(tmp_path / "data", subject) for subject in "0123456"}
        twin = nib.load(tmp_path / "data/2.nii.gz")
        louder = 3 * np.asarray(twin.dataobj)[:, :, ::-1]
        nib.save(nib.Nifti1Image(louder, PSR), tmp_path / "data/5.nii.gz")
        cards = []
        for number, subjects in enumerate(shards):
            scans = pd.DataFrame([rows[subject] for subject in subjects], columns=[*rows["0"]])
            cards.append(str(folder / f"shard-{number}.json"))
            job = shard(tmp_path) | {"scans": scans, "output": Path(cards[-1])}
            prepare(**job | {"checked": checked(scans, tmp_path / "data")})
        words = ["prepare", "--settings", '{"lookalike":0.998}', "--gather", *cards]
        assert main([*words, "--output", str(folder)]) == 0
        return [files.read_csv(folder / f"{name}.csv") for name in ("lookalikes", "likeness")]

    pairs, likeness = compared([["4", "5", "0"], [], ["6", "2", "1", "3"]], tmp_path / "a")
    assert list(pairs.columns) == [
        "subject", "session", "other_subject", "other_session", "correlation", "flipped"
    ]  # fmt: skip
    row = pairs.iloc[0].to_dict()
    assert len(pairs) == 1
    assert float(row.pop("correlation")) > 0.99
    assert row == {
        "subject": "2", "session": "1", "other_subject": "5", "other_session": "1", "flipped": "1"
    }  # fmt: skip
    assert list(likeness.columns) == ["subject", "session", "likeness", "distance", "odd"]
    assert likeness["subject"].tolist() == [*"0123456"]
    again = compared([[*"0123456"]], tmp_path / "b")
    pd.testing.assert_frame_equal(pairs, again[0])
    pd.testing.assert_frame_equal(likeness, again[1])


def test_an_empty_study_has_no_lookalikes(tmp_path: Path) -> None:
    job = shard(tmp_path, scans=shard(tmp_path)["scans"][:0])
    prepare(**job | {"checked": job["checked"][:0]})
    gather(cards=[job["output"]], least=0.99, output=tmp_path)
    assert files.read_csv(tmp_path / "lookalikes.csv").empty
    assert files.read_csv(tmp_path / "likeness.csv").empty


def test_same_bytes_twice_and_one_scan_does_not_touch_another(tmp_path: Path) -> None:
    prepare(**shard(tmp_path / "a"))
    prepare(**shard(tmp_path / "b"))
    prepare(**shard(tmp_path / "c", range(1, 3)))
    a, b, c = (tmp_path / name / "out" for name in "abc")
    for name in ("shard-0.npy", "shard-0-mask.npy", "shard-0-thumbnails.npy", "shard-0.json"):
        assert (a / name).read_bytes() == (b / name).read_bytes()
    np.testing.assert_array_equal(np.load(a / "shard-0.npy")[1:], np.load(c / "shard-0.npy"))


def test_orientation_and_scaled_storage_do_not_matter(tmp_path: Path) -> None:
    job = shard(tmp_path, range(1))
    prepare(**job)
    plain = np.load(tmp_path / "out/shard-0.npy")
    path = tmp_path / "data/0.nii.gz"
    image = nib.as_closest_canonical(nib.load(path))
    scaled = nib.Nifti1Image(np.asarray(image.dataobj), image.affine)
    scaled.header.set_data_dtype(np.int16)
    stored = np.asarray(image.dataobj).astype(np.int16)
    again = nib.Nifti1Image(stored, image.affine)
    again.header.set_slope_inter(0.25, 12)
    nib.save(again, path)
    mask = tmp_path / "data/0-mask.nii.gz"
    nib.save(nib.as_closest_canonical(nib.load(mask)), mask)
    prepare(**job | {"checked": checked(job["scans"], tmp_path / "data")})
    np.testing.assert_allclose(np.load(tmp_path / "out/shard-0.npy"), plain, atol=2e-3)


def test_empty_shard(tmp_path: Path) -> None:
    job = shard(tmp_path)
    prepare(**job | {"scans": job["scans"][:0], "checked": job["checked"][:0]})
    assert np.load(tmp_path / "out/shard-0.npy").shape == (0, 1, 16, 16, 16)
    assert json.loads((tmp_path / "out/shard-0.json").read_text())["scans"] == []


def test_rejected_scans_are_left_out_unless_accepted(tmp_path: Path) -> None:
    job = shard(tmp_path)
    job["checked"] = checked(job["scans"], tmp_path / "data", {"1": "mask-values"})

    def subjects(**changes: object) -> list[str]:
        prepare(**job | changes)
        card = json.loads((tmp_path / "out/shard-0.json").read_text())
        return [scan["subject"] for scan in card["scans"]]

    assert subjects() == ["0", "2"]
    assert subjects(accept=[{"subject": "1", "session": None}]) == ["0", "1", "2"]
    assert subjects(accept=[{"subject": "1", "session": "1"}]) == ["0", "1", "2"]
    assert subjects(accept=[{"subject": "1", "session": "2"}]) == ["0", "2"]


def test_a_scan_without_mask_and_a_study_without_masks(tmp_path: Path) -> None:
    job = shard(tmp_path)
    job["scans"].loc[0, "mask"] = ""
    prepare(**job)
    masks = np.load(tmp_path / "out/shard-0-mask.npy")
    card = json.loads((tmp_path / "out/shard-0.json").read_text())
    assert not masks[0].any()
    assert card["scans"][0]["mask_voxels"] is None
    prepare(**job | {"masks": False})
    assert np.load(tmp_path / "out/shard-0-mask.npy").shape == (0, 16, 16, 16)


def test_several_channels_and_a_brain_mask(tmp_path: Path) -> None:
    job = shard(tmp_path)
    job["scans"]["T2"] = job["scans"]["T1"]
    job["scans"]["brain_mask"] = job["scans"]["mask"]
    prepare(**job | {"channels": ["T1", "T2"]})
    volumes = np.load(tmp_path / "out/shard-0.npy").astype(np.float32)
    masks = np.load(tmp_path / "out/shard-0-mask.npy")
    assert volumes.shape == (3, 2, 16, 16, 16)
    np.testing.assert_array_equal(volumes[:, 0], volumes[:, 1])
    inside = volumes[0, 0][masks[0] > 0]
    assert (inside.mean(), inside.std()) == pytest.approx((0, 1), abs=5e-3)


def test_channel_on_another_grid(tmp_path: Path) -> None:
    job = shard(tmp_path)
    moved = nib.load(tmp_path / "data/0.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(moved.dataobj), np.eye(4)), tmp_path / "data/t2.nii.gz")
    job["scans"]["T2"] = "t2.nii.gz"
    with pytest.raises(UserError, match=r"t2.nii.gz: lies on another grid"):
        prepare(**job | {"channels": ["T1", "T2"]})


def test_cropped_mask_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = shard(tmp_path, range(1))
    write_scan(tmp_path / "data", "0", lesion=1)
    prepare(**job)
    (scan,) = json.loads((tmp_path / "out/shard-0.json").read_text())["scans"]
    assert scan["mask_voxels_cropped"] > 0
    assert "warning: 0 session 1: the window cuts off" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:900]), "compressed data end too early"),
        (lambda path: path.unlink(), "is not there"),
        (lambda path: nib.save(nib.Nifti1Image(np.ones((9, 9, 9)), PSR), path), "changed since"),
    ],
)
def test_scan_that_broke_since_the_check(tmp_path: Path, spoil, message: str) -> None:
    job = shard(tmp_path)
    spoil(tmp_path / "data/1.nii.gz")
    with pytest.raises(UserError, match=message):
        prepare(**job)
    assert not list((tmp_path / "out").iterdir())


def test_intensities_that_do_not_fit(tmp_path: Path) -> None:
    job = shard(tmp_path, range(1))
    image = nib.load(tmp_path / "data/0.nii.gz")
    big = np.asarray(image.dataobj).astype(np.float32) * 1000
    nib.save(nib.Nifti1Image(big, PSR), tmp_path / "data/0.nii.gz")
    job["checked"] = checked(job["scans"], tmp_path / "data")
    with pytest.raises(UserError, match=r"choose prepare\.normalise"):
        prepare(**job | {"settings": SETTINGS.model_copy(update={"normalise": "none"})})


def test_a_new_run_that_fails_leaves_no_old_description(tmp_path: Path) -> None:
    job = shard(tmp_path)
    prepare(**job)
    (tmp_path / "data/2.nii.gz").unlink()
    with pytest.raises(UserError):
        prepare(**job)
    assert not (tmp_path / "out/shard-0.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_full_disk(tmp_path: Path) -> None:
    job = shard(tmp_path)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this container may not mount")
    try:
        with pytest.raises(UserError, match=r"shard-0.*: can't be written \(No space left"):
            prepare(**job | {"output": disk / "shard-0.json"})
        assert not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_command(tmp_path: Path) -> None:
    job = shard(tmp_path)
    job["scans"].to_csv(tmp_path / "scans.csv", index=False)
    job["checked"].to_csv(tmp_path / "checked.csv", index=False)
    section = {"voxel_size": [2, 2, 2], "window": [16, 16, 16], "normalise": "zscore"}
    slice_ = {"prepare": section, "channels": ["T1"], "classes": {"1": "a", "2": "b"}, "accept": []}
    words = {
        "--settings": json.dumps(slice_),
        "--scans": tmp_path / "scans.csv",
        "--checked": tmp_path / "checked.csv",
        "--data": tmp_path / "data",
        "--output": tmp_path / "study/prepare/shard-0.json",
    }
    assert main(["prepare", *(str(w) for pair in words.items() for w in pair)]) == 0
    assert np.load(tmp_path / "study/prepare/shard-0-mask.npy").shape == (3, 16, 16, 16)


def test_two_sides_of_one_person_under_two_numbers_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    people = rng.normal(size=(15, 20, 20, 20))
    sides = np.repeat(people, 2, axis=0) + 1.2 * rng.normal(size=(30, 20, 20, 20))
    np.save(tmp_path / "shard-0-thumbnails.npy", sides.astype(np.float16))
    scans = [{"subject": f"case_{number}", "session": "1"} for number in range(1, 31)]
    files.write_json(tmp_path / "shard-0.json", {"scans": scans})
    gather(cards=[tmp_path / "shard-0.json"], least=0.99, output=tmp_path)
    pairs = files.read_csv(tmp_path / "lookalikes.csv")
    numbers = [pairs[name].str[5:].astype(int) for name in ("subject", "other_subject")]
    assert len(pairs) >= 10
    assert ((numbers[0] + 1) // 2 == (numbers[1] + 1) // 2).all()
    assert "are two scans of one person numbered as two subjects?" in capsys.readouterr().err

    for number, scan in enumerate(scans):
        scan["subject"], scan["session"] = f"case_{number // 2}", str(number % 2)
    files.write_json(tmp_path / "shard-0.json", {"scans": scans})
    gather(cards=[tmp_path / "shard-0.json"], least=0.99, output=tmp_path)
    assert files.read_csv(tmp_path / "lookalikes.csv").empty

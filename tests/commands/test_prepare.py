"""Prepared shards: whole or not there, on one grid, the same on every run, and reversible."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from drawn import Kept
from matplotlib.axes import Axes
from matplotlib.text import Text
from two_contrasts import GRID
from two_contrasts import channel
from two_contrasts import head
from two_contrasts import motion
from two_contrasts import slices

from headstart.cli import main
from headstart.cohort.mask_report import MaskRow
from headstart.cohort.prepare import gather
from headstart.cohort.prepare import prepare
from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import array_digest
from headstart.cohort.shards import planes_of
from headstart.cohort.step_report import StepRow
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.keys import OfScan
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.figures.channels import draw_channels
from headstart.figures.preparation import draw_preparation
from headstart.imaging.config import Accepted
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import interpolate
from headstart.imaging.geometry import to_source_grid
from headstart.imaging.masks import decide_mask
from headstart.imaging.nifti import read_volume
from headstart.imaging.prepare import prepare_scan
from headstart.imaging.registration import rotation
from headstart.imaging.scan_rows import CheckRow
from headstart.imaging.scan_rows import ScanFiles
from headstart.imaging.small_volumes import small_volume
from headstart.imaging.template import template

CLASSES = {"a": (1,), "b": (2,)}
SETTINGS = Preparation(voxel_size=(2.0, 2.0, 2.0), window=(16, 16, 16))
PSR = np.array([[0.0, 0, 2, -20], [-2, 0, 0, 18], [0, 2, 0, -15], [0, 0, 0, 1]])


def write_scan(folder: Path, subject: str, *, kind: type = np.int16, lesion: int = 0) -> ScanFiles:
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
    return ScanFiles(
        subject, "1", {"T1": f"{subject}.nii.gz"}, f"{subject}-mask.nii.gz", brain_mask=""
    )


def checked(
    scans: list[ScanFiles], data: Path, reasons: dict[str, str] | None = None
) -> list[CheckRow]:
    return [
        CheckRow(
            *scan.key,
            path=scan.first,
            reason=(reasons or {}).get(scan.subject, ""),
            hash=read_volume(data / scan.first).digest,
        )
        for scan in scans
    ]


def with_second(scans: list[ScanFiles], *paths: str) -> list[ScanFiles]:
    """Give scans a second channel; by default the first again."""
    return [
        replace(scan, channels={"T1": scan.first, "T2": path})
        for scan, path in zip(scans, paths or [scan.first for scan in scans], strict=True)
    ]


def shard(folder: Path, numbers: range = range(3), **changes: Any) -> dict[str, Any]:
    scans = [write_scan(folder / "data", str(n)) for n in numbers]
    return {
        "scans": scans,
        "checked": checked(scans, folder / "data"),
        "data": folder / "data",
        "output": folder / "out" / "shard-0.json",
        "settings": SETTINGS,
        "channels": ["T1"],
        "classes": CLASSES,
    } | changes


def test_shard_is_described_by_its_json(tmp_path: Path) -> None:
    job = shard(tmp_path)
    prepare(**job)
    card = ShardCard.read(tmp_path / "out/shard-0.json")
    volumes = np.load(tmp_path / "out/shard-0.npy", mmap_mode="r")
    masks = np.load(tmp_path / "out/shard-0-mask.npy", mmap_mode="r")
    assert (volumes.dtype, volumes.shape) == (np.float16, (3, 1, 16, 16, 16))
    assert (masks.dtype, masks.shape) == (np.uint8, (3, 16, 16, 16))
    assert (card.channels, card.prepare.window) == (("T1",), (16, 16, 16))
    assert card.sha256 == files.sha256(tmp_path / "out/shard-0.npy")
    assert card.mask_sha256 == files.sha256(tmp_path / "out/shard-0-mask.npy")
    assert [scan.index for scan in card.scans] == [0, 1, 2]
    for scan in card.scans:
        assert scan.sha256 == array_digest(volumes[scan.index])
        assert scan.mask_sha256 == array_digest(masks[scan.index])
        assert scan.mask_voxels == (masks[scan.index] > 0).sum()
        assert scan.mask_voxels_cropped == 0
        raw_mask = tmp_path / "data" / f"{scan.subject}-mask.nii.gz"
        assert scan.mask_content == read_volume(raw_mask).content
        assert nib.aff2axcodes(np.array(scan.affine)) == ("R", "A", "S")
        raw = nib.load(raw_mask)
        back = to_source_grid(
            masks[scan.index],
            np.array(scan.affine),
            np.array(scan.source_affine),
            scan.source_shape,
        )
        np.testing.assert_array_equal(back, np.asarray(raw.dataobj))


def test_every_scan_leaves_a_small_volume(tmp_path: Path) -> None:
    prepare(**shard(tmp_path))
    small = np.load(tmp_path / "out/shard-0-small.npy")
    volumes = np.load(tmp_path / "out/shard-0.npy")
    np.testing.assert_array_equal(small, [small_volume(v[0], (2, 2, 2)) for v in volumes])


OWN = Preparation(voxel_size=(2.0, 2.0, 2.0), window="own")


def own_sizes(folder: Path) -> dict[str, Any]:
    """Return a job for three scans whose heads have different sizes; the last lacks a mask."""
    job = shard(folder, settings=OWN)
    for number, scan in enumerate(job["scans"]):
        path = folder / "data" / scan.first
        array = np.pad(np.asarray(nib.load(path).dataobj), 20)
        array[34 : 36 + 4 * number, 25:35, 23:31] = 310  # 8 mm more of a head each
        nib.save(nib.Nifti1Image(array, PSR), path)
        mask = np.asarray(nib.load(folder / "data" / scan.mask).dataobj)
        nib.save(nib.Nifti1Image(np.pad(mask, 20), PSR), folder / "data" / scan.mask)
    scans = [*job["scans"][:2], replace(job["scans"][2], mask="")]
    return job | {"scans": scans, "checked": checked(scans, folder / "data")}


def test_volumes_at_their_own_size_are_read_as_they_were_prepared(tmp_path: Path) -> None:
    job = own_sizes(tmp_path)
    prepare(**job)
    path = tmp_path / "out/shard-0.json"
    card = ShardCard.read(path)
    assert len({entry.shape for entry in card.scans}) > 1
    assert card.sha256 == files.sha256(tmp_path / "out/shard-0.npy")
    for entry, files_of in zip(card.scans, job["scans"], strict=True):
        alone = prepare_scan(
            files_of, data=tmp_path / "data", settings=OWN, checked="", classes=CLASSES
        )
        scan = scan_of(path, entry)
        np.testing.assert_array_equal(scan.volume(), alone.volume)
        np.testing.assert_array_equal(scan.mask(), alone.mask)
        assert scan.volume().dtype == np.float16
        assert all(length < 58 for length in scan.shape)  # the air around is cut off
        # the intensities can be given back, and each voxel lies where it lay
        (how,) = scan.intensities
        raw = nib.as_closest_canonical(nib.load(tmp_path / "data" / files_of.first))
        given = scan.volume()[0] * how.scale + how.mean
        start = np.linalg.solve(raw.affine, scan.affine[:, 3])[:3]
        box = tuple(slice(round(a), round(a) + n) for a, n in zip(start, scan.shape, strict=True))
        np.testing.assert_allclose(given, raw.get_fdata()[box], atol=0.5)
        assert how.air == pytest.approx(np.percentile(scan.volume(), 2), abs=0.02)


def test_marked_voxels_outside_the_head_are_kept(tmp_path: Path) -> None:
    job = own_sizes(tmp_path)
    path = tmp_path / "data" / job["scans"][0].mask
    mask = np.asarray(nib.load(path).dataobj).copy()
    mask[0, 0, 0] = 1
    nib.save(nib.Nifti1Image(mask, PSR), path)
    prepare(**job)
    first = ShardCard.read(tmp_path / "out/shard-0.json").scans[0]
    assert first.mask_voxels == (mask > 0).sum()
    assert first.mask_voxels_cropped == 0


def test_small_volumes_of_scans_of_many_sizes_have_one_shape(tmp_path: Path) -> None:
    prepare(**own_sizes(tmp_path))
    small = np.load(tmp_path / "out/shard-0-small.npy")
    assert small.shape == (3, 56, 56, 56)
    assert all(len(np.unique(one)) > 10 for one in small)


def test_beyond_a_scan_there_is_no_signal(tmp_path: Path) -> None:
    prepare(**own_sizes(tmp_path))
    path = tmp_path / "out/shard-0.json"
    scan = scan_of(path, ShardCard.read(path).scans[1])
    whole, mask = scan.volume(), scan.mask()
    inside = scan.part([(2, 5), (0, scan.shape[1]), (3, 4)])
    np.testing.assert_array_equal(inside.volume(), whole[:, 2:5, :, 3:4])
    np.testing.assert_array_equal(inside.mask(), mask[2:5, :, 3:4])
    np.testing.assert_allclose(
        inside.affine, scan.affine @ nib.affines.from_matvec(np.eye(3), (2, 0, 3))
    )
    far = scan.part([(-3, 4), (-900, -890), (0, 2)])
    assert (far.volume() == np.float16(scan.intensities[0].air)).all()
    assert not far.mask().any()
    over = scan.part([(-3, scan.shape[0] + 2), (0, scan.shape[1]), (0, scan.shape[2])])
    np.testing.assert_array_equal(over.volume()[:, 3:-2], whole)
    assert (over.volume()[:, :3] == np.float16(scan.intensities[0].air)).all()


@pytest.mark.parametrize("name", ["shard-0.npy", "shard-0-mask.npy"])
@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damage_to_scans_of_many_sizes_is_refused(tmp_path: Path, name: str, damage: str) -> None:
    prepare(**own_sizes(tmp_path))
    path = tmp_path / "out" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content if damage == "flip" else content[:-1])
    card = tmp_path / "out/shard-0.json"
    scans = [scan_of(card, entry) for entry in ShardCard.read(card).scans]
    for scan in scans[:2]:
        scan.volume(), scan.mask()
    with pytest.raises(UserError, match=f"{name}: is damaged"):
        scans[2].volume(), scans[2].mask()


def test_same_bytes_twice_and_one_scan_does_not_touch_another(tmp_path: Path) -> None:
    prepare(**shard(tmp_path / "a"))
    prepare(**shard(tmp_path / "b"))
    prepare(**shard(tmp_path / "c", range(1, 3)))
    a, b, c = (tmp_path / name / "out" for name in "abc")
    for name in ("shard-0.npy", "shard-0-mask.npy", "shard-0-small.npy", "shard-0.json"):
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
    assert ShardCard.read(tmp_path / "out/shard-0.json").scans == ()


def test_rejected_scans_are_left_out_unless_accepted(tmp_path: Path) -> None:
    job = shard(tmp_path)
    job["checked"] = checked(job["scans"], tmp_path / "data", {"1": "mask-values"})

    def subjects(**changes: object) -> list[str]:
        prepare(**job | changes)
        card = ShardCard.read(tmp_path / "out/shard-0.json")
        return [scan.subject for scan in card.scans]

    assert subjects() == ["0", "2"]
    assert subjects(accept=[Accepted(subject="1", session=None)]) == ["0", "1", "2"]
    assert subjects(accept=[Accepted(subject="1", session="1")]) == ["0", "1", "2"]
    assert subjects(accept=[Accepted(subject="1", session="2")]) == ["0", "2"]


def test_a_scan_without_mask_and_a_study_without_masks(tmp_path: Path) -> None:
    job = shard(tmp_path)
    job["scans"][0] = replace(job["scans"][0], mask="")
    prepare(**job)
    masks = np.load(tmp_path / "out/shard-0-mask.npy")
    card = ShardCard.read(tmp_path / "out/shard-0.json")
    assert not masks[0].any()
    assert card.scans[0].mask_voxels is None
    prepare(**job | {"classes": {}})
    assert np.load(tmp_path / "out/shard-0-mask.npy").shape == (0, 16, 16, 16)


def test_several_channels_and_a_brain_mask(tmp_path: Path) -> None:
    job = shard(tmp_path)
    scans = [replace(scan, brain_mask=scan.mask) for scan in with_second(job["scans"])]
    prepare(**job | {"scans": scans, "channels": ["T1", "T2"]})
    card = ShardCard.read(tmp_path / "out/shard-0.json")
    volumes = np.load(tmp_path / "out/shard-0.npy").astype(np.float32)
    masks = np.load(tmp_path / "out/shard-0-mask.npy")
    assert volumes.shape == (3, 2, 16, 16, 16)
    np.testing.assert_array_equal(volumes[:, 0], volumes[:, 1])
    inside = volumes[0, 0][masks[0] > 0]
    assert (inside.mean(), inside.std()) == pytest.approx((0, 1), abs=5e-3)
    image = nib.load(tmp_path / "data" / scans[0].mask)
    voxel = abs(np.linalg.det(image.affine[:3, :3])) / 1000
    volume = np.count_nonzero(np.asarray(image.dataobj)) * voxel
    assert card.scans[0].brain_ml == pytest.approx(volume)


def test_a_study_without_steps_is_what_it_was(tmp_path: Path) -> None:
    assert set(Preparation().model_dump()) == {"voxel_size", "window", "normalise"}
    job = shard(tmp_path)
    prepare(**job)
    assert "steps" not in ShardCard.read(job["output"]).model_dump()["scans"][0]
    gather(cards=[job["output"]], passed=job["scans"], output=tmp_path / "tables")
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["masks.csv"]


def test_a_bias_field_is_divided_out_and_told_of(tmp_path: Path) -> None:
    job = shard(tmp_path, range(2), settings=SETTINGS.model_copy(update={"bias": "n4"}))
    path = tmp_path / "data" / job["scans"][1].first
    even = np.asarray(nib.load(path).dataobj)
    field = np.exp(np.linspace(-0.5, 0.5, 18))[:, None, None]
    nib.save(nib.Nifti1Image((even * field).astype(np.float32), PSR), path)
    prepare(**job | {"checked": checked(job["scans"], tmp_path / "data")})
    gather(cards=[job["output"]], passed=job["scans"], output=tmp_path / "tables")
    flat, shaded = read_rows(tmp_path / "tables/steps.csv", StepRow)
    assert shaded.field_low < flat.field_low <= 1 <= flat.field_high < shaded.field_high
    # back to front, the box of the made-up head is as bright as it was
    volume = np.load(tmp_path / "out/shard-0.npy")[1, 0]
    box = volume > volume.mean() + volume.std()
    ends = [np.median(volume[:, y][box[:, y]]) for y in (4, 11)]
    assert abs(ends[0] - ends[1]) < 0.15


def brain_scans(folder: Path, **steps: str) -> dict[str, Any]:
    """Return a job for a head whose brain is the template's, turned, and one without a mask."""
    array, grid = template()
    turn = rotation(np.array([0.2, 0.1, -0.15]))
    scan = Grid((60, 60, 60), nib.affines.from_matvec(np.diag([-4.0, 4, 4]), [126, -110, -70]))
    moved = Grid(grid.shape, nib.affines.from_matvec(turn, [9, 9, 9]) @ grid.affine)
    brain = interpolate(array, moved, scan, 0)
    skull = 0.6 * np.random.default_rng(0).random(scan.shape)
    head = np.where(brain > 0.1, brain, skull)
    (folder / "data").mkdir(parents=True)
    mask = np.zeros(scan.shape, np.uint8)
    mask[24:34, 24:34, 24:30] = 1
    named = {"head": 1000 * head, "brain": brain > 0.1, "mask": mask}
    for name, values in named.items():
        image = nib.Nifti1Image(values.astype(np.int16), scan.affine)
        nib.save(image, folder / f"data/{name}.nii.gz")
    scans = [
        ScanFiles(str(n), "1", {"T1": "head.nii.gz"}, "mask.nii.gz", brain)
        for n, brain in enumerate(["brain.nii.gz", ""])
    ]
    settings = Preparation(voxel_size=(4.0, 4.0, 4.0), window=(48, 56, 48), **steps)
    return shard(folder, range(0)) | {
        "scans": scans,
        "checked": checked(scans, folder / "data"),
        "settings": settings,
        "classes": {"a": (1,)},
    }


def test_what_lies_outside_a_given_brain_is_air_and_the_window_lies_about_it(
    tmp_path: Path,
) -> None:
    job = brain_scans(tmp_path, brain="given")
    prepare(**job)
    card = ShardCard.read(job["output"])
    assert [scan.subject for scan in card.refused] == ["1"]
    assert "no brain mask" in card.refused[0].detail
    (scan,) = card.scans
    volume = np.load(tmp_path / "out/shard-0.npy")[0, 0].astype(float)
    inside = volume != volume[0, 0, 0]
    assert volume[inside].mean() == pytest.approx(0, abs=0.01)
    assert volume[inside].std() == pytest.approx(1, abs=0.01)
    sides = [np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    for side, length in zip(sides, inside.shape, strict=True):
        assert abs(side[0] + side[-1] + 1 - length) <= 1
    assert scan.steps.brain_cut == 0
    assert inside.sum() * 0.064 == pytest.approx(scan.brain_ml, rel=0.01)


def test_a_scan_is_brought_onto_the_template_and_its_mask_back(tmp_path: Path) -> None:
    job = brain_scans(tmp_path, brain="given", space="affine")
    prepare(**job)
    card = ShardCard.read(job["output"])
    assert "MNI152" in card.template
    (scan,) = card.scans
    # in the template's space the prepared brain is the template's
    array, grid = template()
    place = np.array(scan.to_template) @ np.array(scan.affine)
    own = interpolate(array, grid, Grid(scan.shape[1:], place), 0)
    volume = np.load(tmp_path / "out/shard-0.npy")[0, 0].astype(np.float64)
    assert np.corrcoef(volume[own > 0.1], own[own > 0.1])[0, 1] > 0.95
    np.testing.assert_allclose(np.diag(place)[:3], 4, atol=1e-9)
    back = scan_of(job["output"], scan)
    shares = np.stack([back.mask() == value for value in (0, 1)]).astype(np.float32)
    mask = decide_mask(shares, back.grid, back.source)
    raw = np.asarray(nib.load(tmp_path / "data/mask.nii.gz").dataobj)
    dice = 2 * np.count_nonzero(mask & raw) / (np.count_nonzero(mask) + np.count_nonzero(raw))
    assert dice > 0.9
    gather(cards=[job["output"]], passed=job["scans"][:1], output=tmp_path / "tables")
    (row,) = read_rows(tmp_path / "tables/steps.csv", StepRow)
    assert row.rotation == pytest.approx(np.degrees(np.linalg.norm([0.2, 0.1, 0.15])), abs=2)
    assert row.overlap > 0.95


def save_cube(data: Path, name: str) -> None:
    """Write a brain mask that is no brain, on the grid of the one that is."""
    cube = np.zeros((60, 60, 60), np.int16)
    cube[20:40, 20:40, 20:40] = 1
    affine = nib.load(data / "brain.nii.gz").affine
    nib.save(nib.Nifti1Image(cube, affine), data / name)


def test_a_failed_registration_is_refused_unless_it_is_accepted(tmp_path: Path) -> None:
    job = brain_scans(tmp_path, brain="given", space="rigid")
    save_cube(tmp_path / "data", "brain.nii.gz")
    prepare(**job | {"scans": job["scans"][:1]})
    (refused,) = ShardCard.read(job["output"]).refused
    assert refused.code == "registration"
    with pytest.raises(UserError, match="does not lie on the template"):
        gather(cards=[job["output"]], passed=job["scans"][:1], output=tmp_path / "tables")
    prepare(**job | {"scans": job["scans"][:1], "accept": [Accepted(code="registration")]})
    assert len(ShardCard.read(job["output"]).scans) == 1


def test_a_scan_without_a_field_is_refused(tmp_path: Path) -> None:
    job = shard(tmp_path, range(1), settings=SETTINGS.model_copy(update={"bias": "n4"}))
    path = tmp_path / "data" / job["scans"][0].first
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) - np.int16(2000), PSR), path)
    prepare(**job | {"checked": checked(job["scans"], tmp_path / "data")})
    (refused,) = ShardCard.read(job["output"]).refused
    assert "no bias field" in refused.detail


def test_channel_on_another_grid(tmp_path: Path) -> None:
    job = shard(tmp_path)
    moved = nib.load(tmp_path / "data/0.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(moved.dataobj), np.eye(4)), tmp_path / "data/t2.nii.gz")
    scans = with_second(job["scans"], *["t2.nii.gz"] * 3)
    with pytest.raises(UserError, match=r"t2.nii.gz: lies on another grid"):
        prepare(**job | {"scans": scans, "channels": ["T1", "T2"]})


def spoilt_brains(tmp_path: Path) -> dict[str, Any]:
    """Give six scans brain masks: good, one voxel, one voxel thin, flat inside, negative, 256."""
    job = shard(tmp_path, range(6))
    job["scans"] = [replace(s, brain_mask=f"{s.subject}-brain.nii.gz") for s in job["scans"]]
    for n in range(6):
        brain = np.zeros((18, 20, 14), np.int16)
        brain[4:12, 5:13, 3:9] = 1
        if n in (1, 2):
            brain[:] = 0
            brain[8, 8, 6] = n - 1  # nothing, and one voxel
        if n == 3:
            image = nib.load(tmp_path / "data/3.nii.gz")
            array = np.asarray(image.dataobj).copy()
            array[2:16, 3:17, 1:13] = 70
            nib.save(nib.Nifti1Image(array, PSR), tmp_path / "data/3.nii.gz")
            brain[:] = 0
            brain[5:13, 6:14, 4:10] = 1
        brain = [brain, brain, brain, brain, 2 * brain - 1, 256 * brain][n]
        nib.save(nib.Nifti1Image(brain, PSR), tmp_path / f"data/{n}-brain.nii.gz")
    return job | {
        "checked": checked(job["scans"], tmp_path / "data"),
        "settings": Preparation(voxel_size=(4.0, 4.0, 4.0), window=(10, 10, 8)),
    }


def test_scans_that_come_to_nothing_are_refused_and_the_others_prepared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = spoilt_brains(tmp_path)
    prepare(**job)
    card = ShardCard.read(tmp_path / "out/shard-0.json")
    volumes = np.load(tmp_path / "out/shard-0.npy")
    masks = np.load(tmp_path / "out/shard-0-mask.npy")
    refused = {scan.subject: scan.detail for scan in card.refused}
    assert [scan.subject for scan in card.scans] == ["0", "4", "5"]
    assert [*refused] == ["1", "2", "3"]
    assert not any(str(tmp_path) in detail for detail in refused.values())
    assert "1-brain.nii.gz: nothing is left of this brain mask" in refused["1"]
    assert "has one value," in refused["2"]
    assert "has one value, 70," in refused["3"]
    assert volumes.shape == (3, 1, 10, 10, 8)
    assert len(masks) == len(np.load(tmp_path / "out/shard-0-small.npy")) == 3
    assert np.isfinite(volumes).all()
    # -1 is no brain, and 256 is: both as 1
    again = shard(tmp_path / "plain", range(6)) | {"scans": job["scans"]}
    for n in range(6):
        good = nib.load(tmp_path / "data/0-brain.nii.gz")
        nib.save(good, tmp_path / f"plain/data/{n}-brain.nii.gz")
    prepare(**again | {"settings": job["settings"]})
    np.testing.assert_array_equal(volumes, np.load(tmp_path / "plain/out/shard-0.npy")[[0, 4, 5]])

    cards, passed = [job["output"]], job["scans"]
    with pytest.raises(UserError, match=r"3 scans that passed .* subject '1'.*check\.exclude"):
        gather(cards=cards, passed=passed, output=tmp_path)
    capsys.readouterr()
    left = [row for row in passed if row.subject in ("0", "4", "5")]
    gather(cards=cards, passed=left, output=tmp_path)


def test_shards_of_a_run_with_more_of_them_go(tmp_path: Path) -> None:
    """The cohort is what lies in the folder: an old shard's scans would be learnt from."""
    job = shard(tmp_path, range(2))
    prepare(**job)
    folder = job["output"].parent
    left = {path.name for path in folder.iterdir()}
    for old in ("shard-1.json", "shard-1.npy", "shard-10-mask.npy", "shard-10-small.npy"):
        (folder / old).touch()
    gather(cards=[job["output"]], passed=job["scans"], output=folder)
    assert {path.name for path in folder.iterdir()} == {*left, "masks.csv"}


def test_a_constant_scan_is_prepared_only_where_it_came_so(tmp_path: Path) -> None:
    job = shard(tmp_path, range(2))
    flat = nib.Nifti1Image(np.full((18, 20, 14), 7, np.int16), PSR)
    nib.save(flat, tmp_path / "data/0.nii.gz")
    tiny = nib.load(tmp_path / "data/1.nii.gz")
    small = nib.Nifti1Image(np.asarray(tiny.dataobj), PSR @ np.diag([0.001, 0.001, 0.001, 1]))
    for name in ("1", "1-mask"):
        nib.save(small, tmp_path / f"data/{name}.nii.gz")
    job["checked"] = checked(job["scans"], tmp_path / "data", {"0": "constant"})
    prepare(**job | {"accept": [Accepted(code="constant")]})
    card = ShardCard.read(tmp_path / "out/shard-0.json")
    assert [scan.subject for scan in card.scans] == ["0"]
    assert "one value" in card.refused[0].detail
    assert not np.load(tmp_path / "out/shard-0.npy").any()


def test_a_grid_beyond_any_memory_is_refused_before_it_is_made(tmp_path: Path) -> None:
    job = shard(tmp_path, range(2))
    for name in ("1", "1-mask"):
        image = nib.load(tmp_path / f"data/{name}.nii.gz")
        huge = nib.Nifti1Image(np.asarray(image.dataobj), PSR @ np.diag([1000, 1000, 1000, 1]))
        nib.save(huge, tmp_path / f"data/{name}.nii.gz")
    job["checked"] = checked(job["scans"], tmp_path / "data")
    prepare(**job)
    card = ShardCard.read(tmp_path / "out/shard-0.json")
    assert [scan.subject for scan in card.scans] == ["0"]
    assert "would be 5e+12 voxels" in card.refused[0].detail


def test_classes_that_vanish_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def masks(voxels: dict[str, int]) -> list[MaskRow]:
        job = shard(tmp_path, range(3))
        for subject, count in voxels.items():
            mask = np.zeros((18, 20, 14), np.uint8)
            mask[6:10, 7:12, 4:9] = 1
            mask[0, 0, :count] = 2  # the window cuts it off
            nib.save(nib.Nifti1Image(mask, PSR), tmp_path / f"data/{subject}-mask.nii.gz")
        narrow = Preparation(voxel_size=(4.0, 4.0, 4.0), window=(6, 6, 4))
        prepare(**job | {"settings": narrow})
        gather(cards=[job["output"]], passed=job["scans"], output=tmp_path)
        return read_rows(tmp_path / "masks.csv", MaskRow)

    with pytest.raises(UserError, match="left of the class 'b' in any of the 2 masks"):
        masks({"0": 1, "1": 1, "2": 0})
    (tmp_path / "data/0-mask.nii.gz").unlink()
    rows = masks({"1": 1, "2": 0})  # all of subject 0's is there
    assert [(row.subject, row.mask_class, row.lost) for row in rows] == [
        ("0", "a", False), ("0", "b", False), ("1", "a", False), ("1", "b", True),
        ("2", "a", False), ("2", "b", False),
    ]  # fmt: skip
    assert (rows[3].scan_ml, rows[3].prepared_ml) == (pytest.approx(0.008), 0)
    said = capsys.readouterr().err
    assert "warning: 1 session 1: nothing is left of 'b' (0.008 ml)" in said
    assert "1 mask lost a class, e.g. 'b' of subject 1" in said


def test_one_wild_voxel_does_not_decide_what_is_padded(tmp_path: Path) -> None:
    wide = Preparation(voxel_size=(2.0, 2.0, 2.0), window=(32, 32, 32))
    corners = []
    for wild in (0, -32768):
        job = shard(tmp_path / str(wild), range(1))
        path = tmp_path / str(wild) / "data/0.nii.gz"
        array = np.asarray(nib.load(path).dataobj).copy()
        array[0, 0, 0] = wild
        nib.save(nib.Nifti1Image(array, PSR), path)
        job["checked"] = checked(job["scans"], job["data"])
        prepare(**job | {"settings": wide.model_copy(update={"normalise": "percentile"})})
        volume = np.load(tmp_path / str(wild) / "out/shard-0.npy")[0, 0]
        corners.append(float(volume[0, 0, 0]))
    assert corners[0] == pytest.approx(corners[1], abs=0.01)


@pytest.mark.parametrize("step", [{}, {"bias": "n4"}])
@pytest.mark.parametrize("count", [1, 8])
def test_wild_voxels_change_nothing_but_themselves(
    tmp_path: Path, count: int, step: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    volumes = []
    for wild in (None, 1e6):
        job = shard(tmp_path / str(wild), range(1))
        path = job["data"] / "0.nii.gz"
        rng = np.random.default_rng(0)
        array = rng.rayleigh(10, (48, 48, 48)).astype(np.float32)
        array[8:40, 8:40, 8:40] += rng.choice([200, 300, 400], (32, 32, 32))
        if wild:
            array[6:38:4, 24, 24][:count] = wild
        nib.save(nib.Nifti1Image(array, PSR), path)
        changes = {"window": (40, 40, 40)} | step
        job |= {"checked": checked(job["scans"], job["data"]), "classes": {}}
        prepare(**job | {"settings": SETTINGS.model_copy(update=changes)})
        volumes.append(np.load(job["output"].with_suffix(".npy"))[0, 0].astype(np.float32))
    plain, spoilt = volumes
    changed = np.abs(spoilt - plain) > 0.01  # standard deviations
    assert changed.sum() <= count
    assert np.abs(spoilt).max() < 20
    assert f"warning: 0 session 1: {count} wild voxel" in capsys.readouterr().err


def test_a_window_lies_about_a_head_that_is_not_in_the_middle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = shard(tmp_path, range(1))
    array = np.zeros((40, 50, 44), np.int16)
    array[2:34, 18:50, 4:38] = 300 + np.arange(34)
    mask = (array > 0).astype(np.uint8)
    for name, values in (("0", array), ("0-mask", mask)):
        affine = np.diag([5.0, 5, 5, 1])
        nib.save(nib.Nifti1Image(values, affine), job["data"] / f"{name}.nii.gz")
    job |= {"checked": checked(job["scans"], job["data"]), "classes": {"a": (1,)}}
    settings = SETTINGS.model_copy(update={"voxel_size": (5.0, 5.0, 5.0), "window": (34, 34, 36)})
    prepare(**job | {"settings": settings})
    (scan,) = ShardCard.read(job["output"]).scans
    assert scan.mask_voxels_cropped == 0
    # the head's middle is the window's, but along y the scan ends first
    np.testing.assert_allclose(np.array(scan.affine)[:3, 3], [5 * 1, 5 * 16, 5 * 3])
    assert "cuts off" not in capsys.readouterr().err
    prepare(**job | {"settings": settings.model_copy(update={"window": (24, 34, 36)})})
    assert "the window cuts off 20 mm of the head" in capsys.readouterr().err


def test_a_scan_that_cuts_its_brain_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = brain_scans(tmp_path, brain="given")
    for name in ("head", "brain", "mask"):
        image = nib.load(tmp_path / f"data/{name}.nii.gz")
        nib.save(image.slicer[:, :, :40], tmp_path / f"data/{name}.nii.gz")
    scans = job["scans"][:1]
    prepare(**job | {"scans": scans, "checked": checked(scans, tmp_path / "data")})
    (scan,) = ShardCard.read(job["output"]).scans
    said = f"the scan itself cuts its brain, of which {scan.steps.brain_at_edge} voxels"
    assert said in capsys.readouterr().err


def test_brains_are_drawn_for_a_person_to_judge(tmp_path: Path) -> None:
    job = brain_scans(tmp_path, brain="given", space="affine")
    prepare(**job)
    passed = job["scans"][:1]
    gather(cards=[job["output"]], passed=passed, output=tmp_path / "out")
    kept = Kept()
    rows = read_rows(tmp_path / "out/steps.csv", StepRow)
    planes = np.load(tmp_path / "out/shard-0-planes.npy")
    draw_preparation(kept, rows, {rows[0].key: planes[0]}, study="s", scans=1)
    (page,) = kept.pages
    pictures = [axes for axes in page.findobj(Axes) if axes.images]
    assert len(pictures) == 3
    words = " ".join(text.get_text() for text in page.findobj(Text))
    assert f"brain {rows[0].brain_ml:.0f} ml" in words
    assert f"overlap {rows[0].overlap:.2f} (Dice)" in words
    assert f"turned {rows[0].rotation:.0f}°" in words
    # two outlines, each on a dark rim
    assert all(len(axes.collections) == 4 for axes in pictures)


def test_refused_scans_are_drawn_first_with_their_reason(tmp_path: Path) -> None:
    """What a person may accept is decided by eye, so the page is there when the stage stops."""
    job = brain_scans(tmp_path, brain="given", space="rigid")
    save_cube(tmp_path / "data", "cube.nii.gz")
    good, _ = job["scans"]
    bad = replace(good, subject="bad", brain_mask="cube.nii.gz")
    scans = [good, bad, replace(bad, subject="excluded")]
    prepare(**job | {"scans": scans, "checked": checked(scans, tmp_path / "data")})
    refused = ShardCard.read(job["output"]).refused
    planes = np.load(tmp_path / "out/shard-0-planes.npy")
    assert [one.index for one in refused] == [1, 2]
    assert len(planes) == 3
    assert (planes[1][:, 1] > 0).any()
    write_rows(tmp_path / "passed.csv", OfScan, [OfScan(*one.key) for one in scans[:2]])
    command = ["gather", "--cards", str(job["output"]), "--passed", str(tmp_path / "passed.csv")]
    page = tmp_path / "out/refused.pdf"
    assert main([*command, "--output", str(tmp_path / "out")]) == 2
    assert page.read_bytes().startswith(b"%PDF")
    drawn = page.with_suffix(".svg").read_text()
    assert drawn.count("refused: registration") == 1
    assert "does not lie on the template" in drawn
    assert drawn.index("refused: registration") < drawn.index("(Dice)")
    write_rows(tmp_path / "passed.csv", OfScan, [OfScan(*good.key)])
    assert main([*command, "--output", str(tmp_path / "out")]) == 0
    assert not page.exists()
    # who was left out is in no figure of the cohort
    page = tmp_path / "preparation.pdf"
    of_cohort = ["--steps", tmp_path / "out/steps.csv", "--prepared", tmp_path / "out"]
    of_cohort += ["--passed", tmp_path / "passed.csv", "--output", page, "--settings"]
    settings = '{"study": "small", "units": {}, "classes": {}}'
    assert main([*map(str, ["plot", "--kind", "preparation", *of_cohort]), settings]) == 0
    assert "(Dice)" in page.with_suffix(".svg").read_text()
    assert "refused" not in page.with_suffix(".svg").read_text()


def test_brains_that_are_no_longer_asked_for_are_not_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = spoilt_brains(tmp_path)
    prepare(**job)
    planes_of(job["output"]).touch()  # of a preparation before
    write_rows(tmp_path / "passed.csv", OfScan, [OfScan(*one.key) for one in job["scans"]])
    command = ["gather", "--cards", str(job["output"]), "--passed", str(tmp_path / "passed.csv")]
    capsys.readouterr()
    assert main([*command, "--output", str(tmp_path / "out")]) == 2
    assert "3 scans that passed the check can't be prepared" in capsys.readouterr().err
    assert not (tmp_path / "out/refused.pdf").exists()


def test_masks_and_channels_in_another_order_of_voxels_give_the_same(tmp_path: Path) -> None:
    job = shard(tmp_path, range(2))
    both = job | {"channels": ["T1", "T2"]}
    prepare(**both | {"scans": with_second(job["scans"])})
    plain = [np.load(tmp_path / f"out/shard-0{kind}.npy") for kind in ("", "-mask")]
    for n in range(2):
        image = nib.load(tmp_path / f"data/{n}.nii.gz")
        nib.save(nib.as_closest_canonical(image), tmp_path / f"data/{n}-T2.nii.gz")
        mask = nib.load(tmp_path / f"data/{n}-mask.nii.gz")
        cut = mask.slicer[5:14, 6:, 2:-2] if n else mask
        nib.save(nib.as_closest_canonical(cut), tmp_path / f"data/{n}-mask.nii.gz")
    prepare(**both | {"scans": with_second(job["scans"], "0-T2.nii.gz", "1-T2.nii.gz")})
    for kind, before in zip(("", "-mask"), plain, strict=True):
        np.testing.assert_array_equal(np.load(tmp_path / f"out/shard-0{kind}.npy"), before)


def test_a_mask_half_a_voxel_beside_its_scan_counts_voxel_by_voxel(tmp_path: Path) -> None:
    job = shard(tmp_path, range(1))
    prepare(**job)
    before = np.load(tmp_path / "out/shard-0-mask.npy")
    mask = nib.load(tmp_path / "data/0-mask.nii.gz")
    beside = PSR.copy()
    beside[:3, 3] += (1, -1, 1)
    nib.save(nib.Nifti1Image(np.asarray(mask.dataobj), beside), tmp_path / "data/0-mask.nii.gz")
    job["checked"] = checked(job["scans"], tmp_path / "data", {"0": "mask-offset"})
    prepare(**job | {"accept": [Accepted(code="mask-offset")]})
    np.testing.assert_array_equal(np.load(tmp_path / "out/shard-0-mask.npy"), before)


def test_mask_values_of_any_size_are_classes_or_background(tmp_path: Path) -> None:
    job = shard(tmp_path, range(1))
    plain = nib.load(tmp_path / "data/0-mask.nii.gz")
    prepare(**job)
    before = np.load(tmp_path / "out/shard-0-mask.npy")
    values = np.array([-1, 1026, 2026], np.int16)[np.asarray(plain.dataobj)]
    values[0, 0, :3] = 257, 2, 256
    nib.save(nib.Nifti1Image(values, PSR), tmp_path / "data/0-mask.nii.gz")
    prepare(**job | {"classes": {"a": (1026,), "b": (2026,)}})
    np.testing.assert_array_equal(np.load(tmp_path / "out/shard-0-mask.npy"), before)


def test_cropped_mask_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = shard(tmp_path, range(1))
    write_scan(tmp_path / "data", "0", lesion=1)
    prepare(**job)
    (scan,) = ShardCard.read(tmp_path / "out/shard-0.json").scans
    assert scan.mask_voxels_cropped > 0
    assert "warning: 0 session 1: the window cuts off" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:900]), "compressed data end too early"),
        (lambda path: path.unlink(), "is not there"),
        (
            lambda path: nib.save(nib.Nifti1Image(np.ones((9, 9, 9)), PSR), path),
            "type the same command again",
        ),
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
    write_rows(tmp_path / "scans.csv", ScanFiles, job["scans"])
    write_rows(tmp_path / "checked.csv", CheckRow, job["checked"])
    section = {"voxel_size": [2, 2, 2], "window": [16, 16, 16], "normalise": "zscore"}
    slice_ = {"prepare": section, "channels": ["T1"], "classes": [[1, "a"], [2, "b"]], "accept": []}
    words = {
        "--settings": json.dumps(slice_),
        "--scans": tmp_path / "scans.csv",
        "--checked": tmp_path / "checked.csv",
        "--data": tmp_path / "data",
        "--output": tmp_path / "study/prepare/shard-0.json",
    }
    assert main(["prepare", *(str(w) for pair in words.items() for w in pair)]) == 0
    assert np.load(tmp_path / "study/prepare/shard-0-mask.npy").shape == (3, 16, 16, 16)


@pytest.mark.parametrize("how", ["header", "rigid"])
def test_a_channel_on_its_own_grid_comes_onto_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """In one interpolation; and where the head has moved since, by registration."""
    (tmp_path / "data").mkdir()
    grid, moved = slices("LAS"), motion((0, 0, 0), (6, -4, 0))
    for name, array, affine in (
        ("T1", head(), GRID.affine),
        ("FLAIR", channel(moved, grid), grid.affine),
        ("still", channel(np.eye(4), grid), grid.affine),
    ):
        nib.save(nib.Nifti1Image(array.astype(np.float32), affine), tmp_path / f"data/{name}.nii")
    volumes = {}
    for name in ("FLAIR", "still"):
        scans = [ScanFiles("1", "1", {"T1": "T1.nii", "FLAIR": f"{name}.nii"}, "", "")]
        job = {
            "scans": scans,
            "checked": checked(scans, tmp_path / "data"),
            "data": tmp_path / "data",
            "output": tmp_path / name / "shard-0.json",
            "settings": Preparation(
                voxel_size=(4.0, 4.0, 4.0),
                window=(40, 46, 40),
                align={"FLAIR": how if name == "FLAIR" else "header"},
            ),
            "channels": ["T1", "FLAIR"],
            "classes": {},
        }
        prepare(**job)
        volumes[name] = np.load(tmp_path / name / "shard-0.npy")[0].astype(np.float32)
        if name == "FLAIR":
            gather(cards=[job["output"]], passed=scans, output=tmp_path / "tables")
    np.testing.assert_array_equal(volumes["FLAIR"][0], volumes["still"][0])
    inside = volumes["still"][0] > 0
    likeness = np.corrcoef(volumes["FLAIR"][1][inside], volumes["still"][1][inside])[0, 1]
    (row,) = read_rows(tmp_path / "tables/steps.csv", StepRow)
    kept, card = Kept(), ShardCard.read(tmp_path / "FLAIR/shard-0.json")
    scans = {row.key: scan_of(tmp_path / "FLAIR/shard-0.json", card.scans[0])}
    draw_channels(kept, [row], scans, {"T1": 0, "FLAIR": 1}, study="s")
    (page,) = kept.pages
    assert len([axes for axes in page.findobj(Axes) if axes.images]) == 4
    words = [text.get_text() for text in page.findobj(Text)]
    assert f"moved {row.moved:.1f} mm; {100 * row.covered:.0f} % of the head covered" in words
    assert row.covered > 0.95
    nothing = replace(row, moved=None, covered=None, distance=0.0, farthest="")
    without = {row.key: scans[row.key].without([1])}
    draw_channels(kept, [nothing], without, {"T1": 0, "FLAIR": 1}, study="s")
    page = kept.pages[1]
    assert len([axes for axes in page.findobj(Axes) if axes.images]) == 2
    assert {"T1", "FLAIR", "missing"} < {text.get_text() for text in page.findobj(Text)}
    if how == "rigid":
        assert likeness > 0.9
        assert row.moved == pytest.approx(np.hypot(6, 4), abs=1)
        assert "was moved by 7" in capsys.readouterr().err
    else:
        assert likeness < 0.7
        assert row.moved == 0


@pytest.mark.parametrize(("away", "covered"), [(0, 1.0), (60, 0.79), (900, 0.0)])
def test_a_channel_that_shows_little_of_the_head_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], away: float, covered: float
) -> None:
    (tmp_path / "data").mkdir()
    place = GRID.affine.copy()
    place[1, 3] += away
    for name, affine in (("T1", GRID.affine), ("FLAIR", place)):
        nib.save(nib.Nifti1Image(head(), affine), tmp_path / f"data/{name}.nii")
    scans = [ScanFiles("1", "1", {"T1": "T1.nii", "FLAIR": "FLAIR.nii"}, "", "")]
    prepare(
        scans=scans,
        checked=checked(scans, tmp_path / "data"),
        data=tmp_path / "data",
        output=tmp_path / "out/shard-0.json",
        settings=Preparation(
            voxel_size=(4.0, 4.0, 4.0), window=(40, 46, 40), align={"FLAIR": "header"}
        ),
        channels=["T1", "FLAIR"],
        classes={},
    )
    card = ShardCard.read(tmp_path / "out/shard-0.json")
    said = capsys.readouterr().err
    if not covered:
        (refused,) = card.refused
        assert "shows nothing of the head" in refused.detail
    else:
        assert card.scans[0].steps.covered == pytest.approx(covered, abs=0.03)
        assert ("of the head alone" in said) == (covered < 0.9)

"""Large scans: how many times its own memory (as float32) is taken to answer for one."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np
import pytest
from prepared_shards import write_shard

from headstart.cohort.answer_file import AnswerFile
from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.imaging.prepare import prepare_scan
from headstart.imaging.rician import corrected
from headstart.imaging.scan_rows import ScanFiles
from headstart.imaging.slabs import Slabs
from headstart.tasks import blind_spot
from headstart.tasks.denoising import Denoising
from headstart.tasks.denoising import noise_of
from headstart.tasks.segmentation import Segmentation

SHAPE = (240, 48, 48)
TURNED = np.diag([-0.8, 0.8, -0.8, 1])
FILES = [ScanFiles("s", "1", {"T1": "s.nii"}, "", "")]
Made = TypeVar("Made")


def peak(make: Callable[[], Made]) -> tuple[Made, float]:
    """Make something; return it, and the most memory that it took, in scans."""
    tracemalloc.start()
    made = make()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return made, most / (4 * np.prod(SHAPE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    places = np.indices(SHAPE).transpose(1, 2, 3, 0) - np.array(SHAPE) / 2
    head = np.where(np.linalg.norm(places / [5, 1, 1], axis=3) < 15, 300, 0)
    noisy = np.hypot(head + random.normal(0, 20, SHAPE), random.normal(0, 20, SHAPE))
    nib.save(nib.Nifti1Image(noisy.astype(np.float32), TURNED), tmp_path / "s.nii")
    return tmp_path


@pytest.mark.parametrize("normalise", ["percentile", "none"])
def test_prepared(folder: Path, normalise: str) -> None:
    own = Preparation(voxel_size="own", window="own", normalise=normalise)
    of_scan = {"data": folder, "settings": own, "checked": "", "classes": {}}
    prepared, most = peak(lambda: prepare_scan(FILES[0], **of_scan))
    assert most < 2.6
    raw = nib.load(folder / "s.nii").get_fdata()[::-1, :, ::-1]
    made = prepared.intensities[0].restored(prepared.volume[0])
    np.testing.assert_allclose(made, raw, atol=0.3)


def test_answered_by_slabs_as_at_once(folder: Path) -> None:
    card, grid = folder / "shard-0.json", Grid(SHAPE, TURNED)
    stored = nib.load(folder / "s.nii").get_fdata(dtype=np.float32)[::-1, :, ::-1]
    write_shard(
        card,
        [("s", "1")],
        np.ascontiguousarray(stored[None, None], np.float16),
        np.zeros((1, *SHAPE), np.uint8),
        prepare=Preparation(voxel_size="own", window="own"),
        affine=grid.canonical().affine,
        source=grid,
    )
    scan = scan_of(card, ShardCard.read(card).scans[0])
    prediction = scan.volume().astype(np.float32) * np.float32(0.9)
    task, file = Denoising(), AnswerFile(scan, folder, "answer.nii", {})
    _, most = peak(lambda: task.answer(Slabs.of(prediction), file))
    assert most < 2.5
    noise, told = noise_of(scan), scan.intensities[0].restored(prediction[0])
    expected = corrected(blind_spot.put_back(scan.signal(), told, noise), noise)
    answered = nib.load(folder / "answer.nii").get_fdata(dtype=np.float32)
    np.testing.assert_array_equal(answered, expected[::-1, :, ::-1])


def test_a_mask_is_judged_in_the_memory_that_is_planned(folder: Path) -> None:
    signal = nib.load(folder / "s.nii").get_fdata()
    mask = (signal > 150).astype(np.uint8)
    nib.save(nib.Nifti1Image(mask.astype(np.float64), TURNED), folder / "mask.nii")
    card, grid = folder / "shard-0.json", Grid(SHAPE, TURNED)
    write_shard(
        card,
        [("s", "1")],
        np.zeros((1, 1, *SHAPE), np.float16),
        np.zeros((1, *SHAPE), np.uint8),
        prepare=Preparation(voxel_size="own", window="own"),
        affine=grid.canonical().affine,
        source=grid,
    )
    scan = replace(scan_of(card, ShardCard.read(card).scans[0]), target="mask.nii")
    told = np.stack([mask == value for value in (0, 1)]).astype(np.float32)[:, ::-1, :, ::-1]
    task, file = Segmentation(("a",)), AnswerFile(scan, folder, "answer.nii", {"a": (1,)})
    task.answer_held_out(Slabs.of(told), file, folder)  # imports what judges
    cells, most = peak(lambda: task.answer_held_out(Slabs.of(told), file, folder))
    assert cells["dice_a"] == 1
    # of so small a scan, surfaces take some, too
    assert 4 * most < Segmentation.held_out_bytes + 1

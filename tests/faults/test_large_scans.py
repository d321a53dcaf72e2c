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
from scipy import ndimage

from headstart.cohort.answer_file import AnswerFile
from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.imaging import slabs
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.imaging.prepare import prepare_scan
from headstart.imaging.rician import corrected
from headstart.imaging.scan_rows import ScanFiles
from headstart.imaging.slabs import Slabs
from headstart.tasks import blind_spot
from headstart.tasks.denoising import Denoising
from headstart.tasks.denoising import noise_of
from headstart.tasks.image_quality import NoisyImage
from headstart.tasks.image_quality import similarity
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


def noisy_scan(folder: Path, *, reference: bool) -> Scan:
    """Prepare the scan, with one without noise if asked for."""
    card, grid = folder / "shard-0.json", Grid(SHAPE, TURNED)
    noisy = nib.load(folder / "s.nii").get_fdata(dtype=np.float32)[::-1, :, ::-1]
    images = [noisy, np.where(noisy > 150, np.float32(300), 0)][: 1 + reference]
    write_shard(
        card,
        [("s", "1")],
        np.ascontiguousarray([images], np.float16),
        np.zeros((1, *SHAPE), np.uint8),
        prepare=Preparation(voxel_size="own", window="own"),
        affine=grid.canonical().affine,
        source=grid,
    )
    return scan_of(card, ShardCard.read(card).scans[0], has_reference=reference)


def test_answered_by_slabs_as_at_once(folder: Path) -> None:
    scan = noisy_scan(folder, reference=False)
    prediction = scan.volume().astype(np.float32) * np.float32(0.9)
    task, file = Denoising(), AnswerFile(scan, folder, "answer.nii", {})
    _, most = peak(lambda: task.answer(Slabs.of(prediction), file))
    assert most < 2.5
    noise, told = noise_of(scan), scan.intensities[0].restored(prediction[0])
    expected = corrected(blind_spot.put_back(scan.signal(), told, noise), noise)
    answered = nib.load(folder / "answer.nii").get_fdata(dtype=np.float32)
    np.testing.assert_array_equal(answered, expected[::-1, :, ::-1])


@pytest.mark.parametrize("reference", [False, True])
def test_an_image_is_judged_in_the_memory_that_is_planned(folder: Path, reference: bool) -> None:
    scan = noisy_scan(folder, reference=reference)
    told = Slabs.of(scan.volume().astype(np.float32) * np.float32(0.9))
    task, file = Denoising(), AnswerFile(scan, folder, "answer.nii", {})
    task.answer_held_out(told, file, folder)  # imports what judges
    cells, most = peak(lambda: task.answer_held_out(told, file, folder))
    # what is told is in no memory where that is scarce, and in this one's
    assert 4 * most < Denoising.held_out_bytes
    assert np.isfinite(cells["removed"])
    assert np.isfinite(cells["psnr"]) == reference


@pytest.mark.parametrize("reference", [False, True])
def test_an_image_is_judged_by_slabs_as_at_once(
    folder: Path, reference: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = noisy_scan(folder, reference=reference)
    made = Slabs.of(scan.volume().astype(np.float32) * np.float32(0.9))
    found = []
    for planes in (slabs.PLANES, 7, 240):
        monkeypatch.setattr(slabs, "PLANES", planes)
        found.append(NoisyImage.of(scan, 20.0).quality(made))
    inside = NoisyImage.of(scan, 20.0).inside
    removed = (scan.signal() - made.whole()[0])[inside]
    steep = ndimage.gaussian_gradient_magnitude(scan.signal(), 1.0)[inside]
    expected = {
        "edges": np.corrcoef(np.abs(removed), steep)[0, 1],
        "removed": removed.std(dtype=float) / 20,
    }
    if reference:
        alike = similarity(made.whole()[0], scan.reference(), 300.0)
        expected["ssim"] = alike[inside].mean(dtype=float)
        expected["mae"] = np.abs(made.whole()[0] - scan.reference())[inside].mean(dtype=float)
    assert found[0] == pytest.approx(found[1], rel=1e-6, nan_ok=True)
    assert found[0] == pytest.approx(found[2], rel=1e-6, nan_ok=True)
    assert found[0] | expected == pytest.approx(found[0], rel=1e-5, nan_ok=True)


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

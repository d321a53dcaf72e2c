"""Measure what the search for near-duplicates and outliers finds, and how often it is wrong.

HEADSTART_SHARED=../shared PYTHONPATH=workflow:tests python tests/benchmarks/near_duplicates.py

Cohorts: real scans of shared/data, and heads of the demo as they lie and stripped. Each is measured
clean, and again when some subjects come twice under another name and some scans are spoilt.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from prepared_shards import write_small
from rows import frame_of
from scipy import ndimage

from headstart.cohort.comparison import find_near_duplicates
from headstart.cohort.outliers import SimilarityRow
from headstart.cohort.pairs import PairRow
from headstart.cohort.rescans import rescan
from headstart.common.records import read_rows
from headstart.demo import scanner
from headstart.demo import subjects
from headstart.imaging import geometry
from headstart.imaging.small_volumes import small_volume

SEED = 7
DEMO = 60
SPOILT = ("half empty", "noise", "inverted", "bright below")
Small = np.ndarray


def small(array: np.ndarray, affine: np.ndarray, window: tuple[int, ...], edge: float) -> Small:
    """Prepare one scan as the workflow does, and make its small volume."""
    source = geometry.Grid(array.shape, affine)
    canonical = source.canonical()
    resampled = canonical.resampled((edge,) * 3)
    ras = geometry.to_canonical(array, affine).astype(np.float32)
    array = geometry.resample(ras, canonical, resampled)
    prepared = geometry.rescaled(array, *geometry.normalisation(array, "zscore"))
    return small_volume(geometry.crop_or_pad(prepared, window, prepared.min()), (edge,) * 3)


def folder_of(name: str, window: tuple[int, ...], edge: float) -> list[Small]:
    """Read a folder of real scans; nothing where it is absent."""
    root = Path(os.environ.get("HEADSTART_SHARED", "shared"), "data", name)
    scans = []
    for path in sorted(root.glob("*.nii.gz")):
        image = nib.load(path)
        scans.append(small(np.asarray(image.dataobj, np.float32), image.affine, window, edge))
    return scans


def demo(stripped: bool) -> list[Small]:
    """Scan the demo's subjects once each."""
    scans = []
    for number in range(DEMO):
        subject = subjects.draw_subject(SEED, number)
        image, mask, affine = scanner.scan(subject, 1, SEED)
        if stripped:
            brain = ndimage.binary_fill_holes(ndimage.binary_closing(mask > 0, iterations=2))
            image = np.where(brain, image, 0)
        scans.append(small(image.astype(np.float32), affine, (96, 112, 96), 2.0))
    return scans


def spoil(volume: Small, how: str, rng: np.random.Generator) -> Small:
    """Spoil a small volume."""
    spoilt = np.array(volume, np.float32)
    low = spoilt.min()
    if how == "half empty":
        spoilt[:, : spoilt.shape[1] // 2] = low
    elif how == "noise":
        spoilt = rng.random(spoilt.shape, np.float32)
    elif how == "inverted":
        spoilt = np.where(spoilt > low + 0.1, 1.2 - spoilt, low)
    else:
        spoilt[:, :, : spoilt.shape[2] // 4] += 1
    return spoilt.astype(np.float16)


def rows() -> Iterator[dict[str, object]]:
    """Measure each cohort."""
    cohorts = {
        "hippocampus": folder_of("msd_task04_hippocampus/imagesTr", (48, 64, 48), 1.0),
        "IXI": folder_of("ixi10_2mm/nifti", (96, 112, 96), 2.0),
        "demo, as it lies": demo(stripped=False),
        "demo, stripped": demo(stripped=True),
    }
    for name, scans in cohorts.items():
        if not scans:
            continue
        rng = np.random.default_rng(SEED)
        named = {f"s{number:03d}": scan for number, scan in enumerate(scans)}
        yield {"cohort": f"{name}, clean", **measure(named)}
        again = rng.choice(len(scans), max(2, len(scans) // 10), replace=False)
        named |= {f"x{n:03d}": rescan(scans[n], 1000 + int(n)).astype(np.float16) for n in again}
        if len(scans) >= 20:
            named |= {f"b{n:03d}": spoil(scans[n], how, rng) for n, how in enumerate(SPOILT)}
        yield {"cohort": name, **measure(named)}


def measure(named: dict[str, Small]) -> dict[str, object]:
    """Run the stage and count; scans are named by what became of a head, and its number."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        keys = [(subject, "1") for subject in named]
        write_small(folder / "shard-0.json", keys, np.stack(list(named.values())))
        find_near_duplicates(cards=[folder / "shard-0.json"], output=folder)
        pairs = frame_of(read_rows(folder / "pairs.csv", PairRow), PairRow)
        similarity = frame_of(read_rows(folder / "similarity.csv", SimilarityRow), SimilarityRow)
    pairs = pairs[pairs["kind"] == "near-duplicate"]
    same = pairs["subject"].str[1:] == pairs["other_subject"].str[1:]
    # a spoilt scan is still one of its head, but need not be found
    spoilt = (pairs["subject"].str[0] == "b") | (pairs["other_subject"].str[0] == "b")
    right = same & ~spoilt
    certain = pairs["certain"]
    rank = similarity["distance"].rank(ascending=False)
    kind = similarity["subject"].str[0]
    marked = similarity["outlier"]
    return {
        "scans": len(named),
        "planted": sum(subject[0] == "x" for subject in named),
        "beyond doubt": int((right & certain).sum()),
        "doubtful": int((right & ~certain).sum()),
        "spoilt and its head": int((same & spoilt).sum()),
        "false, beyond doubt": int((~same & certain).sum()),
        "false, doubtful": int((~same & ~certain).sum()),
        "ranks of spoilt": " ".join(f"{value:.0f}" for value in sorted(rank[kind == "b"])),
        "spoilt marked": int((marked & (kind == "b")).sum()),
        "again marked": int((marked & (kind == "x")).sum()),
        "clean marked": int((marked & (kind == "s")).sum()),
    }


if __name__ == "__main__":
    print(pd.DataFrame(rows()).to_string(index=False))
